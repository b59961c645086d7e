//! Edit and replay: replay a dead letter with an edited body.

use actix_web::web;
use bytes::Bytes;
use serde::Deserialize;
use utoipa::{OpenApi, ToSchema};

use super::answer::Done;
use super::body::{Body, LARGEST, Reason};
use super::routes::{Endpoint, Routes};
use crate::admin::{AdminError, EditPreview, Edited, Repeat};
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

#[derive(OpenApi)]
#[openapi(paths(edit, preview))]
struct Document;

pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    // An edited dead letter is resolved, so a repeat is a conflict.
    let refused = Repeat::Repeatable;
    routes.add(Endpoint::new("/api/v1/dead-letters/{delivery}/edit").post(refused, edit));
    let nothing = Repeat::Repeatable;
    routes
        .add(Endpoint::new("/api/v1/dead-letters/{delivery}/edit/preview").post(nothing, preview));
}

/// An edit with its reason.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewEdit)]
struct Edit {
    /// The complete new body.
    body: String,
    reason: Reason,
}

/// An edit for preview.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EditDraft)]
struct Draft {
    /// The complete new body.
    body: String,
}

/// Replay a dead letter with an edited body
///
/// Creates a new event with this body that refers to the original; the dead letter is resolved as
/// replayed.
#[utoipa::path(
    post, path = "/api/v1/dead-letters/{delivery}/edit", operation_id = "editDeadLetter",
    tag = "dead letters",
    params(("delivery" = i64, Path, description = "The delivery", minimum = 1)),
    request_body = Edit, security(("bearer" = ["payload:read", "events:edit"])),
    responses((status = 200, description = "The edited event is delivered", body = Edited),
              (status = 410, description = "The event was erased")),
)]
async fn edit(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    delivery: web::Path<i64>,
    Body(edit): Body<Edit, LARGEST>,
    admin: web::Data<AdminState>,
) -> Result<Done<Edited>, Denial> {
    let (body, reason) = (Bytes::from(edit.body), edit.reason.as_str());
    let edited = admin.dead_letters.edit(&caller, *delivery, &body, reason).await;
    Ok(Done(edited.map_err(denial)?))
}

/// Preview an edit of a dead letter
///
/// Returns the diff and the handlers that would receive the edited event. Nothing is changed.
#[utoipa::path(
    post, path = "/api/v1/dead-letters/{delivery}/edit/preview",
    operation_id = "previewDeadLetterEdit", tag = "dead letters",
    params(("delivery" = i64, Path, description = "The delivery", minimum = 1)),
    request_body = Draft, security(("bearer" = ["payload:read", "events:edit"])),
    responses((status = 200, description = "The preview", body = EditPreview),
              (status = 410, description = "The event was erased")),
)]
async fn preview(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    delivery: web::Path<i64>,
    Body(draft): Body<Draft, LARGEST>,
    admin: web::Data<AdminState>,
) -> Result<Done<EditPreview>, Denial> {
    let body = Bytes::from(draft.body);
    let preview = admin.dead_letters.preview_edit(&caller, *delivery, &body).await;
    Ok(Done(preview.map_err(denial)?))
}

/// Whether a body is valid depends on the event, so an invalid one is a conflict.
fn denial(error: AdminError) -> Denial {
    match error {
        AdminError::Invalid(detail) => Denial::Conflict(detail),
        error => error.into(),
    }
}
