//! What is sent of an event.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::store::StoredEvent;
use crate::verify::Provider;

/// What came in chunks, where its provider has no form for the whole.
#[derive(Serialize)]
struct Whole<'a> {
    envelope: Option<&'a RawValue>,
    content: String,
}

/// The body: that which was received, unchanged but for credentials that it forwards. What came in chunks has no such body. It becomes
/// the payload that its sender would have sent in one piece; where there is no such form, a JSON
/// object with the `envelope` and the `content` in base64. Bytes that are no text would not do:
/// the usual verifiers of signatures read the body as UTF-8.
pub(super) fn of(event: &StoredEvent, provider: &dyn Provider) -> Bytes {
    let Some(envelope) = &event.envelope else { return event.shown_body() };
    let whole = provider.whole(envelope, &event.body).or_else(|| {
        let envelope = serde_json::from_slice(envelope).ok();
        serde_json::to_vec(&Whole { envelope, content: STANDARD.encode(&event.body) }).ok()
    });
    whole.map_or_else(|| event.body.clone(), Bytes::from)
}

/// What a filter looks into: the body, or, of what came in chunks, everything but the content.
pub(super) fn judged(event: &StoredEvent) -> &Bytes {
    event.envelope.as_ref().unwrap_or(&event.body)
}
