//! `Idempotency-Key`: repeated requests with the same key and body are executed once.
//!
//! The body is part of the request's identity, so it is read here; the handler reads it again. A
//! success response is stored and returned again. An error response without an effect releases the
//! key for the same or another request. If the outcome is unknown, the claim stays until it
//! expires: see `admin::IdempotencyKeys`.

use actix_web::body::{BoxBody, to_bytes};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, web};

use super::body;
use crate::admin::{Caller, ClaimedKey, IdempotencyState, Repeat};
use crate::store::IdempotencyClaim;
use crate::web::admin::AdminState;
use crate::web::denial::Denial;

pub(super) const KEY: &str = "idempotency-key";
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Executes a change, at most once per idempotency key.
pub(super) async fn idempotent(
    repeat: Repeat,
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(key) = key(request.request())? else { return next.call(request).await };
    let caller = request.extensions().get::<Caller>().cloned().ok_or(Denial::NO_KEY)?;
    let admin = request.app_data::<web::Data<AdminState>>().cloned().ok_or(Denial::Internal)?;
    let payload = request.extract::<web::Payload>().await?;
    let body = body::read(request.request(), payload, body::LARGEST).await?;
    let parts = [request.method().as_str(), request.path(), request.query_string()];
    let [method, path, query] = parts.map(str::as_bytes);
    let claim =
        admin.idempotency_keys.claim(&caller, &key, &[method, path, query, &body], repeat).await;
    let claimed = match claim.map_err(Denial::from)? {
        IdempotencyState::New(claimed) => claimed,
        IdempotencyState::Known(claim) => return Ok(request.into_response(replay_response(claim)?)),
    };
    request.set_payload(Payload::from(body.freeze()));
    let answered = next.call(request).await?;
    settle(&admin, claimed, repeat, answered).await
}

pub(super) fn key(request: &HttpRequest) -> Result<Option<String>, Denial> {
    let mut keys = request.headers().get_all(KEY);
    let Some(key) = keys.next() else { return Ok(None) };
    let key = key.to_str().unwrap_or_default();
    let shaped = (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    if shaped && keys.next().is_none() {
        Ok(Some(key.to_owned()))
    } else {
        let why =
            "invalid Idempotency-Key: expected a single header of 1 to 255 visible characters";
        Err(Denial::Malformed(why.into()))
    }
}

/// The response to a repeated request.
fn replay_response(claim: IdempotencyClaim) -> Result<HttpResponse, Denial> {
    match claim {
        IdempotencyClaim::Completed { status, body: Some(body) } => {
            let status = StatusCode::from_u16(status).map_err(|_| Denial::Internal)?;
            let mut response = HttpResponse::build(status);
            response.insert_header((REPLAYED, "true"));
            Ok(if body.is_empty() {
                response.finish()
            } else {
                response.insert_header((header::CONTENT_TYPE, "application/json")).body(body)
            })
        }
        IdempotencyClaim::Completed { body: None, .. } => Err(Denial::AnswerNotKept),
        IdempotencyClaim::Reused => Err(Denial::KeyReused),
        IdempotencyClaim::Unknown => Err(Denial::OutcomeUnknown),
        IdempotencyClaim::Claimed(_) | IdempotencyClaim::InProgress => Err(Denial::InProgress),
    }
}

/// Records the outcome of a request.
async fn settle(
    admin: &AdminState,
    claimed: ClaimedKey,
    repeat: Repeat,
    answered: ServiceResponse<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let status = answered.status();
    if !status.is_success() {
        // The outcome of an internal error is unknown: release the key only if a repeat is safe.
        if repeat == Repeat::Repeatable || !status.is_server_error() {
            admin.idempotency_keys.settle(claimed, None).await;
        }
        return Ok(answered);
    }
    let (request, response) = answered.into_parts();
    let (response, body) = response.into_parts();
    let body = to_bytes(body).await.map_err(|_| Denial::Internal)?;
    admin.idempotency_keys.settle(claimed, Some((status.as_u16(), &body))).await;
    let mut response = response.set_body(BoxBody::new(body));
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("false"));
    Ok(ServiceResponse::new(request, response))
}
