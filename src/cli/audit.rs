//! `sealpost audit`: show and verify the audit log.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Exit;
use super::backend::{self, Backend};
use super::globals::GlobalArgs;
use super::output::{self, Format};
use crate::admin::Need;
use crate::admin::audit::AuditRow;
use crate::store::{AuditFilter, Hash};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List audit log entries, newest first; `--format json` prints one JSON object per line.
    List(List),
    /// Verify the hash chain and print its head. Store the head outside the database.
    ///
    /// The chain reveals changed, removed and inserted entries. It cannot reveal that its end was
    /// cut off or that the whole log was rewritten: pass a head that you stored earlier with
    /// --expect.
    Verify(Verify),
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Only this user or API key (key:NAME).
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Only this action, such as `replay`.
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Entries at or after this time, such as 2026-11-20T12:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<OffsetDateTime>,
    /// Entries before this time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<OffsetDateTime>,
    /// Only entries of callers restricted to this tenant.
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// Only entries before this ID (next page).
    #[arg(long, value_name = "ID")]
    before: Option<i64>,
    /// Maximum number of results.
    #[arg(long, value_name = "COUNT", default_value_t = 50,
          value_parser = clap::value_parser!(u32).range(1..=500))]
    limit: u32,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Verify {
    /// Hash that must be in the chain: a head that was printed earlier.
    #[arg(long, value_name = "HASH", value_parser = hash)]
    expect: Option<Hash>,
}

pub(super) fn run(globals: &GlobalArgs, command: &Command) -> anyhow::Result<Exit> {
    backend::with(globals, Need::Nothing, None, async |backend| match command {
        Command::List(list) => list.run(backend).await,
        Command::Verify(verify) => verify.run(backend).await,
    })
}

impl List {
    async fn run(&self, backend: &Backend) -> anyhow::Result<Exit> {
        let filter = AuditFilter {
            actor: self.actor.clone(),
            action: self.action.clone(),
            since: self.since,
            until: self.until,
            tenant: self.tenant.clone(),
        };
        let entries = backend.audit_entries(&filter, self.before, self.limit).await?;
        let exit = output::list(self.format, &entries, table)?;
        super::print_next_page_hint(&entries, self.limit, |last| last.id);
        Ok(exit)
    }
}

impl Verify {
    async fn run(&self, backend: &Backend) -> anyhow::Result<Exit> {
        let verified = backend.verify_audit(self.expect.as_ref()).await?;
        if let Some(broken) = verified.broken {
            super::print_message(&format!("{} entries verified; {broken}", verified.entries));
            return Ok(Exit::Failed);
        }
        let Some(head) = verified.head else {
            super::print_message("the audit log is empty");
            return Ok(Exit::Ok);
        };
        output::print(&format!("{}\n", hex::encode(head.hash)))?;
        super::print_message(&format!(
            "{} entries verified; the head is entry {}",
            verified.entries, head.id
        ));
        Ok(Exit::Ok)
    }
}

fn table(entries: &[AuditRow]) -> String {
    let head = ["ID", "AT", "ACTOR", "ADDRESS", "ACTION", "COUNT", "TARGET", "REASON"];
    let rows: Vec<Vec<String>> = entries
        .iter()
        .map(|entry| {
            vec![
                entry.id.to_string(),
                output::time(entry.at),
                entry.actor.clone(),
                entry.address.clone().unwrap_or_default(),
                entry.action.clone(),
                entry.count.to_string(),
                entry.target.clone(),
                entry.reason.clone(),
            ]
        })
        .collect();
    output::table(&head, &rows)
}

fn time(text: &str) -> Result<OffsetDateTime, String> {
    let invalid = "invalid time; expected a format like 2026-11-20T12:00:00Z";
    OffsetDateTime::parse(text, &Rfc3339).map_err(|_| invalid.to_owned())
}

fn hash(text: &str) -> Result<Hash, String> {
    let bytes = hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| "invalid hash; expected 64 hexadecimal digits".to_owned())
}
