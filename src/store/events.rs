//! Stored events, and reading them.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize, Serializer};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Trigger;
use crate::verify::{Strength, without_credentials};

/// The id of an event: a UUID of version 7, so that it sorts by time of arrival. It is also the
/// idempotency key of everything that is done about the event.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(transparent)]
pub struct EventId(pub Uuid);

impl EventId {
    pub fn new(now: OffsetDateTime) -> Self {
        let millis = u64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
        // Built by hand to use our generator: the crate's own asks the kernel each time.
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &rand::random()).into_uuid())
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A stored event.
#[derive(Debug, Clone)]
pub struct StoredEvent {
    pub id: EventId,
    pub tenant: String,
    /// The name of its source in the configuration.
    pub source: String,
    pub provider: String,
    pub event_type: String,
    /// The action in the path; an unsigned hint.
    pub action: Option<String>,
    /// The strength of its proof.
    pub strength: Strength,
    /// Whether it was accepted after its token expired, because it was still expected.
    pub late: bool,
    /// The fingerprint of the secret that verified it.
    pub secret: String,
    /// The gateway's time minus the signed time at arrival, in seconds.
    pub skew_seconds: Option<i64>,
    pub received_at: OffsetDateTime,
    /// The time reported by the sender.
    pub occurred_at: Option<OffsetDateTime>,
    /// By lower-case name.
    pub headers: Vec<(String, String)>,
    /// The claims of the verified token, as JSON.
    pub claims: Option<Bytes>,
    /// For a chunked payload: its JSON without content and chunk number.
    pub envelope: Option<Bytes>,
    /// The exact bytes received; for a chunked payload, the decoded file.
    pub body: Bytes,
}

impl StoredEvent {
    /// The body as shown to applications and users, without credentials that a sender forwards in
    /// it: no scope entitles the reader to them.
    pub fn shown_body(&self) -> Bytes {
        without_credentials(&self.event_type, self.action.as_deref(), &self.body)
    }
}

/// The origin of a delivery, for its receiver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Origin {
    /// `None` if the event is only read.
    pub delivery: Option<i64>,
    pub trigger: Trigger,
    /// The original event, if an operator created this one by an edit.
    pub edited_from: Option<EventId>,
}

pub(super) fn headers_to_json(headers: &[(String, String)]) -> Vec<u8> {
    let mut json = Vec::with_capacity(64);
    let mut serializer = serde_json::Serializer::new(&mut json);
    // Writing to memory does not fail.
    let written = serializer.collect_map(headers.iter().map(|(name, value)| (name, value)));
    debug_assert!(written.is_ok());
    json
}

pub(super) fn headers_from_json(json: &[u8]) -> Option<Vec<(String, String)>> {
    let map: std::collections::BTreeMap<String, String> = serde_json::from_slice(json).ok()?;
    Some(map.into_iter().collect())
}
