//! What users see of a destination.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::store::{DestinationRow, EventId, RecordedResponse};

/// A destination: one of the configuration, or one that exists only in the database.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Destination {
    /// Its name.
    pub name: String,
    /// Its URL, without credentials and query; null if it is no longer configured.
    pub url: Option<String>,
    /// Whether it is configured.
    pub configured: bool,
    /// Its state.
    pub state: DestinationState,
    /// When it entered that state.
    #[serde(with = "time::serde::rfc3339::option")]
    pub since: Option<OffsetDateTime>,
    /// The pause; null if it is not paused.
    pub paused: Option<DestinationPause>,
    /// Why it is disabled.
    pub reason: Option<String>,
    /// No delivery is sent before this time.
    #[serde(with = "time::serde::rfc3339::option")]
    pub not_before: Option<OffsetDateTime>,
    /// Consecutive failures.
    pub failures: i32,
    /// Waiting deliveries.
    pub ready: i64,
    /// When the oldest waiting delivery was created.
    #[serde(with = "time::serde::rfc3339::option")]
    pub oldest: Option<OffsetDateTime>,
    /// Deliveries in flight.
    pub in_flight: i64,
    /// Open dead letters.
    pub dead: i64,
    /// When the last request failed.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_failed_at: Option<OffsetDateTime>,
    /// The last error; null without the scope `payload:read`.
    pub last_error: Option<String>,
}

/// The pause of a destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DestinationPause {
    /// When it was paused.
    #[serde(with = "time::serde::rfc3339")]
    pub paused_at: OffsetDateTime,
    /// Who paused it.
    pub paused_by: String,
    /// The reason given.
    pub reason: String,
}

/// The state of a destination.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    ToSchema,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::Display,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum DestinationState {
    /// Deliveries are sent.
    Ok,
    /// It is not in the configuration.
    Unconfigured,
    /// It was disabled by an operator, or because it responded 410.
    Disabled,
    /// It was paused by an operator.
    Paused,
    /// Its circuit breaker is open.
    Failing,
    /// It asked the gateway to wait.
    BackingOff,
    /// It rejects more than a third of the events.
    Rejecting,
}

/// A destination with its statistics.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DestinationDetail {
    /// The destination.
    pub destination: Destination,
    /// When the next delivery is sent; null if none is waiting or it is paused.
    #[serde(with = "time::serde::rfc3339::option")]
    pub next_attempt_at: Option<OffsetDateTime>,
    /// The success rate of the last 24 hours, in percent; null without requests.
    pub success_percent: Option<f64>,
    /// The median latency of the last 24 hours in milliseconds, as an upper bound; null without
    /// responses, or if it exceeds the largest measured bound.
    pub p50_ms: Option<u32>,
    /// As `p50_ms`, for the 95th percentile.
    pub p95_ms: Option<u32>,
    /// The last 24 hours, oldest first, the current hour last.
    pub hours: Vec<DestinationHour>,
    /// Recent responses, newest first, at most twenty; at most one successful response per second.
    pub responses: Vec<DestinationResponse>,
}

/// The results of one hour.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DestinationHour {
    /// When the hour begins.
    #[serde(with = "time::serde::rfc3339")]
    pub begins_at: OffsetDateTime,
    /// Events that were accepted.
    pub delivered: u64,
    /// Requests that failed.
    pub failed: u64,
}

/// A response of a destination. Headers and body are untrusted data; never render them.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DestinationResponse {
    /// When the request was sent.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The duration in milliseconds.
    pub took_ms: i64,
    /// Whether it was a test event.
    pub test: bool,
    /// The delivery; null for a test event.
    pub delivery: Option<i64>,
    /// The event.
    pub event: EventId,
    /// The HTTP status; null without a response.
    pub status: Option<u16>,
    /// The headers, truncated; empty without the scope `payload:read`.
    pub headers: Vec<DestinationResponseHeader>,
    /// The beginning of the body; empty without the scope `payload:read`.
    pub body: String,
    /// Why the request failed; null if it succeeded.
    pub error: Option<String>,
}

/// A response header.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DestinationResponseHeader {
    /// The name, in lower case.
    pub name: String,
    /// The value.
    pub value: String,
}

impl Destination {
    /// Builds it from the state in the database; without a URL it is not configured.
    pub(super) fn new(
        name: String,
        url: Option<String>,
        stored: Option<DestinationRow>,
        now: OffsetDateTime,
    ) -> Self {
        let configured = url.is_some();
        let (state, since) = status(configured, stored.as_ref(), now);
        let counts = stored.as_ref();
        Self {
            configured,
            state,
            since,
            not_before: counts.and_then(|stored| stored.not_before),
            failures: counts.map_or(0, |stored| stored.failures),
            ready: counts.map_or(0, |stored| stored.ready),
            oldest: counts.and_then(|stored| stored.oldest),
            in_flight: counts.map_or(0, |stored| stored.in_flight),
            dead: counts.map_or(0, |stored| stored.dead),
            last_failed_at: counts.and_then(|stored| stored.last_failed_at),
            paused: counts.and_then(DestinationPause::of),
            reason: counts.and_then(|stored| stored.disabled_reason.clone()),
            last_error: stored.and_then(|stored| stored.last_error),
            name,
            url,
        }
    }

    /// Removes what the destination has responded.
    pub(super) fn redact_payload(&mut self) {
        self.last_error = None;
    }
}

impl DestinationPause {
    fn of(stored: &DestinationRow) -> Option<Self> {
        Some(Self {
            paused_at: stored.paused_at?,
            paused_by: stored.paused_by.clone()?,
            reason: stored.paused_reason.clone()?,
        })
    }
}

impl DestinationState {
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether nothing is sent, regardless of its responses.
    pub fn is_off(self) -> bool {
        matches!(self, Self::Paused | Self::Disabled | Self::Unconfigured)
    }
}

impl DestinationResponse {
    /// The response; its text only if the caller may see it.
    pub(super) fn new(stored: RecordedResponse, may_see: bool) -> Self {
        let header = |(name, value)| DestinationResponseHeader { name, value };
        let without_text = |status: Option<u16>| match status {
            Some(status) => format!("destination responded {status}"),
            None => "cannot reach the destination".to_owned(),
        };
        let error =
            stored.error.map(|text| if may_see { text } else { without_text(stored.status) });
        let headers = if may_see { stored.headers } else { Vec::new() };
        Self {
            at: stored.at,
            took_ms: i64::try_from(stored.took.whole_milliseconds()).unwrap_or(i64::MAX),
            test: stored.delivery.is_none(),
            delivery: stored.delivery,
            event: stored.event,
            status: stored.status,
            headers: headers.into_iter().map(header).collect(),
            body: if may_see { stored.body } else { String::new() },
            error,
        }
    }
}

fn status(
    configured: bool,
    stored: Option<&DestinationRow>,
    now: OffsetDateTime,
) -> (DestinationState, Option<OffsetDateTime>) {
    let Some(stored) = stored else { return (DestinationState::Ok, None) };
    if !configured {
        return (DestinationState::Unconfigured, None);
    }
    if stored.disabled_at.is_some() {
        return (DestinationState::Disabled, stored.disabled_at);
    }
    if stored.paused_at.is_some() {
        return (DestinationState::Paused, stored.paused_at);
    }
    if stored.opened_at.is_some() {
        return (DestinationState::Failing, stored.opened_at);
    }
    match stored.not_before {
        Some(until) if until > now => (DestinationState::BackingOff, stored.last_failed_at),
        _ if stored.rejecting_since.is_some() => {
            (DestinationState::Rejecting, stored.rejecting_since)
        }
        _ => (DestinationState::Ok, None),
    }
}
