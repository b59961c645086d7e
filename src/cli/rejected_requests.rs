//! `sealpost rejected`: rejected requests that were kept.

mod bulk;

use std::io::IsTerminal as _;

use uuid::Uuid;

use self::bulk::BulkArgs;
use super::actions::{ActionArgs, perform};
use super::backend::{self, Backend};
use super::globals::GlobalArgs;
use super::output::{self, Format};
use super::{Exit, explain};
use crate::admin::actions::{Noun, find_action};
use crate::admin::{Need, RejectedAction, RejectedRequest};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List rejected requests, newest first; `--format json` prints one JSON object per line.
    List(List),
    /// Show a rejected request and why it is rejected.
    ///
    /// `--format json` prints one JSON document; its `payload` is a recording that
    /// `sealpost explain` accepts.
    Show(ShowArgs),
    /// Diagnose a rejected request with the current secrets. Exits with 0 if it verifies now.
    Explain(ShowArgs),
    /// Reprocess rejected requests: accept those that verify as of their time of arrival.
    ///
    /// Takes one ID, or --all for every request, optionally of one source. --all plans a job and
    /// previews how many requests match and how many would be accepted. Fix the source's secrets
    /// first. Accepted requests become normal events; one that was also received in another way is
    /// recognized as a duplicate.
    Reprocess(Act),
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
pub(super) struct ShowArgs {
    /// ID of the rejected request.
    id: Uuid,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
#[group(id = "selection", required = true, multiple = false, args = ["id", "all"])]
pub(super) struct Act {
    /// ID of the rejected request.
    id: Option<Uuid>,
    /// Select every request, or every request of --source; only a preview unless --yes is given.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    bulk: BulkArgs,
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

pub(super) fn run(globals: &GlobalArgs, command: &Command) -> anyhow::Result<Exit> {
    let (needs, actor) = match command {
        Command::Reprocess(act) => (Need::Sources, act.actor.as_deref()),
        Command::Discard(act) => (Need::Names, act.actor.as_deref()),
        Command::List(_) => (Need::Names, None),
        Command::Show(_) | Command::Explain(_) => (Need::Sources, None),
    };
    backend::with(globals, needs, actor, async |backend| command.run(backend, globals).await)
}

impl Command {
    async fn run(&self, backend: &Backend, globals: &GlobalArgs) -> anyhow::Result<Exit> {
        match self {
            Self::List(list) => list.run(backend).await,
            Self::Show(args) => args.show(backend).await,
            Self::Explain(args) => {
                let explanation = backend.explain_rejected(args.id).await?;
                output::print_as(args.format, &explain::text(&explanation), &explanation)?;
                Ok(if explanation.verifies { Exit::Ok } else { Exit::Failed })
            }
            Self::Reprocess(act) => act.run("reprocess", backend, globals).await,
            Self::Discard(act) => act.run("discard", backend, globals).await,
        }
    }
}

impl List {
    async fn run(&self, backend: &Backend) -> anyhow::Result<Exit> {
        let source = self.source.as_deref();
        let requests = backend.rejected_requests(source, self.before, self.limit).await?;
        let exit = output::list(self.format, &requests, table)?;
        if exit == Exit::NothingMatched && self.before.is_none() {
            return backend.nothing_matched(source, None).await;
        }
        super::print_next_page_hint(&requests, self.limit, |last| last.id);
        Ok(exit)
    }
}

impl ShowArgs {
    async fn show(&self, backend: &Backend) -> anyhow::Result<Exit> {
        let detail = backend.rejected_request(self.id).await?;
        let mut text = table(std::slice::from_ref(&detail.request));
        if let Some(explanation) = &detail.explanation {
            text.push_str(&explain::text(explanation));
        }
        if let Some(payload) = &detail.payload {
            text.push('\n');
            for header in &payload.headers {
                let value = shown(&header.name, &header.value);
                text.push_str(&format_header(&header.name, &value));
            }
            text.push('\n');
            text.push_str(&output::lines(&String::from_utf8_lossy(&payload.bytes())));
            text.push('\n');
        }
        output::print_as(self.format, &text, &detail)?;
        super::report_hidden_payload(detail.hides_payload());
        Ok(Exit::Ok)
    }
}

impl Act {
    async fn run(
        &self,
        verb: &str,
        backend: &Backend,
        globals: &GlobalArgs,
    ) -> anyhow::Result<Exit> {
        if let (Some(id), Some(action)) = (self.id, find_action(Noun::RejectedRequest, verb)) {
            let args = ActionArgs {
                id: id.to_string(),
                reason: Some(self.reason.clone()),
                option: false,
                value: None,
                actor: self.actor.clone(),
                format: self.format,
            };
            return perform(backend, action, &args, globals).await;
        }
        let action =
            if verb == "reprocess" { RejectedAction::Reprocess } else { RejectedAction::Discard };
        self.bulk.run(action, &self.reason, self.format, backend).await
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

pub(super) fn table(requests: &[RejectedRequest]) -> String {
    let head = ["ID", "SOURCE", "REASON", "CLIENT", "BYTES", "RECEIVED", "EXPIRES", "EVENT"];
    let rows: Vec<Vec<String>> = requests
        .iter()
        .map(|one| {
            vec![
                one.id.to_string(),
                one.source.clone(),
                one.reason.to_string(),
                one.peer.clone().unwrap_or_default(),
                one.size_bytes.to_string(),
                output::time(one.received_at),
                output::time(one.expires_at),
                one.event.map(|event| event.to_string()).unwrap_or_default(),
            ]
        })
        .collect();
    output::table(&head, &rows)
}
