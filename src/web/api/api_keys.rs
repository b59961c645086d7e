//! API keys: create, list.

use actix_web::web;
use serde::Deserialize;
use time::Duration;
use utoipa::{OpenApi, ToSchema};

use super::answer::{Done, ListPage, Page};
use super::body::{Body, Whole};
use super::query::Name;
use super::routes::{Endpoint, Routes};
use super::users::Called;
use crate::admin::{ApiKey, Expiry, MadeKey, NewApiKey, Repeat, Scope};
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

#[derive(OpenApi)]
#[openapi(paths(list, create))]
struct Document;

pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/api-keys").get(list).post(Repeat::Secret, create));
}

/// A key to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewKey {
    /// Its name; the audit log records it as `key:NAME`.
    name: Called,
    /// Its scopes.
    #[schema(min_items = 1)]
    scopes: Vec<Scope>,
    /// The tenant it is limited to; all tenants by default.
    #[schema(value_type = Option<String>, pattern = "^[!-~]{1,100}$")]
    tenant: Option<Name>,
    /// Lifetime in days; default 90.
    days: Option<Days>,
    /// Whether it never expires; `days` is then ignored.
    #[serde(default)]
    unlimited: bool,
}

/// Days: 1 to 3650.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(try_from = "Whole")]
#[schema(minimum = 1, maximum = 3650)]
struct Days(i64);

/// List API keys
///
/// Newest first, including expired and revoked keys.
#[utoipa::path(
    get, path = "/api/v1/api-keys", operation_id = "listApiKeys", tag = "access",
    security(("bearer" = ["admin"])),
    responses((status = 200, description = "All keys", body = Page<ApiKey>)),
)]
async fn list(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    admin: web::Data<AdminState>,
) -> Result<ListPage<ApiKey>, Denial> {
    Ok(ListPage(Page::whole(admin.access.keys(&caller).await?)))
}

/// Create an API key
///
/// The key is returned only in this response.
#[utoipa::path(
    post, path = "/api/v1/api-keys", operation_id = "createApiKey", tag = "access",
    request_body = NewKey, security(("bearer" = ["admin"])),
    responses((status = 200, description = "The key", body = MadeKey)),
)]
async fn create(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    Body(new): Body<NewKey>,
    admin: web::Data<AdminState>,
) -> Result<Done<MadeKey>, Denial> {
    let expiry = match new.days {
        _ if new.unlimited => Expiry::Never,
        Some(Days(days)) => Expiry::After(Duration::days(days)),
        None => Expiry::default(),
    };
    let new = NewApiKey {
        name: new.name.get(),
        scopes: new.scopes.into(),
        tenant: new.tenant.map(|Name(name)| name),
        expiry,
    };
    Ok(Done(admin.access.create_key(&caller, &new).await?))
}

impl TryFrom<Whole> for Days {
    type Error = &'static str;

    fn try_from(days: Whole) -> Result<Self, Self::Error> {
        let days = days.get();
        if (1..=3650).contains(&days) {
            Ok(Self(days))
        } else {
            Err("invalid `days`: expected 1 to 3650")
        }
    }
}
