//! Destinations: status and statistics.

use actix_web::web;
use utoipa::OpenApi;

use super::answer::{ListPage, Page, WithEtag};
use super::routes::{Endpoint, Routes};
use crate::admin::{Destination, DestinationDetail};
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

#[derive(OpenApi)]
#[openapi(paths(list, show))]
struct Document;

pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/destinations").get(list));
    routes.add(Endpoint::new("/api/v1/destinations/{destination}").get(show));
}

/// List destinations
///
/// Configured destinations first, then those that exist only in the database.
#[utoipa::path(
    get, path = "/api/v1/destinations", operation_id = "listDestinations", tag = "destinations",
    security(("bearer" = ["events:read"])),
    responses((status = 200, description = "All destinations", body = Page<Destination>)),
)]
async fn list(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    admin: web::Data<AdminState>,
) -> Result<ListPage<Destination>, Denial> {
    Ok(ListPage(Page::whole(admin.destinations.list(&caller).await?)))
}

/// Show a destination
///
/// With its URL, statistics of the last 24 hours, and recent responses.
#[utoipa::path(
    get, path = "/api/v1/destinations/{destination}", operation_id = "showDestination",
    tag = "destinations", params(("destination" = String, Path, description = "Name of the destination",
                                  pattern = "^[a-z0-9_-]{1,64}$")),
    security(("bearer" = ["events:read"])),
    responses((status = 200, description = "The destination", body = DestinationDetail)),
)]
async fn show(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    name: web::Path<String>,
    admin: web::Data<AdminState>,
) -> Result<WithEtag<DestinationDetail>, Denial> {
    Ok(WithEtag(admin.destinations.show(&caller, &name).await?))
}
