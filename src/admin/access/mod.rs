//! Who may, at the operator listener.
//!
//! - A machine shows an *API key*, `slp_<id>_<secret>`. It is looked up by its id; only the digest
//!   of the whole is kept.
//! - [`Access`] recognises whoever shows something, as a [`Caller`]. It remembers for a while which
//!   keys were good: while the database is away that is enough for metrics, which are wanted then,
//!   and for nothing else.
//! - A *user* signs in with a password, and with a code where they want to be asked for one; a
//!   *session* is what their browser then shows. A *set-up link* lets a user choose a password,
//!   once: the first user, one who was added, one whose password was reset.
//! - Or an *issuer* vouches for them ([`oidc`]), where one is configured.
//! - Whoever has [`Scope::Admin`] adds users, makes keys and ends both; whoever sees one tenant
//!   only, for that tenant. All of it is in the audit log.

mod attempts;
mod common_passwords;
mod denied;
mod keys;
mod oidc;
mod other_sessions;
mod password;
mod second_factor;
mod sessions;
mod setup;
mod users;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;
use tracing::{error, warn};

pub use attempts::Client;
pub use denied::Denial;
pub use keys::{ApiKey, Expiry, MadeKey, NewApiKey, ShownKey};
pub use oidc::{
    Issuer, IssuerError, IssuerSettings, OidcCallback, OidcError, OidcRedirect, OidcSignIn,
};
pub use other_sessions::OwnSession;
pub use second_factor::CodeSecret;
pub use sessions::{BegunSession, Credentials, Session, ShownSession, SignInError};
pub use setup::{Invitation, SetupLink};
pub use users::{Ended, NewUser, User};

use self::password::Passwords;
use super::{AdminError, Caller, Scope, Scopes};
use crate::clock::SharedClock;
use crate::store::{ApiKeyRow, Store, StoreError, TokenDigest, folded};
use crate::vault::Vault;

/// How long the database may take to say who it is.
const ASK_WITHIN: Duration = Duration::from_millis(500);
/// For how long a key that was good still is while the database does not answer.
const TRUSTED_FOR: time::Duration = time::Duration::hours(1);
/// For how long it is remembered that a session was good.
const REMEMBERED: time::Duration = time::Duration::minutes(10);
/// The longest name of a user or a key, in characters.
const LONGEST_NAME: usize = 64;
/// What nobody may be called: the audit log calls others so.
const RESERVED: [&str; 6] =
    ["root", "system", "sealpost", "sealpost serve", "nobody", attempts::NOBODY];

/// Recognises callers, and lets administrators manage access.
pub struct Access {
    store: Store,
    clock: SharedClock,
    vault: Vault,
    passwords: Passwords,
    /// The single sign-on issuer, if one is configured.
    issuer: Option<Issuer>,
    /// Whether users who have a password need codes too.
    second_factor: bool,
    /// Sessions that were good lately, and when.
    signed_in: Mutex<HashMap<TokenDigest, OffsetDateTime>>,
    /// The keys that were good when the database was asked last, by id.
    known: Mutex<HashMap<String, Known>>,
    /// Keys that were shown, and when last: what is still to be recorded.
    used: Mutex<HashMap<String, OffsetDateTime>>,
}

/// A key that was good.
#[derive(Debug, Clone)]
struct Known {
    digest: TokenDigest,
    caller: Caller,
    expires_at: Option<OffsetDateTime>,
    confirmed_at: OffsetDateTime,
}

impl Known {
    /// Whether it counts without the database.
    fn counts(&self, shown: &ShownKey, now: OffsetDateTime) -> bool {
        self.digest.matches(shown.digest())
            && now - self.confirmed_at <= TRUSTED_FOR
            && self.expires_at.is_none_or(|end| end > now)
    }
}

impl Access {
    /// Asks this database; `vault` seals the secrets of users' codes.
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

    /// Lets users sign in at this issuer too.
    #[must_use]
    pub fn with_issuer(self, issuer: Option<Issuer>) -> Self {
        Self { issuer, ..self }
    }

    /// Whether users who have a password need codes of an authenticator app too: who has none may
    /// do nothing but turn them on. Codes of an issuer are the issuer's matter.
    #[must_use]
    pub fn with_second_factor(self, required: bool) -> Self {
        Self { second_factor: required, ..self }
    }

    /// Whether users who have a password need codes too.
    pub fn needs_second_factor(&self) -> bool {
        self.second_factor
    }

    /// Whether a key was good when the database was asked last. Costs nothing.
    pub fn seems_good(&self, shown: &ShownKey) -> bool {
        let now = self.clock.now();
        lock(&self.known).get(shown.id()).is_some_and(|known| known.counts(shown, now))
    }

    /// Whose key it is; `None` when it is not good.
    ///
    /// # Errors
    /// [`StoreError`], also where the database takes too long.
    pub async fn caller_of(&self, shown: &ShownKey) -> Result<Option<Caller>, StoreError> {
        let now = self.clock.now();
        let asked = tokio::time::timeout(ASK_WITHIN, self.store.api_key(shown.id())).await;
        let kept = asked.map_err(|_| StoreError::timed_out())??;
        let Some(known) = kept.and_then(|kept| keep_in_mind(&kept, now)) else {
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

    /// Whose key it was within the last hour, for what has to go on while the database is away. It
    /// may have been revoked meanwhile.
    pub fn caller_lately(&self, shown: &ShownKey) -> Option<Caller> {
        let (now, known) = (self.clock.now(), lock(&self.known));
        let known = known.get(shown.id()).filter(|known| known.counts(shown, now));
        known.map(|known| known.caller.clone())
    }

    /// Asks the database which keys are good, so that one is known before it is shown, records
    /// which were, and deletes what has ended. To be called now and then.
    pub async fn tidy(&self) {
        let now = self.clock.now();
        lock(&self.signed_in).retain(|_, seen| now - *seen < REMEMBERED);
        if let Err(error) = self.store.forget_sessions(now).await {
            warn!(error = &error as &dyn std::error::Error, "cannot delete ended sessions");
        }
        if let Err(error) = self.store.flush_audit_throttle(now).await {
            warn!(error = &error as &dyn std::error::Error, "cannot write to the audit log");
        }
        if let Ok(Ok(keys)) = tokio::time::timeout(ASK_WITHIN, self.store.good_api_keys(now)).await
        {
            let known =
                keys.iter().filter_map(|kept| Some((kept.id.clone(), keep_in_mind(kept, now)?)));
            *lock(&self.known) = known.collect();
        }
        let used: Vec<_> = lock(&self.used).drain().collect();
        if !used.is_empty()
            && let Err(error) = self.store.note_api_keys(&used).await
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

/// What is to be remembered of a key; `None` when it is not good now.
fn keep_in_mind(kept: &ApiKeyRow, now: OffsetDateTime) -> Option<Known> {
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

/// Scopes as they are stored.
fn scopes(words: &[String], table: &'static str, row: &str) -> Result<Scopes, StoreError> {
    let read: Result<Scopes, _> = words.iter().map(|word| word.parse::<Scope>()).collect();
    read.map_err(|_| StoreError::Inconsistent { table, column: "scopes", row: row.to_owned() })
}

/// Scopes as they are stored.
fn words(scopes: Scopes) -> Vec<String> {
    scopes.iter().map(|scope| scope.as_str().to_owned()).collect()
}

/// What a user or a key may be called.
fn check_name(what: &str, name: &str) -> Result<(), AdminError> {
    let length = name.chars().count();
    let shaped = (1..=LONGEST_NAME).contains(&length)
        && name.trim() == name
        && name.chars().all(|c| c.is_alphanumeric() || " ._@+-".contains(c));
    if shaped {
        return Ok(());
    }
    Err(AdminError::Invalid(format!(
        "invalid name for {what}: use 1 to {LONGEST_NAME} letters, digits, spaces and `._@+-`"
    )))
}

/// Nobody is called as the audit log calls others.
fn check_free(name: &str) -> Result<(), AdminError> {
    if RESERVED.contains(&folded(name).as_str()) { Err(taken(name)) } else { Ok(()) }
}

/// What is said of a name that cannot be had, without saying whether a user has it.
fn taken(name: &str) -> AdminError {
    AdminError::Conflict(format!("the name `{name}` is not available: choose another"))
}

/// What `caller` may give a user: a scope that they have, for the tenant that they see.
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
