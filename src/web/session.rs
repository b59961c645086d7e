//! The sessions of people with a browser: what the console's pages call. Everything here gives data,
//! and no page.
//!
//! Which paths are open to whoever is not signed in says [`is_open`]; every other page is answered
//! by a redirect to [`SIGN_IN`]. The door (`access.rs`) puts the [`Caller`](crate::admin::Caller)
//! and, for a person, the [`Session`] into the request; take the latter with [`SignedIn`]. Every
//! form has to carry `Session::csrf` as its field `csrf`, a script as the header `x-sealpost-csrf`:
//! the door checks it.
//!
//! - `POST /sign-in`: [`sign_in`]; then send the browser to `/` with the cookie.
//! - `POST /sign-out`: [`sign_out`]; then to `/sign-in` with the cookie, which takes the old one back.
//! - `GET /setup?token=`: [`Access::setup_link`]; `POST /setup`: [`set_up`].
//! - `GET /oidc/start`: [`redirect_to_issuer`]; then send the browser there. `GET /oidc/callback`: [`complete_sign_in`].
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

/// Where people sign in.
pub(super) const SIGN_IN: &str = "/sign-in";
/// The cookie. Its prefix has browsers refuse one that is not of this host, whole and over TLS.
pub(super) const COOKIE: &str = "__Host-sealpost";
/// The cookie of a browser in which somebody has signed in. It lets nobody in: who shows it is
/// counted apart from strangers when they sign in.
const DEVICE: &str = "__Host-sealpost-device";
/// For how long a browser keeps that.
const DEVICE_LASTS: Duration = Duration::days(180);
/// The cookie of a sign-in that is under way at an issuer.
const FLOW: &str = "__Host-sealpost-oidc";

/// What an issuer sends a browser back with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Back {
    state: String,
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

/// The session of a request, for a handler that is only for people who are signed in.
pub(super) struct SignedIn(pub(super) Session);

impl FromRequest for SignedIn {
    type Error = Denial;
    type Future = Ready<Result<Self, Denial>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(request.extensions().get::<Session>().cloned().map(Self).ok_or(Denial::NoKey))
    }
}

/// Whether a path is for people who are not signed in, too.
pub(super) fn is_open(path: &str) -> bool {
    path == SIGN_IN
        || path == "/setup"
        || path.starts_with("/assets/")
        || path.starts_with("/oidc/")
}

/// Where somebody who asks for this signs in first; the page brings them back.
pub(super) fn way_in(asked: &Uri) -> String {
    match asked.path_and_query().map(PathAndQuery::as_str) {
        None | Some("/") => SIGN_IN.to_owned(),
        Some(path) => {
            let next: String = form_urlencoded::byte_serialize(path.as_bytes()).collect();
            format!("{SIGN_IN}?next={next}")
        }
    }
}

/// The session that a request shows.
pub(super) fn shown(request: &HttpRequest) -> Option<ShownSession> {
    ShownSession::read(request.cookie(COOKIE)?.value())
}

/// Signs somebody in: gives the cookies. The session that the browser had before ends.
pub(super) async fn sign_in(
    request: &HttpRequest,
    (name, password): (&str, &str),
    code: Option<&str>,
) -> Result<Vec<Cookie<'static>>, SignInError> {
    let device = request.cookie(DEVICE);
    let given = Credentials { name, password, code, from: client(request, device.as_ref()) };
    let begun = access(request)?.sign_in(&given, shown(request).as_ref()).await?;
    Ok(cookies(&begun))
}

/// Begins a sign-in at the issuer: where the browser goes, and the cookie that it takes along.
pub(super) async fn redirect_to_issuer(
    request: &HttpRequest,
    next: &str,
) -> Result<(Url, Cookie<'static>), OidcError> {
    let departure = access(request)?.redirect_to_issuer(next, &client(request, None)).await?;
    Ok((departure.to, of_flow(departure.token.to_string())))
}

/// Signs in whoever comes back from the issuer: where they wanted to go, and the cookie.
pub(super) async fn complete_sign_in(
    request: &HttpRequest,
    back: &Back,
) -> Result<(String, Cookie<'static>), OidcError> {
    let flow = request.cookie(FLOW);
    let given = OidcCallback {
        token: flow.as_ref().map(Cookie::value),
        state: &back.state,
        code: back.code.as_deref(),
        error: back.error.as_deref(),
        iss: back.iss.as_deref(),
        from: client(request, None),
    };
    let arrival = access(request)?.complete_sign_in(&given, shown(request).as_ref()).await?;
    Ok((arrival.next, cookie(&arrival.begun)))
}

/// The cookie that takes back the one of a sign-in at the issuer.
pub(super) fn no_flow() -> Cookie<'static> {
    let mut gone = of_flow(String::new());
    gone.make_removal();
    gone
}

/// Signs somebody out: gives the cookie that takes the other one back.
pub(super) async fn sign_out(
    request: &HttpRequest,
    session: &Session,
) -> Result<Cookie<'static>, AdminError> {
    access(request)?.sign_out(session).await?;
    let mut gone = of_value(String::new());
    gone.make_removal();
    Ok(gone)
}

/// Uses a set-up link: gives the cookies, or `None` where the person has to sign in with a code.
/// Only the first person of all is asked for a name.
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

/// Changes one's own password: gives the cookies of the session that begins with it.
pub(super) async fn change_password(
    request: &HttpRequest,
    session: &Session,
    (old, new): (&str, &str),
) -> Result<Vec<Cookie<'static>>, SignInError> {
    let access = access(request)?;
    let begun = access.change_password(session, old, new, &client(request, None)).await?;
    Ok(cookies(&begun))
}

/// Makes the secret of codes; the password has to be given once more.
pub(super) async fn begin_codes(
    request: &HttpRequest,
    session: &Session,
    password: &str,
) -> Result<CodeSecret, SignInError> {
    access(request)?.begin_codes(session, password, &client(request, None)).await
}

/// Asks for no codes any more; the password has to be given once more.
pub(super) async fn turn_codes_off(
    request: &HttpRequest,
    session: &Session,
    password: &str,
) -> Result<(), SignInError> {
    access(request)?.turn_codes_off(session, password, &client(request, None)).await
}

/// Who may, for what has no function of its own here.
pub(super) fn access(request: &HttpRequest) -> Result<&Access, AdminError> {
    let access = request.app_data::<web::Data<Access>>();
    // Every application of the operator listener has it.
    access.map(|access| &***access).ok_or(AdminError::Store(StoreError::Unavailable(None)))
}

/// Where a request comes from, with what its browser says of itself.
fn client<'r>(request: &'r HttpRequest, device: Option<&'r Cookie<'_>>) -> Client<'r> {
    let agent = request.headers().get(header::USER_AGENT);
    let agent = agent.and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    // As the door has found out.
    let sender = request.extensions().get::<Sender>().copied();
    let Sender { address, peer } = sender.unwrap_or_else(|| IpAddr::from([0, 0, 0, 0]).into());
    Client { peer: address, behind: peer.client(), agent, device: device.map(Cookie::value) }
}

/// The cookies of a session that was begun.
fn cookies(begun: &BegunSession) -> Vec<Cookie<'static>> {
    let device = begun.device.as_ref().map(|device| {
        let cookie = Cookie::build(DEVICE, device.to_string()).max_age(DEVICE_LASTS);
        cookie.path("/").secure(true).http_only(true).same_site(SameSite::Strict).finish()
    });
    [cookie(begun)].into_iter().chain(device).collect()
}

/// The cookie of a session. It ends with the browser, at the latest.
fn cookie(begun: &BegunSession) -> Cookie<'static> {
    of_value(begun.token.to_string())
}

/// The cookie of a sign-in at the issuer. The way back from there begins at another site: a strict
/// cookie would not be sent.
fn of_flow(value: String) -> Cookie<'static> {
    let cookie = Cookie::build(FLOW, value);
    cookie.path("/").secure(true).http_only(true).same_site(SameSite::Lax).finish()
}

fn of_value(value: String) -> Cookie<'static> {
    let cookie = Cookie::build(COOKIE, value);
    cookie.path("/").secure(true).http_only(true).same_site(SameSite::Strict).finish()
}
