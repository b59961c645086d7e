//! Signing in and out.
//!
//! A session is 32 random bytes in a cookie, of which the digest is kept. It ends after 30 minutes
//! without a request, after 12 hours, when its person signs out, changes the password or is
//! disabled. Of it the CSRF token is derived: whoever can read a page of the session has it, and a
//! page elsewhere that only makes the browser send the cookie has not.

use std::net::{IpAddr, Ipv6Addr};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use time::{Duration, OffsetDateTime};
use tracing::warn;
use zeroize::Zeroizing;

use super::{Access, scopes};
use crate::operator::{Caller, OperatorError};
use crate::store::{Attempt, AuditEntry, KeptPerson, NewSession, StoreError, TokenDigest, Tx};

/// How long a session lasts, whatever is done with it.
const LASTS: Duration = Duration::hours(12);
/// How often it is noted that somebody is still there.
const NOTED_EVERY: Duration = Duration::minutes(1);
/// Attempts in 15 minutes, of one name and of one peer.
pub(super) const ATTEMPTS: usize = 5;
/// The characters of a token: 32 bytes in base64.
const TOKEN: usize = 43;

/// What somebody gives to sign in.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// Their name.
    pub name: &'a str,
    /// Their password.
    pub password: &'a str,
    /// A code, where one is asked for.
    pub code: Option<&'a str>,
    /// Where the request comes from.
    pub peer: IpAddr,
}

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The name, the password or the code is wrong: which of them is not said.
    #[error("the name, the password or the code is wrong")]
    Wrong,
    /// There were too many attempts.
    #[error("there were too many attempts: come again later")]
    TooMany {
        /// After how many seconds to come again.
        after: u64,
    },
    /// It does not work now.
    #[error(transparent)]
    Operator(#[from] OperatorError),
}

impl From<StoreError> for SignInError {
    fn from(error: StoreError) -> Self {
        Self::Operator(error.into())
    }
}

/// A session as somebody shows it: its shape is right, and nothing else is known of it.
#[derive(Debug, Clone)]
pub struct ShownSession {
    digest: TokenDigest,
    csrf: String,
}

/// A session that is good.
#[derive(Debug, Clone)]
pub struct Session {
    /// Who it is.
    pub caller: Caller,
    /// Their name.
    pub name: String,
    /// Whether a code is asked for when they sign in.
    pub codes: bool,
    /// Whether they have a password here, and not an issuer that vouches for them.
    pub password: bool,
    /// When they signed in.
    pub since: OffsetDateTime,
    /// What every change that comes with this session has to repeat.
    pub csrf: String,
    pub(super) person: i64,
    pub(super) digest: TokenDigest,
}

/// A session that was begun.
#[derive(Debug)]
pub struct BegunSession {
    /// What the cookie is to hold.
    pub token: Zeroizing<String>,
}

impl ShownSession {
    /// Reads what a cookie holds; `None` where it is no session at all.
    pub fn read(shown: &str) -> Option<Self> {
        is_token(shown)
            .then(|| Self { digest: TokenDigest::of(shown.as_bytes()), csrf: csrf(shown) })
    }

    pub(super) fn digest(&self) -> &TokenDigest {
        &self.digest
    }
}

impl Session {
    /// Whether a change repeats what it has to, compared in constant time.
    pub fn repeats(&self, csrf: &str) -> bool {
        self.csrf.as_bytes().ct_eq(csrf.as_bytes()).into()
    }
}

impl Access {
    /// Whose session it is; `None` when it is not good. With `asks` the person is asking for
    /// something themselves, and not a page that they have left open.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn session(
        &self,
        shown: &ShownSession,
        asks: bool,
    ) -> Result<Option<Session>, StoreError> {
        let now = self.clock.now();
        let kept = tokio::time::timeout(super::ASK_WITHIN, self.store.session(&shown.digest, now));
        let kept = kept.await.map_err(|_| StoreError::timed_out())??;
        let Some(kept) = kept else {
            super::lock(&self.signed_in).remove(&shown.digest);
            return Ok(None);
        };
        if asks && now - kept.last_seen_at >= NOTED_EVERY {
            self.store.touch_session(&shown.digest, now).await?;
        }
        super::lock(&self.signed_in).insert(shown.digest, now);
        let scopes = scopes(&kept.scopes, "people", &kept.name)?;
        Ok(Some(Session {
            caller: Caller::new(kept.name.clone(), kept.tenant, scopes),
            name: kept.name,
            codes: kept.codes,
            password: kept.password,
            since: kept.created_at,
            csrf: shown.csrf.clone(),
            person: kept.person,
            digest: shown.digest,
        }))
    }

    /// Whether a session was good lately. Costs nothing.
    pub fn seems_signed_in(&self, shown: &ShownSession) -> bool {
        super::lock(&self.signed_in).contains_key(&shown.digest)
    }

    /// Signs somebody in, and ends the session that they showed before.
    ///
    /// # Errors
    /// [`SignInError`].
    pub async fn sign_in(
        &self,
        given: &Credentials<'_>,
        before: Option<&ShownSession>,
    ) -> Result<BegunSession, SignInError> {
        let now = self.clock.now();
        let noted = self.note_attempt(given.name, given.peer).await?;
        let person = self.store.person(given.name).await?;
        let kept = person.as_ref().filter(|person| person.disabled_at.is_none());
        let hash = kept.and_then(|person| person.password.as_deref());
        let right = self.passwords.check(given.password, hash).await;
        let Some(person) = person.filter(|_| right) else {
            warn!(event = "operator.sign_in_refused", peer = %given.peer, "a sign-in was refused");
            return Err(SignInError::Wrong);
        };
        let mut tx = self.store.begin().await?;
        // What was read before the password was checked may have changed meanwhile.
        let again = tx.lock_person(&person.name, None).await?;
        let same = again.filter(|again| {
            again.id == person.id
                && again.password == person.password
                && again.disabled_at.is_none()
        });
        let person = same.ok_or(SignInError::Wrong)?;
        if person.totp_since.is_some() && !self.take_code(&mut tx, person.id, given.code).await? {
            warn!(event = "operator.sign_in_refused", peer = %given.peer, "a sign-in was refused");
            return Err(SignInError::Wrong);
        }
        tx.forget_attempts(&name_key(given.name), &noted).await?;
        if let Some(before) = before {
            tx.end_session(before.digest()).await?;
        }
        let begun = begin(&mut tx, &person, now, ("sign in", "")).await?;
        tx.commit(()).await?;
        self.remember(&begun);
        Ok(begun)
    }

    /// Knows a session that was begun, so that it is good however often its peer has failed.
    pub(super) fn remember(&self, begun: &BegunSession) {
        let digest = TokenDigest::of(begun.token.as_bytes());
        super::lock(&self.signed_in).insert(digest, self.clock.now());
    }

    /// Ends a session.
    ///
    /// # Errors
    /// [`StoreError`].
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

    /// Counts an attempt; gives the rows by which it was.
    pub(super) async fn note_attempt(
        &self,
        name: &str,
        peer: IpAddr,
    ) -> Result<Vec<i64>, SignInError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        match tx.attempt(&[name_key(name), peer_key(peer)], ATTEMPTS, now).await? {
            Attempt::Allowed(noted) => {
                tx.commit(()).await?;
                Ok(noted)
            }
            Attempt::TooMany(until) => {
                Err(SignInError::TooMany { after: seconds_until(until, now) })
            }
        }
    }
}

/// Begins a session in a transaction, and writes it down: what it is called, and how it came.
pub(super) async fn begin(
    tx: &mut Tx<'_>,
    person: &KeptPerson,
    now: OffsetDateTime,
    (action, reason): (&str, &str),
) -> Result<BegunSession, StoreError> {
    let token = random();
    let digest = TokenDigest::of(token.as_bytes());
    let session = NewSession { digest, person: person.id, at: now, expires_at: now + LASTS };
    tx.insert_session(&session).await?;
    audit(tx, &own_caller(person)?, now, action, &person.name, reason).await?;
    Ok(BegunSession { token })
}

/// A person, as whoever acts.
pub(super) fn own_caller(person: &KeptPerson) -> Result<Caller, StoreError> {
    let scopes = scopes(&person.scopes, "people", &person.name)?;
    Ok(Caller::new(person.name.clone(), person.tenant.clone(), scopes))
}

/// Writes down what was done to a person.
pub(super) async fn audit(
    tx: &mut Tx<'_>,
    caller: &Caller,
    now: OffsetDateTime,
    action: &str,
    person: &str,
    reason: &str,
) -> Result<(), StoreError> {
    let target = format!("person {person}");
    let entry =
        AuditEntry { at: now, actor: caller.actor(), action, target: &target, reason, count: 1 };
    tx.audit_with(&entry, caller.audit_more()).await
}

/// 32 random bytes, as a cookie and a link can hold them.
pub(super) fn random() -> Zeroizing<String> {
    let random = Zeroizing::new(rand::random::<[u8; 32]>());
    Zeroizing::new(URL_SAFE_NO_PAD.encode(&random[..]))
}

/// Whether it has the shape of what [`random`] gives.
pub(super) fn is_token(shown: &str) -> bool {
    shown.len() == TOKEN
        && shown.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// For how long to stay away, at least a second.
pub(super) fn seconds_until(until: OffsetDateTime, now: OffsetDateTime) -> u64 {
    u64::try_from((until - now).whole_seconds()).unwrap_or(0).max(1)
}

pub(super) fn name_key(name: &str) -> TokenDigest {
    TokenDigest::of(format!("person {}", name.to_lowercase()).as_bytes())
}

/// An IPv6 network counts as one: who has one address of it has all.
pub(super) fn peer_key(peer: IpAddr) -> TokenDigest {
    let peer = match peer.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) & !((1 << 72) - 1))),
        v4 @ IpAddr::V4(_) => v4,
    };
    TokenDigest::of(format!("peer {peer}").as_bytes())
}

fn csrf(token: &str) -> String {
    hex::encode(Sha256::digest(format!("sealpost csrf v1 {token}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_csrf_token_belongs_to_one_session_and_does_not_tell_it() {
        let (one, other) = (random(), random());
        let shown = ShownSession::read(&one).unwrap();
        assert_ne!(shown.csrf, ShownSession::read(&other).unwrap().csrf);
        assert_ne!(shown.csrf, hex::encode(Sha256::digest(&*one)), "not the digest that is kept");
        let mut cut = one.to_string();
        cut.pop();
        for wrong in ["", "short", &cut, &format!("{cut}%"), &format!("{}x", *one)] {
            assert!(ShownSession::read(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn an_ipv6_network_is_one_peer() {
        let key = |text: &str| peer_key(text.parse().unwrap());
        assert!(key("2001:db8::1") == key("2001:db8::ffff:1"));
        assert!(key("2001:db8::1") != key("2001:db9::1"));
        assert!(key("::ffff:10.0.0.1") == key("10.0.0.1"));
        assert!(key("10.0.0.1") != key("10.0.0.2"));
    }
}
