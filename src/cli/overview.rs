//! `sealpost overview`: open alarms and the status of every source.

use serde_json::{Value, json};

use super::output::{self, Format};
use super::{Exit, monitoring};
use crate::admin::{Alarm, Overview, Point, SourceRow, Totals};
use crate::config::Config;
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

pub(super) fn run(config: &Config, args: &Args) -> anyhow::Result<Exit> {
    monitoring::with(config, async |monitoring, caller| {
        let overview = monitoring.overview(caller).await?;
        output::print(&match args.format {
            Format::Text => text(&overview),
            Format::Json => output::json(&document(&overview)),
        })?;
        let is_bad = overview.severity().is_some_and(|severity| severity >= Severity::Warning);
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
    if !overview.alerts_are_told {
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
    let both = |of: fn(&Totals) -> u64, row: &SourceRow| [of(&row.hour), of(&row.day)];
    let rows: Vec<Vec<String>> = overview
        .sources
        .iter()
        .map(|row| {
            let counts = [
                both(Totals::received, row),
                both(|totals| totals.refused, row),
                both(|totals| totals.handled, row),
                both(|totals| totals.dead, row),
            ];
            let off = match (row.enabled, row.paused_at) {
                (false, _) => " (disabled)",
                (_, Some(_)) => " (paused)",
                _ => "",
            };
            let mut cells = vec![format!("{}{off}", row.name)];
            cells.extend(counts.into_iter().flatten().map(|count| count.to_string()));
            cells.push(row.waiting.map(output::age).unwrap_or_default());
            cells.push(row.p95.map(milliseconds).unwrap_or_default());
            cells.push(row.last_event.map(output::time).unwrap_or_default());
            cells.push(row.secret.clone().unwrap_or_default());
            cells
        })
        .collect();
    text.push_str(&output::table(&head, &rows));
    text
}

fn milliseconds(span: time::Duration) -> String {
    format!("{:.0}ms", span.as_seconds_f64() * 1_000.0)
}

fn document(overview: &Overview) -> Value {
    json!({
        "at": output::rfc3339(overview.at),
        "severity": overview.severity().map(Severity::as_str),
        "alerts_are_told": overview.alerts_are_told,
        "alarms": overview.alarms.iter().map(alarm).collect::<Vec<Value>>(),
        "sources": overview.sources.iter().map(row).collect::<Vec<Value>>(),
        "elsewhere": overview.elsewhere.as_ref().map(totals),
        "hour": overview.hour.points.iter().map(point).collect::<Vec<Value>>(),
        "day": overview.day.points.iter().map(point).collect::<Vec<Value>>(),
    })
}

fn alarm(alarm: &Alarm) -> Value {
    json!({
        "kind": alarm.kind.as_str(),
        "source": alarm.source,
        "name": alarm.name,
        "count": alarm.count,
        "severity": alarm.severity.as_str(),
        "text": alarm.text,
        "since": alarm.since.map(output::rfc3339),
    })
}

fn row(row: &SourceRow) -> Value {
    json!({
        "name": row.name,
        "provider": row.provider,
        "tenant": row.tenant,
        "enabled": row.enabled,
        "paused_at": row.paused_at.map(output::rfc3339),
        "hour": totals(&row.hour),
        "day": totals(&row.day),
        "hour_line": row.hour_line,
        "day_line": row.day_line,
        "waiting_seconds": row.waiting.map(time::Duration::as_seconds_f64),
        "p95_seconds": row.p95.map(time::Duration::as_seconds_f64),
        "last_event_at": row.last_event.map(output::rfc3339),
        "secret": row.secret,
    })
}

/// Counts as JSON.
pub(super) fn totals(totals: &Totals) -> Value {
    let reasons: Vec<Value> = totals
        .reasons
        .iter()
        .map(|(reason, count)| json!({ "reason": reason, "count": count }))
        .collect();
    json!({
        "received": totals.received(),
        "verified": totals.verified(),
        "accepted": totals.accepted,
        "duplicates": totals.duplicates,
        "quarantined": totals.quarantined,
        "chunks": totals.chunks,
        "refused": totals.refused,
        "reasons": reasons,
        "handled": totals.handled,
        "ignored": totals.ignored,
        "retries": totals.retries,
        "dead": totals.dead,
        "replayed": totals.replayed,
        "expired": totals.expired,
    })
}

fn point(point: &Point) -> Value {
    json!({
        "begin": output::rfc3339(point.begin),
        "verified": point.verified,
        "refused": point.refused,
        "handled": point.handled,
        "dead": point.dead,
        "p50_seconds": point.p50.map(time::Duration::as_seconds_f64),
        "p95_seconds": point.p95.map(time::Duration::as_seconds_f64),
    })
}
