//! The answer to an authentic request: made from a committed receipt, and from nothing else.

use actix_web::HttpResponse;
use actix_web::http::header;
use serde_json::json;

use crate::intake::Receipt;
use crate::store::Committed;

/// 202 for what is new, 200 for what was seen before.
pub(super) fn of_receipt(receipt: Committed<Receipt>, request_id: &str) -> HttpResponse {
    let mut replayed = false;
    let (mut response, body) = match receipt.into_inner() {
        Receipt::Accepted(id) => {
            (HttpResponse::Accepted(), json!({ "status": "accepted", "id": id.to_string() }))
        }
        Receipt::Duplicate(id) => {
            (HttpResponse::Ok(), json!({ "status": "duplicate", "id": id.to_string() }))
        }
        Receipt::Quarantined(id, _) => {
            (HttpResponse::Accepted(), json!({ "status": "quarantined", "id": id.to_string() }))
        }
        Receipt::Chunk { event, have, total } => (
            HttpResponse::Accepted(),
            json!({
                "status": "accepted",
                "id": event.to_string(),
                "chunk": { "have": have, "total": total },
            }),
        ),
        Receipt::Replayed { event, quarantined } => {
            replayed = true;
            let status = if quarantined { "quarantined" } else { "accepted" };
            (HttpResponse::Accepted(), json!({ "status": status, "id": event.to_string() }))
        }
    };
    if replayed {
        response.insert_header(("idempotency-replayed", "true"));
    }
    response
        .insert_header(("x-request-id", request_id))
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .body(body.to_string())
}
