//! What the API, `--format json` and the console show of users, their sessions and API keys.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::scopes;
use crate::admin::{Caller, Scope, Scopes};
use crate::store::{ApiKeyRow, SessionOfUser, StoreError, UserRow};

/// Who a request is from, and what they may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Identity {
    /// The user, or `key:NAME` for an API key, as recorded in the audit log.
    pub actor: String,
    /// The tenant they are limited to; null for all tenants.
    pub tenant: Option<String>,
    /// Their scopes.
    #[schema(value_type = Vec<Scope>)]
    pub scopes: Scopes,
}

/// A user of the console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// The name they sign in with, as recorded in the audit log.
    pub name: String,
    /// Their scopes.
    #[schema(value_type = Vec<Scope>)]
    pub scopes: Scopes,
    /// The tenant they are limited to; null for all tenants.
    pub tenant: Option<String>,
    /// Their state.
    pub state: UserState,
    /// When two-factor authentication was turned on.
    #[serde(with = "time::serde::rfc3339::option")]
    pub codes_since: Option<OffsetDateTime>,
    /// The `OpenID` Connect issuer they sign in with.
    pub issuer: Option<String>,
    /// When they were invited.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// Who invited them.
    pub created_by: String,
    /// When they last signed in.
    #[serde(with = "time::serde::rfc3339::option")]
    pub signed_in_at: Option<OffsetDateTime>,
    /// When they were disabled; null while they can sign in.
    #[serde(with = "time::serde::rfc3339::option")]
    pub disabled_at: Option<OffsetDateTime>,
}

/// The state of a user; `invited` users have not set a password yet.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    ToSchema,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::Display,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[schema(as = PersonState)]
pub enum UserState {
    /// Can sign in.
    Good,
    /// Has not set a password yet.
    Invited,
    /// Cannot sign in.
    Disabled,
}

/// A disabled user with the revoked sessions and keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = DisabledPerson)]
pub struct DisabledUser {
    /// The user.
    #[serde(flatten)]
    pub user: User,
    /// What was revoked.
    pub ended: Ended,
}

/// The sessions and keys that were revoked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ended {
    /// Number of sessions.
    pub sessions: u64,
    /// The revoked API keys: those created by the user, and those created with these keys.
    pub keys: Vec<RevokedKey>,
}

/// An API key that was revoked with its creator's access.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct RevokedKey {
    /// Its name.
    pub name: String,
    /// Its public id.
    pub id: String,
}

/// A one-time set-up link for a password.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Invitation {
    /// The path of the link on the admin listener; returned only here.
    #[schema(value_type = String)]
    pub path: Zeroizing<String>,
    /// When it expires.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
    /// The sessions and keys revoked by a reset; null for a new user.
    pub ended: Option<Ended>,
}

/// A session of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = PersonSession)]
pub struct UserSession {
    /// Its id.
    pub id: i64,
    /// The client address at sign-in.
    pub address: String,
    /// The beginning of the `User-Agent` at sign-in.
    pub agent: String,
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    pub signed_in_at: OffsetDateTime,
    /// The last activity, to the minute.
    #[serde(with = "time::serde::rfc3339")]
    pub last_seen_at: OffsetDateTime,
    /// When it expires regardless of activity.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

/// An API key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApiKey {
    /// Its public id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its scopes.
    #[schema(value_type = Vec<Scope>)]
    pub scopes: Scopes,
    /// The tenant it is limited to; null for all tenants.
    pub tenant: Option<String>,
    /// Its state.
    pub state: ApiKeyState,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// Who created it.
    pub created_by: String,
    /// When it expires.
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
    /// When it was last used, to about a minute.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_used_at: Option<OffsetDateTime>,
    /// When it was revoked.
    #[serde(with = "time::serde::rfc3339::option")]
    pub revoked_at: Option<OffsetDateTime>,
    /// Who revoked it.
    pub revoked_by: Option<String>,
}

/// The state of a key.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    ToSchema,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::Display,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ApiKeyState {
    /// Accepted.
    Good,
    /// Past its expiry.
    Expired,
    /// Revoked by a user.
    Revoked,
}

/// A created key.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MadeKey {
    /// The API key; returned only here.
    #[schema(value_type = String)]
    pub key: Zeroizing<String>,
    /// The key without its secret.
    pub about: ApiKey,
}

impl From<&Caller> for Identity {
    fn from(caller: &Caller) -> Self {
        Self {
            actor: caller.actor().to_owned(),
            tenant: caller.tenant().map(str::to_owned),
            scopes: caller.scopes(),
        }
    }
}

impl User {
    pub(super) fn new(row: UserRow) -> Result<Self, StoreError> {
        let state = match (row.disabled_at, row.password.is_some() || row.oidc_issuer.is_some()) {
            (Some(_), _) => UserState::Disabled,
            (None, false) => UserState::Invited,
            (None, true) => UserState::Good,
        };
        Ok(Self {
            scopes: scopes(&row.scopes, "users", &row.name)?,
            name: row.name,
            tenant: row.tenant,
            state,
            codes_since: row.totp_since,
            issuer: row.oidc_issuer,
            created_at: row.created_at,
            created_by: row.created_by,
            signed_in_at: row.signed_in_at,
            disabled_at: row.disabled_at,
        })
    }
}

impl UserState {
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl Invitation {
    /// The path of a link, up to its token.
    pub const PATH: &str = "/setup?token=";

    pub(super) fn new(token: &str, expires_at: OffsetDateTime) -> Self {
        Self { path: Zeroizing::new(format!("{}{token}", Self::PATH)), expires_at, ended: None }
    }

    pub fn token(&self) -> &str {
        self.path.strip_prefix(Self::PATH).unwrap_or(&self.path)
    }
}

impl From<SessionOfUser> for UserSession {
    fn from(row: SessionOfUser) -> Self {
        Self {
            id: row.id,
            address: row.peer,
            agent: row.agent,
            signed_in_at: row.created_at,
            last_seen_at: row.last_seen_at,
            expires_at: row.expires_at,
        }
    }
}

impl ApiKey {
    pub(super) fn new(row: ApiKeyRow, now: OffsetDateTime) -> Result<Self, StoreError> {
        let state = match (row.revoked_at, row.expires_at) {
            (Some(_), _) => ApiKeyState::Revoked,
            (None, Some(end)) if end <= now => ApiKeyState::Expired,
            (None, _) => ApiKeyState::Good,
        };
        Ok(Self {
            scopes: scopes(&row.scopes, "api_keys", &row.id)?,
            id: row.id,
            name: row.name,
            tenant: row.tenant,
            state,
            created_at: row.created_at,
            created_by: row.created_by,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
            revoked_at: row.revoked_at,
            revoked_by: row.revoked_by,
        })
    }
}

impl ApiKeyState {
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
