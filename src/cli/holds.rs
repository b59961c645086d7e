//! `sealpost holds`, `sealpost handlers` and `sealpost sources pause | resume`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::output::{self, Format};
use super::{Exit, caller, database};
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::operator::Holds;
use crate::store::{Hold, Pausable};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List the sources and handlers that are paused; with `--format json` one JSON object a line.
    ///
    /// `destinations list` says it of destinations.
    List(List),
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Handlers {
    /// Hand nothing to a handler until it is resumed; what arrives for it is kept.
    Pause(Act),
    /// Let a paused handler go on.
    Resume(Act),
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Act {
    /// Its name.
    name: String,
    /// Why, for the audit log.
    #[arg(long, value_name = "TEXT",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,
    /// Who, for the audit log; by default the user.
    #[arg(long, value_name = "NAME",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    actor: Option<String>,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(config: &Config, command: &Command) -> anyhow::Result<Exit> {
    let Command::List(list) = command;
    with(config, async |holds| list.run(&holds).await)
}

pub(super) fn run_on_handler(config: &Config, command: &Handlers) -> anyhow::Result<Exit> {
    match command {
        Handlers::Pause(act) => act.run(config, Pausable::Handler, true),
        Handlers::Resume(act) => act.run(config, Pausable::Handler, false),
    }
}

/// Opens the database for a command.
fn with(
    config: &Config,
    work: impl AsyncFnOnce(Holds) -> anyhow::Result<Exit>,
) -> anyhow::Result<Exit> {
    let routing = app::routing(config)?;
    database::with_store(config, async |store| {
        work(Holds::new(store.clone(), Arc::new(SystemClock), routing)).await
    })
}

impl Act {
    pub(super) fn run(&self, config: &Config, what: Pausable, pause: bool) -> anyhow::Result<Exit> {
        let caller = caller(self.actor.as_deref())?;
        with(config, async |holds| {
            let changed = if pause {
                holds.pause(&caller, what, &self.name, &self.reason).await?
            } else {
                holds.resume(&caller, what, &self.name, &self.reason).await?
            };
            let verb = if pause { "pause" } else { "resume" };
            let did = if changed { "done" } else { "it was so already" };
            let text = format!("{verb} {}: {did}\n", output::line(&self.name));
            let document = json!({ "what": what.as_str(), "name": self.name, "changed": changed });
            output::print_as(self.format, &text, &document)?;
            Ok(Exit::Ok)
        })
    }
}

impl List {
    async fn run(&self, holds: &Holds) -> anyhow::Result<Exit> {
        let found = holds.list(&caller(None)?).await?;
        if found.is_empty() {
            return Ok(Exit::NothingMatched);
        }
        let now = SystemClock.now();
        let text = match self.format {
            Format::Text => {
                let rows: Vec<Vec<String>> = found
                    .iter()
                    .map(|hold| {
                        vec![
                            hold.what.to_string(),
                            hold.name.clone(),
                            output::age(now - hold.paused_at),
                            hold.paused_by.clone(),
                            hold.why.clone(),
                        ]
                    })
                    .collect();
                output::table(&["WHAT", "NAME", "FOR", "BY", "WHY"], &rows)
            }
            Format::Json => found.iter().map(|hold| output::json(&document(hold))).collect(),
        };
        output::print(&text)?;
        Ok(Exit::Ok)
    }
}

/// A hold, for machines.
pub(super) fn document(hold: &Hold) -> Value {
    json!({
        "what": hold.what.as_str(),
        "name": hold.name,
        "paused_at": output::rfc3339(hold.paused_at),
        "paused_by": hold.paused_by,
        "why": hold.why,
    })
}
