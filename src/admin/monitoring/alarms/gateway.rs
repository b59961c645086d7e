//! Problems of the gateway itself and of its database.

use time::{Duration, OffsetDateTime};

use super::{GRACE, lasting, plural};
use crate::admin::monitoring::model::{Alarm, AlarmKind, Counts, Link};
use crate::store::{
    DatabaseState, DiskLevel, DiskState, OpenAlert, OpenTransaction, Pause, PauseTarget, Severity,
    WRONG_PATH,
};

/// The tolerated difference between this machine's clock and the database's.
const CLOCK_TOLERANCE: Duration = Duration::minutes(1);

/// Whether the clocks differ by more than senders tolerate.
pub(in crate::admin::monitoring) fn of_clocks(
    ours: OffsetDateTime,
    theirs: OffsetDateTime,
) -> Option<Alarm> {
    let offset = ours - theirs;
    let text = || {
        format!(
            "this machine's clock is {} {} the database's: requests may be rejected",
            humantime::format_duration(std::time::Duration::from_secs(
                offset.whole_seconds().unsigned_abs()
            )),
            if offset.is_positive() { "ahead of" } else { "behind" },
        )
    };
    (offset.abs() > CLOCK_TOLERANCE)
        .then(|| Alarm::new(AlarmKind::Clock, Severity::Critical, text(), Link::Settings))
}

pub(in crate::admin::monitoring) fn of_database(state: DatabaseState) -> Option<Alarm> {
    let text = "the database is read-only: no event can be recorded, senders get 503";
    state.only_reads.then(|| {
        Alarm::new(AlarmKind::Database, Severity::Critical, text.to_owned(), Link::Settings)
    })
}

/// Whether the disk of the database, as far as it is known, has little free space.
pub(in crate::admin::monitoring) fn of_disk(state: Option<DiskState>) -> Option<Alarm> {
    let DiskState { space, level, limits } = state?;
    let (severity, then) = match level {
        DiskLevel::Enough => return None,
        DiskLevel::Low if limits.stop_percent > 0.0 => {
            let then = format!("below {} % no event is accepted", limits.stop_percent);
            (Severity::Warning, then)
        }
        DiskLevel::Low => (Severity::Warning, "when it is full, the database stops".to_owned()),
        DiskLevel::Full => {
            let then = "no event is accepted, senders get 503 until there is more";
            (Severity::Critical, then.to_owned())
        }
    };
    let text = format!("the disk of the database has {space}: {then}");
    Some(Alarm::new(AlarmKind::Disk, severity, text, Link::Settings))
}

/// Whether a transaction has been open for too long.
pub(in crate::admin::monitoring) fn of_transaction(
    oldest: Option<&OpenTransaction>,
    now: OffsetDateTime,
) -> Option<Alarm> {
    let oldest = oldest?;
    let age = Duration::seconds_f64(oldest.seconds);
    let whose = match oldest.pid {
        Some(pid) => format!(" (server process {pid})"),
        None => String::new(),
    };
    let text = || {
        format!(
            "a transaction{whose} on the database server has been open for {}: it blocks the \
             stream and slows down deliveries",
            lasting(age),
        )
    };
    (age >= GRACE).then(|| {
        Alarm::new(AlarmKind::Transaction, Severity::Warning, text(), Link::Settings)
            .since(Some(now - age))
    })
}

/// Whether signed requests were sent to paths that belong to no source.
pub(in crate::admin::monitoring) fn of_wrong_paths(hour: &Counts) -> Option<Alarm> {
    let count = hour.reasons.iter().find(|one| one.reason == WRONG_PATH)?.count;
    let text = format!(
        "{} with a signature to unknown paths in the last hour: a sender may have a wrong URL",
        plural(count, "request", "requests"),
    );
    let alarm = Alarm::new(AlarmKind::WrongPath, Severity::Warning, text, Link::Sources);
    Some(Alarm { count, ..alarm })
}

/// A source or handler that is paused.
pub(in crate::admin::monitoring) fn of_pause(pause: &Pause, now: OffsetDateTime) -> Alarm {
    let (target, name) = (pause.target, &pause.name);
    let text = format!(
        "{target} {name} has been paused for {}: events are recorded and wait",
        lasting(now - pause.paused_at),
    );
    let alarm = Alarm::new(AlarmKind::Paused, Severity::Warning, text, Link::Pauses);
    let alarm = alarm.since(Some(pause.paused_at));
    match target {
        PauseTarget::Source => Alarm { source: Some(name.clone()), ..alarm },
        PauseTarget::Handler => Alarm { name: Some(name.clone()), ..alarm },
    }
}

/// An open alert. Its text requires `payload:read`.
pub(in crate::admin::monitoring) fn of_alert(alert: &OpenAlert, may_see: bool) -> Alarm {
    let source = Some(alert.source.clone()).filter(|source| !source.is_empty());
    let text = if may_see {
        format!("{}: {}", alert.alert_type, alert.text.trim_end_matches('.'))
    } else {
        format!("alert {} is open", alert.alert_type)
    };
    Alarm {
        source,
        name: Some(alert.alert_type.clone()),
        count: alert.count.unsigned_abs(),
        ..Alarm::new(AlarmKind::Alert, alert.severity, text, Link::Alerts).since(Some(alert.since))
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::admin::monitoring::model::ReasonCount;

    const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

    #[test]
    fn clock_difference_above_a_minute_is_an_alarm() {
        assert!(of_clocks(NOW, NOW - Duration::minutes(1)).is_none());
        let slow = of_clocks(NOW, NOW + Duration::seconds(61)).unwrap();
        assert!(slow.text.starts_with("this machine's clock is 1m 1s behind"), "{}", slow.text);
    }

    #[test]
    fn long_open_transaction_is_an_alarm() {
        let of = |seconds| {
            let open = OpenTransaction { seconds, pid: Some(7) };
            of_transaction(Some(&open), NOW).map(|alarm| alarm.text)
        };
        assert_eq!(of_transaction(None, NOW), None);
        assert_eq!(of(44.0), None);
        let text = of(90.0).unwrap();
        assert!(text.contains("(server process 7)") && text.contains("open for 1m 30s"), "{text}");
    }

    #[test]
    fn only_signed_requests_to_unknown_paths_are_an_alarm() {
        let of = |reasons: &[(&str, u64)]| {
            let reason = |(reason, count): &(&str, u64)| ReasonCount {
                reason: (*reason).to_owned(),
                count: *count,
            };
            let reasons = reasons.iter().map(reason).collect();
            let hour = Counts { reasons, ..Counts::default() };
            of_wrong_paths(&hour).map(|alarm| alarm.count)
        };
        assert_eq!(of(&[("not_found", 9), ("unknown_source", 5)]), None);
        assert_eq!(of(&[("not_found", 9), (WRONG_PATH, 2)]), Some(2));
    }
}
