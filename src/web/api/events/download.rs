//! Downloads of an event: its body, and a fixture.

use actix_web::body::SizedStream;
use actix_web::http::header;
use actix_web::{HttpResponse, web};
use uuid::Uuid;

use crate::admin::{self, AdminError, CapturedFixture};
use crate::store::EventId;
use crate::web::admin::AdminState;
use crate::web::api::answer::WithEtag;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

/// Prevents browsers from rendering untrusted data.
const POLICY: &str = "default-src 'none'; sandbox";

/// Download the body of an event
///
/// As received, byte for byte. Untrusted data.
#[utoipa::path(
    get, path = "/api/v1/events/{event}/body", operation_id = "downloadEventBody", tag = "events",
    params(("event" = String, Path, format = Uuid, description = "The event")),
    security(("bearer" = ["payload:read"])),
    responses((status = 200, description = "The body", body = String,
               content_type = "application/octet-stream"),
              (status = 410, description = "The event was erased")),
)]
pub(super) async fn body(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    event: web::Path<Uuid>,
    admin: web::Data<AdminState>,
) -> Result<HttpResponse, Denial> {
    let (size, slices) = admin.monitoring.download(&caller, EventId(*event)).await?;
    let name = format!("attachment; filename=\"{}.bin\"", *event);
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/octet-stream"))
        .insert_header((header::CONTENT_DISPOSITION, name))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .body(SizedStream::new(size, Box::pin(slices))))
}

/// Create a fixture from an event
///
/// The event and its outcome, without secrets and personal data. Nothing is stored.
#[utoipa::path(
    get, path = "/api/v1/events/{event}/fixture", operation_id = "captureEvent", tag = "events",
    params(("event" = String, Path, format = Uuid, description = "The event")),
    security(("bearer" = ["payload:read", "events:replay"])),
    responses((status = 200, description = "The fixture", body = CapturedFixture),
              (status = 409, description = "It cannot be captured"),
              (status = 410, description = "The event was erased")),
)]
pub(super) async fn fixture(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    event: web::Path<Uuid>,
    admin: web::Data<AdminState>,
) -> Result<WithEtag<CapturedFixture>, Denial> {
    let (store, verifiers) = (&admin.store, &admin.verifiers);
    let requested = (EventId(*event), admin.clock.now());
    let captured = admin::capture(&caller, store, verifiers, requested, &[]).await;
    captured.map(WithEtag).map_err(|error| match error {
        // The request is valid, but the event cannot be captured: a conflict.
        AdminError::Invalid(detail) => Denial::Conflict(detail),
        error => error.into(),
    })
}
