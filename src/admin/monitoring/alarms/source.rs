//! Problems of a source.

use time::{Duration, OffsetDateTime};

use super::{CRITICAL_AFTER, lasting, plural, who};
use crate::admin::monitoring::inactivity::Baseline;
use crate::admin::monitoring::model::{Alarm, AlarmKind, Link};
use crate::admin::monitoring::topology::{RETENTION_WARNING, SourceFacts};
use crate::admin::monitoring::totals::Totals;
use crate::store::{
    Backlog, DeliveryState, ExpiringDeadLetters, LateTransfers, MAX_SCANNED, OpenDeadLetterCounts,
    Severity,
};

/// The minimum number of requests for a rejection rate.
const MIN_REQUESTS: u64 = 20;

/// The state of one source.
pub(in crate::admin::monitoring) struct SourceStats<'a> {
    pub(in crate::admin::monitoring) source: &'a SourceFacts,
    pub(in crate::admin::monitoring) hour: &'a Totals,
    pub(in crate::admin::monitoring) baseline: Baseline,
    pub(in crate::admin::monitoring) last_event: Option<OffsetDateTime>,
    pub(in crate::admin::monitoring) waiting: Option<&'a Backlog>,
    pub(in crate::admin::monitoring) late: Option<&'a LateTransfers>,
    /// Its open dead letters, by handler and reason.
    pub(in crate::admin::monitoring) dead_letters: &'a [&'a OpenDeadLetterCounts],
}

/// All problems of one source.
pub(in crate::admin::monitoring) fn of_source(
    stats: &SourceStats<'_>,
    now: OffsetDateTime,
) -> Vec<Alarm> {
    let name = &stats.source.name;
    let alarm = |kind, severity, text, since, link| Alarm {
        source: Some(name.clone()),
        ..Alarm::new(kind, severity, text, link).since(since)
    };
    let mut alarms = Vec::new();
    if let Some(last) = stats.last_event.filter(|_| stats.source.enabled)
        && let Some(missing) = stats.baseline.missing(last, now)
    {
        let gap = humantime::format_duration(whole_minutes(now - last));
        alarms.push(alarm(
            AlarmKind::Silence,
            Severity::Warning,
            format!("nothing received from {name} for {gap}: about {missing} requests expected"),
            Some(last),
            Link::Source { source: name.clone() },
        ));
    }
    let hour = &stats.hour.counts;
    let (refused, received) = (hour.refused, hour.received);
    if received >= MIN_REQUESTS && refused * 2 > received {
        let reason = hour.reasons.first().map_or("", |one| one.reason.as_str());
        alarms.push(alarm(
            AlarmKind::Refusals,
            Severity::Warning,
            format!(
                "{refused} of {received} requests to {name} in the last hour were rejected, most \
                 with {reason}"
            ),
            None,
            Link::Source { source: name.clone() },
        ));
    }
    alarms.extend(oversize(stats).map(|text| {
        let count = stats.hour.oversize;
        let link = Link::Source { source: name.clone() };
        Alarm { count, ..alarm(AlarmKind::Oversize, Severity::Warning, text, None, link) }
    }));
    if let Some(waiting) = stats.waiting.filter(|waiting| waiting.stuck > 0) {
        let least = if waiting.stuck >= MAX_SCANNED { "at least " } else { "" };
        let age = waiting.stuck_since.map_or(Duration::ZERO, |since| now - since);
        let severity = if age >= CRITICAL_AFTER { Severity::Critical } else { Severity::Warning };
        let stuck = waiting.stuck.unsigned_abs();
        let text = format!(
            "{least}{} of {name} overdue, the oldest by {}",
            plural(stuck, "delivery", "deliveries"),
            lasting(age),
        );
        let link = Link::Events { source: name.clone(), state: DeliveryState::Ready };
        let since = waiting.stuck_since;
        alarms.push(Alarm { count: stuck, ..alarm(AlarmKind::Stuck, severity, text, since, link) });
    }
    alarms.extend(of_dead_letters(name, stats.dead_letters));
    if hour.expired > 0 {
        alarms.push(alarm(
            AlarmKind::TransfersExpired,
            Severity::Warning,
            format!(
                "{} of {name} expired in the last hour before they were complete",
                plural(hour.expired, "transfer", "transfers"),
            ),
            None,
            Link::Transfers,
        ));
    }
    if let Some(late) = stats.late {
        alarms.push(alarm(
            AlarmKind::TransfersLate,
            Severity::Info,
            format!(
                "{} of {name} incomplete after more than half of their time limit",
                plural(late.count.unsigned_abs(), "transfer", "transfers"),
            ),
            Some(late.since),
            Link::Transfers,
        ));
    }
    alarms
}

/// Whether requests exceeded the body limit. Authentic ones leave a dead letter without content,
/// and a sender that retries a rejected one in order stalls.
fn oversize(stats: &SourceStats<'_>) -> Option<String> {
    let count = stats.hour.oversize;
    (count > 0).then(|| {
        format!(
            "{} to {} in the last hour {} larger than max_body ({}): {} content was not kept",
            plural(count, "request", "requests"),
            stats.source.name,
            if count == 1 { "was" } else { "were" },
            bytesize::ByteSize(stats.source.max_body),
            if count == 1 { "its" } else { "their" },
        )
    })
}

/// The open dead letters of a source: their number, and the most frequent reason.
pub(in crate::admin::monitoring) fn of_dead_letters(
    source: &str,
    dead_letters: &[&OpenDeadLetterCounts],
) -> Option<Alarm> {
    let most = dead_letters.iter().max_by_key(|dead_letters| dead_letters.open)?;
    let count: u64 = dead_letters.iter().map(|dead_letters| dead_letters.open.unsigned_abs()).sum();
    let mostly = if dead_letters.len() > 1 { "most of them " } else { "" };
    let text = format!(
        "{} of {source} open, {mostly}{} ({})",
        plural(count, "dead letter", "dead letters"),
        most.death_reason,
        who(&most.handler),
    );
    let source = Some(source.to_owned());
    let alarm = Alarm::new(AlarmKind::DeadLetters, Severity::Warning, text, Link::DeadLetters);
    Some(Alarm { source, count, ..alarm })
}

/// Open dead letters of a source that will be deleted soon.
pub(in crate::admin::monitoring) fn of_expiring(expiring: &ExpiringDeadLetters) -> Alarm {
    let (source, count) = (&expiring.source, expiring.count.unsigned_abs());
    let text = format!(
        "{} of {source} will be deleted within {}: their retention ends",
        plural(count, "open dead letter", "open dead letters"),
        humantime::format_duration(RETENTION_WARNING.unsigned_abs()),
    );
    let alarm = Alarm::new(AlarmKind::Retention, Severity::Warning, text, Link::DeadLetters);
    Alarm { source: Some(source.clone()), count, ..alarm }.since(Some(expiring.since))
}

fn whole_minutes(span: Duration) -> std::time::Duration {
    std::time::Duration::from_secs(span.whole_minutes().unsigned_abs() * 60)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::admin::monitoring::model::Counts;
    use crate::store::DeathReason;
    use crate::verify::{Quarantine, SignedTime, Window};

    const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

    fn source() -> SourceFacts {
        SourceFacts {
            name: "billing".into(),
            provider: "stripe".into(),
            tenant: "default".into(),
            enabled: true,
            paths: Vec::new(),
            actions: Vec::new(),
            headers: Vec::new(),
            max_body: 1,
            signed_time: SignedTime::Timestamp,
            window: Some(Window { max_age: 300, max_future: 300 }),
            per_second: 1,
            burst: 1,
            keep_rejected: None,
            dead_retention: Duration::days(90),
            quarantine_retention: Duration::days(90),
            lane_blocks: false,
            secrets: Vec::new(),
            stores_secrets: false,
            handlers: Vec::new(),
        }
    }

    fn kinds(source: &SourceFacts, change: impl FnOnce(&mut SourceStats<'_>)) -> Vec<AlarmKind> {
        let hour = Totals::default();
        let mut stats = SourceStats {
            source,
            hour: &hour,
            baseline: Baseline::default(),
            last_event: None,
            waiting: None,
            late: None,
            dead_letters: &[],
        };
        change(&mut stats);
        of_source(&stats, NOW).iter().map(|alarm| alarm.kind).collect()
    }

    #[test]
    fn source_without_data_has_no_alarm() {
        assert_eq!(kinds(&source(), |_| {}), []);
    }

    #[test]
    fn more_than_half_rejected_of_at_least_twenty_is_an_alarm() {
        let of = |accepted, refused| {
            let received = accepted + refused;
            let counts = Counts { received, accepted, refused, ..Counts::default() };
            let hour = Totals { counts, ..Totals::default() };
            let hour: &'static Totals = Box::leak(Box::new(hour));
            kinds(&source(), |stats| stats.hour = hour)
        };
        assert_eq!(of(0, 19), []);
        assert_eq!(of(0, 20), [AlarmKind::Refusals]);
        assert_eq!(of(10, 10), []);
        assert_eq!(of(10, 11), [AlarmKind::Refusals]);
    }

    #[test]
    fn disabled_source_is_never_inactive() {
        let baseline = Baseline::of(&[(11, 700)], 1);
        let missed = |source: &SourceFacts| {
            kinds(source, |stats| {
                stats.baseline = baseline;
                stats.last_event = Some(NOW - Duration::HOUR);
            })
        };
        assert_eq!(missed(&source()), [AlarmKind::Silence]);
        assert_eq!(missed(&SourceFacts { enabled: false, ..source() }), []);
    }

    #[test]
    fn text_has_the_problem_and_its_extent() {
        let waiting = Backlog {
            source: "billing".into(),
            oldest: None,
            stuck: 1,
            stuck_since: Some(NOW - Duration::HOUR),
        };
        let counts = Counts { expired: 2, ..Counts::default() };
        let hour = Totals { counts, oversize: 1, ..Totals::default() };
        let dead_letters = OpenDeadLetterCounts {
            source: "billing".into(),
            handler: "quarantine".into(),
            death_reason: DeathReason::Quarantined(Quarantine::NotJson),
            open: 3,
            last_at: NOW,
        };
        let source = source();
        let stats = SourceStats {
            source: &source,
            hour: &hour,
            baseline: Baseline::of(&[(11, 700)], 1),
            last_event: Some(NOW - Duration::HOUR),
            waiting: Some(&waiting),
            late: None,
            dead_letters: &[&dead_letters],
        };
        let texts: Vec<String> =
            of_source(&stats, NOW).into_iter().map(|alarm| alarm.text).collect();
        assert_eq!(
            texts,
            [
                "nothing received from billing for 1h: about 700 requests expected",
                "1 request to billing in the last hour was larger than max_body (1 B): its content \
                 was not kept",
                "1 delivery of billing overdue, the oldest by 1h",
                "3 dead letters of billing open, not_json (quarantine)",
                "2 transfers of billing expired in the last hour before they were complete",
            ]
        );
    }
}
