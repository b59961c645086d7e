//! `sealpost pauses`, `sealpost handlers` and `sealpost sources pause | resume`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::output::{self, Format};
use super::{Exit, caller, database};
use crate::admin::Pauses;
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::store::{Pause, PauseTarget};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List paused sources and handlers; `--format json` prints one JSON object per line.
    ///
    /// For destinations, see `destinations list`.
    List(List),
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Handlers {
    /// Pause a handler until it is resumed; new deliveries are kept.
    Pause(Act),
    /// Resume a paused handler.
    Resume(Act),
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Act {
    /// Name.
    name: String,
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
    let Command::List(list) = command;
    with(config, async |pauses| list.run(&pauses).await)
}

pub(super) fn run_on_handler(config: &Config, command: &Handlers) -> anyhow::Result<Exit> {
    match command {
        Handlers::Pause(act) => act.run(config, PauseTarget::Handler, true),
        Handlers::Resume(act) => act.run(config, PauseTarget::Handler, false),
    }
}

/// Opens the database for a command.
fn with(
    config: &Config,
    work: impl AsyncFnOnce(Pauses) -> anyhow::Result<Exit>,
) -> anyhow::Result<Exit> {
    let routing = app::routing(config)?;
    database::with_store(config, async |store| {
        work(Pauses::new(store.clone(), Arc::new(SystemClock), routing)).await
    })
}

impl Act {
    pub(super) fn run(
        &self,
        config: &Config,
        what: PauseTarget,
        pause: bool,
    ) -> anyhow::Result<Exit> {
        let caller = caller(self.actor.as_deref())?;
        with(config, async |pauses| {
            let changed = if pause {
                pauses.pause(&caller, what, &self.name, &self.reason).await?
            } else {
                pauses.resume(&caller, what, &self.name, &self.reason).await?
            };
            let verb = if pause { "pause" } else { "resume" };
            let text = super::switched(verb, &self.name, changed);
            let document = json!({ "what": what.as_str(), "name": self.name, "changed": changed });
            output::print_as(self.format, &text, &document)?;
            Ok(Exit::Ok)
        })
    }
}

impl List {
    async fn run(&self, pauses: &Pauses) -> anyhow::Result<Exit> {
        let found = pauses.list(&caller(None)?).await?;
        if found.is_empty() {
            return Ok(Exit::NothingMatched);
        }
        let now = SystemClock.now();
        let text = match self.format {
            Format::Text => {
                let rows: Vec<Vec<String>> = found
                    .iter()
                    .map(|pause| {
                        vec![
                            pause.what.to_string(),
                            pause.name.clone(),
                            output::age(now - pause.paused_at),
                            pause.paused_by.clone(),
                            pause.why.clone(),
                        ]
                    })
                    .collect();
                output::table(&["TYPE", "NAME", "FOR", "BY", "REASON"], &rows)
            }
            Format::Json => found.iter().map(|pause| output::json(&document(pause))).collect(),
        };
        output::print(&text)?;
        Ok(Exit::Ok)
    }
}

/// A pause as JSON.
pub(super) fn document(pause: &Pause) -> Value {
    json!({
        "what": pause.what.as_str(),
        "name": pause.name,
        "paused_at": output::rfc3339(pause.paused_at),
        "paused_by": pause.paused_by,
        "why": pause.why,
    })
}
