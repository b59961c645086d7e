//! Pauses of sources and handlers.

use actix_web::web;
use utoipa::OpenApi;

use super::answer::{ListPage, Page};
use super::routes::{Endpoint, Routes};
use crate::admin::Pause;
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

#[derive(OpenApi)]
#[openapi(paths(list))]
struct Document;

pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/pauses").get(list));
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
    Ok(ListPage(Page::whole(admin.pauses.list(&caller).await?)))
}
