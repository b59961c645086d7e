//! The overview: current problems and counts.

use actix_web::web;
use utoipa::OpenApi;

use super::answer::WithEtagIgnoringTime;
use super::routes::{Endpoint, Routes};
use crate::admin::Overview;
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

#[derive(OpenApi)]
#[openapi(paths(show))]
struct Document;

pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/overview").get(show));
}

/// Show the overview
///
/// Current problems, a row for every source, and time series of the last hour and 24 hours. It
/// reads counters only, so its cost does not depend on the number of events.
#[utoipa::path(
    get, path = "/api/v1/overview", operation_id = "showOverview", tag = "overview",
    security(("bearer" = ["events:read"])),
    responses((status = 200, description = "The overview", body = Overview)),
)]
async fn show(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    admin: web::Data<AdminState>,
) -> Result<WithEtagIgnoringTime<Overview>, Denial> {
    Ok(WithEtagIgnoringTime(admin.monitoring.overview(&caller).await?))
}
