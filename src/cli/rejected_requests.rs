//! `sealpost rejected`: rejected requests that were kept.

mod many;

use std::io::IsTerminal as _;
use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use self::many::Many;
use super::output::{self, Format};
use super::{Exit, actor, database, explain};
use crate::admin::{
    Caller, DeadLetters, Jobs, RecordedRequest, RejectedAction, RejectedRequestDetail,
    RejectedRequests, Verified,
};
use crate::app;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::store::RejectedRequest;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List rejected requests, newest first; `--format json` prints one JSON object per line.
    List(List),
    /// Show a rejected request and why it is rejected.
    ///
    /// `--format json` prints one JSON document; its `request` is a recording that
    /// `sealpost explain` accepts.
    Show(One),
    /// Diagnose a rejected request with the current secrets. Exits with 0 if it verifies now.
    Explain(One),
    /// Reprocess rejected requests: accept those that verify as of their time of arrival.
    ///
    /// Takes one ID, or --all for every request, optionally of one source. --all plans a job and
    /// previews how many requests match and how many would be accepted. Fix the source's secrets
    /// first. Accepted requests become normal events; one that was also received in another way is
    /// recognized as a duplicate.
    Verify(Act),
    /// Delete rejected requests before they expire: one by ID, or many with --all.
    Discard(Act),
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Only this source.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Only requests before this ID (next page).
    #[arg(long, value_name = "ID")]
    before: Option<Uuid>,
    /// Maximum number of results.
    #[arg(long, value_name = "COUNT", default_value_t = 50,
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct One {
    /// ID of the rejected request.
    id: Uuid,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
#[group(id = "which", required = true, multiple = false, args = ["id", "all"])]
pub(super) struct Act {
    /// ID of the rejected request.
    id: Option<Uuid>,
    /// Select every request, or every request of --source; only a preview unless --yes is given.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    many: Many,
    /// Reason, recorded in the audit log.
    #[arg(long, value_name = "TEXT",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,
    /// Name recorded in the audit log; defaults to the current user.
    #[arg(long, value_name = "NAME",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    actor: Option<String>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(config: &Config, command: &Command) -> anyhow::Result<Exit> {
    let named = match command {
        Command::Verify(act) | Command::Discard(act) => act.actor.as_deref(),
        Command::List(_) | Command::Show(_) | Command::Explain(_) => None,
    };
    let caller = Caller::local(actor(named)?);
    database::with_store(config, async |store| {
        let rejected = app::rejected_requests(config, store)?;
        let routing = app::routing(config)?;
        let desk = DeadLetters::new(store.clone(), Arc::new(SystemClock), routing);
        let jobs = Jobs::new(desk).with_rejected_requests(rejected.clone());
        command.run(&rejected, &jobs, &caller).await
    })
}

impl Command {
    async fn run(
        &self,
        rejected: &RejectedRequests,
        jobs: &Jobs,
        caller: &Caller,
    ) -> anyhow::Result<Exit> {
        match self {
            Self::List(list) => list.run(rejected, caller).await,
            Self::Show(one) => one.show(rejected, caller).await,
            Self::Explain(one) => {
                let explained = rejected.explain(caller, one.id).await?;
                output::print_as(one.format, &explain::text(&explained), &json!(explained))?;
                Ok(if explained.verifies { Exit::Ok } else { Exit::Failed })
            }
            Self::Verify(act) => match act.id {
                Some(id) => act.verify(rejected, caller, id).await,
                None => act.many(RejectedAction::Verify, jobs, caller).await,
            },
            Self::Discard(act) => match act.id {
                Some(id) => {
                    rejected.discard(caller, id, &act.reason).await?;
                    output::print_as(act.format, "discarded 1\n", &json!({ "discarded": id }))?;
                    Ok(Exit::Ok)
                }
                None => act.many(RejectedAction::Discard, jobs, caller).await,
            },
        }
    }
}

impl List {
    async fn run(&self, rejected: &RejectedRequests, caller: &Caller) -> anyhow::Result<Exit> {
        let source = self.source.as_deref();
        let requests = rejected.list(caller, source, self.before, self.limit).await?;
        let Some(last) = requests.last() else { return Ok(Exit::NothingMatched) };
        match self.format {
            Format::Text => output::print(&table(&requests))?,
            Format::Json => {
                let lines: String = requests.iter().map(|one| output::json(&about(one))).collect();
                output::print(&lines)?;
            }
        }
        if requests.len() == self.limit as usize {
            super::talk(&format!("there may be more results: --before {}", last.id));
        }
        Ok(Exit::Ok)
    }
}

impl One {
    async fn show(&self, rejected: &RejectedRequests, caller: &Caller) -> anyhow::Result<Exit> {
        let RejectedRequestDetail { request, payload, explained } =
            rejected.show(caller, self.id).await?;
        let mut text = table(std::slice::from_ref(&request));
        if let Some(explained) = &explained {
            text.push_str(&explain::text(explained));
        }
        if let Some(payload) = &payload {
            text.push('\n');
            for (name, value) in &payload.headers {
                let value = String::from_utf8_lossy(value);
                text.push_str(&format_header(name, &shown(name, &value)));
            }
            text.push('\n');
            text.push_str(&output::lines(&String::from_utf8_lossy(&payload.body)));
            text.push('\n');
        }
        let mut json = about(&request);
        if let Some(object) = json.as_object_mut() {
            object.insert("explained".into(), json!(explained));
            object.insert("request".into(), payload.as_ref().map_or(Value::Null, recording));
        }
        output::print_as(self.format, &text, &json)?;
        Ok(Exit::Ok)
    }
}

impl Act {
    async fn many(
        &self,
        action: RejectedAction,
        jobs: &Jobs,
        caller: &Caller,
    ) -> anyhow::Result<Exit> {
        self.many.run(action, &self.reason, self.format, (jobs, caller)).await
    }

    async fn verify(
        &self,
        rejected: &RejectedRequests,
        caller: &Caller,
        id: Uuid,
    ) -> anyhow::Result<Exit> {
        match rejected.verify(caller, id, &self.reason).await? {
            Verified::Admitted(reprocessed) => {
                let outcome = if reprocessed.duplicate { "duplicate of" } else { "accepted as" };
                let text = format!("{outcome} event {}\n", reprocessed.event);
                let json = json!({
                    "event": reprocessed.event.to_string(), "duplicate": reprocessed.duplicate,
                });
                output::print_as(self.format, &text, &json)?;
                Ok(Exit::Ok)
            }
            Verified::Refused(explained) => {
                output::print_as(self.format, &explain::text(&explained), &json!(explained))?;
                Ok(Exit::Failed)
            }
        }
    }
}

fn format_header(name: &str, value: &str) -> String {
    format!("{}: {}\n", output::line(name), output::line(value))
}

/// Hides values that could be secrets on a terminal.
fn shown(name: &str, value: &str) -> String {
    let is_secret = name.contains("token") || name.contains("secret") || name == "authorization";
    if is_secret && std::io::stdout().is_terminal() {
        return "(not shown on a terminal)".to_owned();
    }
    value.to_owned()
}

pub(super) fn about(request: &RejectedRequest) -> Value {
    json!({
        "id": request.id,
        "tenant": request.tenant,
        "source": request.source,
        "provider": request.provider,
        "reason": request.reason,
        "peer": request.peer,
        "size_bytes": request.size_bytes,
        "received_at": output::rfc3339(request.received_at),
        "expires_at": output::rfc3339(request.expires_at),
        "event": request.event_id,
        "verified_at": request.verified_at.map(output::rfc3339),
        "verified_by": request.verified_by,
    })
}

/// The request in the format of `sealpost explain`.
fn recording(payload: &RecordedRequest) -> Value {
    let target = match (&payload.path, &payload.query) {
        (Some(path), Some(query)) => Some(format!("{path}?{query}")),
        (path, _) => path.clone(),
    };
    let mut headers = serde_json::Map::new();
    for (name, value) in &payload.headers {
        let lines = headers.entry(name).or_insert_with(|| json!([]));
        if let Some(lines) = lines.as_array_mut() {
            lines.push(String::from_utf8_lossy(value).into());
        }
    }
    let mut json = json!({
        "method": "POST", "path": target, "headers": headers,
        "received_at": payload.received_at.map(output::rfc3339),
    });
    let (key, body) = match std::str::from_utf8(&payload.body) {
        Ok(text) => ("body", text.to_owned()),
        Err(_) => ("body_b64", output::base64(&payload.body)),
    };
    if let Some(object) = json.as_object_mut() {
        object.insert(key.to_owned(), body.into());
    }
    json
}

pub(super) fn table(requests: &[RejectedRequest]) -> String {
    let head = ["ID", "SOURCE", "REASON", "CLIENT", "BYTES", "RECEIVED", "EXPIRES", "EVENT"];
    let rows: Vec<Vec<String>> = requests
        .iter()
        .map(|one| {
            vec![
                one.id.to_string(),
                one.source.clone(),
                one.reason.clone(),
                one.peer.clone().unwrap_or_default(),
                one.size_bytes.to_string(),
                output::time(one.received_at),
                output::time(one.expires_at),
                one.event_id.map(|event| event.to_string()).unwrap_or_default(),
            ]
        })
        .collect();
    output::table(&head, &rows)
}
