//! People: invited, listed and disabled by administrators.

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

/// Mounts the noun.
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

/// What somebody may do; `admin` is all of it.
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

/// What somebody is to be called.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(as = NewName, pattern = "^[A-Za-z0-9._@+-]([A-Za-z0-9 ._@+-]{0,62}[A-Za-z0-9._@+-])?$")]
pub(super) struct Called(String);

/// A person: somebody who signs in.
#[derive(Debug, Serialize, ToSchema)]
struct User {
    /// What they sign in with, and what the audit log calls them.
    name: String,
    /// What they may do.
    scopes: Vec<Grant>,
    /// The only tenant whose things they see; null for all.
    tenant: Option<String>,
    state: State,
    /// Since when a code is asked for.
    #[serde(with = "time::serde::rfc3339::option")]
    codes_since: Option<OffsetDateTime>,
    /// The `OpenID` Connect issuer that vouches for them.
    issuer: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    created_by: String,
    #[serde(with = "time::serde::rfc3339::option")]
    signed_in_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    disabled_at: Option<OffsetDateTime>,
}

/// Whether a person can sign in; who is `invited` has yet to choose a password.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = PersonState)]
enum State {
    Good,
    Invited,
    Disabled,
}

/// A person that is to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewUser {
    name: Called,
    /// What they may do.
    #[schema(min_items = 1)]
    scopes: Vec<Grant>,
    /// The only tenant whose things they see; without it all are.
    #[schema(value_type = Option<String>, pattern = "^[!-~]{1,100}$")]
    tenant: Option<Name>,
}

/// A person's way in that is to end, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PersonReset)]
struct Reset {
    reason: Reason,
    /// Their codes end too: they have lost what makes them.
    #[serde(default)]
    codes: bool,
}

/// What ended together with somebody's way in.
#[derive(Debug, Serialize, ToSchema)]
struct Ended {
    /// How many of their sessions.
    sessions: u64,
    /// The ids of the API keys that are revoked: those that they made, and those that were made
    /// with these.
    keys: Vec<String>,
}

/// A person who cannot sign in any more, and what ended with that.
#[derive(Debug, Serialize, ToSchema)]
struct DisabledPerson {
    #[serde(flatten)]
    user: User,
    ended: Ended,
}

/// One of a person's sessions.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PersonSession)]
struct Session {
    id: i64,
    /// The address that they signed in from.
    address: String,
    /// The beginning of what their browser said of itself.
    agent: String,
    #[serde(with = "time::serde::rfc3339")]
    signed_in_at: OffsetDateTime,
    /// When they last asked for something, to the minute.
    #[serde(with = "time::serde::rfc3339")]
    last_seen_at: OffsetDateTime,
    /// When it ends whatever they do.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

/// By what somebody chooses a password, once.
#[derive(Debug, Serialize, ToSchema)]
struct Invitation {
    /// The path that they open on the operator listener: now, and never again.
    path: String,
    /// From when on it is good no longer.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    /// What ended with the way in that it takes the place of; null where there was none.
    ended: Option<Ended>,
}

/// List people
///
/// By name; those who cannot sign in are among them.
#[utoipa::path(
    get, path = "/api/v1/users", operation_id = "listUsers", tag = "access",
    security(("bearer" = ["admin"])),
    responses((status = 200, description = "Everybody", body = Page<User>)),
)]
async fn list(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    admin: web::Data<AdminState>,
) -> Result<ListPage<User>, Denial> {
    let users = admin.access.users(&caller).await?.into_iter();
    Ok(ListPage(Page::whole(users.map(User::new).collect::<Result<_, _>>()?)))
}

/// Invite a person
///
/// By the path in the answer, which is shown nowhere else, they choose a password.
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

/// End a person's password and sessions
///
/// The API keys that they made are revoked. By the path in the answer, which is shown nowhere else, they choose another password.
#[utoipa::path(
    post, path = "/api/v1/users/{user}/reset", operation_id = "resetUser", tag = "access",
    params(("person" = String, Path, description = "Their name")),
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

/// Let a person sign in no more
///
/// Their sessions end, and the API keys that they made are revoked.
#[utoipa::path(
    post, path = "/api/v1/users/{user}/disable", operation_id = "disableUser", tag = "access",
    params(("person" = String, Path, description = "Their name")),
    request_body = ReasonBody, security(("bearer" = ["admin"])),
    responses((status = 200, description = "They cannot sign in", body = DisabledPerson)),
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

/// List a person's sessions
///
/// The one that was used last comes first.
#[utoipa::path(
    get, path = "/api/v1/users/{user}/sessions", operation_id = "listSessions", tag = "access",
    params(("person" = String, Path, description = "Their name")),
    security(("bearer" = ["admin"])),
    responses((status = 200, description = "Those that are good", body = Page<Session>)),
)]
async fn sessions(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    user: web::Path<String>,
    admin: web::Data<AdminState>,
) -> Result<ListPage<Session>, Denial> {
    let sessions = admin.access.sessions_of(&caller, &user).await?.into_iter();
    Ok(ListPage(Page::whole(sessions.map(Session::new).collect())))
}

/// End one session of a person
#[utoipa::path(
    post, path = "/api/v1/users/{user}/sessions/{session}/end", operation_id = "endSession",
    tag = "access",
    params(("person" = String, Path, description = "Their name"),
           ("session" = i64, Path, description = "The session", minimum = 1)),
    request_body = ReasonBody, security(("bearer" = ["admin"])),
    responses((status = 200, description = "The sessions that are left", body = Page<Session>)),
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

/// Let a person sign in again
///
/// With the password that they had.
#[utoipa::path(
    post, path = "/api/v1/users/{user}/enable", operation_id = "enableUser", tag = "access",
    params(("person" = String, Path, description = "Their name")),
    request_body = ReasonBody, security(("bearer" = ["admin"])),
    responses((status = 200, description = "They can sign in", body = User)),
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

/// These scopes, as they are answered.
pub(super) fn grants(scopes: Scopes) -> Result<Vec<Grant>, Denial> {
    scopes.iter().map(|scope| word(scope.as_str())).collect()
}

/// These scopes, as they are asked for.
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
        if shaped { Ok(Self(name)) } else { Err("a name is 1 to 64 letters, digits and ` ._@+-`") }
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
