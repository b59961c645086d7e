//! The account of the signed-in user: scopes, sessions, password, two-factor codes. API keys have no
//! account.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use maud::{Markup, html};
use serde::Deserialize;
use time::OffsetDateTime;

use super::access::badges;
use super::layout::{Head, PageContext, Section, note};
use super::login::{Refusal, redirect, wait};
use super::page_context::{html as answer, sentence};
use super::parts::{
    BadgeTone, TEXT, badge, button, command, field, panel, post, qr, stamp, table, terms, visible,
    when,
};
use crate::admin::{AdminError, OwnSession, Scopes, Session, SignInError};
use crate::web::session::{self, SignedIn};

pub(super) fn routes(app: &mut web::ServiceConfig) {
    app.route("/account", web::get().to(show))
        .route("/account/sessions/end", web::post().to(sign_out_elsewhere))
        .route("/account/sessions/{id}/end", web::post().to(end))
        .route("/account/password", web::post().to(password))
        .route("/account/codes", web::post().to(begin_codes))
        .route("/account/codes/confirm", web::post().to(confirm_codes))
        .route("/account/codes/off", web::post().to(codes_off));
}

#[derive(Deserialize)]
struct Passwords {
    old: String,
    new: String,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

#[derive(Deserialize)]
struct Password {
    password: String,
}

async fn show(request: HttpRequest, cx: PageContext, SignedIn(own): SignedIn) -> HttpResponse {
    let shown = async {
        let sessions = session::access(&request)?.sessions(&own).await?;
        let view = Page { sessions, ..view(&own, codes(&request, &own)?) };
        Ok(page(&cx, &view))
    };
    cx.answer(shown.await)
}

/// Ends one of the user's sessions.
async fn end(
    request: HttpRequest,
    cx: PageContext,
    SignedIn(own): SignedIn,
    id: web::Path<i64>,
) -> HttpResponse {
    let ended = async { session::access(&request)?.end_own_session(&own, *id).await };
    cx.redirect(ended.await.map(|()| "/account?did=ended".to_owned()))
}

/// Ends all other sessions of the user.
async fn sign_out_elsewhere(
    request: HttpRequest,
    cx: PageContext,
    SignedIn(own): SignedIn,
) -> HttpResponse {
    let ended = async { session::access(&request)?.sign_out_elsewhere(&own).await };
    cx.redirect(ended.await.map(|_| "/account?did=elsewhere".to_owned()))
}

async fn password(
    request: HttpRequest,
    cx: PageContext,
    SignedIn(own): SignedIn,
    form: web::Form<Passwords>,
) -> HttpResponse {
    match session::change_password(&request, &own, (&form.old, &form.new)).await {
        Ok(cookies) => redirect("/account?did=password", cookies),
        Err(error) => refuse(&request, &cx, &own, &error),
    }
}

/// Starts the set-up of two-factor codes: the page shows the secret once.
async fn begin_codes(
    request: HttpRequest,
    cx: PageContext,
    SignedIn(own): SignedIn,
    form: web::Form<Password>,
) -> HttpResponse {
    match session::begin_codes(&request, &own, &form.password).await {
        Ok(secret) => {
            let shown = (secret.url.to_string(), secret.base32.to_string());
            answer(StatusCode::OK, page(&cx, &view(&own, Codes::Begun(Some(shown)))))
        }
        Err(error) => refuse(&request, &cx, &own, &error),
    }
}

async fn confirm_codes(
    request: HttpRequest,
    cx: PageContext,
    SignedIn(own): SignedIn,
    form: web::Form<Code>,
) -> HttpResponse {
    let done = async { session::access(&request)?.confirm_codes(&own, &form.code).await };
    match done.await {
        Err(error @ AdminError::Invalid(_)) => {
            let wrong = Some(sentence(&error.to_string()));
            let view = Page { wrong, ..view(&own, Codes::Begun(None)) };
            answer(StatusCode::BAD_REQUEST, page(&cx, &view))
        }
        done => cx.redirect(done.map(|()| "/account?did=codes-on".to_owned())),
    }
}

async fn codes_off(
    request: HttpRequest,
    cx: PageContext,
    SignedIn(own): SignedIn,
    form: web::Form<Password>,
) -> HttpResponse {
    match session::turn_codes_off(&request, &own, &form.password).await {
        Ok(()) => redirect("/account?did=codes-off", None),
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
    let view = Page { wrong: Some(text), ..view(own, codes) };
    let mut response = answer(refusal.status, page(cx, &view));
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

fn view(own: &Session, codes: Codes) -> Page {
    let scopes = own.caller.scopes();
    let (since, password) = (own.since, own.password);
    let must_enrol = own.must_enrol;
    Page { scopes, since, password, codes, must_enrol, sessions: Vec::new(), wrong: None }
}

pub(super) struct Page {
    pub(super) scopes: Scopes,
    /// When this session began.
    pub(super) since: OffsetDateTime,
    /// Whether the user has a local password (false for single sign-on).
    pub(super) password: bool,
    pub(super) codes: Codes,
    /// Whether codes must be turned on before anything else is allowed.
    pub(super) must_enrol: bool,
    /// Sessions, most recently used first; empty on a page that redisplays another form.
    pub(super) sessions: Vec<OwnSession>,
    /// Why the last form was rejected.
    pub(super) wrong: Option<String>,
}

/// The state of two-factor codes.
pub(super) enum Codes {
    /// Not available, with the reason.
    Never(String),
    Off,
    /// Set-up started: the `otpauth` address with the secret, and the secret to type; both are
    /// shown only on the page that starts the set-up.
    Begun(Option<(String, String)>),
    On,
}

pub(super) fn page(cx: &PageContext, view: &Page) -> Markup {
    let head = Head { title: "Account", section: Some(Section::Account), ..Head::default() };
    let caller = &cx.viewer.caller;
    let you = terms(&[
        ("Name", html! { (visible(caller.actor())) }),
        ("Tenant", html! { @if let Some(tenant) = caller.tenant() { (visible(tenant)) } }),
        ("Scopes", badges(view.scopes)),
        ("Signed in", stamp(view.since, cx.now)),
    ]);
    cx.page(&head, &html! {
        @if view.must_enrol {
            (note("required", BadgeTone::Warn, &html! {
                "Two-factor authentication is required. Set it up below; until then no other page is available."
            }))
        }
        @if let Some(wrong) = &view.wrong { (note("not changed", BadgeTone::Bad, &html! { (visible(wrong)) })) }
        div .two {
            div .stack {
                (panel("Profile", &html! {}, &html! { div .pad { (you) } }))
                @if !view.sessions.is_empty() {
                    (panel("Sessions", &html! {}, &sessions_panel(cx, &view.sessions)))
                }
                @if view.password { (panel("Password", &html! {}, &password_panel(cx))) }
            }
            (panel("Two-factor authentication", &html! {}, &codes_panel(cx, &view.codes)))
        }
    })
}

fn sessions_panel(cx: &PageContext, sessions: &[OwnSession]) -> Markup {
    let columns =
        [("Signed in", TEXT), ("From", TEXT), ("Last seen", TEXT), ("Expires", TEXT), ("", TEXT)];
    let rows: Vec<Vec<Markup>> = sessions
        .iter()
        .map(|OwnSession { session, is_current }| {
            vec![
                html! {
                    (stamp(session.signed_in_at, cx.now))
                    @if *is_current { " " (badge("current", BadgeTone::Good)) }
                },
                html! { (visible(&session.address)) span .under { (visible(&session.agent)) } },
                when(session.last_seen_at, cx.now),
                when(session.expires_at, cx.now),
                html! { @if !is_current {
                    (button(cx, &format!("/account/sessions/{}/end", session.id), "risky", "Sign out"))
                } },
            ]
        })
        .collect();
    html! {
        (table("Sessions", &columns, &rows))
        @if sessions.len() > 1 {
            div .pad { (button(cx, "/account/sessions/end", "risky", "Sign out all other sessions")) }
        }
    }
}

fn password_panel(cx: &PageContext) -> Markup {
    post(
        cx,
        "/account/password",
        "form",
        &html! {
            (password_now("old"))
            (field("new", "New password", "At least 12 characters. A passphrase is fine.", &html! {
                input #new name="new" type="password" required minlength="12" autocomplete="new-password"
                      aria-describedby="new-hint";
            }))
            div .actions { button { "Change password" } }
            p .muted .small { "All other sessions are signed out." }
        },
    )
}

fn password_now(id: &str) -> Markup {
    field(
        id,
        "Current password",
        "",
        &html! {
            input id=(id) name=(id) type="password" required autocomplete="current-password";
        },
    )
}

fn codes_panel(cx: &PageContext, codes: &Codes) -> Markup {
    match codes {
        Codes::Never(why) => html! { div .pad { div .tight {
            p { (badge("off", BadgeTone::Plain)) " Two-factor authentication is not available." }
            p .muted { (visible(why)) }
        } } },
        Codes::Off => html! {
            div .pad {
                p { (badge("off", BadgeTone::Plain)) " Sign-in requires only your password." }
            }
            (begin_form(cx, "first", "Set up two-factor authentication"))
        },
        Codes::Begun(secret) => html! {
            div .pad { div .tight {
                @if let Some((address, secret)) = secret {
                    p { "Scan the QR code with an authenticator app, then enter the code it shows." }
                    (qr(address))
                    (command("secret", "Or enter this secret in the app", secret))
                } @else {
                    p { "Enter the code the app shows now, or start over." }
                }
            } }
            (post(cx, "/account/codes/confirm", "form", &html! {
                (field("code", "Code", "Six digits from your authenticator app.", &html! {
                    input #code name="code" inputmode="numeric" pattern="[0-9]{6}" maxlength="6" required
                          autocomplete="one-time-code" aria-describedby="code-hint";
                }))
                div .actions { button .first { "Turn on" } }
            }))
            @if secret.is_none() { (begin_form(cx, "", "Start over")) }
        },
        Codes::On => html! {
            div .pad { p { (badge("on", BadgeTone::Good)) " Sign-in requires a two-factor code." } }
            (post(cx, "/account/codes/off", "form", &html! {
                (password_now("password"))
                div .actions { button .risky { "Turn off" } }
            }))
        },
    }
}

fn begin_form(cx: &PageContext, class: &str, label: &str) -> Markup {
    post(
        cx,
        "/account/codes",
        "form",
        &html! {
            (password_now("password"))
            div .actions { button class=(class) { (label) } }
        },
    )
}
