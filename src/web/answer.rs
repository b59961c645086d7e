//! The responses to authentic requests, built only from a committed receipt, and to handshakes.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde::Serialize;
use uuid::Uuid;

use crate::ingest::Receipt;
use crate::store::{Committed, EventId};
use crate::verify::{AnswerDefinition, HandshakeAnswer};

/// Constants, so that no response allocates them.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PLAIN: &str = "text/plain; charset=utf-8";

#[derive(Serialize)]
struct Body {
    #[serde(skip_serializing_if = "Option::is_none")]
    chunk: Option<Progress>,
    id: Uuid,
    status: &'static str,
    /// The number of events of a batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<u32>,
}

#[derive(Serialize)]
struct Progress {
    have: u32,
    total: u32,
}

/// 202 for a new event, 200 for a duplicate; or the response that the sender requires.
pub(super) fn of_receipt(
    receipt: Committed<Receipt>,
    required: Option<&AnswerDefinition>,
    request_id: &str,
) -> HttpResponse {
    if let Some(required) = required {
        let mut response = of_status(required.status, request_id);
        let content_type = required.content_type.as_deref().unwrap_or(PLAIN);
        return with_body(&mut response, content_type, required.body.clone().into_bytes());
    }
    let body = |status, EventId(id)| Body { chunk: None, id, status, events: None };
    let accepted = HttpResponse::Accepted;
    let (mut response, body) = match receipt.into_inner() {
        Receipt::Accepted(id) => (accepted(), body("accepted", id)),
        Receipt::Duplicate(id) | Receipt::Differs { first: id, .. } => {
            (HttpResponse::Ok(), body("duplicate", id))
        }
        Receipt::Quarantined(id, _) => (accepted(), body("quarantined", id)),
        Receipt::Batch { first, new, duplicates } => {
            let events = Some(new.saturating_add(duplicates));
            match new {
                0 => (HttpResponse::Ok(), Body { events, ..body("duplicate", first) }),
                _ => (accepted(), Body { events, ..body("accepted", first) }),
            }
        }
        Receipt::Chunk { event, have, total } => {
            let chunk = Some(Progress { have, total });
            (accepted(), Body { chunk, ..body("accepted", event) })
        }
        Receipt::Replayed { event, quarantined } => {
            let mut response = accepted();
            response.insert_header(("idempotency-replayed", "true"));
            (response, body(if quarantined { "quarantined" } else { "accepted" }, event))
        }
    };
    response
        .insert_header((REQUEST_ID, request_id))
        .insert_header((header::CONTENT_TYPE, JSON))
        .body(serde_json::to_vec(&body).unwrap_or_default())
}

/// The answer to a handshake. Part of it comes from the request, so a browser must neither guess
/// its type nor keep it.
pub(super) fn of_handshake(answer: HandshakeAnswer, request_id: &str) -> HttpResponse {
    let mut response = of_status(answer.status, request_id);
    for (name, value) in &answer.headers {
        let header = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value));
        if let (Ok(name), Ok(value)) = header {
            response.insert_header((name, value));
        }
    }
    response
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CACHE_CONTROL, "no-store"));
    with_body(&mut response, &answer.content_type, answer.body)
}

fn of_status(status: u16, request_id: &str) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::OK));
    response.insert_header((REQUEST_ID, request_id));
    response
}

/// An empty body has no type.
fn with_body(
    response: &mut HttpResponseBuilder,
    content_type: &str,
    body: Vec<u8>,
) -> HttpResponse {
    if !body.is_empty()
        && let Ok(content_type) = HeaderValue::from_str(content_type)
    {
        response.insert_header((header::CONTENT_TYPE, content_type));
    }
    response.body(body)
}
