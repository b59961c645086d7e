//! What is wrong now, told from what was counted and from what waits. Pure.

use time::{Duration, OffsetDateTime};

use super::landscape::{Landscape, SourceFacts};
use super::silence::Habit;
use super::totals::Totals;
use crate::store::{LOOKED_AT, LateTransfers, Severity, Waiting};

/// How long a delivery may be due before it is stuck.
pub(super) const STUCK_AFTER: std::time::Duration = std::time::Duration::from_mins(5);
/// Of fewer requests no refusal rate is computed.
const FEW: u64 = 20;
/// By how much this machine's clock may differ from the database's.
const CLOCK_TOLERANCE: Duration = Duration::minutes(1);

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// What kind of thing.
    pub kind: AlarmKind,
    /// The source that it is about; `None` for the gateway itself.
    pub source: Option<String>,
    /// How much it matters.
    pub severity: Severity,
    /// What it is, in a sentence. Names of sources, but nothing that strangers wrote.
    pub text: String,
    /// Since when, where that is known.
    pub since: Option<OffsetDateTime>,
    /// Where to look.
    pub link: Link,
}

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlarmKind {
    /// A source sends nothing, though at this time it always did.
    Silence,
    /// Most requests of a source are refused.
    Refusals,
    /// Deliveries are due and nobody works on them.
    Stuck,
    /// Transfers were given up in the last hour.
    TransfersExpired,
    /// Open transfers have used up more than half of their time.
    TransfersLate,
    /// This machine's clock and the database's differ.
    Clock,
}

/// Where to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// At the source of this name.
    Source(String),
    /// At the events of this source that have deliveries in this state.
    Events {
        /// The source.
        source: String,
        /// The state's word.
        state: &'static str,
    },
    /// At the transfers.
    Transfers,
    /// At the settings.
    Settings,
}

/// What is known of one source.
pub(super) struct Facts<'a> {
    pub(super) source: &'a SourceFacts,
    /// What was counted in the last hour.
    pub(super) hour: &'a Totals,
    pub(super) habit: Habit,
    pub(super) last_event: Option<OffsetDateTime>,
    pub(super) waiting: Option<&'a Waiting>,
    pub(super) late: Option<&'a LateTransfers>,
}

impl AlarmKind {
    /// Those that people are told of: once when it begins, once when it is over.
    pub const TOLD: [Self; 4] =
        [Self::Silence, Self::Refusals, Self::Stuck, Self::TransfersExpired];

    /// The word for it, also that of its alert.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Silence => "silence",
            Self::Refusals => "refusals",
            Self::Stuck => "stuck",
            Self::TransfersExpired => "transfers_expired",
            Self::TransfersLate => "transfers_late",
            Self::Clock => "clock",
        }
    }

    /// What is told when it is over.
    pub(super) fn over(self, source: &str) -> String {
        match self {
            Self::Silence => format!("{source} sends again, or was not expected to any longer"),
            Self::Refusals => format!("most requests of {source} are no longer refused"),
            Self::Stuck => format!("no delivery of {source} is stuck any longer"),
            Self::TransfersExpired => {
                format!("no transfer of {source} was given up in the last hour")
            }
            Self::TransfersLate => format!("no transfer of {source} is late any longer"),
            Self::Clock => "the clocks agree again".to_owned(),
        }
    }
}

/// Everything that is wrong about one source.
pub(super) fn of_source(facts: &Facts<'_>, now: OffsetDateTime) -> Vec<Alarm> {
    let name = &facts.source.name;
    let alarm = |kind, severity, text, since, link| Alarm {
        kind,
        source: Some(name.clone()),
        severity,
        text,
        since,
        link,
    };
    let mut alarms = Vec::new();
    if let Some(last) = facts.last_event.filter(|_| facts.source.enabled)
        && let Some(missing) = facts.habit.silent(last, now)
    {
        let gap = humantime::format_duration(whole_minutes(now - last));
        alarms.push(alarm(
            AlarmKind::Silence,
            Severity::Warning,
            format!("nothing from {name} for {gap}: about {missing} requests would be usual"),
            Some(last),
            Link::Source(name.clone()),
        ));
    }
    let (refused, received) = (facts.hour.refused, facts.hour.received());
    if received >= FEW && refused * 2 > received {
        let reason = facts.hour.reasons.first().map_or("", |(reason, _)| reason.as_str());
        alarms.push(alarm(
            AlarmKind::Refusals,
            Severity::Warning,
            format!(
                "{refused} of {received} requests to {name} in the last hour were refused, most \
                 as {reason}"
            ),
            None,
            Link::Source(name.clone()),
        ));
    }
    if let Some(waiting) = facts.waiting.filter(|waiting| waiting.stuck > 0) {
        let least = if waiting.stuck >= LOOKED_AT { "at least " } else { "" };
        alarms.push(alarm(
            AlarmKind::Stuck,
            Severity::Critical,
            format!(
                "{least}{} of {name} for more than 5 minutes due and not worked on",
                plural(waiting.stuck.unsigned_abs(), "delivery", "deliveries"),
            ),
            waiting.stuck_since,
            Link::Events { source: name.clone(), state: "ready" },
        ));
    }
    if facts.hour.expired > 0 {
        alarms.push(alarm(
            AlarmKind::TransfersExpired,
            Severity::Warning,
            format!(
                "{} of {name} given up in the last hour: the rest never came",
                plural(facts.hour.expired, "transfer", "transfers"),
            ),
            None,
            Link::Transfers,
        ));
    }
    if let Some(late) = facts.late {
        alarms.push(alarm(
            AlarmKind::TransfersLate,
            Severity::Info,
            format!(
                "{} of {name} with more than half of the time for the rest used up",
                plural(late.count.unsigned_abs(), "transfer", "transfers"),
            ),
            Some(late.since),
            Link::Transfers,
        ));
    }
    alarms
}

/// Whether the clocks differ by more than senders are likely to bear.
pub(super) fn of_clocks(ours: OffsetDateTime, theirs: OffsetDateTime) -> Option<Alarm> {
    let offset = ours - theirs;
    (offset.abs() > CLOCK_TOLERANCE).then(|| Alarm {
        kind: AlarmKind::Clock,
        source: None,
        severity: Severity::Critical,
        text: format!(
            "this machine's clock is {} {} the database's: senders may be refused for it",
            humantime::format_duration(std::time::Duration::from_secs(
                offset.whole_seconds().unsigned_abs()
            )),
            if offset.is_positive() { "ahead of" } else { "behind" },
        ),
        since: None,
        link: Link::Settings,
    })
}

/// What somebody should know first stands first.
pub(super) fn in_order(mut alarms: Vec<Alarm>, landscape: &Landscape) -> Vec<Alarm> {
    let place = |alarm: &Alarm| {
        landscape.sources.iter().position(|source| Some(&source.name) == alarm.source.as_ref())
    };
    alarms.sort_by_key(|alarm| (std::cmp::Reverse(alarm.severity), alarm.kind, place(alarm)));
    alarms
}

fn plural(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn whole_minutes(span: Duration) -> std::time::Duration {
    std::time::Duration::from_secs(span.whole_minutes().unsigned_abs() * 60)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

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
            max_age: 300,
            max_future: 300,
            per_second: 1,
            burst: 1,
            hold_refused: None,
            lane_blocks: false,
            secrets: Vec::new(),
            handlers: Vec::new(),
        }
    }

    fn kinds(source: &SourceFacts, change: impl FnOnce(&mut Facts<'_>)) -> Vec<AlarmKind> {
        let hour = Totals::default();
        let mut facts = Facts {
            source,
            hour: &hour,
            habit: Habit::default(),
            last_event: None,
            waiting: None,
            late: None,
        };
        change(&mut facts);
        of_source(&facts, NOW).iter().map(|alarm| alarm.kind).collect()
    }

    #[test]
    fn nothing_is_wrong_where_nothing_is_known() {
        assert_eq!(kinds(&source(), |_| {}), []);
    }

    #[test]
    fn more_than_half_of_at_least_twenty_refused_is_an_alarm() {
        let of = |accepted, refused| {
            let hour = Totals { accepted, refused, ..Totals::default() };
            let hour: &'static Totals = Box::leak(Box::new(hour));
            kinds(&source(), |facts| facts.hour = hour)
        };
        assert_eq!(of(0, 19), []);
        assert_eq!(of(0, 20), [AlarmKind::Refusals]);
        assert_eq!(of(10, 10), []);
        assert_eq!(of(10, 11), [AlarmKind::Refusals]);
    }

    #[test]
    fn a_source_that_is_disabled_is_not_missed() {
        let habit = Habit::of(&[(11, 700)], 1);
        let missed = |source: &SourceFacts| {
            kinds(source, |facts| {
                facts.habit = habit;
                facts.last_event = Some(NOW - Duration::HOUR);
            })
        };
        assert_eq!(missed(&source()), [AlarmKind::Silence]);
        assert_eq!(missed(&SourceFacts { enabled: false, ..source() }), []);
    }

    #[test]
    fn the_text_says_what_and_how_much() {
        let waiting = Waiting {
            source: "billing".into(),
            oldest: None,
            stuck: 1,
            stuck_since: Some(NOW - Duration::HOUR),
        };
        let hour = Totals { expired: 2, ..Totals::default() };
        let source = source();
        let facts = Facts {
            source: &source,
            hour: &hour,
            habit: Habit::of(&[(11, 700)], 1),
            last_event: Some(NOW - Duration::HOUR),
            waiting: Some(&waiting),
            late: None,
        };
        let texts: Vec<String> =
            of_source(&facts, NOW).into_iter().map(|alarm| alarm.text).collect();
        assert_eq!(
            texts,
            [
                "nothing from billing for 1h: about 700 requests would be usual",
                "1 delivery of billing for more than 5 minutes due and not worked on",
                "2 transfers of billing given up in the last hour: the rest never came",
            ]
        );
    }

    #[test]
    fn clocks_may_differ_by_a_minute() {
        assert!(of_clocks(NOW, NOW - Duration::minutes(1)).is_none());
        let slow = of_clocks(NOW, NOW + Duration::seconds(61)).unwrap();
        assert!(slow.text.starts_with("this machine's clock is 1m 1s behind"), "{}", slow.text);
    }
}
