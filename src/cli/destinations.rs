//! `sealpost destinations`: show, test, pause and resume destinations.

use time::OffsetDateTime;

use super::actions::{OnDestination, Perform};
use super::backend::{self, Backend};
use super::globals::GlobalArgs;
use super::output::{self, Format};
use super::{Exit, response_table};
use crate::admin::{Destination, Need};
use crate::clock::{Clock, SystemClock};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List destinations and their backlog; `--format json` prints one JSON object per line.
    List(List),
    /// Show a destination: URL, statistics of the last day, and latest responses.
    Show(Show),
    #[command(flatten)]
    Act(Perform<OnDestination>),
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

pub(super) fn run(globals: &GlobalArgs, command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::List(list) => {
            backend::with(globals, Need::Names, None, async |backend| list.run(backend).await)
        }
        Command::Show(show) => {
            backend::with(globals, Need::Names, None, async |backend| show.run(backend).await)
        }
        Command::Act(action) => action.run(globals),
    }
}

impl Show {
    async fn run(&self, backend: &Backend) -> anyhow::Result<Exit> {
        let detail = backend.destination(&self.name).await?;
        let now = SystemClock.now();
        let mut text = table(std::slice::from_ref(&detail.destination), now);
        let mut field = |name: &str, value: String| {
            let line = format!("  {name:<12} {}\n", output::line(&value));
            text.push_str(&line);
        };
        field("url", detail.destination.url.clone().unwrap_or_default());
        if let Some(pause) = &detail.destination.paused {
            let since = output::time(pause.paused_at);
            field("paused", format!("since {since} by {}: {}", pause.paused_by, pause.reason));
        }
        if let Some(reason) = &detail.destination.reason {
            field("disabled", reason.clone());
        }
        field("next attempt", detail.next_attempt_at.map_or_else(|| "-".to_owned(), output::time));
        let percent = |percent: f64| format!("{percent}% of the requests of the last day");
        field("delivered", detail.success_percent.map_or_else(|| "-".to_owned(), percent));
        let within =
            |bound: Option<u32>| bound.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
        field("p50, p95", format!("{}, {}", within(detail.p50_ms), within(detail.p95_ms)));
        text.push('\n');
        text.push_str(&response_table::table(&detail.responses));
        output::print_as(self.format, &text, &detail)?;
        Ok(Exit::Ok)
    }
}

impl List {
    async fn run(&self, backend: &Backend) -> anyhow::Result<Exit> {
        let listed = backend.destinations().await?;
        Ok(output::list(self.format, &listed, |listed| table(listed, SystemClock.now()))?)
    }
}

/// Why it is disabled, or who paused it and why.
fn reason(listed: &Destination) -> String {
    match (&listed.reason, &listed.paused) {
        (Some(reason), _) => reason.clone(),
        (None, Some(pause)) => format!("by {}: {}", pause.paused_by, pause.reason),
        (None, None) => String::new(),
    }
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
        "REASON",
        "LAST FAILURE",
        "LAST ERROR",
    ];
    let rows: Vec<Vec<String>> = listed
        .iter()
        .map(|listed| {
            let age = |at: Option<OffsetDateTime>| {
                at.map_or_else(|| "-".to_owned(), |at| output::age(now - at))
            };
            let error = listed.last_error.as_deref().unwrap_or_default().replace('\n', ", ");
            vec![
                listed.name.clone(),
                listed.state.to_string(),
                age(listed.since),
                listed.ready.to_string(),
                age(listed.oldest),
                listed.in_flight.to_string(),
                listed.dead.to_string(),
                reason(listed),
                age(listed.last_failed_at),
                error.chars().take(80).collect(),
            ]
        })
        .collect();
    output::table(&head, &rows)
}
