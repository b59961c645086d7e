//! `sealpost destinations`: show, test, pause and resume destinations.

use std::sync::Arc;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::output::{self, Format};
use super::{Exit, database};
use crate::admin::{Caller, Destination, Destinations};
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::store::{DestinationResponse, DestinationState, DestinationSwitch};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List destinations and their backlog; `--format json` prints one JSON object per line.
    List(List),
    /// Show a destination: address, statistics of the last day, and latest responses.
    Show(Show),
    /// Retry the waiting deliveries of a destination now.
    Try(Act),
    /// Send a test event to a destination and print the response.
    ///
    /// The event is marked as a test. Exits with 0 if the destination accepted it.
    Test(Test),
    /// Enable a disabled destination, such as one that responded with 410.
    Enable(Act),
    /// Disable a destination: nothing is sent to it; new deliveries are kept.
    Disable(Act),
    /// Pause a destination until it is resumed; new deliveries are kept.
    Pause(Act),
    /// Resume a paused destination, or retry a failing one at once.
    Resume(Act),
    /// Dead-letter the waiting deliveries of a destination that is no longer configured.
    Forget(Act),
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// Destination name.
    name: String,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Test {
    /// Destination name.
    name: String,
    /// Name recorded in the audit log; defaults to the current user.
    #[arg(long, value_name = "NAME",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    actor: Option<String>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// An action on a destination.
#[derive(Clone, Copy)]
enum DestinationVerb {
    DestinationSwitch(DestinationSwitch),
    Try,
    Forget,
}

#[derive(Debug, clap::Args)]
pub(super) struct Act {
    /// Destination name.
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
    // Check the command line before opening the database.
    let (act, deed) = match command {
        Command::List(list) => return with(config, async |desk| list.run(&desk).await),
        Command::Show(show) => return with(config, async |desk| show.run(&desk).await),
        Command::Test(test) => return test.run(config),
        Command::Enable(act) => {
            (act, DestinationVerb::DestinationSwitch(DestinationSwitch::Enable))
        }
        Command::Disable(act) => {
            (act, DestinationVerb::DestinationSwitch(DestinationSwitch::Disable))
        }
        Command::Pause(act) => (act, DestinationVerb::DestinationSwitch(DestinationSwitch::Pause)),
        Command::Resume(act) => {
            (act, DestinationVerb::DestinationSwitch(DestinationSwitch::Resume))
        }
        Command::Try(act) => (act, DestinationVerb::Try),
        Command::Forget(act) => (act, DestinationVerb::Forget),
    };
    let caller = Caller::local(super::actor(act.actor.as_deref())?);
    with(config, async |desk| act.run(&desk, deed, &caller).await)
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
        deed: DestinationVerb,
        caller: &Caller,
    ) -> anyhow::Result<Exit> {
        let (name, reason) = (&self.name, &self.reason);
        let (text, document) = match deed {
            DestinationVerb::DestinationSwitch(switch) => {
                let changed = desk.switch(caller, name, switch, reason).await?;
                let text = super::switched(switch.as_str(), name, changed);
                (text, json!({ "what": "destination", "name": name, "changed": changed }))
            }
            DestinationVerb::Try => {
                let due = desk.try_now(caller, name, reason).await?;
                let text = format!("{}: {due} deliveries are due now\n", output::line(name));
                (text, json!({ "name": name, "due": due }))
            }
            DestinationVerb::Forget => {
                let dead = desk.forget(caller, name, reason).await?;
                let text = format!("{}: {dead} deliveries dead-lettered\n", output::line(name));
                (text, json!({ "name": name, "dead": dead }))
            }
        };
        output::print_as(self.format, &text, &document)?;
        Ok(Exit::Ok)
    }
}

impl Show {
    async fn run(&self, desk: &Destinations) -> anyhow::Result<Exit> {
        let detail = desk.show(&super::caller(None)?, &self.name).await?;
        let now = SystemClock.now();
        let mut text = table(std::slice::from_ref(&detail.destination), now);
        let mut field = |name: &str, value: String| {
            let line = format!("  {name:<12} {}\n", output::line(&value));
            text.push_str(&line);
        };
        field("address", detail.destination.url.clone().unwrap_or_default());
        field("next attempt", detail.next_try.map_or_else(|| "-".to_owned(), output::time));
        let percent = |percent: f64| format!("{percent}% of the requests of the last day");
        field("delivered", detail.success_percent.map_or_else(|| "-".to_owned(), percent));
        let within =
            |bound: Option<u32>| bound.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
        field("p50, p95", format!("{}, {}", within(detail.p50_ms), within(detail.p95_ms)));
        text.push('\n');
        text.push_str(&answers(&detail.answers));
        let document = json!({
            "destination": json(&detail.destination),
            "next_try_at": detail.next_try.map(output::rfc3339),
            "success_percent": detail.success_percent,
            "p50_ms": detail.p50_ms,
            "p95_ms": detail.p95_ms,
            "answers": detail.answers.iter().map(answer).collect::<Vec<Value>>(),
        });
        output::print_as(self.format, &text, &document)?;
        Ok(Exit::Ok)
    }
}

impl Test {
    fn run(&self, config: &Config) -> anyhow::Result<Exit> {
        let caller = Caller::local(super::actor(self.actor.as_deref())?);
        let tests = app::testers(config)?;
        with(config, async |desk| {
            let given = desk.with_tests(tests).send_test(&caller, &self.name).await?;
            output::print_as(self.format, &answers(std::slice::from_ref(&given)), &answer(&given))?;
            Ok(if given.error.is_none() { Exit::Ok } else { Exit::Failed })
        })
    }
}

fn answer(given: &DestinationResponse) -> Value {
    json!({
        "at": output::rfc3339(given.at),
        "took_ms": i64::try_from(given.took.whole_milliseconds()).unwrap_or(i64::MAX),
        "test": given.delivery.is_none(),
        "delivery": given.delivery,
        "event": given.event.to_string(),
        "status": given.status,
        "headers": given.headers.iter()
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect::<Vec<Value>>(),
        "body": given.body,
        "error": given.error,
    })
}

fn answers(given: &[DestinationResponse]) -> String {
    let head = ["AT", "STATUS", "DURATION", "DELIVERY", "RESPONSE"];
    let rows: Vec<Vec<String>> = given
        .iter()
        .map(|one| {
            let response = one.error.as_deref().unwrap_or(&one.body);
            vec![
                output::time(one.at),
                one.status.map_or_else(|| "none".to_owned(), |status| status.to_string()),
                format!("{} ms", one.took.whole_milliseconds()),
                one.delivery.map_or_else(|| "test".to_owned(), |id| id.to_string()),
                response.chars().take(200).collect(),
            ]
        })
        .collect();
    output::table(&head, &rows)
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
        "url": listed.url,
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
    let head = [
        "NAME",
        "STATE",
        "FOR",
        "READY",
        "OLDEST",
        "IN FLIGHT",
        "DEAD",
        "LAST FAILURE",
        "LAST ERROR",
    ];
    let rows: Vec<Vec<String>> = listed
        .iter()
        .map(|listed| {
            let age = |at: Option<OffsetDateTime>| {
                at.map_or_else(|| "-".to_owned(), |at| output::age(now - at))
            };
            let state = listed.state.as_ref();
            let count = |count: fn(&DestinationState) -> i64| state.map_or(0, count).to_string();
            let error = state.and_then(|state| state.last_error.as_deref()).unwrap_or_default();
            let error = error.replace('\n', ", ");
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
