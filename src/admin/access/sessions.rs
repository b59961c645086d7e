//! Signing in and out.
//!
//! A session is 32 random bytes in a cookie; the database has their digest. It ends after 30
//! minutes without a request, after 12 hours, and when its user signs out, changes the password or
//! is disabled. The CSRF token is derived from it: pages of the session contain it, and a foreign
//! page that makes the browser send the cookie does not know it.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use time::{Duration, OffsetDateTime};
use tracing::warn;
use zeroize::Zeroizing;

use super::attempts::{Client, remember_device};
use super::sign_in_error::SignInError;
use super::token::{is_token, random};
use super::{Access, check_name, scopes};
use crate::admin::Caller;
use crate::store::{AuditEntry, NewSession, StoreError, TokenDigest, Tx, UserRow};

/// The maximum lifetime of a session.
const LIFETIME: Duration = Duration::hours(12);
/// How often the last activity is recorded.
const ACTIVITY_INTERVAL: Duration = Duration::minutes(1);

/// The credentials of a sign-in.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    pub name: &'a str,
    pub password: &'a str,
    /// The two-factor code, if given.
    pub code: Option<&'a str>,
    pub from: Client<'a>,
}

/// A presented session: well-formed, not yet checked.
#[derive(Debug, Clone)]
pub struct ShownSession {
    digest: TokenDigest,
    csrf: String,
}

#[derive(Debug, Clone)]
pub struct Session {
    /// The user as a caller.
    pub caller: Caller,
    pub name: String,
    /// Whether two-factor authentication is on.
    pub codes: bool,
    /// Whether they have a local password (false for single sign-on).
    pub password: bool,
    /// Whether they must turn on two-factor authentication before anything else.
    pub must_enrol: bool,
    /// When they signed in.
    pub since: OffsetDateTime,
    /// The CSRF token, required of every change.
    pub csrf: String,
    pub(super) user: i64,
    pub(super) digest: TokenDigest,
}

#[derive(Debug)]
pub struct BegunSession {
    /// The value of the session cookie.
    pub token: Zeroizing<String>,
    /// The value of the device cookie: sign-in attempts from a known browser are counted
    /// separately. It does not authenticate.
    pub device: Option<Zeroizing<String>>,
}

impl ShownSession {
    /// Parses a cookie; `None` if it is malformed.
    pub fn read(shown: &str) -> Option<Self> {
        is_token(shown)
            .then(|| Self { digest: TokenDigest::of(shown.as_bytes()), csrf: csrf(shown) })
    }

    pub(super) fn digest(&self) -> &TokenDigest {
        &self.digest
    }
}

impl Session {
    /// Whether a change has the CSRF token; compared in constant time.
    pub fn repeats(&self, csrf: &str) -> bool {
        self.csrf.as_bytes().ct_eq(csrf.as_bytes()).into()
    }
}

impl Access {
    /// Looks up a session; `None` if it is not valid. `asks` is set if the user made the request,
    /// not an open page that refreshes itself.
    pub async fn session(
        &self,
        shown: &ShownSession,
        asks: bool,
    ) -> Result<Option<Session>, StoreError> {
        let now = self.clock.now();
        let kept =
            tokio::time::timeout(super::LOOKUP_TIMEOUT, self.store.session(&shown.digest, now));
        let kept = kept.await.map_err(|_| StoreError::timed_out())??;
        let Some(kept) = kept else {
            super::lock(&self.signed_in).remove(&shown.digest);
            return Ok(None);
        };
        if asks && now - kept.last_seen_at >= ACTIVITY_INTERVAL {
            self.store.touch_session(&shown.digest, now).await?;
        }
        super::lock(&self.signed_in).insert(shown.digest, now);
        let scopes = scopes(&kept.scopes, "users", &kept.name)?;
        let caller = Caller::new(kept.name.clone(), kept.tenant, scopes);
        let must_enrol = self.second_factor && kept.password && !kept.codes;
        Ok(Some(Session {
            caller: if must_enrol { caller.without_scopes() } else { caller },
            name: kept.name,
            codes: kept.codes,
            password: kept.password,
            must_enrol,
            since: kept.created_at,
            csrf: shown.csrf.clone(),
            user: kept.user,
            digest: shown.digest,
        }))
    }

    /// Whether a session was valid recently, by the cache.
    pub fn is_cached_session(&self, shown: &ShownSession) -> bool {
        super::lock(&self.signed_in).contains_key(&shown.digest)
    }

    /// Signs a user in, and ends their previous session.
    pub async fn sign_in(
        &self,
        given: &Credentials<'_>,
        before: Option<&ShownSession>,
    ) -> Result<BegunSession, SignInError> {
        let now = self.clock.now();
        // No user has an invalid name, so the database is not queried.
        let shaped = check_name("a user", given.name.trim()).is_ok();
        let user = if shaped { self.store.user(given.name).await? } else { None };
        let (noted, own) = match self.note_attempt(given.name, &given.from, user.as_ref()).await {
            Err(error @ SignInError::TooMany { .. }) => {
                self.refuse(user.as_ref(), &given.from, "too many attempts").await;
                return Err(error);
            }
            noted => noted?,
        };
        let hash = user.as_ref().and_then(|user| user.password.as_deref());
        let right = self.passwords.check(given.password, hash).await;
        let user = match user {
            Some(user) if right && user.disabled_at.is_none() => user,
            user => {
                let why = match &user {
                    Some(user) if user.disabled_at.is_some() => "disabled",
                    Some(_) => "wrong password",
                    None => "unknown user",
                };
                return Err(self.refuse(user.as_ref(), &given.from, why).await);
            }
        };
        let mut tx = self.store.begin().await?;
        // The user may have changed while the password was checked.
        let again = tx.lock_user(&user.name, None).await?;
        let same = again.filter(|again| {
            again.id == user.id && again.password == user.password && again.disabled_at.is_none()
        });
        let user = same.ok_or(SignInError::Wrong)?;
        if user.totp_since.is_some() && !self.take_code(&mut tx, user.id, given.code).await? {
            drop(tx);
            return Err(self
                .refuse(Some(&user), &given.from, "missing or wrong two-factor code")
                .await);
        }
        tx.delete_attempts(&own, &noted).await?;
        if let Some(before) = before {
            tx.end_session(before.digest()).await?;
        }
        let mut begun = begin(&mut tx, &user, now, ("sign in", ""), &given.from).await?;
        begun.device = Some(remember_device(&mut tx, &user, now, &given.from).await?);
        tx.commit(()).await?;
        self.cache_session(&begun);
        Ok(begun)
    }

    /// Records a failed sign-in. Only the audit log has the user and the reason.
    async fn refuse(&self, user: Option<&UserRow>, from: &Client<'_>, why: &str) -> SignInError {
        // An unknown name may be a password in the wrong field.
        let target = user.map_or("unknown user".to_owned(), |user| target(&user.name));
        self.note_refusal(user, from.peer, &target, why).await;
        warn!(event = "sign_in.rejected", peer = %from.peer, "sign-in rejected");
        SignInError::Wrong
    }

    /// Caches a new session, so that failures of its client address do not block it.
    pub(super) fn cache_session(&self, begun: &BegunSession) {
        let digest = TokenDigest::of(begun.token.as_bytes());
        super::lock(&self.signed_in).insert(digest, self.clock.now());
    }

    pub async fn sign_out(&self, session: &Session) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        if tx.end_session(&session.digest).await? {
            let now = self.clock.now();
            audit(&mut tx, &session.caller, now, "sign out", &session.name, "").await?;
        }
        tx.commit(()).await?;
        super::lock(&self.signed_in).remove(&session.digest);
        Ok(())
    }
}

/// Begins a session in a transaction and records it in the audit log.
pub(super) async fn begin(
    tx: &mut Tx<'_>,
    user: &UserRow,
    now: OffsetDateTime,
    (action, reason): (&str, &str),
    from: &Client<'_>,
) -> Result<BegunSession, StoreError> {
    let token = random();
    let session = NewSession {
        digest: TokenDigest::of(token.as_bytes()),
        user: user.id,
        peer: from.peer,
        agent: &from.stored_agent(),
        at: now,
        expires_at: now + LIFETIME,
    };
    tx.insert_session(&session).await?;
    let own = own_caller(user)?.at(from.peer);
    audit(tx, &own, now, action, &user.name, reason).await?;
    Ok(BegunSession { token, device: None })
}

/// The user as a caller.
pub(super) fn own_caller(user: &UserRow) -> Result<Caller, StoreError> {
    let scopes = scopes(&user.scopes, "users", &user.name)?;
    Ok(Caller::new(user.name.clone(), user.tenant.clone(), scopes))
}

/// Records an action on a user.
pub(super) async fn audit(
    tx: &mut Tx<'_>,
    caller: &Caller,
    now: OffsetDateTime,
    action: &str,
    user: &str,
    reason: &str,
) -> Result<(), StoreError> {
    let target = target(user);
    let entry =
        AuditEntry { at: now, actor: caller.actor(), action, target: &target, reason, count: 1 };
    tx.audit_with(&entry, caller.audit_more()).await
}

/// The user as an audit log target.
pub(super) fn target(user: &str) -> String {
    format!("user {user}")
}

fn csrf(token: &str) -> String {
    hex::encode(Sha256::digest(format!("sealpost csrf v1 {token}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csrf_token_is_unique_to_its_session_and_does_not_reveal_it() {
        let (one, other) = (random(), random());
        let shown = ShownSession::read(&one).unwrap();
        assert_ne!(shown.csrf, ShownSession::read(&other).unwrap().csrf);
        assert_ne!(shown.csrf, hex::encode(Sha256::digest(&*one)), "not the stored digest");
        let mut cut = one.to_string();
        cut.pop();
        for wrong in ["", "short", &cut, &format!("{cut}%"), &format!("{}x", *one)] {
            assert!(ShownSession::read(wrong).is_none(), "{wrong}");
        }
    }
}
