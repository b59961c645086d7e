//! Computes the alarms from counters, waiting deliveries and open alerts. Pure: the state is read
//! in [`super::reading`].

mod destination;
mod dispatch;
mod gateway;
mod source;

use time::{Duration, OffsetDateTime};

pub(super) use destination::of_destination;
pub(super) use dispatch::of_problem;
pub(super) use gateway::{
    of_alert, of_clocks, of_database, of_disk, of_pause, of_transaction, of_wrong_paths,
};
pub(super) use source::{SourceStats, of_dead_letters, of_expiring, of_source};

use super::model::{Alarm, AlarmKind, Link};
use super::topology::Topology;
use crate::store::{HandlerName, Severity};

/// How long a possibly transient problem may last before it is an alarm. With the interval between
/// two checks, an alarm begins within a minute.
pub(super) const GRACE: Duration = Duration::seconds(45);
/// From this age a problem is critical if events are waiting.
const CRITICAL_AFTER: Duration = Duration::minutes(5);

impl AlarmKind {
    /// Whether an alert is raised when it begins and resolved when it ends. Not for alerts, and not
    /// for dead letters, which have alerts of their own by handler and reason.
    pub(super) fn raises_alert(self) -> bool {
        !matches!(self, Self::Alert | Self::DeadLetters)
    }

    /// Whether it concerns one gateway: others do not see it, and must not resolve it. `Stuck`
    /// concerns one gateway if it has a key, the handler its dispatcher has a problem with.
    pub(super) fn is_local(self, key: &str) -> bool {
        matches!(self, Self::Disk | Self::Clock | Self::Proxy)
            || (self == Self::Stuck && !key.is_empty())
    }

    /// The text of the resolved alert; `key` is the destination or handler, if any.
    pub(super) fn resolved_text(self, source: &str, key: &str) -> String {
        let who = if key.is_empty() { source.to_owned() } else { who(key) };
        match self {
            Self::Database => "the database is readable and writable again".to_owned(),
            Self::Disk => "the disk of the database has enough free space again".to_owned(),
            Self::Clock => "the clocks agree again".to_owned(),
            Self::Transaction => "no long-open transaction any more".to_owned(),
            Self::Stuck if key.is_empty() => format!("no overdue delivery of {who} any more"),
            Self::Stuck if source.is_empty() => {
                format!("results of {who} can be recorded again")
            }
            Self::Stuck => format!("deliveries of {source} for {who} can be claimed again"),
            Self::DestinationFailing => format!("{who} has recovered"),
            Self::DestinationDisabled => format!("{who} is enabled again, or was removed"),
            Self::DestinationRejecting => format!("{who} accepts events again"),
            Self::DestinationUnconfigured => {
                format!("no delivery is waiting for {who}, or it is configured again")
            }
            Self::DeadLetters => format!("no open dead letter of {who} any more"),
            Self::Retention => {
                format!("no open dead letter of {who} is about to be deleted any more")
            }
            Self::Paused if key.is_empty() => format!("source {who} was resumed"),
            Self::Paused if HandlerName::parse(key).is_destination() => {
                format!("{who} was resumed")
            }
            Self::Paused => format!("handler {who} was resumed"),
            Self::Silence => format!("{who} is sending again, or is no longer expected to"),
            Self::Refusals => format!("most requests to {who} are no longer rejected"),
            Self::Oversize => format!("no request to {who} was too large in the last hour"),
            Self::WrongPath => "no signed request to an unknown path in the last hour".to_owned(),
            Self::Proxy => format!("{who} is trusted, or sends nothing any more"),
            Self::TransfersExpired => {
                format!("no transfer of {who} expired in the last hour")
            }
            Self::TransfersLate => format!("no late transfer of {who} any more"),
            Self::Alert => format!("{who} is over"),
        }
    }
}

impl Alarm {
    /// An alarm about the gateway itself.
    fn new(kind: AlarmKind, severity: Severity, text: String, link: Link) -> Self {
        Self { kind, source: None, name: None, severity, text, since: None, count: 1, link }
    }

    fn since(self, since: Option<OffsetDateTime>) -> Self {
        Self { since, ..self }
    }
}

/// Sorts alarms: most severe first.
pub(super) fn in_order(mut alarms: Vec<Alarm>, topology: &Topology) -> Vec<Alarm> {
    let place = |alarm: &Alarm| {
        topology.sources.iter().position(|source| Some(&source.name) == alarm.source.as_ref())
    };
    alarms.sort_by(|a, b| {
        let key = |alarm: &Alarm| (std::cmp::Reverse(alarm.severity), alarm.kind, place(alarm));
        key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name))
    });
    alarms
}

/// A handler in words: `to:app` is destination app.
pub(super) fn who(handler: &str) -> String {
    HandlerName::parse(handler).in_words()
}

fn plural(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A duration in minutes, or in seconds if short.
fn lasting(span: Duration) -> humantime::FormattedDuration {
    let seconds = span.whole_seconds().unsigned_abs();
    let rounded = if seconds >= 120 { seconds / 60 * 60 } else { seconds };
    humantime::format_duration(std::time::Duration::from_secs(rounded))
}
