//! `sealpost transfers`: payloads that arrive in chunks.

use super::globals::GlobalArgs;
use super::output::{self, Format};
use super::{Exit, backend, print_message, report_hidden_payload};
use crate::admin::{Need, Transfer, TransferDetail};

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

pub(super) fn run(globals: &GlobalArgs, command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::List(list) => list.run(globals),
        Command::Show(show) => show.run(globals),
    }
}

impl List {
    fn run(&self, globals: &GlobalArgs) -> anyhow::Result<Exit> {
        backend::with(globals, Need::Names, None, async |backend| {
            let transfers = backend.transfers(self.before, self.limit).await?;
            if let Some(next) = transfers.next {
                print_message(&format!("there may be more open transfers: --before {next}"));
            }
            let all: Vec<Transfer> = transfers.open.into_iter().chain(transfers.closed).collect();
            Ok(output::list(self.format, &all, table)?)
        })
    }
}

impl Show {
    fn run(&self, globals: &GlobalArgs) -> anyhow::Result<Exit> {
        backend::with(globals, Need::Names, None, async |backend| {
            let detail = backend.transfer(self.id).await?;
            output::print_as(self.format, &page(&detail), &detail)?;
            report_hidden_payload(detail.hides_payload());
            Ok(Exit::Ok)
        })
    }
}

/// A map of received chunks: one mark per chunk, 64 per line.
fn map(transfer: &Transfer) -> String {
    let received = &transfer.received_chunks;
    let mark = |index: u32| if received.binary_search(&index).is_ok() { '#' } else { '.' };
    let marks: Vec<char> = (0..transfer.total).map(mark).collect();
    marks.chunks(64).map(String::from_iter).collect::<Vec<String>>().join("\n")
}

/// A transfer with its envelope and related transfers.
fn page(detail: &TransferDetail) -> String {
    let transfer = &detail.transfer;
    let mut text = format!("{}{}\n", table(std::slice::from_ref(transfer)), map(transfer));
    if let Some(envelope) = &detail.envelope {
        text.extend(["\nEnvelope ", &output::line(&envelope.to_string()), "\n"]);
    }
    if !detail.others.is_empty() {
        text.extend(["\nRelated transfers\n", &table(&detail.others)]);
    }
    text
}

/// A transfer in one line.
pub(super) fn summary(transfer: &Transfer) -> String {
    let Transfer { id, have, total, state, .. } = transfer;
    format!("{id}: {state}, {have} of {total} chunks")
}

fn table(transfers: &[Transfer]) -> String {
    let head =
        ["ID", "SOURCE", "TYPE", "STATE", "CHUNKS", "BYTES", "LAST CHUNK", "TIME LEFT", "EVENT"];
    let rows: Vec<Vec<String>> = transfers
        .iter()
        .map(|transfer| {
            vec![
                transfer.id.to_string(),
                transfer.source.clone(),
                transfer.event_type.clone(),
                transfer.state.to_string(),
                format!("{}/{}", transfer.have, transfer.total),
                transfer.received_bytes.to_string(),
                output::time(transfer.last_chunk_at),
                transfer.time_left().map(output::age).unwrap_or_default(),
                transfer.event.to_string(),
            ]
        })
        .collect();
    output::table(&head, &rows)
}
