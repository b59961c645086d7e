//! Alarms: current problems.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::store::{DeliveryState, Severity};

/// A problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Alarm {
    /// What is wrong.
    #[serde(rename = "type")]
    pub kind: AlarmKind,
    /// The source it is about, or null.
    pub source: Option<String>,
    /// The name of the destination or handler it is about; for an alert its type.
    pub name: Option<String>,
    /// How urgent it is.
    pub severity: Severity,
    /// A description, in a sentence. Only the text of an alert may contain untrusted data.
    pub text: String,
    /// The number of affected deliveries, dead letters or requests; 1 if nothing is counted.
    pub count: u64,
    /// Since when, if known.
    #[serde(with = "time::serde::rfc3339::option")]
    pub since: Option<OffsetDateTime>,
    /// Where the details are.
    pub link: Link,
}

/// The type of a problem, most important first.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    ToSchema,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::Display,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum AlarmKind {
    /// The database cannot be written to.
    Database,
    /// The disk of the database has little free space.
    Disk,
    /// The clocks of the gateway and the database differ.
    Clock,
    /// A long-running transaction in the database server.
    Transaction,
    /// Deliveries are overdue; or, with a name, a gateway cannot claim deliveries of a handler or
    /// store their results.
    Stuck,
    /// A destination does not respond, or responds with errors.
    DestinationFailing,
    /// A destination is disabled.
    DestinationDisabled,
    /// The destination rejects more than a third of the events with 4xx.
    DestinationRejecting,
    /// Deliveries wait for a destination that is no longer configured.
    DestinationUnconfigured,
    /// Dead letters are open.
    DeadLetters,
    /// Open dead letters will be deleted soon, at the end of their retention.
    Retention,
    /// A source, handler or destination is paused.
    Paused,
    /// A source sends nothing, unlike at this time on other days.
    Silence,
    /// Most requests of a source are rejected.
    Refusals,
    /// Requests exceed the body limit of their source.
    Oversize,
    /// Signed requests arrive at unknown paths.
    WrongPath,
    /// A proxy in front of the gateway is not in the trusted list.
    Proxy,
    /// Transfers expired in the last hour.
    TransfersExpired,
    /// Open transfers have used more than half of their time limit.
    TransfersLate,
    /// An open alert raised by a provider or an operator.
    Alert,
}

/// A reference to the details.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schema(as = AlarmPlace)]
pub enum Link {
    /// A source.
    Source {
        /// The name of the source.
        source: String,
    },
    /// Events of a source.
    Events {
        /// The source to filter by.
        source: String,
        /// The delivery state to filter by.
        state: DeliveryState,
    },
    /// The dead letters.
    DeadLetters,
    /// The destinations.
    Destinations,
    /// The pauses.
    Pauses,
    /// The alerts.
    Alerts,
    /// The sources.
    Sources,
    /// The transfers.
    Transfers,
    /// The settings.
    Settings,
}

impl AlarmKind {
    /// The type, also of the alert.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
