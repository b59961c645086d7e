//! Users: invite, list, sessions.

use actix_web::web;
use serde::Deserialize;
use utoipa::{OpenApi, ToSchema};

use super::answer::{Done, ListPage, Page};
use super::body::{Body, ReasonBody};
use super::query::Name;
use super::routes::{Endpoint, Routes};
use crate::admin::{self, Invitation, Repeat, Scope, User, UserSession};
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

#[derive(OpenApi)]
#[openapi(paths(list, invite, sessions, end_session))]
struct Document;

pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/users").get(list).post(Repeat::Secret, invite));
    routes.add(Endpoint::new("/api/v1/users/{user}/sessions").get(sessions));
    let end = Endpoint::new("/api/v1/users/{user}/sessions/{session}/end");
    routes.add(end.post(Repeat::Repeatable, end_session));
}

/// The name of a new user or key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(as = NewName, pattern = "^[A-Za-z0-9._@+-]([A-Za-z0-9 ._@+-]{0,62}[A-Za-z0-9._@+-])?$")]
pub(super) struct Called(String);

/// A user to invite.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewUser {
    name: Called,
    /// Their scopes.
    #[schema(min_items = 1)]
    scopes: Vec<Scope>,
    /// The tenant they are limited to; all tenants by default.
    #[schema(value_type = Option<String>, pattern = "^[!-~]{1,100}$")]
    tenant: Option<Name>,
}

/// List users
///
/// By name, including disabled users.
#[utoipa::path(
    get, path = "/api/v1/users", operation_id = "listUsers", tag = "access",
    security(("bearer" = ["admin"])),
    responses((status = 200, description = "All users", body = Page<User>)),
)]
async fn list(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    admin: web::Data<AdminState>,
) -> Result<ListPage<User>, Denial> {
    Ok(ListPage(Page::whole(admin.access.users(&caller).await?)))
}

/// Invite a user
///
/// Returns a one-time path where the user sets a password. It is not shown again.
#[utoipa::path(
    post, path = "/api/v1/users", operation_id = "inviteUser", tag = "access",
    request_body = NewUser, security(("bearer" = ["admin"])),
    responses((status = 200, description = "The invitation", body = Invitation)),
)]
async fn invite(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    Body(new): Body<NewUser>,
    admin: web::Data<AdminState>,
) -> Result<Done<Invitation>, Denial> {
    let new = admin::NewUser {
        name: new.name.get(),
        scopes: new.scopes.into(),
        tenant: new.tenant.map(|Name(name)| name),
    };
    Ok(Done(admin.access.add_user(&caller, &new).await?))
}

/// List a user's sessions
///
/// Most recently used first.
#[utoipa::path(
    get, path = "/api/v1/users/{user}/sessions", operation_id = "listSessions", tag = "access",
    params(("user" = String, Path, description = "Name of the user")),
    security(("bearer" = ["admin"])),
    responses((status = 200, description = "The active sessions", body = Page<UserSession>)),
)]
async fn sessions(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    user: web::Path<String>,
    admin: web::Data<AdminState>,
) -> Result<ListPage<UserSession>, Denial> {
    Ok(ListPage(Page::whole(admin.access.sessions_of(&caller, &user).await?)))
}

/// End a session of a user
#[utoipa::path(
    post, path = "/api/v1/users/{user}/sessions/{session}/end", operation_id = "endSession",
    tag = "access",
    params(("user" = String, Path, description = "Name of the user"),
           ("session" = i64, Path, description = "The session", minimum = 1)),
    request_body = ReasonBody, security(("bearer" = ["admin"])),
    responses((status = 200, description = "The remaining sessions", body = Page<UserSession>)),
)]
async fn end_session(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    path: web::Path<(String, i64)>,
    Body(body): Body<ReasonBody>,
    admin: web::Data<AdminState>,
) -> Result<Done<Page<UserSession>>, Denial> {
    let (user, session) = path.into_inner();
    let left = admin.access.end_session_of(&caller, &user, session, body.reason()).await?;
    Ok(Done(Page::whole(left)))
}

impl Called {
    pub(super) fn get(self) -> String {
        self.0
    }
}

impl TryFrom<String> for Called {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let shaped = (1..=64).contains(&name.len())
            && name.trim() == name
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" ._@+-".contains(&byte));
        if shaped {
            Ok(Self(name))
        } else {
            Err("invalid name: expected 1 to 64 letters, digits and ` ._@+-`")
        }
    }
}
