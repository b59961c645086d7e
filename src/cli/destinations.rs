//! `sealpost destinations`: look at the destinations, and hold them back or let them go on.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::output::{self, Format};
use super::{Exit, block_on, database};
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::store::{AuditEntry, DestinationState, Store, Switch, TO};

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
}

/// The destinations of the configuration, and those of which only the database knows.
struct Listed {
    name: String,
    configured: bool,
    state: Option<DestinationState>,
}

pub(super) fn run(config: &Config, command: &Command) -> anyhow::Result<Exit> {
    // Before the database: this is about the command line.
    let (act, switch) = match command {
        Command::List(list) => {
            return with(config, async |store| list.run(config, &store).await);
        }
        Command::Enable(act) => (act, Some(Switch::Enable)),
        Command::Disable(act) => (act, Some(Switch::Disable)),
        Command::Pause(act) => (act, Some(Switch::Pause)),
        Command::Resume(act) => (act, Some(Switch::Resume)),
        Command::Forget(act) => (act, None),
    };
    let actor = super::actor(act.actor.as_deref())?;
    with(config, async |store| act.run(config, &store, switch, &actor).await)
}

/// Opens the database for a command.
fn with(
    config: &Config,
    work: impl AsyncFnOnce(Store) -> anyhow::Result<Exit>,
) -> anyhow::Result<Exit> {
    let database = database::share(config)?;
    block_on(async {
        database.target.check_migrated().await?;
        let store = app::open_store(config, database.target.clone());
        let exit = work(store.clone()).await;
        store.close().await;
        exit
    })
}

impl Act {
    async fn run(
        &self,
        config: &Config,
        store: &Store,
        switch: Option<Switch>,
        actor: &str,
    ) -> anyhow::Result<Exit> {
        let listed = all(config, store).await?;
        let Some(listed) = listed.into_iter().find(|listed| listed.name == self.name) else {
            super::talk("there is no destination of this name");
            return Ok(Exit::NothingMatched);
        };
        if switch.is_none() && listed.configured {
            anyhow::bail!("it is configured: take it out of the configuration first");
        }
        let now = SystemClock.now();
        let handler = format!("{TO}{}", self.name);
        let mut tx = store.begin().await?;
        let (action, count, did) = if let Some(switch) = switch {
            let changed = tx.switch_destination(&handler, switch, &self.reason, now).await?;
            let did = if changed { "done" } else { "it was so already" };
            (switch.as_str(), u64::from(changed), did.to_owned())
        } else {
            let buried = tx.forget_destination(&handler, now).await?;
            ("forget", buried, format!("{buried} became dead letters"))
        };
        let reason = &self.reason;
        let target = format!("destination {}", self.name);
        tx.audit(&AuditEntry { at: now, actor, action, target: &target, reason, count }).await?;
        tx.commit(()).await?;
        // Gateways look at once, and not at their next poll.
        store.announce().await?;
        output::print(&format!("{action} {}: {did}\n", self.name))?;
        Ok(Exit::Ok)
    }
}

impl List {
    async fn run(&self, config: &Config, store: &Store) -> anyhow::Result<Exit> {
        let listed = all(config, store).await?;
        if listed.is_empty() {
            return Ok(Exit::NothingMatched);
        }
        let now = SystemClock.now();
        match self.format {
            Format::Text => output::print(&table(&listed, now))?,
            Format::Json => {
                let lines: String =
                    listed.iter().map(|listed| output::json(&listed.json(now))).collect();
                output::print(&lines)?;
            }
        }
        Ok(Exit::Ok)
    }
}

async fn all(config: &Config, store: &Store) -> anyhow::Result<Vec<Listed>> {
    let mut states = store.destinations().await?;
    let mut listed = Vec::new();
    for destination in &config.destinations {
        let name = destination.entry.name.clone();
        let place = states.iter().position(|state| state.handler.strip_prefix(TO) == Some(&name));
        let state = place.map(|place| states.swap_remove(place));
        listed.push(Listed { name, configured: true, state });
    }
    states.sort_unstable_by(|a, b| a.handler.cmp(&b.handler));
    for state in states {
        let name = state.handler.strip_prefix(TO).unwrap_or_default().to_owned();
        listed.push(Listed { name, configured: false, state: Some(state) });
    }
    Ok(listed)
}

impl Listed {
    /// In one word, and since when.
    fn word(&self, now: OffsetDateTime) -> (&'static str, Option<OffsetDateTime>) {
        let Some(state) = &self.state else { return ("ok", None) };
        if !self.configured {
            return ("unconfigured", None);
        }
        if state.disabled_at.is_some() {
            return ("disabled", state.disabled_at);
        }
        if state.paused_at.is_some() {
            return ("paused", state.paused_at);
        }
        if state.opened_at.is_some() {
            return ("failing", state.opened_at);
        }
        match state.not_before {
            Some(until) if until > now => ("told to wait", state.last_failed_at),
            _ => ("ok", None),
        }
    }

    fn json(&self, now: OffsetDateTime) -> Value {
        let (word, since) = self.word(now);
        let state = self.state.as_ref();
        let time = |at: Option<OffsetDateTime>| at.map_or(Value::Null, output::rfc3339);
        json!({
            "name": self.name,
            "configured": self.configured,
            "state": word,
            "since": time(since),
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
}

fn table(listed: &[Listed], now: OffsetDateTime) -> String {
    let head =
        ["NAME", "STATE", "FOR", "READY", "OLDEST", "AT WORK", "DEAD", "FAILED", "LAST ERROR"];
    let rows: Vec<Vec<String>> = listed
        .iter()
        .map(|listed| {
            let (word, since) = listed.word(now);
            let age = |at: Option<OffsetDateTime>| {
                at.map_or_else(|| "-".to_owned(), |at| output::age(now - at))
            };
            let state = listed.state.as_ref();
            let count = |count: fn(&DestinationState) -> i64| state.map_or(0, count).to_string();
            let error = state.and_then(|state| state.last_error.as_deref()).unwrap_or_default();
            let error = error.lines().last().unwrap_or_default();
            vec![
                listed.name.clone(),
                word.to_owned(),
                age(since),
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
