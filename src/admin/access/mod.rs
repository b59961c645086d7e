//! Authentication on the admin listener, and the management of users and API keys.
//!
//! - A program presents an *API key*, `slp_<id>_<secret>`. It is looked up by its id; only the
//!   digest of the key is stored.
//! - [`Access`] identifies the [`Caller`] of a request. Recently valid keys are cached: while the
//!   database is unavailable, the cache suffices for metrics only.
//! - A *user* signs in with a password, and with a two-factor code if they have turned that on;
//!   their browser then has a *session*. A *set-up link* lets a user choose a password, once: the
//!   first user, an invited one, or one whose password was reset.
//! - Users sign in at an *issuer* ([`oidc`]) instead, if one is configured.
//! - Callers with [`Scope::Admin`] manage users and keys; those limited to a tenant, only for that
//!   tenant. All of it is in the audit log.

mod attempts;
mod common_passwords;
mod denied;
mod keys;
mod model;
mod oidc;
mod other_sessions;
mod own_password;
mod password;
mod second_factor;
mod sessions;
mod setup;
mod sign_in_error;
mod token;
mod users;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;
use tracing::{error, warn};

pub use attempts::Client;
pub use denied::Denial;
pub use keys::{Expiry, NewApiKey, ShownKey};
pub use model::{
    ApiKey, ApiKeyState, DisabledUser, Ended, Identity, Invitation, MadeKey, RevokedKey, User,
    UserSession, UserState,
};
pub use oidc::{
    Issuer, IssuerError, IssuerSettings, OidcCallback, OidcError, OidcRedirect, OidcSignIn,
};
pub use other_sessions::OwnSession;
pub use second_factor::CodeSecret;
pub use sessions::{BegunSession, Credentials, Session, ShownSession};
pub use setup::SetupLink;
pub use sign_in_error::SignInError;
pub use users::NewUser;

use self::password::Passwords;
use super::{AdminError, Caller, Scope, Scopes};
use crate::clock::SharedClock;
use crate::store::{ApiKeyRow, Store, StoreError, TokenDigest, folded};
use crate::vault::Vault;

/// The timeout for looking up a key or session.
const LOOKUP_TIMEOUT: Duration = Duration::from_millis(500);
/// How long a valid key is accepted while the database is unavailable.
const KEY_TRUSTED_FOR: time::Duration = time::Duration::hours(1);
/// How long a valid session is remembered.
const SESSION_CACHED_FOR: time::Duration = time::Duration::minutes(10);
/// The maximum length of a name, in characters.
const MAX_NAME: usize = 64;
/// Names that the audit log uses for other actors.
const RESERVED: [&str; 6] =
    ["root", "system", "sealpost", "sealpost serve", "nobody", attempts::ANONYMOUS];

/// Identifies callers, and lets administrators manage access.
pub struct Access {
    store: Store,
    clock: SharedClock,
    vault: Vault,
    passwords: Passwords,
    issuer: Option<Issuer>,
    /// Whether users with a password need two-factor authentication.
    second_factor: bool,
    /// Recently valid sessions, and when they were checked.
    signed_in: Mutex<HashMap<TokenDigest, OffsetDateTime>>,
    /// The keys that were valid at the last check, by id.
    known: Mutex<HashMap<String, Known>>,
    /// Last uses of keys, not yet recorded.
    used: Mutex<HashMap<String, OffsetDateTime>>,
}

/// A recently valid key.
#[derive(Debug, Clone)]
struct Known {
    digest: TokenDigest,
    caller: Caller,
    expires_at: Option<OffsetDateTime>,
    confirmed_at: OffsetDateTime,
}

impl Known {
    /// Whether it is accepted without the database.
    fn counts(&self, shown: &ShownKey, now: OffsetDateTime) -> bool {
        self.digest.matches(shown.digest())
            && now - self.confirmed_at <= KEY_TRUSTED_FOR
            && self.expires_at.is_none_or(|end| end > now)
    }
}

impl Access {
    /// `vault` seals the secrets of two-factor codes.
    pub fn new(store: Store, clock: SharedClock, vault: Vault) -> Self {
        Self {
            store,
            clock,
            vault,
            passwords: Passwords::default(),
            issuer: None,
            second_factor: false,
            signed_in: Mutex::default(),
            known: Mutex::default(),
            used: Mutex::default(),
        }
    }

    #[must_use]
    pub fn with_issuer(self, issuer: Option<Issuer>) -> Self {
        Self { issuer, ..self }
    }

    /// Requires two-factor authentication of users with a password: until they turn it on, nothing
    /// else is available to them. Users of single sign-on are exempt.
    #[must_use]
    pub fn with_second_factor(self, required: bool) -> Self {
        Self { second_factor: required, ..self }
    }

    pub fn needs_second_factor(&self) -> bool {
        self.second_factor
    }

    /// Whether a key was valid at the last check, by the cache.
    pub fn is_cached_key(&self, shown: &ShownKey) -> bool {
        let now = self.clock.now();
        lock(&self.known).get(shown.id()).is_some_and(|known| known.counts(shown, now))
    }

    /// Looks up the caller of a key; `None` if it is not valid.
    ///
    /// # Errors
    /// [`StoreError`], also after a timeout.
    pub async fn caller_of(&self, shown: &ShownKey) -> Result<Option<Caller>, StoreError> {
        let now = self.clock.now();
        let asked = tokio::time::timeout(LOOKUP_TIMEOUT, self.store.api_key(shown.id())).await;
        let kept = asked.map_err(|_| StoreError::timed_out())??;
        let Some(known) = kept.and_then(|kept| known_key(&kept, now)) else {
            lock(&self.known).remove(shown.id());
            return Ok(None);
        };
        let caller = known.digest.matches(shown.digest()).then(|| known.caller.clone());
        if caller.is_some() {
            lock(&self.known).insert(shown.id().to_owned(), known);
            lock(&self.used).insert(shown.id().to_owned(), now);
        }
        Ok(caller)
    }

    /// The caller of a key that was valid within the last hour, for requests that must work while
    /// the database is unavailable. It may have been revoked meanwhile.
    pub fn cached_caller(&self, shown: &ShownKey) -> Option<Caller> {
        let (now, known) = (self.clock.now(), lock(&self.known));
        let known = known.get(shown.id()).filter(|known| known.counts(shown, now));
        known.map(|known| known.caller.clone())
    }

    /// Loads the valid keys, records the last uses of keys, and deletes expired sessions. Call it
    /// periodically.
    pub async fn remove_inactive(&self) {
        let now = self.clock.now();
        lock(&self.signed_in).retain(|_, seen| now - *seen < SESSION_CACHED_FOR);
        if let Err(error) = self.store.delete_expired_sessions(now).await {
            warn!(error = &error as &dyn std::error::Error, "cannot delete ended sessions");
        }
        if let Err(error) = self.store.flush_audit_throttle(now).await {
            warn!(error = &error as &dyn std::error::Error, "cannot write to the audit log");
        }
        if let Ok(Ok(keys)) =
            tokio::time::timeout(LOOKUP_TIMEOUT, self.store.valid_api_keys(now)).await
        {
            let known =
                keys.iter().filter_map(|kept| Some((kept.id.clone(), known_key(kept, now)?)));
            *lock(&self.known) = known.collect();
        }
        let used: Vec<_> = lock(&self.used).drain().collect();
        if !used.is_empty()
            && let Err(error) = self.store.record_api_key_uses(&used).await
        {
            warn!(error = &error as &dyn std::error::Error, "cannot record key usage");
        }
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").finish_non_exhaustive()
    }
}

/// The cache entry of a key; `None` if it is not valid now.
fn known_key(kept: &ApiKeyRow, now: OffsetDateTime) -> Option<Known> {
    let good = kept.revoked_at.is_none() && kept.expires_at.is_none_or(|end| end > now);
    let scopes = scopes(&kept.scopes, "api_keys", &kept.id);
    let scopes = scopes.inspect_err(|why| error!(key = kept.id, %why, "API key rejected")).ok()?;
    good.then(|| Known {
        digest: kept.digest,
        caller: Caller::new(keys::actor_of(&kept.name), kept.tenant.clone(), scopes),
        expires_at: kept.expires_at,
        confirmed_at: now,
    })
}

/// Parses stored scopes.
fn scopes(words: &[String], table: &'static str, row: &str) -> Result<Scopes, StoreError> {
    let read: Result<Scopes, _> = words.iter().map(|word| word.parse::<Scope>()).collect();
    read.map_err(|_| StoreError::Inconsistent { table, column: "scopes", row: row.to_owned() })
}

/// Scopes as stored.
fn words(scopes: Scopes) -> Vec<String> {
    scopes.iter().map(|scope| scope.as_str().to_owned()).collect()
}

/// Checks the name of a user or key.
fn check_name(what: &str, name: &str) -> Result<(), AdminError> {
    let length = name.chars().count();
    let shaped = (1..=MAX_NAME).contains(&length)
        && name.trim() == name
        && name.chars().all(|c| c.is_alphanumeric() || " ._@+-".contains(c));
    if shaped {
        return Ok(());
    }
    Err(AdminError::Invalid(format!(
        "invalid name for {what}: use 1 to {MAX_NAME} letters, digits, spaces and `._@+-`"
    )))
}

/// Rejects reserved names.
fn check_free(name: &str) -> Result<(), AdminError> {
    if RESERVED.contains(&folded(name).as_str()) { Err(taken(name)) } else { Ok(()) }
}

/// The error for an unavailable name, which does not reveal whether a user has it.
fn taken(name: &str) -> AdminError {
    AdminError::Conflict(format!("the name `{name}` is not available: choose another"))
}

/// Checks scopes and tenant of a new user or key: at least one scope, and the caller's own tenant.
fn check_grant(caller: &Caller, scopes: Scopes, tenant: Option<&str>) -> Result<(), AdminError> {
    if scopes.is_empty() {
        return Err(AdminError::Invalid("at least one scope is required".to_owned()));
    }
    if tenant.is_some_and(|tenant| tenant.trim().is_empty()) {
        return Err(AdminError::Invalid("the tenant name is empty".to_owned()));
    }
    match caller.tenant() {
        Some(own) if tenant != Some(own) => Err(AdminError::Invalid(format!(
            "access is limited to tenant `{own}`: grant access to that tenant only"
        ))),
        _ => Ok(()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
