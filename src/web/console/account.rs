//! Handlers of the account page. API keys have no account.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::layout::PageContext;
use super::login::{Refusal, go_on, wait};
use super::page_context::{html, sentence};
use super::pages::account::{Codes, View, page};
use crate::admin::{AdminError, Scope, Session, SignInError};
use crate::web::session::{self, SignedIn};

/// The current and the new password.
#[derive(Deserialize)]
pub(super) struct Passwords {
    old: String,
    new: String,
}

/// A two-factor code.
#[derive(Deserialize)]
pub(super) struct Code {
    code: String,
}

/// The current password.
#[derive(Deserialize)]
pub(super) struct Password {
    password: String,
}

/// The account page.
pub(super) async fn show(
    request: HttpRequest,
    cx: PageContext,
    SignedIn(own): SignedIn,
) -> HttpResponse {
    let shown = async {
        let sessions = session::access(&request)?.sessions(&own).await?;
        let view = View { sessions, ..view(&own, codes(&request, &own)?) };
        Ok(page(&cx, &view))
    };
    cx.answer(shown.await)
}

/// Ends one of the user's sessions.
pub(super) async fn end(
    request: HttpRequest,
    cx: PageContext,
    SignedIn(own): SignedIn,
    id: web::Path<i64>,
) -> HttpResponse {
    let ended = async { session::access(&request)?.end_own_session(&own, *id).await };
    cx.go_on(ended.await.map(|()| "/account?did=ended".to_owned()))
}

/// Ends all other sessions of the user.
pub(super) async fn elsewhere(
    request: HttpRequest,
    cx: PageContext,
    SignedIn(own): SignedIn,
) -> HttpResponse {
    let ended = async { session::access(&request)?.sign_out_elsewhere(&own).await };
    cx.go_on(ended.await.map(|_| "/account?did=elsewhere".to_owned()))
}

/// Changes the password.
pub(super) async fn password(
    request: HttpRequest,
    cx: PageContext,
    SignedIn(own): SignedIn,
    form: web::Form<Passwords>,
) -> HttpResponse {
    match session::change_password(&request, &own, (&form.old, &form.new)).await {
        Ok(cookies) => go_on("/account?did=password", cookies),
        Err(error) => refuse(&request, &cx, &own, &error),
    }
}

/// Starts the set-up of two-factor codes: the page shows the secret once.
pub(super) async fn begin_codes(
    request: HttpRequest,
    cx: PageContext,
    SignedIn(own): SignedIn,
    form: web::Form<Password>,
) -> HttpResponse {
    match session::begin_codes(&request, &own, &form.password).await {
        Ok(secret) => {
            let shown = (secret.url.to_string(), secret.base32.to_string());
            html(StatusCode::OK, page(&cx, &view(&own, Codes::Begun(Some(shown)))))
        }
        Err(error) => refuse(&request, &cx, &own, &error),
    }
}

/// Turns two-factor codes on.
pub(super) async fn confirm_codes(
    request: HttpRequest,
    cx: PageContext,
    SignedIn(own): SignedIn,
    form: web::Form<Code>,
) -> HttpResponse {
    let done = async { session::access(&request)?.confirm_codes(&own, &form.code).await };
    match done.await {
        Err(error @ AdminError::Invalid(_)) => {
            let wrong = Some(sentence(&error.to_string()));
            let view = View { wrong, ..view(&own, Codes::Begun(None)) };
            html(StatusCode::BAD_REQUEST, page(&cx, &view))
        }
        done => cx.go_on(done.map(|()| "/account?did=codes-on".to_owned())),
    }
}

/// Turns two-factor codes off.
pub(super) async fn codes_off(
    request: HttpRequest,
    cx: PageContext,
    SignedIn(own): SignedIn,
    form: web::Form<Password>,
) -> HttpResponse {
    match session::turn_codes_off(&request, &own, &form.password).await {
        Ok(()) => go_on("/account?did=codes-off", None),
        Err(error) => refuse(&request, &cx, &own, &error),
    }
}

/// The account page with an error.
fn refuse(
    request: &HttpRequest,
    cx: &PageContext,
    own: &Session,
    error: &SignInError,
) -> HttpResponse {
    let codes = match codes(request, own) {
        Ok(codes) => codes,
        Err(error) => return cx.error_page(&error),
    };
    let refusal = Refusal::of(error);
    let text = match error {
        SignInError::Wrong => "The current password is wrong.".to_owned(),
        _ => refusal.text,
    };
    let view = View { wrong: Some(text), ..view(own, codes) };
    let mut response = html(refusal.status, page(cx, &view));
    wait(&mut response, refusal.after);
    response
}

fn codes(request: &HttpRequest, own: &Session) -> Result<Codes, AdminError> {
    if own.codes {
        return Ok(Codes::On);
    }
    if !own.password {
        return Ok(Codes::Never(
            "Two-factor authentication is handled by your single sign-on provider.".to_owned(),
        ));
    }
    let never = session::access(request)?.why_no_codes();
    Ok(never.map_or(Codes::Off, |why| Codes::Never(sentence(&why))))
}

fn view(own: &Session, codes: Codes) -> View {
    let scopes = own.caller.scopes().iter().map(Scope::as_str).map(str::to_owned).collect();
    let (since, password) = (own.since, own.password);
    let must_enrol = own.must_enrol;
    View { scopes, since, password, codes, must_enrol, sessions: Vec::new(), wrong: None }
}
