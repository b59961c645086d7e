//! Authentication on the admin listener: every call except the two health checks requires an API
//! key or a session cookie. Without either, existing and unknown paths get the same response; a
//! browser that requests a page is redirected to the sign-in page.
//!
//! An authenticated request has a [`Caller`] in its extensions, for `AuthenticatedCaller` in
//! `caller.rs`; a user also a [`Session`], for `SignedIn` in `session.rs`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{StatusCode, header};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, web};
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;
use tracing::{info, warn};

use super::admin::AdminState;
use super::auth_throttle::{self, PreAuthThrottle};
use super::caller_limits::Rate;
use super::client_limit::ClientLimit;
use super::denial::Denial;
use super::peer::{Proxies, Sender};
use super::{csrf, form, session};
use crate::admin::{Access, Caller, Denial as Refused, Session, ShownKey, ShownSession};
use crate::ingest::Peer;

/// Paths that need no key, for load balancers.
const OPEN: [&str; 2] = ["/healthz", "/readyz"];
/// The longest path in the audit log, in characters.
const MAX_PATH: usize = 200;
/// Paths that a recently verified key may call while the database is unavailable.
const METRICS: &str = "/metrics";
/// The maximum number of blocked client addresses kept in memory. Others are only counted.
const MAX_BLOCKED: usize = 10_000;

#[derive(Debug)]
pub struct AuthState {
    access: Arc<Access>,
    failures: ClientLimit,
    /// Client addresses with too many failures, and until when they are blocked.
    blocked: Mutex<HashMap<Peer, Instant>>,
    throttle: PreAuthThrottle,
    proxies: Proxies,
}

impl AuthState {
    /// Creates it for the keys and users of `access`. A valid key is not limited by failures of its
    /// client address, which may be shared. `proxies` determine the client address.
    pub fn new(access: Arc<Access>, failures_per_minute: NonZeroU32, proxies: Proxies) -> Self {
        let failures = ClientLimit::per_minute(failures_per_minute);
        let (blocked, throttle) = (Mutex::default(), PreAuthThrottle::new());
        Self { access, failures, blocked, throttle, proxies }
    }

    /// Removes idle client addresses and refreshes the cache of valid keys: a cached key is
    /// accepted regardless of failures of its client address. Call it periodically.
    pub async fn remove_inactive(&self) {
        self.failures.remove_inactive();
        self.throttle.remove_inactive();
        self.blocked().retain(|_, until| *until > Instant::now());
        self.access.remove_inactive().await;
    }

    /// Cheap checks first: the cache of valid keys, then whether the client address is blocked,
    /// then the database, which may have a newer key. A valid key is not a failure. Neither is a
    /// request that any site can make a browser send: one without credentials, or a cross-site one;
    /// those are not looked up.
    async fn check(&self, request: &ServiceRequest, peer: Peer) -> Result<Authenticated, Denial> {
        let presented = PresentedCredential::of(request.request());
        let is_cached =
            presented.as_ref().is_some_and(|presented| presented.is_cached(&self.access));
        if !is_cached {
            if !has_credentials(request) || csrf::is_cross_site(request) {
                return Err(Denial::NO_KEY);
            }
            let until = self.blocked().get(&peer).copied();
            let wait = until.map(|until| until.saturating_duration_since(Instant::now()));
            if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
                return Err(too_many(wait));
            }
        }
        let presents_key = request.headers().contains_key(header::AUTHORIZATION);
        let mut denial = Denial::NoKey { presented: presents_key };
        if let Some(presented) = &presented {
            match presented.look_up(&self.access, is_user_triggered(request)).await {
                Ok(Some(known)) => return Ok(known),
                Ok(None) => {}
                Err(error) => {
                    // Metrics are needed most while the database is unavailable.
                    let cached =
                        presented.cached_caller(&self.access).filter(|_| request.path() == METRICS);
                    if let Some(known) = cached {
                        return Ok(known);
                    }
                    if is_cached {
                        return Err(error);
                    }
                    denial = error;
                }
            }
        }
        let Err(wait) = self.failures.check(peer) else { return Err(denial) };
        let mut blocked = self.blocked();
        if blocked.len() < MAX_BLOCKED {
            blocked.insert(peer, Instant::now() + wait);
        }
        Err(too_many(wait))
    }

    fn blocked(&self) -> MutexGuard<'_, HashMap<Peer, Instant>> {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn too_many(wait: Duration) -> Denial {
    Denial::TooManyFailures { after: wait.as_secs().max(1) }
}

/// Passes a request on, or answers it with an error.
pub(super) async fn authenticate(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody, BoxBody>>, Error> {
    let Some(auth) = request.app_data::<web::Data<AuthState>>().cloned() else {
        return Ok(request.into_response(Denial::Internal.respond()).map_into_right_body());
    };
    let sender = auth.proxies.sender(request.request());
    let sender = sender.unwrap_or_else(|| IpAddr::from([0, 0, 0, 0]).into());
    request.extensions_mut().insert(sender);
    let admitted = if OPEN.contains(&request.path()) {
        Ok(None)
    } else if session::is_open(request.path()) {
        admit_public(&auth, &mut request, sender.peer).await
    } else {
        admit(&auth, &mut request, sender).await.map(|()| None)
    };
    let denial = match admitted {
        Ok(_) if has_to_enrol(&request) => {
            let response = see_other("/account");
            return Ok(request.into_response(response).map_into_right_body());
        }
        Ok(permit) => {
            let answered = next.call(request).await?;
            drop(permit);
            log_response(&auth, &answered).await;
            return Ok(answered.map_into_left_body());
        }
        Err(denial) => denial,
    };
    if matches!(denial, Denial::NoKey { .. }) && requests_page(&request) {
        let response = see_other(&session::sign_in_address(request.uri()));
        return Ok(request.into_response(response).map_into_right_body());
    }
    let key = key_of(request.request());
    let key = key.as_ref().map(ShownKey::id);
    warn!(event = "operator.denied", reason = denial.reason(), key, peer = %sender.address);
    metrics::counter!("sealpost_operator_denied_total", "reason" => denial.reason()).increment(1);
    Ok(request.into_response(denial.respond()).map_into_right_body())
}

fn see_other(to: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, to))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}

/// Whether a user who must turn two-factor codes on first requests another page. They have no scope
/// for anything else.
fn has_to_enrol(request: &ServiceRequest) -> bool {
    let must = request.extensions().get::<Session>().is_some_and(|session| session.must_enrol);
    must && requests_page(request) && request.path() != "/account"
}

/// Logs console requests, and records denials in the audit log. For callers of one tenant that
/// includes 404, since the resource may belong to another tenant.
async fn log_response(auth: &AuthState, answered: &ServiceResponse<impl MessageBody>) {
    let request = answered.request();
    let Some(caller) = request.extensions().get::<Caller>().cloned() else { return };
    let (method, path, status) = (request.method(), request.path(), answered.status());
    if !is_for_machines(path) {
        let (actor, address) = (caller.actor(), caller.address().map(tracing::field::display));
        info!(
            event = "console.request",
            actor,
            peer = address,
            method = method.as_str(),
            path,
            status = status.as_u16(),
            "request handled"
        );
    }
    let why = match status {
        StatusCode::FORBIDDEN => Refused::Scope,
        StatusCode::NOT_FOUND if caller.tenant().is_some() => Refused::Tenant,
        _ => return,
    };
    let kind = format!("{method} {}", request.match_pattern().unwrap_or_default());
    let path: String = path.chars().take(MAX_PATH).collect();
    auth.access.note_denied(&caller, why, &kind, &format!("{method} {path}")).await;
}

/// Handles a request to a public path; returns a permit where concurrency is limited. A form is
/// read before waiting for the permit.
async fn admit_public<'a>(
    auth: &'a AuthState,
    request: &mut ServiceRequest,
    peer: Peer,
) -> Result<Option<SemaphorePermit<'a>>, Denial> {
    let limited = auth_throttle::queries_database(request);
    if limited {
        auth.throttle.count(peer)?;
    }
    if !csrf::is_safe(request) {
        csrf::check_origin(request)?;
        form::take(request, form::limit(request.path(), true)).await?;
    }
    if limited { auth.throttle.acquire(request.path()).await.map(Some) } else { Ok(None) }
}

/// Authenticates the request and stores the caller in it. A change in the console must come from a
/// page of the console, also with a key, since a browser may hold one. A change with a session must
/// contain its CSRF token as well.
async fn admit(
    auth: &AuthState,
    request: &mut ServiceRequest,
    sender: Sender,
) -> Result<(), Denial> {
    let known = auth.check(request, sender.peer).await?.with_address(sender.address);
    check_rate(request, known.caller())?;
    if !csrf::is_safe(request) {
        let console = is_console(request);
        if console || matches!(known, Authenticated::User(_)) {
            csrf::check_origin(request)?;
        }
        // API handlers read their bodies themselves.
        let form = if console {
            Some(form::take(request, form::limit(request.path(), false)).await?)
        } else {
            None
        };
        if let Authenticated::User(session) = &known {
            csrf::check_token(request, form, session).await?;
        }
    }
    let mut extensions = request.extensions_mut();
    match known {
        Authenticated::Machine(caller) => {
            extensions.insert(caller);
        }
        Authenticated::User(session) => {
            extensions.insert(session.caller.clone());
            extensions.insert(*session);
        }
    }
    Ok(())
}

/// Applies the caller's rate limits to a console request. API routes apply them in their
/// middleware.
fn check_rate(request: &ServiceRequest, caller: &Caller) -> Result<(), Denial> {
    if !is_console(request) {
        return Ok(());
    }
    let admin = request.app_data::<web::Data<AdminState>>().ok_or(Denial::Internal)?;
    let rate = if csrf::is_safe(request) { Rate::Reads } else { Rate::Changes };
    admin.limits.check(caller, rate)
}

#[derive(Debug, Clone)]
pub(super) enum PresentedCredential {
    Key(ShownKey),
    Session(ShownSession),
}

enum Authenticated {
    Machine(Caller),
    User(Box<Session>),
}

impl Authenticated {
    /// The same, with the client address.
    fn with_address(self, address: IpAddr) -> Self {
        match self {
            Self::Machine(caller) => Self::Machine(caller.at(address)),
            Self::User(mut session) => {
                session.caller = session.caller.at(address);
                Self::User(session)
            }
        }
    }

    fn caller(&self) -> &Caller {
        match self {
            Self::Machine(caller) => caller,
            Self::User(session) => &session.caller,
        }
    }
}

impl PresentedCredential {
    /// The key if there is an `Authorization` header, else the cookie.
    pub(super) fn of(request: &HttpRequest) -> Option<Self> {
        if request.headers().contains_key(header::AUTHORIZATION) {
            return key_of(request).map(Self::Key);
        }
        session::presented(request).map(Self::Session)
    }

    fn is_cached(&self, access: &Access) -> bool {
        match self {
            Self::Key(key) => access.is_cached_key(key),
            Self::Session(session) => access.is_cached_session(session),
        }
    }

    async fn look_up(&self, access: &Access, asks: bool) -> Result<Option<Authenticated>, Denial> {
        match self {
            Self::Key(key) => {
                let caller = access.caller_of(key).await.map_err(|_| Denial::Unavailable)?;
                Ok(caller.map(Authenticated::Machine))
            }
            Self::Session(presented) => {
                let session = access.session(presented, asks).await;
                let session = session.map_err(|_| Denial::Unavailable)?;
                Ok(session.map(|session| Authenticated::User(Box::new(session))))
            }
        }
    }

    /// The cached owner of a key.
    fn cached_caller(&self, access: &Access) -> Option<Authenticated> {
        match self {
            Self::Key(key) => access.cached_caller(key).map(Authenticated::Machine),
            Self::Session(_) => None,
        }
    }

    /// The current caller, for long-running responses; `None` if the credentials are no longer
    /// valid, an error if that cannot be determined.
    pub(super) async fn caller(&self, access: &Access) -> Result<Option<Caller>, Denial> {
        Ok(self.look_up(access, false).await?.map(|known| known.caller().clone()))
    }
}

/// Whether a request has credentials, valid or not.
fn has_credentials(request: &ServiceRequest) -> bool {
    request.headers().contains_key(header::AUTHORIZATION)
        || request.cookie(session::COOKIE).is_some()
}

/// Whether a browser requests a page.
fn requests_page(request: &ServiceRequest) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    csrf::is_safe(request)
        && accept.is_some_and(|accept| accept.contains("text/html"))
        && is_console(request)
}

/// Whether the path belongs to the console, not to the API.
fn is_console(request: &ServiceRequest) -> bool {
    !is_for_machines(request.path())
}

fn is_for_machines(path: &str) -> bool {
    path.starts_with("/api/") || path == METRICS
}

/// Whether a user triggered the request. Automatic refreshes do not extend a session.
fn is_user_triggered(request: &ServiceRequest) -> bool {
    let mode = request.headers().get("sec-fetch-mode");
    !csrf::is_safe(request) || mode.is_none_or(|mode| mode == "navigate")
}

/// The key of a request: one `Authorization` header with `Bearer` and a token.
fn key_of(request: &HttpRequest) -> Option<ShownKey> {
    let mut headers = request.headers().get_all(header::AUTHORIZATION);
    let (value, None) = (headers.next()?.as_bytes(), headers.next()) else { return None };
    let (scheme, key) = value.split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| ShownKey::read(key.trim_ascii())).flatten()
}
