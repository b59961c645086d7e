//! `sealpost transfers`: payloads that arrive in chunks.

use serde_json::{Value, json};

use super::delivery_detail::embedded;
use super::output::{self, Format};
use super::{Exit, monitoring, talk};
use crate::admin::{TransferDetail, TransferView};
use crate::config::Config;
use crate::store::TransferState;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List open transfers, newest first, and recently closed ones.
    ///
    /// `--format json` prints one JSON object per line.
    List(List),
    /// Show a transfer and which chunks were received.
    Show(Show),
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Only open transfers with an ID below this one (next page).
    #[arg(long, value_name = "ID")]
    before: Option<i64>,
    /// Maximum number of open transfers.
    #[arg(long, value_name = "COUNT", default_value_t = 50,
          value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: u32,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// Transfer ID.
    id: i64,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(config: &Config, command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::List(list) => list.run(config),
        Command::Show(show) => show.run(config),
    }
}

impl List {
    fn run(&self, config: &Config) -> anyhow::Result<Exit> {
        monitoring::with(config, async |monitoring, caller| {
            let transfers = monitoring.transfers(caller, self.before, self.limit).await?;
            if let Some(next) = transfers.next {
                talk(&format!("there may be more open transfers: --before {next}"));
            }
            let closed = transfers.closed.into_iter().map(alone);
            let all: Vec<TransferView> = transfers.open.into_iter().chain(closed).collect();
            if all.is_empty() {
                return Ok(Exit::NothingMatched);
            }
            output::print(&match self.format {
                Format::Text => table(&all),
                Format::Json => all.iter().map(|view| output::json(&document(view))).collect(),
            })?;
            Ok(Exit::Ok)
        })
    }
}

impl Show {
    fn run(&self, config: &Config) -> anyhow::Result<Exit> {
        monitoring::with(config, async |monitoring, caller| {
            let detail = monitoring.transfer(caller, self.id).await?;
            output::print(&match self.format {
                Format::Text => page(&detail),
                Format::Json => output::json(&whole(&detail)),
            })?;
            Ok(Exit::Ok)
        })
    }
}

/// A map of received chunks: one mark per chunk, 64 per line.
fn map(view: &TransferView) -> String {
    let mark = |index: u32| if view.there.binary_search(&index).is_ok() { '#' } else { '.' };
    let marks: Vec<char> = (0..view.transfer.total).map(mark).collect();
    marks.chunks(64).map(String::from_iter).collect::<Vec<String>>().join("\n")
}

/// A transfer with its envelope and related transfers.
fn page(detail: &TransferDetail) -> String {
    let view = &detail.view;
    let mut text = format!("{}{}\n", table(std::slice::from_ref(view)), map(view));
    if let Some(envelope) = &detail.envelope {
        let envelope = String::from_utf8_lossy(envelope);
        text.extend(["\nEnvelope ", &output::line(&envelope), "\n"]);
    }
    if !detail.others.is_empty() {
        let others: Vec<TransferView> = detail.others.iter().cloned().map(alone).collect();
        text.extend(["\nRelated transfers\n", &table(&others)]);
    }
    text
}

fn whole(detail: &TransferDetail) -> Value {
    let others = detail.others.iter().cloned().map(|other| document(&alone(other)));
    json!({
        "transfer": document(&detail.view),
        "envelope": detail.envelope.as_ref().map(embedded),
        "others": others.collect::<Vec<Value>>(),
    })
}

/// A transfer without details.
fn alone(transfer: TransferState) -> TransferView {
    TransferView { transfer, there: Vec::new(), idle_left: None, total_left: None }
}

/// A transfer in one line.
pub(super) fn in_words(view: &TransferView) -> String {
    let TransferState { id, have, total, state, .. } = &view.transfer;
    format!("{id}: {state}, {have} of {total} chunks")
}

/// A transfer as JSON.
pub(super) fn document(view: &TransferView) -> Value {
    let transfer = &view.transfer;
    json!({
        "id": transfer.id,
        "tenant": transfer.tenant,
        "source": transfer.source,
        "kind": transfer.kind,
        "transfer_id": transfer.transfer_id,
        "event": transfer.event.to_string(),
        "state": transfer.state,
        "have": transfer.have,
        "total": transfer.total,
        "there": view.there,
        "received_bytes": transfer.received,
        "opened_at": output::rfc3339(transfer.opened_at),
        "last_chunk_at": output::rfc3339(transfer.last_chunk_at),
        "idle_left_seconds": view.idle_left.map(time::Duration::as_seconds_f64),
        "total_left_seconds": view.total_left.map(time::Duration::as_seconds_f64),
        "event": transfer.event.to_string(),
    })
}

fn table(views: &[TransferView]) -> String {
    let head =
        ["ID", "SOURCE", "KIND", "STATE", "CHUNKS", "BYTES", "LAST CHUNK", "TIME LEFT", "EVENT"];
    let rows: Vec<Vec<String>> = views
        .iter()
        .map(|view| {
            let transfer = &view.transfer;
            vec![
                transfer.id.to_string(),
                transfer.source.clone(),
                transfer.kind.clone(),
                transfer.state.clone(),
                format!("{}/{}", transfer.have, transfer.total),
                transfer.received.to_string(),
                output::time(transfer.last_chunk_at),
                view.time_left().map(output::age).unwrap_or_default(),
                transfer.event.to_string(),
            ]
        })
        .collect();
    output::table(&head, &rows)
}
