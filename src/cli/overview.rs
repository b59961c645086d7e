//! `sealpost overview`: open alarms and the status of every source.

use time::Duration;

use super::globals::GlobalArgs;
use super::output::{self, Format};
use super::{Exit, backend};
use crate::admin::{Counts, Overview, SourceRow};
use crate::store::Severity;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Exit with 1 if an alarm of severity warning or higher is open.
    #[arg(long)]
    exit_code: bool,
}

pub(super) fn run(globals: &GlobalArgs, args: &Args) -> anyhow::Result<Exit> {
    backend::with(globals, globals.sources_if_loaded(), None, async |backend| {
        let overview = backend.overview().await?;
        output::print_as(args.format, &text(&overview), &overview)?;
        let is_bad = overview.severity.is_some_and(|severity| severity >= Severity::Warning);
        Ok(if args.exit_code && is_bad { Exit::Failed } else { Exit::Ok })
    })
}

fn text(overview: &Overview) -> String {
    let mut text = String::new();
    for alarm in &overview.alarms {
        let alarm = format!("{}: {}\n", alarm.severity, output::line(&alarm.text));
        text.push_str(&alarm);
    }
    if overview.alarms.is_empty() {
        text.push_str("no open alarms\n");
    }
    if !overview.alerts_are_sent {
        text.push_str("no alert channel is configured ([alerts] discord)\n");
    }
    text.push('\n');
    let head = [
        "SOURCE",
        "RECEIVED 1H",
        "1D",
        "REJECTED 1H",
        "1D",
        "HANDLED 1H",
        "1D",
        "DEAD 1H",
        "1D",
        "WAITING",
        "P95",
        "LAST EVENT",
        "SECRET",
    ];
    let both = |of: fn(&Counts) -> u64, row: &SourceRow| [of(&row.hour), of(&row.day)];
    let rows: Vec<Vec<String>> = overview
        .sources
        .iter()
        .map(|row| {
            let counts = [
                both(|counts| counts.received, row),
                both(|counts| counts.refused, row),
                both(|counts| counts.handled, row),
                both(|counts| counts.dead, row),
            ];
            let off = match (row.enabled, row.paused_at) {
                (false, _) => " (disabled)",
                (_, Some(_)) => " (paused)",
                _ => "",
            };
            let mut cells = vec![format!("{}{off}", row.name)];
            cells.extend(counts.into_iter().flatten().map(|count| count.to_string()));
            cells.push(row.waiting_seconds.map(age).unwrap_or_default());
            cells.push(row.p95_seconds.map(milliseconds).unwrap_or_default());
            cells.push(row.last_event_at.map(output::time).unwrap_or_default());
            cells.push(row.secret.clone().unwrap_or_default());
            cells
        })
        .collect();
    text.push_str(&output::table(&head, &rows));
    text
}

fn age(seconds: f64) -> String {
    output::age(Duration::seconds_f64(seconds))
}

fn milliseconds(seconds: f64) -> String {
    format!("{:.0}ms", seconds * 1_000.0)
}
