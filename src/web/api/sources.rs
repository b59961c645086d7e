//! Sources and settings.

use actix_web::web;
use utoipa::OpenApi;

use super::answer::{ListPage, Page, WithEtag};
use super::routes::{Endpoint, Routes};
use crate::admin::{Setting, Source};
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

#[derive(OpenApi)]
#[openapi(paths(list, show, settings))]
struct Document;

pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/sources").get(list));
    routes.add(Endpoint::new("/api/v1/sources/{source}").get(show));
    routes.add(Endpoint::new("/api/v1/settings").get(settings));
}

/// List sources
///
/// In configured order, with their set-up state.
#[utoipa::path(
    get, path = "/api/v1/sources", operation_id = "listSources", tag = "sources",
    security(("bearer" = ["events:read"])),
    responses((status = 200, description = "All sources", body = Page<Source>)),
)]
async fn list(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    admin: web::Data<AdminState>,
) -> Result<ListPage<Source>, Denial> {
    Ok(ListPage(Page::whole(admin.monitoring.sources(&caller).await?)))
}

/// Show a source
///
/// With its configuration, the use of its secrets, and recent counts.
#[utoipa::path(
    get, path = "/api/v1/sources/{source}", operation_id = "showSource", tag = "sources",
    params(("source" = String, Path, description = "Name of the source", pattern = "^[a-z0-9_-]{1,64}$")),
    security(("bearer" = ["events:read"])),
    responses((status = 200, description = "The source", body = Source)),
)]
async fn show(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    source: web::Path<String>,
    admin: web::Data<AdminState>,
) -> Result<WithEtag<Source>, Denial> {
    Ok(WithEtag(admin.monitoring.source(&caller, &source).await?))
}

/// List settings
///
/// The effective configuration, key by key, without secrets. Requires an API key for all tenants.
#[utoipa::path(
    get, path = "/api/v1/settings", operation_id = "listSettings", tag = "gateway",
    security(("bearer" = ["admin"])),
    responses((status = 200, description = "All settings", body = Page<Setting>)),
)]
async fn settings(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    admin: web::Data<AdminState>,
) -> Result<ListPage<Setting>, Denial> {
    Ok(ListPage(Page::whole(admin.monitoring.settings(&caller)?.to_vec())))
}
