//! Browser sessions: the functions called by the pages of the console. They return data, no pages.
//!
//! [`is_open`] defines the public paths; every other page redirects to [`SIGN_IN`]. `access.rs`
//! stores the [`Caller`](crate::admin::Caller) and, for a user, the [`Session`] in the request;
//! extract the latter with [`SignedIn`]. Every form must contain `Session::csrf` as its field
//! `csrf`, a script must send it as the header `x-sealpost-csrf`: `access.rs` checks it.
//!
//! - `POST /sign-in`: [`sign_in`]; then redirect to `/` with the cookie.
//! - `POST /sign-out`: [`sign_out`]; then redirect to `/sign-in` with the cookie that removes the
//!   old one.
//! - `GET /setup?token=`: [`Access::setup_link`]; `POST /setup`: [`set_up`].
//! - `GET /oidc/start`: [`redirect_to_issuer`]; then redirect there. `GET /oidc/callback`:
//!   [`complete_sign_in`].
//! - `/account`: [`Access::why_no_codes`], [`begin_codes`], [`Access::confirm_codes`],
//!   [`turn_codes_off`], [`change_password`].

use std::future::{Ready, ready};
use std::net::IpAddr;

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::dev::Payload;
use actix_web::http::uri::PathAndQuery;
use actix_web::http::{Uri, header};
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use serde::Deserialize;
use url::{Url, form_urlencoded};

use super::denial::Denial;
use super::peer::Sender;
use crate::admin::{
    Access, AdminError, BegunSession, Client, CodeSecret, Credentials, OidcCallback, OidcError,
    Session, ShownSession, SignInError,
};
use crate::store::StoreError;

pub(super) const SIGN_IN: &str = "/sign-in";
/// The session cookie. Its prefix makes browsers accept it only from this host, over TLS.
pub(super) const COOKIE: &str = "__Host-sealpost";
/// The cookie of a known browser. It grants no access: sign-in attempts with it have a separate
/// rate limit.
const DEVICE: &str = "__Host-sealpost-device";
const DEVICE_LASTS: Duration = Duration::days(180);
/// The cookie of a pending single sign-on.
const FLOW: &str = "__Host-sealpost-oidc";

/// The query of the callback from the issuer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CallbackQuery {
    state: String,
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

/// The session of a request, for handlers that require a signed-in user.
pub(super) struct SignedIn(pub(super) Session);

impl FromRequest for SignedIn {
    type Error = Denial;
    type Future = Ready<Result<Self, Denial>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(request.extensions().get::<Session>().cloned().map(Self).ok_or(Denial::NO_KEY))
    }
}

pub(super) fn is_open(path: &str) -> bool {
    path == SIGN_IN
        || path == "/setup"
        || path.starts_with("/assets/")
        || path.starts_with("/oidc/")
}

/// The sign-in address that redirects back to this request.
pub(super) fn sign_in_address(uri: &Uri) -> String {
    match uri.path_and_query().map(PathAndQuery::as_str) {
        None | Some("/") => SIGN_IN.to_owned(),
        Some(path) => {
            let next: String = form_urlencoded::byte_serialize(path.as_bytes()).collect();
            format!("{SIGN_IN}?next={next}")
        }
    }
}

pub(super) fn presented(request: &HttpRequest) -> Option<ShownSession> {
    ShownSession::read(request.cookie(COOKIE)?.value())
}

/// Signs a user in and returns the cookies. The previous session of the browser ends.
pub(super) async fn sign_in(
    request: &HttpRequest,
    (name, password): (&str, &str),
    code: Option<&str>,
) -> Result<Vec<Cookie<'static>>, SignInError> {
    let device = request.cookie(DEVICE);
    let given = Credentials { name, password, code, from: client(request, device.as_ref()) };
    let begun = access(request)?.sign_in(&given, presented(request).as_ref()).await?;
    Ok(cookies(&begun))
}

/// Starts a single sign-on: the address of the issuer, and the cookie.
pub(super) async fn redirect_to_issuer(
    request: &HttpRequest,
    next: &str,
) -> Result<(Url, Cookie<'static>), OidcError> {
    let redirect = access(request)?.redirect_to_issuer(next, &client(request, None)).await?;
    Ok((redirect.to, flow_cookie(redirect.token.to_string())))
}

/// Completes a single sign-on: the path to redirect to, and the cookies.
pub(super) async fn complete_sign_in(
    request: &HttpRequest,
    callback: &CallbackQuery,
) -> Result<(String, Cookie<'static>), OidcError> {
    let flow = request.cookie(FLOW);
    let given = OidcCallback {
        token: flow.as_ref().map(Cookie::value),
        state: &callback.state,
        code: callback.code.as_deref(),
        error: callback.error.as_deref(),
        iss: callback.iss.as_deref(),
        from: client(request, None),
    };
    let signed_in = access(request)?.complete_sign_in(&given, presented(request).as_ref()).await?;
    Ok((signed_in.next, cookie(&signed_in.begun)))
}

/// The cookie that removes the one of a pending single sign-on.
pub(super) fn expired_flow_cookie() -> Cookie<'static> {
    let mut cookie = flow_cookie(String::new());
    cookie.make_removal();
    cookie
}

/// Signs a user out and returns the cookie that removes the session cookie.
pub(super) async fn sign_out(
    request: &HttpRequest,
    session: &Session,
) -> Result<Cookie<'static>, AdminError> {
    access(request)?.sign_out(session).await?;
    let mut cookie = session_cookie(String::new());
    cookie.make_removal();
    Ok(cookie)
}

/// Uses a set-up link: returns the cookies, or `None` if the user has to sign in with a two-factor
/// code. Only the first user chooses a name.
pub(super) async fn set_up(
    request: &HttpRequest,
    token: &str,
    name: Option<&str>,
    password: &str,
) -> Result<Option<Vec<Cookie<'static>>>, AdminError> {
    let from = client(request, None);
    let begun = access(request)?.set_up(token, name, password, &from).await?;
    Ok(begun.as_ref().map(cookies))
}

/// Changes the user's own password: returns the cookies of the new session.
pub(super) async fn change_password(
    request: &HttpRequest,
    session: &Session,
    (old, new): (&str, &str),
) -> Result<Vec<Cookie<'static>>, SignInError> {
    let access = access(request)?;
    let begun = access.change_password(session, old, new, &client(request, None)).await?;
    Ok(cookies(&begun))
}

/// Creates the two-factor secret; requires the password.
pub(super) async fn begin_codes(
    request: &HttpRequest,
    session: &Session,
    password: &str,
) -> Result<CodeSecret, SignInError> {
    access(request)?.begin_codes(session, password, &client(request, None)).await
}

/// Turns two-factor codes off; requires the password.
pub(super) async fn turn_codes_off(
    request: &HttpRequest,
    session: &Session,
    password: &str,
) -> Result<(), SignInError> {
    access(request)?.turn_codes_off(session, password, &client(request, None)).await
}

/// The access service of the application.
pub(super) fn access(request: &HttpRequest) -> Result<&Access, AdminError> {
    let access = request.app_data::<web::Data<Access>>();
    // Every application of the admin listener has it.
    access.map(|access| &***access).ok_or(AdminError::Store(StoreError::Unavailable(None)))
}

/// The client address and `User-Agent` of a request.
fn client<'r>(request: &'r HttpRequest, device: Option<&'r Cookie<'_>>) -> Client<'r> {
    let agent = request.headers().get(header::USER_AGENT);
    let agent = agent.and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    // As determined by `access`.
    let sender = request.extensions().get::<Sender>().copied();
    let Sender { address, peer } = sender.unwrap_or_else(|| IpAddr::from([0, 0, 0, 0]).into());
    Client { peer: address, behind: peer.client(), agent, device: device.map(Cookie::value) }
}

fn cookies(begun: &BegunSession) -> Vec<Cookie<'static>> {
    let device = begun.device.as_ref().map(|device| {
        let cookie = Cookie::build(DEVICE, device.to_string()).max_age(DEVICE_LASTS);
        cookie.path("/").secure(true).http_only(true).same_site(SameSite::Strict).finish()
    });
    [cookie(begun)].into_iter().chain(device).collect()
}

/// The session cookie. It is deleted when the browser closes.
fn cookie(begun: &BegunSession) -> Cookie<'static> {
    session_cookie(begun.token.to_string())
}

/// The cookie of a pending single sign-on. The callback is a cross-site navigation, for which a
/// strict cookie would not be sent.
fn flow_cookie(value: String) -> Cookie<'static> {
    let cookie = Cookie::build(FLOW, value);
    cookie.path("/").secure(true).http_only(true).same_site(SameSite::Lax).finish()
}

fn session_cookie(value: String) -> Cookie<'static> {
    let cookie = Cookie::build(COOKIE, value);
    cookie.path("/").secure(true).http_only(true).same_site(SameSite::Strict).finish()
}
