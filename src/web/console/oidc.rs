//! Single sign-on: the redirect to the issuer and the callback.
//!
//! A failed callback does not reveal the cause; the log does.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};

use super::login::{NextQuery, console_path, redirect, signed_in_page, signed_out_error, wait};
use super::page_context::{ErrorText, html};
use crate::admin::OidcError;
use crate::web::session::{self, CallbackQuery, SIGN_IN};

pub(super) fn routes(app: &mut web::ServiceConfig) {
    app.route("/oidc/start", web::get().to(start)).route("/oidc/callback", web::get().to(callback));
}

/// Redirects to the issuer. A request started by another site is redirected to the sign-in page, so
/// that no other site can start a sign-in.
async fn start(request: HttpRequest, query: web::Query<NextQuery>) -> HttpResponse {
    let site = request.headers().get("sec-fetch-site").map(header::HeaderValue::as_bytes);
    if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return redirect(SIGN_IN, None);
    }
    match session::redirect_to_issuer(&request, console_path(&query.next)).await {
        Ok((to, cookie)) => redirect(to.as_str(), [cookie]),
        Err(error) => refuse(&error),
    }
}

/// Completes the sign-in. Browsers do not send a strict cookie on a navigation that began at
/// another site, so the answer is a page of the console that redirects.
async fn callback(request: HttpRequest) -> HttpResponse {
    let query = web::Query::<CallbackQuery>::from_query(request.query_string());
    // A query that cannot be parsed has no state.
    let query = query.map(web::Query::into_inner).unwrap_or_default();
    let (mut response, cookie) = match session::complete_sign_in(&request, &query).await {
        Ok((next, cookie)) => {
            (html(StatusCode::OK, signed_in_page(console_path(&next))), Some(cookie))
        }
        Err(error) => (refuse(&error), None),
    };
    for cookie in cookie.into_iter().chain([session::expired_flow_cookie()]) {
        if let Ok(value) = header::HeaderValue::from_str(&cookie.to_string()) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    response
}

fn refuse(error: &OidcError) -> HttpResponse {
    let (status, title, text, after) = match error {
        OidcError::Off => {
            (StatusCode::NOT_FOUND, "Not found", "Single sign-on is not configured.", None)
        }
        OidcError::Refused(_) => (
            StatusCode::FORBIDDEN,
            "Sign-in failed",
            "The sign-in was not completed, or your account has no access. Try again, or ask an \
             administrator to check the gateway's log.",
            None,
        ),
        OidcError::Issuer(_) => (
            StatusCode::BAD_GATEWAY,
            "Sign-in failed",
            "The single sign-on provider is not responding correctly. Try again in a moment.",
            Some(10),
        ),
        OidcError::TooMany { after } => (
            StatusCode::TOO_MANY_REQUESTS,
            "Sign-in failed",
            "Too many attempts. Try again later.",
            Some(*after),
        ),
        OidcError::Admin(error) => {
            let words = ErrorText::of(error);
            return html(words.status, signed_out_error(words.title, &words.text));
        }
    };
    let mut response = html(status, signed_out_error(title, text));
    wait(&mut response, after);
    response
}
