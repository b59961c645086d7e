//! Events, as the API, the command line and the console show them.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::admin::{TimelineEntry, Transfer};
use crate::store::{Delivery, DeliveryAttempt, Edit, EventId};
pub use crate::store::{DeliveryCounts, EditMade, EventSummary};
use crate::verify::Strength;

/// A page of events.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EventPage {
    /// The events, newest first.
    pub items: Vec<EventSummary>,
    /// The cursor of the next page; null on the last page.
    pub next: Option<String>,
    /// How far back this page has searched; null if the search is complete. A page may contain few
    /// events and still have a next page, because the search per page is bounded.
    #[serde(with = "time::serde::rfc3339::option")]
    pub looked_back_to: Option<OffsetDateTime>,
    /// Whether the search is complete.
    pub complete: bool,
}

/// An event without its body.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EventDetail {
    /// The event.
    pub event: EventSummary,
    /// The action in the path; an unsigned hint.
    pub action: Option<String>,
    /// The time reported by the sender.
    #[serde(with = "time::serde::rfc3339::option")]
    pub occurred_at: Option<OffsetDateTime>,
    /// Why it was accepted.
    pub proof: EventProof,
    /// Headers, claims and envelope; null without the scope `payload:read`, or if it was erased.
    pub payload: Option<EventPayload>,
    /// How often it was received; null once its deduplication key has expired.
    pub seen_count: Option<u64>,
    /// When it was last received.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_seen_at: Option<OffsetDateTime>,
    /// How often it was received with a different body under the same id. Those bodies are not
    /// stored, unless the provider's ids are not unique: then they are separate events.
    pub other_bodies: u32,
    /// The transfer, if it was received in chunks.
    pub transfer: Option<Transfer>,
    /// Its deliveries, oldest first.
    pub deliveries: Vec<Delivery>,
    /// All attempts of those deliveries.
    pub attempts: Vec<DeliveryAttempt>,
    /// The original event, if this one was created by an edit; the secret is that of the original.
    pub edited: Option<Edit>,
    /// Edited copies of it, oldest first, at most twenty.
    pub edits: Vec<EditMade>,
    /// The timeline, oldest first.
    pub timeline: Vec<TimelineEntry>,
    /// Other events in the lanes of its deliveries.
    pub related: RelatedEvents,
    /// The event received before it, if close in time.
    pub older: Option<EventId>,
    /// The event received after it, if close in time.
    pub newer: Option<EventId>,
}

/// The proof of an event's authenticity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventProof {
    /// The strength of the proof.
    pub strength: Strength,
    /// The headers that carry the signature, by the current configuration of the source.
    pub headers: Vec<String>,
    /// The fingerprint of the secret that verified it.
    pub secret: String,
    /// The position of the secret among the configured ones, from 1; null if no longer configured.
    pub secret_place: Option<usize>,
    /// The gateway's time minus the signed time at arrival, in seconds.
    pub skew_seconds: Option<i64>,
    /// Whether it was accepted after its token expired.
    pub late: bool,
}

/// Headers, claims and envelope: untrusted data, never render it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventPayload {
    /// The stored headers. Names that begin with a colon are unsigned metadata: `:content-type`,
    /// `:user-agent`, `:peer`.
    pub headers: BTreeMap<String, String>,
    /// The claims of the sender's token: any JSON.
    pub claims: Option<Value>,
    /// The envelope of the event: any JSON.
    pub envelope: Option<Value>,
}

/// Other events in the lanes of an event's deliveries.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = EventRelated)]
pub struct RelatedEvents {
    /// The lanes; none without the scope `payload:read`.
    pub lanes: Vec<String>,
    /// The events, newest first, at most twenty.
    pub events: Vec<EventSummary>,
    /// Number of finished deliveries inspected before and after; unfinished ones are all included.
    pub reach: u32,
}

impl EventDetail {
    /// Whether the payload is left out, because the caller may not read it.
    pub fn hides_payload(&self) -> bool {
        self.payload.is_none() && self.event.erased.is_none()
    }
}

/// Stored JSON as JSON; invalid JSON as text.
pub(in crate::admin) fn embedded(bytes: &Bytes) -> Value {
    serde_json::from_slice(bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()))
}
