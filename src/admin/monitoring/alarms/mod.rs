//! What is wrong now, told from what was counted, from what waits and from the alerts that go on.
//! Pure: the reading is done in [`super::reading`].

mod destination;
mod dispatch;
mod gateway;
mod source;

use time::{Duration, OffsetDateTime};

pub(super) use destination::of_destination;
pub(super) use dispatch::of_trouble;
pub(super) use gateway::{
    of_alert, of_clocks, of_database, of_pause, of_transaction, of_wrong_paths,
};
pub(super) use source::{SourceStats, of_deaths, of_source};

use super::topology::Topology;
use crate::store::Severity;

/// How long trouble may last before it is an alarm, where it may pass by itself. With the pause
/// between two looks, an alarm begins within a minute.
pub(super) const PATIENCE: Duration = Duration::seconds(45);
/// Trouble of this age is critical where events wait for its end.
const CRITICAL_AFTER: Duration = Duration::minutes(5);

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// What kind of thing.
    pub kind: AlarmKind,
    /// The source that it is about; `None` where it is not about one.
    pub source: Option<String>,
    /// The stored name of the destination or handler that it is about; for an alert its kind.
    pub name: Option<String>,
    /// How much it matters.
    pub severity: Severity,
    /// What it is, in a sentence. Only an alert's text may hold untrusted text.
    pub text: String,
    /// Since when, where that is known.
    pub since: Option<OffsetDateTime>,
    /// How much there is of it: deliveries, dead letters, requests. 1 where nothing is counted.
    pub count: u64,
    /// Where to look.
    pub link: Link,
}

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlarmKind {
    /// The database cannot be written to.
    Database,
    /// This machine's clock and the database's differ.
    Clock,
    /// A transaction stays open in the database server.
    Transaction,
    /// Deliveries are due and nobody works on them, or not fast enough; or a gateway cannot claim
    /// them, or write what a handler comes to.
    Stuck,
    /// A destination does not answer, or answers with errors of its own.
    DestinationFailing,
    /// A destination is disabled.
    DestinationDisabled,
    /// A destination rejects events.
    DestinationRejecting,
    /// Deliveries wait for a destination that is not configured.
    DestinationUnconfigured,
    /// Dead letters are open.
    DeadLetters,
    /// A source, handler or destination is paused.
    Paused,
    /// A source sends nothing, though at this time it always did.
    Silence,
    /// Most requests of a source are refused.
    Refusals,
    /// Requests of a source are larger than it may send.
    Oversize,
    /// Signed requests come to paths that are no source's.
    WrongPath,
    /// A proxy is in front of a gateway that is not trusted.
    Proxy,
    /// Transfers were given up in the last hour.
    TransfersExpired,
    /// Open transfers have used up more than half of their time.
    TransfersLate,
    /// An alert goes on that a provider or an operator has raised.
    Alert,
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
    /// At the dead letters.
    DeadLetters,
    /// At the destinations.
    Destinations,
    /// At what is paused.
    Pauses,
    /// At the alerts.
    Alerts,
    /// At the sources.
    Sources,
    /// At the transfers.
    Transfers,
    /// At the settings.
    Settings,
}

impl AlarmKind {
    /// Every one, those that matter most first.
    pub const ALL: [Self; 18] = [
        Self::Database,
        Self::Clock,
        Self::Transaction,
        Self::Stuck,
        Self::DestinationFailing,
        Self::DestinationDisabled,
        Self::DestinationRejecting,
        Self::DestinationUnconfigured,
        Self::DeadLetters,
        Self::Paused,
        Self::Silence,
        Self::Refusals,
        Self::Oversize,
        Self::WrongPath,
        Self::Proxy,
        Self::TransfersExpired,
        Self::TransfersLate,
        Self::Alert,
    ];

    /// The word for it, also that of its alert.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Clock => "clock",
            Self::Transaction => "transaction",
            Self::Stuck => "stuck",
            Self::DestinationFailing => "destination_failing",
            Self::DestinationDisabled => "destination_disabled",
            Self::DestinationRejecting => "destination_rejecting",
            Self::DestinationUnconfigured => "destination_unconfigured",
            Self::DeadLetters => "dead_letters",
            Self::Paused => "paused",
            Self::Silence => "silence",
            Self::Refusals => "refusals",
            Self::Oversize => "oversize",
            Self::WrongPath => "wrong_path",
            Self::Proxy => "proxy",
            Self::TransfersExpired => "transfers_expired",
            Self::TransfersLate => "transfers_late",
            Self::Alert => "alert",
        }
    }

    /// Whether an alert is raised when it begins, and a recovery when it is over. Not for what is
    /// an alert already, and not for dead letters, which have alerts of their own by handler and
    /// reason.
    pub fn is_told(self) -> bool {
        !matches!(self, Self::Alert | Self::DeadLetters)
    }

    /// Whether it is about one gateway and not about what all of them share: the others do not see
    /// it, and must not say that it is over. What is stuck is so where it has a key, the handler
    /// that dispatch has trouble with.
    pub(super) fn is_local(self, key: &str) -> bool {
        matches!(self, Self::Clock | Self::Proxy) || (self == Self::Stuck && !key.is_empty())
    }

    pub(super) fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// What is told when it is over; `key` is the destination or handler, where there is one.
    pub(super) fn over(self, source: &str, key: &str) -> String {
        let who = if key.is_empty() { source } else { key };
        match self {
            Self::Database => "the database is readable and writable again".to_owned(),
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
            Self::Paused => format!("{who} was resumed"),
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

/// What somebody should know first stands first.
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

fn plural(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// How long something lasts, in words: minutes, or seconds while there are few of them.
fn lasting(span: Duration) -> humantime::FormattedDuration {
    let seconds = span.whole_seconds().unsigned_abs();
    let whole = if seconds >= 120 { seconds / 60 * 60 } else { seconds };
    humantime::format_duration(std::time::Duration::from_secs(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_a_word_of_its_own() {
        for kind in AlarmKind::ALL {
            assert_eq!(AlarmKind::of(kind.as_str()), Some(kind));
        }
    }
}
