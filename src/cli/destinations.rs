//! `sealpost destinations`: look at the destinations, and hold them back or let them go on.

use std::sync::Arc;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::output::{self, Format};
use super::{Exit, database};
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::operator::{Caller, Destination, Destinations};
use crate::store::{DestinationState, Switch};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List the destinations, with what waits for them; with `--format json` one JSON object a line.
    List(List),
    /// Let a disabled destination go on, such as one that answered 410.
    Enable(Act),
    /// Send nothing to a destination any more; what arrives for it is kept.
    Disable(Act),
    /// Hold a destination back until it is resumed; what arrives for it is kept.
    Pause(Act),
    /// Let a paused destination go on, and try at once one that failed.
    Resume(Act),
    /// Make dead letters of what waits for a destination that is not configured any more.
    Forget(Act),
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Act {
    /// The destination.
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
    // Before the database: this is about the command line.
    let (act, switch) = match command {
        Command::List(list) => return with(config, async |desk| list.run(&desk).await),
        Command::Enable(act) => (act, Some(Switch::Enable)),
        Command::Disable(act) => (act, Some(Switch::Disable)),
        Command::Pause(act) => (act, Some(Switch::Pause)),
        Command::Resume(act) => (act, Some(Switch::Resume)),
        Command::Forget(act) => (act, None),
    };
    let caller = Caller::local(super::actor(act.actor.as_deref())?);
    with(config, async |desk| act.run(&desk, switch, &caller).await)
}

/// Opens the database for a command.
fn with(
    config: &Config,
    work: impl AsyncFnOnce(Destinations) -> anyhow::Result<Exit>,
) -> anyhow::Result<Exit> {
    database::with_store(config, async |store| {
        let configured = app::configured_destinations(config);
        work(Destinations::new(store.clone(), Arc::new(SystemClock), configured)).await
    })
}

impl Act {
    async fn run(
        &self,
        desk: &Destinations,
        switch: Option<Switch>,
        caller: &Caller,
    ) -> anyhow::Result<Exit> {
        let (name, reason) = (&self.name, &self.reason);
        let (text, document) = if let Some(switch) = switch {
            let changed = desk.switch(caller, name, switch, reason).await?;
            let did = if changed { "done" } else { "it was so already" };
            let text = format!("{} {}: {did}\n", switch.as_str(), output::line(name));
            (text, json!({ "what": "destination", "name": name, "changed": changed }))
        } else {
            let dead = desk.forget(caller, name, reason).await?;
            let text = format!("forget {}: {dead} became dead letters\n", output::line(name));
            (text, json!({ "name": name, "dead": dead }))
        };
        output::print_as(self.format, &text, &document)?;
        Ok(Exit::Ok)
    }
}

impl List {
    async fn run(&self, desk: &Destinations) -> anyhow::Result<Exit> {
        let listed = desk.list(&super::caller(None)?).await?;
        if listed.is_empty() {
            return Ok(Exit::NothingMatched);
        }
        match self.format {
            Format::Text => output::print(&table(&listed, SystemClock.now()))?,
            Format::Json => {
                let lines: String =
                    listed.iter().map(|listed| output::json(&json(listed))).collect();
                output::print(&lines)?;
            }
        }
        Ok(Exit::Ok)
    }
}

fn json(listed: &Destination) -> Value {
    let state = listed.state.as_ref();
    let time = |at: Option<OffsetDateTime>| at.map_or(Value::Null, output::rfc3339);
    json!({
        "name": listed.name,
        "configured": listed.configured,
        "state": listed.standing.as_str(),
        "since": time(listed.since),
        "why": state.and_then(|state| state.disabled_why.as_deref()),
        "not_before": time(state.and_then(|state| state.not_before)),
        "failures": state.map_or(0, |state| state.failures),
        "ready": state.map_or(0, |state| state.ready),
        "oldest": time(state.and_then(|state| state.oldest)),
        "at_work": state.map_or(0, |state| state.leased),
        "dead": state.map_or(0, |state| state.dead),
        "last_failed_at": time(state.and_then(|state| state.last_failed_at)),
        "last_error": state.and_then(|state| state.last_error.as_deref()),
    })
}

fn table(listed: &[Destination], now: OffsetDateTime) -> String {
    let head =
        ["NAME", "STATE", "FOR", "READY", "OLDEST", "AT WORK", "DEAD", "FAILED", "LAST ERROR"];
    let rows: Vec<Vec<String>> = listed
        .iter()
        .map(|listed| {
            let age = |at: Option<OffsetDateTime>| {
                at.map_or_else(|| "-".to_owned(), |at| output::age(now - at))
            };
            let state = listed.state.as_ref();
            let count = |count: fn(&DestinationState) -> i64| state.map_or(0, count).to_string();
            let error = state.and_then(|state| state.last_error.as_deref()).unwrap_or_default();
            let error = error.lines().last().unwrap_or_default();
            vec![
                listed.name.clone(),
                listed.standing.as_str().to_owned(),
                age(listed.since),
                count(|state| state.ready),
                age(state.and_then(|state| state.oldest)),
                count(|state| state.leased),
                count(|state| state.dead),
                age(state.and_then(|state| state.last_failed_at)),
                error.chars().take(80).collect(),
            ]
        })
        .collect();
    output::table(&head, &rows)
}
