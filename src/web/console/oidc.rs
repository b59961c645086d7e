//! Signing in at an issuer: the way there and back.
//!
//! What is answered to whoever comes back says nothing of why they are not let in: the log does.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};

use super::login::{Towards, go_on, ours, wait};
use super::page_context::{Words, html};
use super::pages::sign_in;
use crate::admin::OidcError;
use crate::web::session::{self, Back, SIGN_IN};

/// Sends the browser to the issuer. What another site sends here only gets to where people sign in:
/// a sign-in begins where somebody wants it.
pub(super) async fn start(request: HttpRequest, towards: web::Query<Towards>) -> HttpResponse {
    let site = request.headers().get("sec-fetch-site").map(header::HeaderValue::as_bytes);
    if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return go_on(SIGN_IN, None);
    }
    match session::redirect_to_issuer(&request, ours(&towards.next)).await {
        Ok((to, cookie)) => go_on(to.as_str(), [cookie]),
        Err(error) => refuse(&error),
    }
}

/// Signs in whoever comes back. The browser does not send a strict cookie on a way that began at
/// another site: it goes on from a page of ours.
pub(super) async fn callback(request: HttpRequest) -> HttpResponse {
    let back = web::Query::<Back>::from_query(request.query_string());
    // What cannot be read has no state.
    let back = back.map(web::Query::into_inner).unwrap_or_default();
    let (mut response, cookie) = match session::complete_sign_in(&request, &back).await {
        Ok((next, cookie)) => (html(StatusCode::OK, sign_in::arrived(ours(&next))), Some(cookie)),
        Err(error) => (refuse(&error), None),
    };
    for cookie in cookie.into_iter().chain([session::no_flow()]) {
        if let Ok(value) = header::HeaderValue::from_str(&cookie.to_string()) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    response
}

fn refuse(error: &OidcError) -> HttpResponse {
    let (status, title, text, after) = match error {
        OidcError::Off => {
            (StatusCode::NOT_FOUND, "Nothing is here", "One signs in with a password here.", None)
        }
        OidcError::Refused(_) => (
            StatusCode::FORBIDDEN,
            "You are not signed in",
            "The sign-in was not completed, or you are not among those who may come in. Begin \
             again, or ask an administrator: the gateway's log says why.",
            None,
        ),
        OidcError::Issuer(_) => (
            StatusCode::BAD_GATEWAY,
            "You are not signed in",
            "Where you sign in does not answer as it should. Come again in a moment.",
            Some(10),
        ),
        OidcError::TooMany { after } => (
            StatusCode::TOO_MANY_REQUESTS,
            "You are not signed in",
            "There were too many attempts: come again later.",
            Some(*after),
        ),
        OidcError::Admin(error) => {
            let words = Words::of(error);
            return html(words.status, sign_in::trouble(words.title, &words.text));
        }
    };
    let mut response = html(status, sign_in::trouble(title, text));
    wait(&mut response, after);
    response
}
