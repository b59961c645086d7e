//! Users: invite, list, reset, disable.

use actix_web::web;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{OpenApi, ToSchema};

use super::answer::{Done, ListPage, Page};
use super::body::{Body, Reason, ReasonBody};
use super::query::Name;
use super::routes::{Endpoint, Routes};
use super::words::word;
use crate::admin::{self, Repeat, Scope, Scopes};
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

#[derive(OpenApi)]
#[openapi(paths(list, invite, reset, disable, enable, sessions, end_session))]
struct Document;

/// Adds the routes.
pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/users").get(list).post(Repeat::Secret, invite));
    routes.add(Endpoint::new("/api/v1/users/{user}/reset").post(Repeat::Secret, reset));
    routes.add(Endpoint::new("/api/v1/users/{user}/disable").post(Repeat::Repeatable, disable));
    routes.add(Endpoint::new("/api/v1/users/{user}/enable").post(Repeat::Repeatable, enable));
    routes.add(Endpoint::new("/api/v1/users/{user}/sessions").get(sessions));
    let end = Endpoint::new("/api/v1/users/{user}/sessions/{session}/end");
    routes.add(end.post(Repeat::Repeatable, end_session));
}

/// A permission; `admin` includes all others.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[schema(as = Scope)]
pub(super) enum Grant {
    #[serde(rename = "events:read")]
    EventsRead,
    #[serde(rename = "payload:read")]
    PayloadRead,
    #[serde(rename = "events:replay")]
    EventsReplay,
    #[serde(rename = "events:edit")]
    EventsEdit,
    #[serde(rename = "sources:write")]
    SourcesWrite,
    #[serde(rename = "secrets:write")]
    SecretsWrite,
    #[serde(rename = "admin")]
    Admin,
}

/// The name of a new user or key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(as = NewName, pattern = "^[A-Za-z0-9._@+-]([A-Za-z0-9 ._@+-]{0,62}[A-Za-z0-9._@+-])?$")]
pub(super) struct Called(String);

/// A user of the console.
#[derive(Debug, Serialize, ToSchema)]
struct User {
    /// The name they sign in with, as recorded in the audit log.
    name: String,
    /// Their scopes.
    scopes: Vec<Grant>,
    /// The tenant they are limited to; null for all tenants.
    tenant: Option<String>,
    state: State,
    /// When two-factor authentication was turned on.
    #[serde(with = "time::serde::rfc3339::option")]
    codes_since: Option<OffsetDateTime>,
    /// The `OpenID` Connect issuer they sign in with.
    issuer: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    created_by: String,
    #[serde(with = "time::serde::rfc3339::option")]
    signed_in_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    disabled_at: Option<OffsetDateTime>,
}

/// The state of a user; `invited` users have not set a password yet.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = PersonState)]
enum State {
    Good,
    Invited,
    Disabled,
}

/// A user to invite.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewUser {
    name: Called,
    /// Their scopes.
    #[schema(min_items = 1)]
    scopes: Vec<Grant>,
    /// The tenant they are limited to; all tenants by default.
    #[schema(value_type = Option<String>, pattern = "^[!-~]{1,100}$")]
    tenant: Option<Name>,
}

/// A reset with its reason.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PersonReset)]
struct Reset {
    reason: Reason,
    /// Also turn two-factor authentication off, for a lost authenticator.
    #[serde(default)]
    codes: bool,
}

/// The sessions and keys that were revoked.
#[derive(Debug, Serialize, ToSchema)]
struct Ended {
    /// Number of sessions.
    sessions: u64,
    /// The ids of the revoked API keys: those created by the user, and those created with these
    /// keys.
    keys: Vec<String>,
}

/// A disabled user with the revoked sessions and keys.
#[derive(Debug, Serialize, ToSchema)]
struct DisabledPerson {
    #[serde(flatten)]
    user: User,
    ended: Ended,
}

/// A session of a user.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PersonSession)]
struct Session {
    id: i64,
    /// The client address at sign-in.
    address: String,
    /// The beginning of the `User-Agent` at sign-in.
    agent: String,
    #[serde(with = "time::serde::rfc3339")]
    signed_in_at: OffsetDateTime,
    /// The last activity, to the minute.
    #[serde(with = "time::serde::rfc3339")]
    last_seen_at: OffsetDateTime,
    /// When it expires regardless of activity.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

/// A one-time set-up link for a password.
#[derive(Debug, Serialize, ToSchema)]
struct Invitation {
    /// The path of the link on the admin listener; returned only here.
    path: String,
    /// When it expires.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    /// The sessions and keys revoked by a reset; null for a new user.
    ended: Option<Ended>,
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
    let users = admin.access.users(&caller).await?.into_iter();
    Ok(ListPage(Page::whole(users.map(User::new).collect::<Result<_, _>>()?)))
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
        scopes: granted(&new.scopes),
        tenant: new.tenant.map(|Name(name)| name),
    };
    let invitation = admin.access.add_user(&caller, &new).await?;
    Ok(Done(Invitation::new(&invitation)))
}

/// Reset a user's password and sessions
///
/// Also revokes the API keys the user created. Returns a one-time path where the user sets a new
/// password. It is not shown again.
#[utoipa::path(
    post, path = "/api/v1/users/{user}/reset", operation_id = "resetUser", tag = "access",
    params(("user" = String, Path, description = "Name of the user")),
    request_body = Reset, security(("bearer" = ["admin"])),
    responses((status = 200, description = "The invitation", body = Invitation)),
)]
async fn reset(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    user: web::Path<String>,
    Body(reset): Body<Reset>,
    admin: web::Data<AdminState>,
) -> Result<Done<Invitation>, Denial> {
    let reason = reset.reason.as_str();
    let invitation = admin.access.reset_user(&caller, &user, reset.codes, reason).await?;
    let ended = Some(Ended::new(&invitation.ended));
    Ok(Done(Invitation { ended, ..Invitation::new(&invitation) }))
}

/// Disable a user
///
/// Ends all sessions, revokes the API keys the user created, and prevents sign-in.
#[utoipa::path(
    post, path = "/api/v1/users/{user}/disable", operation_id = "disableUser", tag = "access",
    params(("user" = String, Path, description = "Name of the user")),
    request_body = ReasonBody, security(("bearer" = ["admin"])),
    responses((status = 200, description = "The disabled user", body = DisabledPerson)),
)]
async fn disable(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    user: web::Path<String>,
    Body(because): Body<ReasonBody>,
    admin: web::Data<AdminState>,
) -> Result<Done<DisabledPerson>, Denial> {
    let done = admin.access.disable_user(&caller, &user, because.reason()).await?;
    let (user, ended) = done;
    Ok(Done(DisabledPerson { user: User::new(user)?, ended: Ended::new(&ended) }))
}

/// List a user's sessions
///
/// Most recently used first.
#[utoipa::path(
    get, path = "/api/v1/users/{user}/sessions", operation_id = "listSessions", tag = "access",
    params(("user" = String, Path, description = "Name of the user")),
    security(("bearer" = ["admin"])),
    responses((status = 200, description = "The active sessions", body = Page<Session>)),
)]
async fn sessions(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    user: web::Path<String>,
    admin: web::Data<AdminState>,
) -> Result<ListPage<Session>, Denial> {
    let sessions = admin.access.sessions_of(&caller, &user).await?.into_iter();
    Ok(ListPage(Page::whole(sessions.map(Session::new).collect())))
}

/// End a session of a user
#[utoipa::path(
    post, path = "/api/v1/users/{user}/sessions/{session}/end", operation_id = "endSession",
    tag = "access",
    params(("user" = String, Path, description = "Name of the user"),
           ("session" = i64, Path, description = "The session", minimum = 1)),
    request_body = ReasonBody, security(("bearer" = ["admin"])),
    responses((status = 200, description = "The remaining sessions", body = Page<Session>)),
)]
async fn end_session(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    path: web::Path<(String, i64)>,
    Body(because): Body<ReasonBody>,
    admin: web::Data<AdminState>,
) -> Result<Done<Page<Session>>, Denial> {
    let (user, session) = path.into_inner();
    let access = &admin.access;
    access.end_session_of(&caller, &user, session, because.reason()).await?;
    let left = access.sessions_of(&caller, &user).await?;
    Ok(Done(Page::whole(left.into_iter().map(Session::new).collect())))
}

/// Enable a user
///
/// The user can sign in again with the same password.
#[utoipa::path(
    post, path = "/api/v1/users/{user}/enable", operation_id = "enableUser", tag = "access",
    params(("user" = String, Path, description = "Name of the user")),
    request_body = ReasonBody, security(("bearer" = ["admin"])),
    responses((status = 200, description = "The enabled user", body = User)),
)]
async fn enable(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    user: web::Path<String>,
    Body(because): Body<ReasonBody>,
    admin: web::Data<AdminState>,
) -> Result<Done<User>, Denial> {
    let user = admin.access.enable_user(&caller, &user, because.reason()).await?;
    Ok(Done(User::new(user)?))
}

/// Converts stored scopes.
pub(super) fn grants(scopes: Scopes) -> Result<Vec<Grant>, Denial> {
    scopes.iter().map(|scope| word(scope.as_str())).collect()
}

/// Converts requested scopes.
pub(super) fn granted(grants: &[Grant]) -> Scopes {
    let scope = |grant: &Grant| match grant {
        Grant::EventsRead => Scope::EventsRead,
        Grant::PayloadRead => Scope::PayloadRead,
        Grant::EventsReplay => Scope::EventsReplay,
        Grant::EventsEdit => Scope::EventsEdit,
        Grant::SourcesWrite => Scope::SourcesWrite,
        Grant::SecretsWrite => Scope::SecretsWrite,
        Grant::Admin => Scope::Admin,
    };
    grants.iter().map(scope).collect()
}

impl Called {
    /// The name.
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

impl Invitation {
    fn new(invitation: &admin::Invitation) -> Self {
        let path = format!("/setup?token={}", invitation.token.as_str());
        Self { path, expires_at: invitation.expires_at, ended: None }
    }
}

impl Ended {
    fn new(ended: &admin::Ended) -> Self {
        let keys = ended.keys.iter().map(|(_, id)| id.clone()).collect();
        Self { sessions: ended.sessions, keys }
    }
}

impl Session {
    fn new(session: admin::OwnSession) -> Self {
        Self {
            id: session.id,
            address: session.peer,
            agent: session.agent,
            signed_in_at: session.since,
            last_seen_at: session.last_seen_at,
            expires_at: session.until,
        }
    }
}

impl User {
    fn new(user: admin::User) -> Result<Self, Denial> {
        Ok(Self {
            state: word(user.state())?,
            name: user.name,
            scopes: grants(user.scopes)?,
            tenant: user.tenant,
            codes_since: user.codes_since,
            issuer: user.issuer,
            created_at: user.created_at,
            created_by: user.created_by,
            signed_in_at: user.signed_in_at,
            disabled_at: user.disabled_at,
        })
    }
}
