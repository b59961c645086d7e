//! The models of monitoring: the overview with its alarms and counts, and the sources.

mod alarm;
mod source;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

pub use alarm::{Alarm, AlarmKind, Link};
pub use source::{Setting, Source, SourceHandshake, SourceSecret, SourceSetup};

use crate::store::Severity;

/// The overview. Counts are approximate: a few seconds old; the last hour begins at a multiple of
/// five minutes, the last 24 hours at a full hour.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Overview {
    /// The time of the request.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The highest severity of the problems; null without problems.
    pub severity: Option<Severity>,
    /// Current problems, most severe first.
    pub alarms: Vec<Alarm>,
    /// Whether alerts are sent: false if no channel is configured.
    pub alerts_are_sent: bool,
    /// All sources, in configured order.
    pub sources: Vec<SourceRow>,
    /// Requests to unknown paths in the last 24 hours; null for a key of one tenant.
    pub elsewhere: Option<Counts>,
    /// All sources, the last hour in steps of five minutes.
    pub hour: Series,
    /// All sources, the last 24 hours by hour.
    pub day: Series,
}

/// The status of a source.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SourceRow {
    /// Its name.
    pub name: String,
    /// Its provider.
    pub provider: String,
    /// Its tenant.
    pub tenant: String,
    /// Whether it is enabled.
    pub enabled: bool,
    /// When it was paused; null if it is not paused.
    #[serde(with = "time::serde::rfc3339::option")]
    pub paused_at: Option<OffsetDateTime>,
    /// The last hour.
    pub hour: Counts,
    /// The last 24 hours.
    pub day: Counts,
    /// Authentic requests in steps of five minutes, oldest first.
    pub hour_line: Vec<u64>,
    /// Authentic requests by hour.
    pub day_line: Vec<u64>,
    /// How long the oldest waiting delivery has been due.
    pub waiting_seconds: Option<f64>,
    /// The 95th percentile response time of authentic requests in the last hour.
    pub p95_seconds: Option<f64>,
    /// When the last authentic request was received.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_event_at: Option<OffsetDateTime>,
    /// The fingerprint of the secret used last.
    pub secret: Option<String>,
}

/// Counts by outcome in a period. Approximate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Counts {
    /// All requests.
    pub received: u64,
    /// Authentic requests.
    pub verified: u64,
    /// New events.
    pub accepted: u64,
    /// Duplicates.
    pub duplicates: u64,
    /// Quarantined requests: authentic but not processable.
    pub quarantined: u64,
    /// Chunks of incomplete payloads.
    pub chunks: u64,
    /// Requests that were rejected or could not be stored.
    pub refused: u64,
    /// Rejected requests by reason, most frequent first.
    pub reasons: Vec<ReasonCount>,
    /// Completed deliveries.
    pub handled: u64,
    /// Deliveries ignored by their handler.
    pub ignored: u64,
    /// Failed attempts that will be retried.
    pub retries: u64,
    /// Dead letters: deliveries, quarantined requests and expired transfers.
    pub dead: u64,
    /// Deliveries replayed by operators.
    pub replayed: u64,
    /// Expired transfers.
    pub expired: u64,
}

/// The number of rejected requests for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReasonCount {
    /// The reason, such as `sig_mismatch`.
    pub reason: String,
    /// The number of requests.
    pub count: u64,
}

/// A time series of equal spans, oldest first; the last span is not complete.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Series {
    /// The length of a span, in seconds.
    pub step_seconds: i64,
    /// The spans.
    pub points: Vec<Point>,
}

/// A span of a time series.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Point {
    /// The beginning of the span.
    #[serde(with = "time::serde::rfc3339")]
    pub begin: OffsetDateTime,
    /// Authentic requests.
    pub verified: u64,
    /// Requests that were rejected or could not be stored.
    pub refused: u64,
    /// Completed deliveries.
    pub handled: u64,
    /// Deliveries that became dead letters.
    pub dead: u64,
    /// The median response time of authentic requests.
    pub p50_seconds: Option<f64>,
    /// The 95th percentile response time of authentic requests.
    pub p95_seconds: Option<f64>,
}
