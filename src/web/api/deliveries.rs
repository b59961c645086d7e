use actix_web::web;
use utoipa::OpenApi;

use super::answer::WithEtag;
use super::routes::{Endpoint, Routes};
use crate::admin::DeliveryDetail;
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

#[derive(OpenApi)]
#[openapi(paths(show))]
struct Document;

pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/deliveries/{delivery}").get(show));
}

/// Show a delivery
///
/// With its event, the other deliveries of that event, all attempts and the timeline.
#[utoipa::path(
    get, path = "/api/v1/deliveries/{delivery}", operation_id = "showDelivery", tag = "deliveries",
    params(("delivery" = i64, Path, description = "The delivery", minimum = 1)),
    security(("bearer" = ["events:read"])),
    responses((status = 200, description = "The delivery", body = DeliveryDetail)),
)]
async fn show(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    delivery: web::Path<i64>,
    admin: web::Data<AdminState>,
) -> Result<WithEtag<DeliveryDetail>, Denial> {
    Ok(WithEtag(admin.dead_letters.show(&caller, *delivery).await?))
}
