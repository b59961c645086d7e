//! Bounds of every configurable duration. The maximum prevents date overflows; the minimum excludes
//! 0 where it would mean "no timeout" or a busy loop.

use std::time::Duration;

use super::File;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// Collects durations that are out of bounds.
pub(super) fn check(file: &File, wrong: &mut Vec<String>) {
    let ms = Duration::from_millis(1);
    let none = Duration::ZERO;
    let dispatch = &file.dispatch;
    let spans = [
        ("operator.heartbeat", file.operator.heartbeat, SECOND, HOUR),
        ("database.acquire_timeout", file.database.acquire_timeout, 10 * ms, MINUTE),
        ("database.statement_timeout", file.database.statement_timeout, 10 * ms, 5 * MINUTE),
        ("dispatch.handler_deadline", dispatch.handler_deadline, 10 * ms, DAY),
        ("dispatch.lease", dispatch.lease, 10 * ms, 7 * DAY),
        ("dispatch.poll", dispatch.poll, ms, HOUR),
        ("dispatch.max_age", dispatch.max_age, ms, 366 * DAY),
        ("dispatch.backoff", dispatch.backoff, none, 30 * DAY),
        ("dispatch.max_backoff", dispatch.max_backoff, none, 30 * DAY),
        ("transfers.idle", file.transfers.idle, SECOND, 30 * DAY),
        ("transfers.total", file.transfers.total, SECOND, 30 * DAY),
        ("retention.done", file.retention.done, HOUR, 3653 * DAY),
        ("retention.dead", file.retention.dead, HOUR, 3653 * DAY),
        ("retention.quarantined", file.retention.quarantined, HOUR, 3653 * DAY),
        ("alerts.every", file.alerts.every, ms, DAY),
    ];
    for (key, span, least, most) in spans {
        check_span(key, span, least, most, wrong);
    }
    for source in &file.source {
        let name = &source.name;
        let retention = source.retention.unwrap_or_default();
        let spans = [
            ("body_deadline", source.body_deadline, 10 * ms, HOUR),
            ("keep_rejected", source.keep_rejected, none, 366 * DAY),
            ("retention.done", retention.done, HOUR, 3653 * DAY),
            ("retention.dead", retention.dead, HOUR, 3653 * DAY),
            ("retention.quarantined", retention.quarantined, HOUR, 3653 * DAY),
        ];
        for (key, span, least, most) in spans {
            if let Some(span) = span {
                check_span(&format!("source `{name}`: {key}"), span, least, most, wrong);
            }
        }
    }
    for destination in &file.destination {
        let key = format!("destination `{}`: timeout", destination.name);
        check_span(&key, destination.timeout, 10 * ms, DAY, wrong);
    }
}

fn check_span(key: &str, span: Duration, least: Duration, most: Duration, wrong: &mut Vec<String>) {
    let format = humantime::format_duration;
    if span > most {
        wrong.push(format!("{key} must not be longer than {}", format(most)));
    }
    if span < least {
        wrong.push(format!("{key} must be at least {}", format(least)));
    }
}
