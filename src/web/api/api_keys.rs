//! API keys: create, list, revoke.

use actix_web::web;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use utoipa::{OpenApi, ToSchema};

use super::answer::{Done, ListPage, Page};
use super::body::{Body, ReasonBody, Whole};
use super::query::Name;
use super::routes::{Endpoint, Routes};
use super::users::{Called, Grant, granted, grants};
use super::words::word;
use crate::admin::{self, Expiry, NewApiKey, Repeat};
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

#[derive(OpenApi)]
#[openapi(paths(list, create, revoke))]
struct Document;

/// Adds the routes.
pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/api-keys").get(list).post(Repeat::Secret, create));
    routes.add(Endpoint::new("/api/v1/api-keys/{key}/revoke").post(Repeat::Repeatable, revoke));
}

/// An API key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
struct ApiKey {
    /// Its public id.
    id: String,
    name: String,
    /// Its scopes.
    scopes: Vec<Grant>,
    /// The tenant it is limited to; null for all tenants.
    tenant: Option<String>,
    state: State,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    created_by: String,
    /// When it expires.
    #[serde(with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
    /// When it was last used, to about a minute.
    #[serde(with = "time::serde::rfc3339::option")]
    last_used_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    revoked_at: Option<OffsetDateTime>,
    revoked_by: Option<String>,
}

/// The state of a key.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ApiKeyState)]
enum State {
    Good,
    Expired,
    Revoked,
}

/// A key to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewKey {
    /// Its name; the audit log records it as `key:NAME`.
    name: Called,
    /// Its scopes.
    #[schema(min_items = 1)]
    scopes: Vec<Grant>,
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

/// A created key.
#[derive(Debug, Serialize, ToSchema)]
struct MadeKey {
    /// The API key; returned only here.
    key: String,
    about: ApiKey,
}

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
    let keys = admin.access.keys(&caller).await?.into_iter();
    let keys = keys.map(|key| ApiKey::new(key, &admin));
    Ok(ListPage(Page::whole(keys.collect::<Result<_, _>>()?)))
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
        scopes: granted(&new.scopes),
        tenant: new.tenant.map(|Name(name)| name),
        expiry,
    };
    let made = admin.access.create_key(&caller, &new).await?;
    let key = made.key.as_str().to_owned();
    Ok(Done(MadeKey { key, about: ApiKey::new(made.about, &admin)? }))
}

/// Revoke an API key
///
/// Requests with it are rejected from now on. Revoking a revoked key has no effect.
#[utoipa::path(
    post, path = "/api/v1/api-keys/{key}/revoke", operation_id = "revokeApiKey", tag = "access",
    params(("key" = String, Path, description = "Id of the key", pattern = "^[0-9a-f]{16}$")),
    request_body = ReasonBody, security(("bearer" = ["admin"])),
    responses((status = 200, description = "The revoked key", body = ApiKey)),
)]
async fn revoke(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    key: web::Path<String>,
    Body(because): Body<ReasonBody>,
    admin: web::Data<AdminState>,
) -> Result<Done<ApiKey>, Denial> {
    let about = admin.access.revoke_key(&caller, &key, because.reason()).await?;
    Ok(Done(ApiKey::new(about, &admin)?))
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

impl ApiKey {
    fn new(key: admin::ApiKey, admin: &AdminState) -> Result<Self, Denial> {
        Ok(Self {
            state: word(key.state(admin.clock.now()))?,
            id: key.id,
            name: key.name,
            scopes: grants(key.scopes)?,
            tenant: key.tenant,
            created_at: key.created_at,
            created_by: key.created_by,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            revoked_at: key.revoked_at,
            revoked_by: key.revoked_by,
        })
    }
}
