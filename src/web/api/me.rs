//! Who the caller is.

use utoipa::OpenApi;

use super::answer::WithEtag;
use super::routes::{Endpoint, Routes};
use crate::admin::Identity;
use crate::web::caller::AuthenticatedCaller;

#[derive(OpenApi)]
#[openapi(paths(show))]
struct Document;

pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/me").get(show));
}

/// Show the caller
///
/// The name, the tenant and the scopes of the API key or of the signed-in user.
#[utoipa::path(
    get, path = "/api/v1/me", operation_id = "showCaller", tag = "access",
    security(("bearer" = [])),
    responses((status = 200, description = "The caller", body = Identity)),
)]
async fn show(AuthenticatedCaller(caller): AuthenticatedCaller) -> WithEtag<Identity> {
    WithEtag(Identity::from(&caller))
}
