//! The request body of an event.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::store::StoredEvent;
use crate::verify::Provider;

/// A chunked payload whose provider has no form for the whole.
#[derive(Serialize)]
struct Whole<'a> {
    envelope: Option<&'a RawValue>,
    content: String,
}

/// Returns the received body, unchanged except for redacted credentials. A chunked payload has no
/// such body: it becomes the payload that its sender would have sent in one piece or, if the
/// provider has no such form, a JSON object with the `envelope` and the `content` in base64. The
/// result is always text, since most verifiers read the body as UTF-8.
pub(super) fn of(event: &StoredEvent, provider: &dyn Provider) -> Bytes {
    let Some(envelope) = &event.envelope else { return event.shown_body() };
    let whole = provider.whole(envelope, &event.body).or_else(|| {
        let envelope = serde_json::from_slice(envelope).ok();
        serde_json::to_vec(&Whole { envelope, content: STANDARD.encode(&event.body) }).ok()
    });
    whole.map_or_else(|| event.body.clone(), Bytes::from)
}

/// The input of a filter: the body or, for a chunked payload, everything except the content.
pub(super) fn filter_input(event: &StoredEvent) -> &Bytes {
    event.envelope.as_ref().unwrap_or(&event.body)
}
