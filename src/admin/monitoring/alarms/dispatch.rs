//! Problems of the dispatcher of this process.

use time::OffsetDateTime;

use super::{CRITICAL_AFTER, GRACE, lasting, who};
use crate::admin::monitoring::model::{Alarm, AlarmKind, Link};
use crate::dispatch::DispatchProblem;
use crate::store::{DeliveryState, Severity};

/// A queue that cannot be claimed from, or a handler whose results cannot be written.
pub(in crate::admin::monitoring) fn of_problem(
    problem: &DispatchProblem,
    now: OffsetDateTime,
) -> Option<Alarm> {
    let DispatchProblem { source, handler, since } = problem;
    let (age, who) = (now - *since, who(handler));
    let severity = if age >= CRITICAL_AFTER { Severity::Critical } else { Severity::Warning };
    let long = lasting(age);
    let (text, link) = match source {
        Some(source) => (
            format!(
                "cannot claim deliveries of {source} for {who} for {long}: a table may be \
                 locked, or the database is too slow"
            ),
            Link::Events { source: source.clone(), state: DeliveryState::Ready },
        ),
        None => (
            format!(
                "cannot record the results of {who} for {long}: a table may be locked, or the \
                 database is too slow"
            ),
            Link::Alerts,
        ),
    };
    let alarm = Alarm::new(AlarmKind::Stuck, severity, text, link).since(Some(*since));
    let (source, name) = (source.clone(), Some(handler.clone()));
    (age >= GRACE).then_some(Alarm { source, name, ..alarm })
}

#[cfg(test)]
mod tests {
    use time::Duration;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

    fn of(source: Option<&str>, seconds: i64) -> Option<Alarm> {
        let since = NOW - Duration::seconds(seconds);
        let (source, handler) = (source.map(str::to_owned), "cards".to_owned());
        of_problem(&DispatchProblem { source, handler, since }, NOW)
    }

    #[test]
    fn transient_problem_is_an_alarm_after_a_while_and_critical_later() {
        assert_eq!(of(None, 44), None);
        let written = of(None, 45).unwrap();
        assert_eq!((written.kind, written.severity), (AlarmKind::Stuck, Severity::Warning));
        assert!(written.text.starts_with("cannot record the results of cards for 45s"));
        assert_eq!((written.source, written.name.as_deref()), (None, Some("cards")));
        let claimed = of(Some("docs"), 300).unwrap();
        assert_eq!(claimed.severity, Severity::Critical);
        assert!(claimed.text.starts_with("cannot claim deliveries of docs for cards"));
        assert_eq!(claimed.source.as_deref(), Some("docs"));
    }

    #[test]
    fn only_problems_of_a_handler_are_local_to_a_gateway() {
        assert!(AlarmKind::Stuck.is_local("cards") && !AlarmKind::Stuck.is_local(""));
        let over = |source, key| AlarmKind::Stuck.resolved_text(source, key);
        assert_eq!(over("docs", ""), "no overdue delivery of docs any more");
        assert_eq!(over("docs", "cards"), "deliveries of docs for cards can be claimed again");
        assert_eq!(over("", "cards"), "results of cards can be recorded again");
        let app = |kind: AlarmKind| kind.resolved_text("", "to:app");
        assert_eq!(app(AlarmKind::DestinationFailing), "destination app has recovered");
        assert_eq!(app(AlarmKind::Paused), "destination app was resumed");
        assert_eq!(AlarmKind::Paused.resolved_text("", "cards"), "handler cards was resumed");
        assert_eq!(AlarmKind::Paused.resolved_text("docs", ""), "source docs was resumed");
    }
}
