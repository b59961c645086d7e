//! API keys: made, listed and revoked by administrators.

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

/// Mounts the noun.
pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/api-keys").get(list).post(Repeat::Secret, create));
    routes.add(Endpoint::new("/api/v1/api-keys/{key}/revoke").post(Repeat::Repeatable, revoke));
}

/// What is known of an API key.
#[derive(Debug, Serialize, ToSchema)]
struct ApiKey {
    /// The part that may be seen.
    id: String,
    name: String,
    /// What it may do.
    scopes: Vec<Grant>,
    /// The only tenant whose things it sees; null for all.
    tenant: Option<String>,
    state: State,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    created_by: String,
    /// From when on it is refused.
    #[serde(with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
    /// When it was shown last, to the minute or so.
    #[serde(with = "time::serde::rfc3339::option")]
    last_used_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    revoked_at: Option<OffsetDateTime>,
    revoked_by: Option<String>,
}

/// Whether a key counts.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ApiKeyState)]
enum State {
    Good,
    Expired,
    Revoked,
}

/// A key that is to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewKey {
    /// What people call it; the audit log calls whoever shows it `key:NAME`.
    name: Called,
    /// What it may do.
    #[schema(min_items = 1)]
    scopes: Vec<Grant>,
    /// The only tenant whose things it sees; without it all are.
    #[schema(value_type = Option<String>, pattern = "^[!-~]{1,100}$")]
    tenant: Option<Name>,
    /// For how many days it is good: 90 where nobody says.
    days: Option<Days>,
    /// Whether it is good until it is revoked; then `days` does not count.
    #[serde(default)]
    unlimited: bool,
}

/// Days: 1 to 3650.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(try_from = "Whole")]
#[schema(minimum = 1, maximum = 3650)]
struct Days(i64);

/// A key that was made.
#[derive(Debug, Serialize, ToSchema)]
struct MadeKey {
    /// The key: now, and never again.
    key: String,
    about: ApiKey,
}

/// List API keys
///
/// The newest come first; those that count no longer are among them.
#[utoipa::path(
    get, path = "/api/v1/api-keys", operation_id = "listApiKeys", tag = "access",
    security(("bearer" = ["admin"])),
    responses((status = 200, description = "Every key", body = Page<ApiKey>)),
)]
async fn list(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    admin: web::Data<AdminState>,
) -> Result<ListPage<ApiKey>, Denial> {
    let keys = admin.access.keys(&caller).await?.into_iter();
    let keys = keys.map(|key| ApiKey::new(key, &admin));
    Ok(ListPage(Page::whole(keys.collect::<Result<_, _>>()?)))
}

/// Make an API key
///
/// The answer is the only place where the key is shown.
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
/// It is refused from now on; one that is revoked already stays as it is.
#[utoipa::path(
    post, path = "/api/v1/api-keys/{key}/revoke", operation_id = "revokeApiKey", tag = "access",
    params(("key" = String, Path, description = "Its id", pattern = "^[0-9a-f]{16}$")),
    request_body = ReasonBody, security(("bearer" = ["admin"])),
    responses((status = 200, description = "It is revoked", body = ApiKey)),
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
        if (1..=3650).contains(&days) { Ok(Self(days)) } else { Err("`days` is 1 to 3650") }
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
