//! Events.

use std::fmt;

use bytes::Bytes;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::gate::Strength;

/// The id of an event: a UUID of version 7, so that it sorts by time of arrival. It is also the
/// idempotency key of everything that is done about the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub Uuid);

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An event as it is stored, whole.
#[derive(Debug, Clone)]
pub struct StoredEvent {
    /// Its id.
    pub id: EventId,
    /// To whom its source belongs.
    pub tenant: String,
    /// The name of its source in the configuration.
    pub source: String,
    /// What kind of sender it is.
    pub provider: String,
    /// The event type.
    pub kind: String,
    /// The action in the path; not signed, a hint.
    pub action: Option<String>,
    /// How much its proof says.
    pub strength: Strength,
    /// Let in past the time of its token, because the registry still awaited it.
    pub late: bool,
    /// The fingerprint of the secret that verified it.
    pub secret: String,
    /// Our time minus the signed time at arrival, in seconds.
    pub skew_seconds: Option<i64>,
    /// When it was received.
    pub received_at: OffsetDateTime,
    /// When it happened, as the sender says.
    pub occurred_at: Option<OffsetDateTime>,
    /// The headers that are kept, by lower-case name.
    pub headers: Vec<(String, String)>,
    /// What the verified token says, as JSON.
    pub claims: Option<Bytes>,
    /// For a payload that came in chunks: its JSON without content and chunk number.
    pub envelope: Option<Bytes>,
    /// The exact bytes that were received; for a payload that came in chunks, the decoded file.
    pub body: Bytes,
}
