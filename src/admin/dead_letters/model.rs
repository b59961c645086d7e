//! Deliveries: what the API answers, `--format json` prints and the console shows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::admin::TimelineEntry;
use crate::admin::events::embedded;
pub use crate::store::{
    AttemptResult, Delivery, DeliveryAttempt as Attempt, DeliveryState, Edit, Erasure, Resolution,
    Trigger,
};
use crate::store::{EventId, EventPreview};
use crate::verify::Strength;

/// A delivery with its event and attempts.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DeliveryDetail {
    /// The delivery, with the whole text of its last error.
    pub delivery: Delivery,
    /// The event; null if it was deleted.
    pub event: Option<Event>,
    /// All deliveries of the event, oldest first, including this one.
    pub deliveries: Vec<Delivery>,
    /// All attempts of those deliveries.
    pub attempts: Vec<Attempt>,
    /// The timeline of the event, oldest first; empty if the event was deleted.
    pub timeline: Vec<TimelineEntry>,
    /// Who replayed or discarded it, and what that created; null if nobody did, or if it was not
    /// recorded.
    pub resolved_by: Option<ResolvedBy>,
}

/// Who replayed or discarded a delivery, and what that created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResolvedBy {
    /// The user or API key.
    pub actor: String,
    /// The reason given; empty if none was recorded.
    pub reason: String,
    /// The deliveries created by a replay.
    pub created: Vec<i64>,
    /// The event created by an edit.
    pub edited: Option<EventId>,
}

/// An event.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// The id.
    pub id: EventId,
    /// The tenant of its source.
    pub tenant: String,
    /// The source.
    pub source: String,
    /// The provider of the source.
    pub provider: String,
    /// The event type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The action in the path; an unsigned hint.
    pub action: Option<String>,
    /// When it was received.
    #[serde(with = "time::serde::rfc3339")]
    pub received_at: OffsetDateTime,
    /// The time reported by the sender.
    #[serde(with = "time::serde::rfc3339::option")]
    pub occurred_at: Option<OffsetDateTime>,
    /// The proof of its authenticity.
    pub proof: Proof,
    /// The original event, if an operator created this one by an edit.
    pub edited: Option<Edit>,
    /// Who erased its payload; null if it is whole.
    pub erased: Option<Erasure>,
    /// How often it was received.
    pub seen: Seen,
    /// The payload; null without the scope `payload:read`, or if it was erased.
    pub payload: Option<Payload>,
}

/// The proof of an event's authenticity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Proof {
    /// Its strength.
    pub strength: Strength,
    /// The fingerprint of the secret that verified it.
    pub secret: String,
    /// Age of the signature at arrival in seconds; negative if its timestamp was in the future.
    pub skew_seconds: Option<i64>,
    /// Whether it was accepted after its token expired.
    pub late: bool,
}

/// How often the event was received; null once its deduplication key has expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Seen {
    /// How often.
    pub count: Option<i32>,
    /// When it was last received.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_at: Option<OffsetDateTime>,
}

/// Untrusted data from the sender; never render it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Payload {
    /// The stored headers.
    pub headers: BTreeMap<String, String>,
    /// The claims of the sender's token: any JSON.
    pub claims: Option<Value>,
    /// The envelope of the event: any JSON.
    pub envelope: Option<Value>,
    /// The beginning of the body.
    pub body: Preview,
}

/// The first 64 KiB of a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Preview {
    /// The size of the whole body.
    pub size_bytes: u64,
    /// The size of the part in `content`.
    pub shown_bytes: u64,
    /// The encoding of `content`.
    pub encoding: Encoding,
    /// The beginning of the body.
    pub content: String,
}

/// The encoding of the body in this response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PreviewEncoding)]
pub enum Encoding {
    /// UTF-8 text.
    Text,
    /// Hexadecimal digits.
    Hex,
}

impl DeliveryDetail {
    /// Whether the payload is left out, because the caller may not read it.
    pub fn hides_payload(&self) -> bool {
        let hides = |event: &Event| event.payload.is_none() && event.erased.is_none();
        self.event.as_ref().is_some_and(hides)
    }
}

impl Event {
    /// The event; its payload only if `payload`.
    pub(super) fn new(preview: EventPreview, payload: bool) -> Self {
        let payload = (payload && preview.erased.is_none()).then(|| Payload::new(&preview));
        let event = preview.event;
        Self {
            id: event.id,
            tenant: event.tenant,
            source: event.source,
            provider: event.provider,
            event_type: event.event_type,
            action: event.action,
            received_at: event.received_at,
            occurred_at: event.occurred_at,
            proof: Proof {
                strength: event.strength,
                secret: event.secret,
                skew_seconds: event.skew_seconds,
                late: event.late,
            },
            edited: preview.edited,
            erased: preview.erased,
            seen: Seen { count: preview.seen_count, last_at: preview.last_seen_at },
            payload,
        }
    }
}

impl Payload {
    fn new(preview: &EventPreview) -> Self {
        let event = &preview.event;
        Self {
            headers: event.headers.iter().cloned().collect(),
            claims: event.claims.as_ref().map(embedded),
            envelope: event.envelope.as_ref().map(embedded),
            body: Preview::new(preview),
        }
    }
}

impl Preview {
    fn new(preview: &EventPreview) -> Self {
        let shown = &preview.event.body;
        let (encoding, content) = match preview.as_text() {
            Some(text) => (Encoding::Text, text.to_owned()),
            None => (Encoding::Hex, hex::encode(shown)),
        };
        let shown_bytes = shown.len() as u64;
        Self { size_bytes: preview.body_size, shown_bytes, encoding, content }
    }

    /// Whether it is only the beginning of the body.
    pub fn is_cut(&self) -> bool {
        self.shown_bytes < self.size_bytes
    }

    pub fn bytes(&self) -> Vec<u8> {
        match self.encoding {
            Encoding::Text => self.content.clone().into_bytes(),
            Encoding::Hex => hex::decode(&self.content).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::store::StoredEvent;

    fn preview(body: &[u8], body_size: u64) -> EventPreview {
        let at = OffsetDateTime::UNIX_EPOCH;
        let event = StoredEvent {
            id: EventId::new(at),
            tenant: "default".into(),
            source: "cards".into(),
            provider: "docora".into(),
            event_type: "file.update".into(),
            action: None,
            strength: Strength::Signed,
            late: false,
            secret: "0123456789ab".into(),
            skew_seconds: None,
            received_at: at,
            occurred_at: None,
            headers: Vec::new(),
            claims: None,
            envelope: None,
            body: Bytes::copy_from_slice(body),
        };
        EventPreview {
            event,
            body_size,
            seen_count: None,
            last_seen_at: None,
            other_bodies: 0,
            edited: None,
            erased: None,
        }
    }

    #[test]
    fn text_with_a_truncated_character_is_still_text() {
        let body = "né".as_bytes();
        let text = |body: &[u8], size| {
            let shown = Preview::new(&preview(body, size));
            (shown.encoding == Encoding::Text).then_some(shown.content)
        };
        assert_eq!(text(&body[..2], 3).as_deref(), Some("n"));
        assert_eq!(text(body, 3).as_deref(), Some("né"));
        assert_eq!(text(&body[..2], 2), None, "complete, and not text");
        assert_eq!(text(b"\xffn", 3), None, "not cut within a character: not text");
    }

    #[test]
    fn a_binary_body_is_shown_in_hexadecimal() {
        let shown = Preview::new(&preview(b"\xff\x01", 70_000));
        assert_eq!((shown.encoding, shown.content.as_str()), (Encoding::Hex, "ff01"));
        assert!(shown.is_cut());
        assert_eq!(shown.bytes(), b"\xff\x01");
    }
}
