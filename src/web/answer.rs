//! The response to an authentic request, built only from a committed receipt.

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use serde::Serialize;
use uuid::Uuid;

use crate::ingest::Receipt;
use crate::store::{Committed, EventId};

/// Constants, so that no response allocates them.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

#[derive(Serialize)]
struct Body {
    #[serde(skip_serializing_if = "Option::is_none")]
    chunk: Option<Progress>,
    id: Uuid,
    status: &'static str,
}

#[derive(Serialize)]
struct Progress {
    have: u32,
    total: u32,
}

/// 202 for a new event, 200 for a duplicate.
pub(super) fn of_receipt(receipt: Committed<Receipt>, request_id: &str) -> HttpResponse {
    let body = |status, EventId(id)| Body { chunk: None, id, status };
    let accepted = HttpResponse::Accepted;
    let (mut response, body) = match receipt.into_inner() {
        Receipt::Accepted(id) => (accepted(), body("accepted", id)),
        Receipt::Duplicate(id) | Receipt::Differs { first: id, .. } => {
            (HttpResponse::Ok(), body("duplicate", id))
        }
        Receipt::Quarantined(id, _) => (accepted(), body("quarantined", id)),
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
