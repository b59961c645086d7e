//! Signing in at an `OpenID Connect` issuer.
//!
//! - A [`OidcRedirect`] sends the browser to the issuer ([`issuer`]). What binds the two halves of a
//!   sign-in together, the *flow* ([`flow`]), is in the browser's cookie.
//! - What the browser comes back with is a [`OidcCallback`]. Its code is redeemed and the ID token
//!   checked ([`token`]).
//! - Nobody is made by signing in. Whoever has come before is known by issuer and subject; else the
//!   verified e-mail address has to be the name of a user who was invited and has neither a
//!   password nor a code. They are linked to the subject then, and the address counts no more.
//! - An [`OidcSignIn`] is a session like any other. Codes are the issuer's matter.

mod client;
mod flow;
mod issuer;
mod token;

use std::net::IpAddr;

use time::{Duration, OffsetDateTime};
use tracing::{info, warn};
use url::Url;
use zeroize::Zeroizing;

pub use self::issuer::{Issuer, IssuerError, IssuerSettings};

use self::client::short;
use self::flow::Flow;
use self::token::Identity;
use super::Access;
use super::attempts::{Client, seconds_until};
use super::sessions::{BegunSession, ShownSession, audit, begin, own_caller};
use crate::admin::AdminError;
use crate::store::{Attempt, NewFlow, OidcFlowRow, StoreError, Tx, UserRow};

/// How long a user may be at the issuer.
const LASTS: Duration = Duration::minutes(10);
/// The most sign-ins that are under way.
const MOST: i64 = 1_000;
/// After how many seconds to retry when there are as many.
const CROWDED: u64 = 60;
/// What an issuer can say instead of sending a code. Anybody can write another word into the
/// address, and it would go to the log.
const CODES: [&str; 11] = [
    "access_denied",
    "account_selection_required",
    "consent_required",
    "interaction_required",
    "invalid_request",
    "invalid_scope",
    "login_required",
    "server_error",
    "temporarily_unavailable",
    "unauthorized_client",
    "unsupported_response_type",
];
/// What the audit log says beside a sign-in.
const WAY: &str = "by OpenID Connect";

/// A browser that is sent to the issuer.
#[derive(Debug)]
pub struct OidcRedirect {
    /// To where.
    pub to: Url,
    /// What it has to keep, in a cookie that it sends when it comes back from elsewhere.
    pub token: Zeroizing<String>,
}

/// What a browser comes back with.
#[derive(Clone, Copy)]
pub struct OidcCallback<'a> {
    /// What it was to keep.
    pub token: Option<&'a str>,
    /// The state, as it was sent along.
    pub state: &'a str,
    /// What is redeemed for an ID token.
    pub code: Option<&'a str>,
    /// Why there is no code.
    pub error: Option<&'a str>,
    /// Which issuer sends it.
    pub iss: Option<&'a str>,
    /// Where the request comes from.
    pub from: Client<'a>,
}

/// A user who is signed in.
#[derive(Debug)]
pub struct OidcSignIn {
    /// Their session.
    pub begun: BegunSession,
    /// Where they wanted to go: a path of the console.
    pub next: String,
}

/// Why nobody is signed in. What it says is for the log: whoever asks is told as good as nothing.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// No issuer is configured.
    #[error("single sign-on is not configured")]
    Off,
    /// What came back does not count, or is of nobody who may come in.
    #[error("{0}")]
    Refused(String),
    /// The issuer does not answer as it should.
    #[error("invalid response from the issuer: {0}")]
    Issuer(String),
    /// There were too many attempts.
    #[error("too many attempts")]
    TooMany {
        /// After how many seconds to retry.
        after: u64,
    },
    /// It does not work now.
    #[error(transparent)]
    Admin(#[from] AdminError),
}

impl OidcError {
    fn refused(why: &str) -> Self {
        Self::Refused(short(why))
    }
}

impl From<StoreError> for OidcError {
    fn from(error: StoreError) -> Self {
        Self::Admin(error.into())
    }
}

impl Access {
    /// What users call the issuer where they may sign in; `None` where there is none.
    pub fn issuer_label(&self) -> Option<&str> {
        self.issuer.as_ref().map(Issuer::label)
    }

    /// Sends a browser to the issuer; it wants to go to `next` afterwards.
    ///
    /// # Errors
    /// [`OidcError`].
    pub async fn redirect_to_issuer(
        &self,
        next: &str,
        from: &Client<'_>,
    ) -> Result<OidcRedirect, OidcError> {
        let issuer = self.issuer.as_ref().ok_or(OidcError::Off)?;
        let departure = self.begin_flow(issuer, next, from).await;
        self.record_failure(departure, from.peer).await
    }

    /// Signs in whoever comes back from the issuer, and ends the session that they showed before.
    ///
    /// # Errors
    /// [`OidcError`].
    pub async fn complete_sign_in(
        &self,
        given: &OidcCallback<'_>,
        before: Option<&ShownSession>,
    ) -> Result<OidcSignIn, OidcError> {
        let issuer = self.issuer.as_ref().ok_or(OidcError::Off)?;
        let arrival = self.end_flow(issuer, given, before).await;
        self.record_failure(arrival, given.from.peer).await
    }

    /// Records why nobody was signed in.
    async fn record_failure<T>(
        &self,
        result: Result<T, OidcError>,
        peer: IpAddr,
    ) -> Result<T, OidcError> {
        if let Err(error) = &result {
            warn!(
                event = "operator.sign_in_refused",
                way = "oidc",
                %peer,
                reason = %error,
                "sign-in rejected"
            );
            if matches!(error, OidcError::Refused(_) | OidcError::TooMany { .. }) {
                self.note_refusal(None, peer, "user of the issuer", &error.to_string()).await;
            }
        }
        result
    }

    async fn begin_flow(
        &self,
        issuer: &Issuer,
        next: &str,
        from: &Client<'_>,
    ) -> Result<OidcRedirect, OidcError> {
        let flow = Flow::begin();
        // First, so that an issuer that is away costs nobody an attempt.
        let to = issuer.address(&flow).await?;
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let attempt = match tx.attempt(&from.places(), now).await? {
            Attempt::Allowed(noted) => noted.first().copied().unwrap_or_default(),
            Attempt::TooMany(until) => {
                return Err(OidcError::TooMany { after: seconds_until(until, now) });
            }
        };
        let expires_at = now + LASTS;
        let new = NewFlow { digest: flow.digest(), next, attempt, expires_at };
        if !tx.insert_flow(&new, MOST, now).await? {
            return Err(OidcError::TooMany { after: CROWDED });
        }
        tx.commit(()).await?;
        Ok(OidcRedirect { to, token: flow.token() })
    }

    async fn end_flow(
        &self,
        issuer: &Issuer,
        given: &OidcCallback<'_>,
        before: Option<&ShownSession>,
    ) -> Result<OidcSignIn, OidcError> {
        let flow = given.token.and_then(Flow::read);
        let flow =
            flow.ok_or_else(|| OidcError::refused("no sign-in was started in this browser"))?;
        if !flow.has_state(given.state) {
            return Err(OidcError::refused("the state does not belong to this browser's sign-in"));
        }
        // Whatever comes of it: it is used now.
        let mut tx = self.store.begin().await?;
        let kept = tx.take_flow(&flow.digest(), self.clock.now()).await?;
        tx.commit(()).await?;
        let late = || OidcError::refused("the sign-in was already used, or has expired");
        let kept = kept.ok_or_else(late)?;
        issuer.check_sender(given.iss).await?;
        if let Some(error) = given.error {
            let known = CODES.iter().find(|code| **code == error);
            let code = known.unwrap_or(&"non-standard error");
            return Err(OidcError::refused(&format!("the issuer responded with error: {code}")));
        }
        let code =
            given.code.ok_or_else(|| OidcError::refused("the authorization code is missing"))?;
        let who = issuer.redeem(code, &flow).await?;
        self.admit(issuer, &who, kept, (before, &given.from)).await
    }

    async fn admit(
        &self,
        issuer: &Issuer,
        who: &Identity,
        kept: OidcFlowRow,
        (before, from): (Option<&ShownSession>, &Client<'_>),
    ) -> Result<OidcSignIn, OidcError> {
        let (now, at) = (self.clock.now(), &issuer.settings.issuer);
        let mut tx = self.store.begin().await?;
        let user = match tx.lock_subject(at, &who.subject).await? {
            Some(user) => user,
            None => link(&mut tx, at, who, (now, from)).await?,
        };
        if user.disabled_at.is_some() {
            return Err(OidcError::refused(&format!("`{}` is disabled", user.name)));
        }
        tx.forget_attempt(kept.attempt).await?;
        if let Some(before) = before {
            tx.end_session(before.digest()).await?;
        }
        let begun = begin(&mut tx, &user, now, ("sign in", WAY), from).await?;
        tx.commit(()).await?;
        self.remember(&begun);
        Ok(OidcSignIn { begun, next: kept.next })
    }
}

/// Links a user who was invited to whom the issuer speaks of.
async fn link(
    tx: &mut Tx<'_>,
    issuer: &str,
    who: &Identity,
    (now, from): (OffsetDateTime, &Client<'_>),
) -> Result<UserRow, OidcError> {
    let Some(email) = &who.email else {
        return Err(OidcError::refused(
            "no user has this subject, and no e-mail address is verified",
        ));
    };
    let user = tx.lock_user(email, None).await?.ok_or_else(|| {
        OidcError::refused(&format!("no user has this subject or the name `{email}`"))
    })?;
    if user.disabled_at.is_some() {
        return Err(OidcError::refused(&format!("`{}` is disabled", user.name)));
    }
    if user.password.is_some() || user.totp_since.is_some() || user.oidc_issuer.is_some() {
        return Err(OidcError::refused(&format!(
            "user `{}` is not linked to the issuer: uses another sign-in method and was not reset",
            user.name
        )));
    }
    tx.link_user(user.id, issuer, &who.subject).await?;
    tx.expire_links(Some(user.id), now).await?;
    let own = own_caller(&user)?.at(from.peer);
    audit(tx, &own, now, "link user", &user.name, &format!("to {issuer}")).await?;
    info!(user = user.name, issuer, "user linked to the issuer");
    Ok(user)
}
