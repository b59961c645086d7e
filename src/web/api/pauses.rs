//! Pauses of sources and handlers.

use actix_web::web;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::{OpenApi, ToSchema};

use super::answer::{Done, ListPage, Page};
use super::body::{Body, ReasonBody};
use super::routes::{Endpoint, Routes};
use super::toggle::{Asked, Toggled, What};
use super::words::word;
use crate::admin::Repeat;
use crate::store::{self, PauseTarget};
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

#[derive(OpenApi)]
#[openapi(paths(list, pause_source, resume_source, pause_handler, resume_handler))]
struct Document;

/// Adds the routes.
pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    let same = Repeat::Repeatable;
    routes.add(Endpoint::new("/api/v1/pauses").get(list));
    routes.add(Endpoint::new("/api/v1/sources/{source}/pause").post(same, pause_source));
    routes.add(Endpoint::new("/api/v1/sources/{source}/resume").post(same, resume_source));
    routes.add(Endpoint::new("/api/v1/handlers/{handler}/pause").post(same, pause_handler));
    routes.add(Endpoint::new("/api/v1/handlers/{handler}/resume").post(same, resume_handler));
}

/// A paused source or handler.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Pause {
    what: What,
    name: String,
    #[serde(with = "time::serde::rfc3339")]
    paused_at: OffsetDateTime,
    paused_by: String,
    /// The reason.
    why: String,
}

/// List pauses
///
/// Paused sources and handlers. The state of a destination is part of the destination.
#[utoipa::path(
    get, path = "/api/v1/pauses", operation_id = "listPauses", tag = "pauses",
    security(("bearer" = ["events:read"])),
    responses((status = 200, description = "All pauses", body = Page<Pause>)),
)]
async fn list(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    admin: web::Data<AdminState>,
) -> Result<ListPage<Pause>, Denial> {
    let pauses = admin.pauses.list(&caller).await?.into_iter();
    Ok(ListPage(Page::whole(pauses.map(Pause::new).collect::<Result<_, _>>()?)))
}

/// Pause a source
///
/// It still receives, verifies and stores events; deliveries wait.
#[utoipa::path(
    post, path = "/api/v1/sources/{source}/pause", operation_id = "pauseSource", tag = "pauses",
    params(("source" = String, Path, description = "Name of the source", pattern = "^[a-z0-9_-]{1,64}$")),
    request_body = ReasonBody, security(("bearer" = ["sources:write"])),
    responses((status = 200, description = "Paused", body = Toggled)),
)]
async fn pause_source(asked: Asked) -> Result<Done<Toggled>, Denial> {
    switch(asked, PauseTarget::Source, true).await
}

/// Resume a source
///
/// The age of waiting deliveries counts from now.
#[utoipa::path(
    post, path = "/api/v1/sources/{source}/resume", operation_id = "resumeSource", tag = "pauses",
    params(("source" = String, Path, description = "Name of the source", pattern = "^[a-z0-9_-]{1,64}$")),
    request_body = ReasonBody, security(("bearer" = ["sources:write"])),
    responses((status = 200, description = "Resumed", body = Toggled)),
)]
async fn resume_source(asked: Asked) -> Result<Done<Toggled>, Denial> {
    switch(asked, PauseTarget::Source, false).await
}

/// Pause a handler
///
/// For all sources. Requires an API key for all tenants.
#[utoipa::path(
    post, path = "/api/v1/handlers/{handler}/pause", operation_id = "pauseHandler", tag = "pauses",
    params(("handler" = String, Path, description = "Name of the handler",
            pattern = "^[a-z0-9_-]{1,64}$")),
    request_body = ReasonBody, security(("bearer" = ["sources:write"])),
    responses((status = 200, description = "Paused", body = Toggled)),
)]
async fn pause_handler(asked: Asked) -> Result<Done<Toggled>, Denial> {
    switch(asked, PauseTarget::Handler, true).await
}

/// Resume a handler
///
/// For all sources. Requires an API key for all tenants.
#[utoipa::path(
    post, path = "/api/v1/handlers/{handler}/resume", operation_id = "resumeHandler", tag = "pauses",
    params(("handler" = String, Path, description = "Name of the handler",
            pattern = "^[a-z0-9_-]{1,64}$")),
    request_body = ReasonBody, security(("bearer" = ["sources:write"])),
    responses((status = 200, description = "Resumed", body = Toggled)),
)]
async fn resume_handler(asked: Asked) -> Result<Done<Toggled>, Denial> {
    switch(asked, PauseTarget::Handler, false).await
}

async fn switch(
    (AuthenticatedCaller(caller), name, Body(because), admin): Asked,
    what: PauseTarget,
    pause: bool,
) -> Result<Done<Toggled>, Denial> {
    let (pauses, name) = (&admin.pauses, name.into_inner());
    let changed = if pause {
        pauses.pause(&caller, what, &name, because.reason()).await?
    } else {
        pauses.resume(&caller, what, &name, because.reason()).await?
    };
    Ok(Done(Toggled { what: word(what.as_str())?, name, changed }))
}

impl Pause {
    pub(super) fn new(pause: store::Pause) -> Result<Self, Denial> {
        Ok(Self {
            what: word(pause.what.as_str())?,
            name: pause.name,
            paused_at: pause.paused_at,
            paused_by: pause.paused_by,
            why: pause.why,
        })
    }
}
