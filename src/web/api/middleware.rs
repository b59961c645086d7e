//! The middleware of every request below `/api/v1`: request id, rate limit, timeout, panic
//! handling, headers, log.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, web};
use futures_util::FutureExt;
use tracing::info;

use super::BASE;
use crate::admin::Caller;
use crate::web::admin::AdminState;
use crate::web::caller_limits::Rate;
use crate::web::denial::Denial;

/// The timeout of a request, up to the head of its response.
const DEADLINE: Duration = Duration::from_secs(30);
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub(super) async fn api_middleware(
    rate: Rate,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let http = request.request().clone();
    let Some(admin) = request.app_data::<web::Data<AdminState>>().cloned() else {
        return Ok(request.into_response(Denial::Internal.respond()));
    };
    let id = admin.apis.requests().next();
    // Requests without a caller are health checks.
    let caller = request.extensions().get::<Caller>().cloned();
    let admitted = caller.as_ref().map_or(Ok(()), |caller| admin.limits.check(caller, rate));
    let answered = match admitted {
        Ok(()) => answer(request, next, &http).await,
        Err(denial) => Err(denial),
    };
    let answered = answered.unwrap_or_else(|denial| {
        let response = denial.respond_to(Some(&id));
        ServiceResponse::new(http.clone(), response)
    });
    let answered = finish(answered, &id);
    let (path, status) = (http.path(), answered.status().as_u16());
    if path.starts_with(BASE) {
        let method = http.method().as_str();
        let actor = caller.as_ref().map(Caller::actor);
        let peer = caller.as_ref().and_then(Caller::address).map(tracing::field::display);
        info!(
            event = "api.call",
            request_id = id,
            actor,
            peer,
            method,
            path,
            status,
            "request handled"
        );
        metrics::counter!("sealpost_api_calls_total", "status" => status.to_string()).increment(1);
    }
    Ok(answered)
}

/// Runs the handler with the timeout.
async fn answer(
    request: ServiceRequest,
    next: Next<BoxBody>,
    http: &HttpRequest,
) -> Result<ServiceResponse<BoxBody>, Denial> {
    let working = AssertUnwindSafe(next.call(request)).catch_unwind();
    let Ok(worked) = tokio::time::timeout(DEADLINE, working).await else {
        return Err(Denial::Unavailable);
    };
    // The panic hook has already logged it.
    let Ok(worked) = worked else { return Err(Denial::Internal) };
    let answered = worked.unwrap_or_else(|error| ServiceResponse::from_err(error, http.clone()));
    // Rebuild the error response with the request id.
    match answered.response().error().map(|error| error.as_error::<Denial>().cloned()) {
        Some(Some(denial)) => Err(denial),
        _ => Ok(answered),
    }
}

/// The headers of every response.
fn finish(mut answered: ServiceResponse<BoxBody>, id: &str) -> ServiceResponse<BoxBody> {
    let headers = answered.headers_mut();
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answered
}
