//! Edit and replay: a dead letter's event with another body.

use actix_web::web;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use super::answer::Done;
use super::body::{Body, LARGEST, Reason};
use super::routes::{Endpoint, Routes};
use crate::admin::{AdminError, Repeat};
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

#[derive(OpenApi)]
#[openapi(paths(edit, preview))]
struct Document;

/// Mounts the noun.
pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    // Once it is edited it counts as replayed, and is refused the second time.
    let refused = Repeat::Repeatable;
    routes.add(Endpoint::new("/api/v1/dead-letters/{delivery}/edit").post(refused, edit));
    let nothing = Repeat::Repeatable;
    routes
        .add(Endpoint::new("/api/v1/dead-letters/{delivery}/edit/preview").post(nothing, preview));
}

/// An edit, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewEdit)]
struct Edit {
    /// The whole new body.
    body: String,
    reason: Reason,
}

/// An edit that is only looked at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EditDraft)]
struct Draft {
    /// The whole new body.
    body: String,
}

/// What an edit has come to.
#[derive(Debug, Serialize, ToSchema)]
struct Edited {
    /// The new event.
    event: String,
    /// Its deliveries.
    created: Vec<i64>,
}

/// What an edit would change.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EditRehearsal)]
struct EditPreview {
    /// The dead letter.
    delivery: i64,
    /// Its event.
    event: String,
    /// The handlers that the edited event would go to.
    handlers: Vec<String>,
    /// The difference, line by line; JSON is written out for it. Data of strangers.
    diff: String,
    /// Whether something is left out of the difference, because it is long.
    is_partial: bool,
}

/// Hand an edited event to the handlers of a dead letter
///
/// A new event with this body, which says of what it was made; the dead letter counts as replayed.
#[utoipa::path(
    post, path = "/api/v1/dead-letters/{delivery}/edit", operation_id = "editDeadLetter",
    tag = "dead letters",
    params(("delivery" = i64, Path, description = "The delivery", minimum = 1)),
    request_body = Edit, security(("bearer" = ["payload:read", "events:edit"])),
    responses((status = 200, description = "It is delivered", body = Edited)),
)]
async fn edit(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    delivery: web::Path<i64>,
    Body(edit): Body<Edit, LARGEST>,
    admin: web::Data<AdminState>,
) -> Result<Done<Edited>, Denial> {
    let (body, reason) = (Bytes::from(edit.body), edit.reason.as_str());
    let edited = admin.dead_letters.edit(&caller, *delivery, &body, reason).await;
    let edited = edited.map_err(denial)?;
    Ok(Done(Edited { event: edited.event.to_string(), created: edited.created }))
}

/// Say what an edit would change
///
/// The difference, and where the edited event would go. Nothing is done.
#[utoipa::path(
    post, path = "/api/v1/dead-letters/{delivery}/edit/preview",
    operation_id = "previewDeadLetterEdit", tag = "dead letters",
    params(("delivery" = i64, Path, description = "The delivery", minimum = 1)),
    request_body = Draft, security(("bearer" = ["payload:read", "events:edit"])),
    responses((status = 200, description = "What it would change", body = EditPreview)),
)]
async fn preview(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    delivery: web::Path<i64>,
    Body(draft): Body<Draft, LARGEST>,
    admin: web::Data<AdminState>,
) -> Result<Done<EditPreview>, Denial> {
    let body = Bytes::from(draft.body);
    let rehearsal = admin.dead_letters.preview_edit(&caller, *delivery, &body).await;
    let rehearsal = rehearsal.map_err(denial)?;
    Ok(Done(EditPreview {
        delivery: rehearsal.delivery,
        event: rehearsal.event.to_string(),
        handlers: rehearsal.handlers,
        diff: rehearsal.diff,
        is_partial: rehearsal.is_partial,
    }))
}

/// A body that the event cannot have depends on the event: the call itself is well formed.
fn denial(error: AdminError) -> Denial {
    match error {
        AdminError::Invalid(detail) => Denial::Conflict(detail),
        error => error.into(),
    }
}
