//! Holds: sources and handlers that are paused.

use actix_web::web;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::{OpenApi, ToSchema};

use super::answer::{Done, Listed, Page};
use super::body::{Because, Body};
use super::routes::{At, Routes};
use super::switch::{Asked, Switched, What};
use super::words::word;
use crate::http::caller::By;
use crate::http::denial::Denial;
use crate::http::operator::Operator;
use crate::operator::Act;
use crate::store::{self, Pausable};

#[derive(OpenApi)]
#[openapi(paths(list, pause_source, resume_source, pause_handler, resume_handler))]
struct Document;

/// Mounts the noun.
pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    let same = Act::Repeatable;
    routes.add(At::new("/api/v1/holds").get(list));
    routes.add(At::new("/api/v1/sources/{source}/pause").post(same, pause_source));
    routes.add(At::new("/api/v1/sources/{source}/resume").post(same, resume_source));
    routes.add(At::new("/api/v1/handlers/{handler}/pause").post(same, pause_handler));
    routes.add(At::new("/api/v1/handlers/{handler}/resume").post(same, resume_handler));
}

/// Something that is paused.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Hold {
    what: What,
    name: String,
    #[serde(with = "time::serde::rfc3339")]
    paused_at: OffsetDateTime,
    paused_by: String,
    /// Why, in their words.
    why: String,
}

/// List what is paused
///
/// Sources and handlers; destinations say it themselves.
#[utoipa::path(
    get, path = "/api/v1/holds", operation_id = "listHolds", tag = "holds",
    security(("bearer" = ["events:read"])),
    responses((status = 200, description = "Every hold", body = Page<Hold>)),
)]
async fn list(By(caller): By, operator: web::Data<Operator>) -> Result<Listed<Hold>, Denial> {
    let holds = operator.holds.list(&caller).await?.into_iter();
    Ok(Listed(Page::whole(holds.map(Hold::new).collect::<Result<_, _>>()?)))
}

/// Pause a source
///
/// It still receives, verifies and records; what it records waits.
#[utoipa::path(
    post, path = "/api/v1/sources/{source}/pause", operation_id = "pauseSource", tag = "holds",
    params(("source" = String, Path, description = "Its name", pattern = "^[a-z0-9_-]{1,64}$")),
    request_body = Because, security(("bearer" = ["sources:write"])),
    responses((status = 200, description = "It is paused", body = Switched)),
)]
async fn pause_source(asked: Asked) -> Result<Done<Switched>, Denial> {
    switch(asked, Pausable::Source, true).await
}

/// Let a paused source go on
///
/// Ages of what waited count from now.
#[utoipa::path(
    post, path = "/api/v1/sources/{source}/resume", operation_id = "resumeSource", tag = "holds",
    params(("source" = String, Path, description = "Its name", pattern = "^[a-z0-9_-]{1,64}$")),
    request_body = Because, security(("bearer" = ["sources:write"])),
    responses((status = 200, description = "It goes on", body = Switched)),
)]
async fn resume_source(asked: Asked) -> Result<Done<Switched>, Denial> {
    switch(asked, Pausable::Source, false).await
}

/// Pause a handler
///
/// Of every source that has it: a key of one tenant cannot.
#[utoipa::path(
    post, path = "/api/v1/handlers/{handler}/pause", operation_id = "pauseHandler", tag = "holds",
    params(("handler" = String, Path, description = "Its stored name",
            pattern = "^[a-z0-9_-]{1,64}$")),
    request_body = Because, security(("bearer" = ["sources:write"])),
    responses((status = 200, description = "It is paused", body = Switched)),
)]
async fn pause_handler(asked: Asked) -> Result<Done<Switched>, Denial> {
    switch(asked, Pausable::Handler, true).await
}

/// Let a paused handler go on
///
/// Of every source that has it: a key of one tenant cannot.
#[utoipa::path(
    post, path = "/api/v1/handlers/{handler}/resume", operation_id = "resumeHandler", tag = "holds",
    params(("handler" = String, Path, description = "Its stored name",
            pattern = "^[a-z0-9_-]{1,64}$")),
    request_body = Because, security(("bearer" = ["sources:write"])),
    responses((status = 200, description = "It goes on", body = Switched)),
)]
async fn resume_handler(asked: Asked) -> Result<Done<Switched>, Denial> {
    switch(asked, Pausable::Handler, false).await
}

async fn switch(
    (By(caller), name, Body(because), operator): Asked,
    what: Pausable,
    pause: bool,
) -> Result<Done<Switched>, Denial> {
    let (holds, name) = (&operator.holds, name.into_inner());
    let changed = if pause {
        holds.pause(&caller, what, &name, because.reason()).await?
    } else {
        holds.resume(&caller, what, &name, because.reason()).await?
    };
    Ok(Done(Switched { what: word(what.as_str())?, name, changed }))
}

impl Hold {
    pub(super) fn new(hold: store::Hold) -> Result<Self, Denial> {
        Ok(Self {
            what: word(hold.what.as_str())?,
            name: hold.name,
            paused_at: hold.paused_at,
            paused_by: hold.paused_by,
            why: hold.why,
        })
    }
}
