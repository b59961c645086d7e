//! Single sign-on with `OpenID Connect`.
//!
//! - An [`OidcRedirect`] sends the browser to the issuer ([`issuer`]). The *flow* ([`flow`]) in the
//!   browser's cookie binds the two halves of a sign-in together.
//! - An [`OidcCallback`] is what the browser returns with. Its code is redeemed and the ID token
//!   checked ([`token`]).
//! - Signing in never creates an account. A returning user is identified by issuer and subject;
//!   otherwise the verified e-mail address must be the name of an invited user who has neither a
//!   password nor two-factor codes. The user is then linked to the subject, and the address no
//!   longer matters.
//! - An [`OidcSignIn`] is a session like any other. Two-factor authentication is up to the issuer.

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
use crate::store::{NewFlow, OidcFlowRow, SignInAttempt, StoreError, Tx, UserRow};

const LIFETIME: Duration = Duration::minutes(10);
/// The maximum number of flows in progress.
const MAX_FLOWS: i64 = 1_000;
/// `Retry-After` in seconds when that number is reached.
const FULL_RETRY_AFTER: u64 = 60;
/// Error codes of the protocol. Anything else in the address is untrusted and would go to the log.
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
/// The note on sign-ins in the audit log.
const NOTE: &str = "by OpenID Connect";

/// A redirect of the browser to the issuer.
#[derive(Debug)]
pub struct OidcRedirect {
    pub to: Url,
    /// The value of the flow cookie. It must be sent on a cross-site navigation.
    pub token: Zeroizing<String>,
}

#[derive(Clone, Copy)]
pub struct OidcCallback<'a> {
    /// The value of the flow cookie.
    pub token: Option<&'a str>,
    pub state: &'a str,
    /// The code to redeem for an ID token.
    pub code: Option<&'a str>,
    /// The error code, if there is no code.
    pub error: Option<&'a str>,
    pub iss: Option<&'a str>,
    pub from: Client<'a>,
}

#[derive(Debug)]
pub struct OidcSignIn {
    pub begun: BegunSession,
    /// The path of the console to redirect to.
    pub next: String,
}

/// Why a sign-in failed. The texts are for the log: the user gets a generic message.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    #[error("single sign-on is not configured")]
    Off,
    /// The callback is invalid, or the user is not allowed to sign in.
    #[error("{0}")]
    Refused(String),
    /// The issuer is unavailable or its response is invalid.
    #[error("invalid response from the issuer: {0}")]
    Issuer(String),
    #[error("too many attempts")]
    TooMany {
        /// Seconds until a retry is allowed.
        after: u64,
    },
    /// The database or the vault.
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
    /// The display name of the issuer; `None` if single sign-on is off.
    pub fn issuer_label(&self) -> Option<&str> {
        self.issuer.as_ref().map(Issuer::label)
    }

    /// Starts a sign-in that ends at the path `next`.
    pub async fn redirect_to_issuer(
        &self,
        next: &str,
        from: &Client<'_>,
    ) -> Result<OidcRedirect, OidcError> {
        let issuer = self.issuer.as_ref().ok_or(OidcError::Off)?;
        let redirect = self.begin_flow(issuer, next, from).await;
        self.log_refusal(redirect, from.peer).await
    }

    /// Completes a sign-in, and ends the browser's previous session.
    pub async fn complete_sign_in(
        &self,
        given: &OidcCallback<'_>,
        before: Option<&ShownSession>,
    ) -> Result<OidcSignIn, OidcError> {
        let issuer = self.issuer.as_ref().ok_or(OidcError::Off)?;
        let result = self.end_flow(issuer, given, before).await;
        self.log_refusal(result, given.from.peer).await
    }

    async fn log_refusal<T>(
        &self,
        result: Result<T, OidcError>,
        peer: IpAddr,
    ) -> Result<T, OidcError> {
        if let Err(error) = &result {
            warn!(
                event = "sign_in.rejected",
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
        // First, so that an unavailable issuer does not count as an attempt.
        let to = issuer.address(&flow).await?;
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let attempt = match tx.record_sign_in_attempt(&from.peer_keys(), now).await? {
            SignInAttempt::Allowed(noted) => noted.first().copied().unwrap_or_default(),
            SignInAttempt::TooMany(until) => {
                return Err(OidcError::TooMany { after: seconds_until(until, now) });
            }
        };
        let expires_at = now + LIFETIME;
        let new = NewFlow { digest: flow.digest(), next, attempt, expires_at };
        if !tx.insert_flow(&new, MAX_FLOWS, now).await? {
            return Err(OidcError::TooMany { after: FULL_RETRY_AFTER });
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
        // The flow is used up, whatever the result.
        let mut tx = self.store.begin().await?;
        let kept = tx.use_flow(&flow.digest(), self.clock.now()).await?;
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
        self.sign_in_identity(issuer, &who, kept, (before, &given.from)).await
    }

    async fn sign_in_identity(
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
        tx.delete_attempt(kept.attempt).await?;
        if let Some(before) = before {
            tx.end_session(before.digest()).await?;
        }
        let begun = begin(&mut tx, &user, now, ("sign in", NOTE), from).await?;
        tx.commit(()).await?;
        self.cache_session(&begun);
        Ok(OidcSignIn { begun, next: kept.next })
    }
}

/// Links an invited user to the issuer's subject.
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
