//! Problems of a destination.

use time::{Duration, OffsetDateTime};

use super::{CRITICAL_AFTER, GRACE, lasting, plural};
use crate::admin::monitoring::model::{Alarm, AlarmKind, Link};
use crate::store::{FailingDestination, HandlerName, Severity};

/// An older failure is ignored if no deliveries wait: the destination may work again.
const STALE_AFTER: Duration = Duration::hours(1);

pub(in crate::admin::monitoring) fn of_destination(
    destination: &FailingDestination,
    configured: bool,
    now: OffsetDateTime,
) -> Vec<Alarm> {
    let name = &destination.name;
    let waiting = destination.waiting.unsigned_abs();
    let alarm = |kind, severity, text: String, since| Alarm {
        name: Some(HandlerName::Destination(name).to_string()),
        count: waiting,
        ..Alarm::new(kind, severity, text, Link::Destinations).since(since)
    };
    let wait = match waiting {
        0 => "no deliveries waiting".to_owned(),
        many => plural(many, "delivery waiting", "deliveries waiting"),
    };
    if !configured {
        let text = format!(
            "destination {name} is no longer configured, {wait}: configure it again, or delete it"
        );
        return vec![alarm(AlarmKind::DestinationUnconfigured, Severity::Warning, text, None)];
    }
    if let Some(since) = destination.disabled_at {
        let text = format!("destination {name} is disabled, {wait}");
        let severity = if waiting > 0 { Severity::Critical } else { Severity::Warning };
        return vec![alarm(AlarmKind::DestinationDisabled, severity, text, Some(since))];
    }
    if let Some(since) = destination.paused_at {
        let long = lasting(now - since);
        let text = format!("destination {name} has been paused for {long}, {wait}");
        return vec![alarm(AlarmKind::Paused, Severity::Warning, text, Some(since))];
    }
    let recent = destination.last_failed_at.is_some_and(|last| now - last < STALE_AFTER);
    if waiting == 0 && !recent {
        return Vec::new();
    }
    let mut alarms = Vec::new();
    let is_backing_off = destination.not_before.is_some_and(|until| until > now);
    if let Some(since) = destination.failing_since
        && now - since >= GRACE
        && (destination.failures > 1 || is_backing_off)
    {
        let age = now - since;
        let severity = if age >= CRITICAL_AFTER { Severity::Critical } else { Severity::Warning };
        let text = format!(
            "destination {name} has been failing for {}, {} in a row, {wait}",
            lasting(age),
            plural(destination.failures.unsigned_abs().into(), "request", "requests"),
        );
        alarms.push(alarm(AlarmKind::DestinationFailing, severity, text, Some(since)));
    }
    if let Some(since) = destination.rejecting_since {
        let text = format!(
            "destination {name} rejects events: more than a third of the responses are 4xx"
        );
        let kind = AlarmKind::DestinationRejecting;
        alarms.push(alarm(kind, Severity::Warning, text, Some(since)));
    }
    alarms
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

    fn fine() -> FailingDestination {
        FailingDestination {
            name: "app".into(),
            paused_at: None,
            disabled_at: None,
            failures: 0,
            failing_since: None,
            not_before: None,
            rejecting_since: None,
            last_failed_at: Some(NOW),
            waiting: 3,
        }
    }

    fn of(destination: &FailingDestination) -> Vec<(AlarmKind, Severity)> {
        let alarms = of_destination(destination, true, NOW);
        alarms.iter().map(|alarm| (alarm.kind, alarm.severity)).collect()
    }

    #[test]
    fn repeated_failures_or_retry_after_are_an_alarm_after_a_while() {
        let since = |seconds| FailingDestination {
            failures: 2,
            failing_since: Some(NOW - Duration::seconds(seconds)),
            ..fine()
        };
        assert_eq!(of(&since(44)), []);
        assert_eq!(of(&since(45)), [(AlarmKind::DestinationFailing, Severity::Warning)]);
        assert_eq!(of(&since(300)), [(AlarmKind::DestinationFailing, Severity::Critical)]);
        let once = FailingDestination { failures: 1, ..since(60) };
        assert_eq!(of(&once), []);
        let waiting = FailingDestination { not_before: Some(NOW + Duration::MINUTE), ..once };
        assert_eq!(of(&waiting), [(AlarmKind::DestinationFailing, Severity::Warning)]);
    }

    #[test]
    fn old_failure_without_waiting_deliveries_is_no_alarm() {
        let old = FailingDestination {
            failures: 5,
            failing_since: Some(NOW - Duration::HOUR * 2),
            last_failed_at: Some(NOW - Duration::HOUR),
            rejecting_since: Some(NOW - Duration::HOUR * 2),
            ..fine()
        };
        assert_eq!(of(&old).len(), 2);
        assert_eq!(of(&FailingDestination { waiting: 0, ..old }), []);
    }

    #[test]
    fn pause_and_disabling_take_precedence() {
        let disabled = FailingDestination { disabled_at: Some(NOW), ..fine() };
        assert_eq!(of(&disabled), [(AlarmKind::DestinationDisabled, Severity::Critical)]);
        let paused = FailingDestination { paused_at: Some(NOW), failures: 9, ..fine() };
        assert_eq!(of(&paused), [(AlarmKind::Paused, Severity::Warning)]);
        let gone = of_destination(&fine(), false, NOW);
        assert_eq!(gone[0].kind, AlarmKind::DestinationUnconfigured);
        assert!(gone[0].text.contains("3 deliveries waiting"), "{}", gone[0].text);
    }
}
