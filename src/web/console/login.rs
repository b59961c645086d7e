//! Sign-in, sign-out and set-up links. These pages are for users who are not signed in, so they
//! have no navigation.

use actix_web::cookie::Cookie;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use maud::{Markup, html};
use serde::Deserialize;
use url::form_urlencoded;

use super::layout::{note, redirect_page, signed_out_page};
use super::page_context::{ErrorText, html as answer, sentence};
use super::parts::{BadgeTone, field, visible};
use crate::admin::{AdminError, SignInError};
use crate::web::session::{self, SIGN_IN, SignedIn};

/// The routes of users who are not signed in.
pub(super) fn routes(app: &mut web::ServiceConfig) {
    app.route(SIGN_IN, web::get().to(form))
        .route(SIGN_IN, web::post().to(sign_in))
        .route("/sign-out", web::post().to(sign_out))
        .route("/setup", web::get().to(link))
        .route("/setup", web::post().to(set_up));
}

/// The path to redirect to after signing in.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NextQuery {
    pub(super) next: String,
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    next: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Link {
    token: String,
}

#[derive(Deserialize)]
struct Chosen {
    token: String,
    #[serde(default)]
    name: String,
    password: String,
}

async fn form(request: HttpRequest, query: web::Query<NextQuery>) -> HttpResponse {
    let (next, issuer) = (console_path(&query.next).to_owned(), issuer(&request));
    answer(StatusCode::OK, sign_in_page(&SignInPage { next, issuer, ..SignInPage::default() }))
}

async fn sign_in(request: HttpRequest, given: web::Form<Credentials>) -> HttpResponse {
    let code = Some(given.code.as_str()).filter(|code| !code.trim().is_empty());
    let signed_in = session::sign_in(&request, (&given.name, &given.password), code).await;
    let error = match signed_in {
        Ok(cookies) => return redirect(console_path(&given.next), cookies),
        Err(error) => error,
    };
    let Refusal { status, text, after } = Refusal::of(&error);
    let next = console_path(&given.next).to_owned();
    let (name, issuer) = (given.name.clone(), issuer(&request));
    let view = SignInPage { wrong: Some(text), next, name, issuer };
    let mut response = answer(status, sign_in_page(&view));
    wait(&mut response, after);
    response
}

async fn sign_out(request: HttpRequest, SignedIn(own): SignedIn) -> HttpResponse {
    match session::sign_out(&request, &own).await {
        Ok(cookie) => redirect(SIGN_IN, [cookie]),
        Err(error) => refused_link(&error),
    }
}

async fn link(request: HttpRequest, link: web::Query<Link>) -> HttpResponse {
    let about = async { session::access(&request)?.setup_link(&link.token).await };
    match about.await {
        Ok(about) => {
            let name = about.name.unwrap_or_default();
            let view =
                SetUpPage { token: link.token.clone(), fixed: !name.is_empty(), name, wrong: None };
            answer(StatusCode::OK, set_up_page(&view))
        }
        Err(error) => refused_link(&error),
    }
}

async fn set_up(request: HttpRequest, chosen: web::Form<Chosen>) -> HttpResponse {
    let name = Some(chosen.name.trim()).filter(|name| !name.is_empty());
    let begun = session::set_up(&request, &chosen.token, name, &chosen.password).await;
    let error = match begun {
        Ok(Some(cookies)) => return redirect("/", cookies),
        // The user still needs a two-factor code, which the link does not replace.
        Ok(None) => return redirect(SIGN_IN, None),
        Err(error) => error,
    };
    if !matches!(error, AdminError::Invalid(_) | AdminError::Conflict(_)) {
        return refused_link(&error);
    }
    let about = async { session::access(&request)?.setup_link(&chosen.token).await };
    let fixed = about.await.is_ok_and(|about| about.name.is_some());
    let view = SetUpPage {
        token: chosen.token.clone(),
        fixed,
        name: chosen.name.clone(),
        wrong: Some(sentence(&error.to_string())),
    };
    answer(ErrorText::of(&error).status, set_up_page(&view))
}

/// A failed sign-in.
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) text: String,
    /// Seconds until a retry is allowed.
    pub(super) after: Option<u64>,
}

impl Refusal {
    /// The failure; it does not reveal whether the name, password or code was wrong.
    pub(super) fn of(error: &SignInError) -> Self {
        let text = sentence(&error.to_string());
        match error {
            SignInError::Wrong => Self { status: StatusCode::FORBIDDEN, text, after: None },
            SignInError::TooMany { after } => {
                Self { status: StatusCode::TOO_MANY_REQUESTS, text, after: Some(*after) }
            }
            SignInError::Admin(error) => {
                let ErrorText { status, text, .. } = ErrorText::of(error);
                Self { status, text, after: None }
            }
        }
    }
}

/// Sets `Retry-After`.
pub(super) fn wait(response: &mut HttpResponse, after: Option<u64>) {
    if let Some(after) = after {
        response.headers_mut().insert(header::RETRY_AFTER, after.into());
    }
}

/// A redirect with cookies.
pub(super) fn redirect(
    to: &str,
    cookies: impl IntoIterator<Item = Cookie<'static>>,
) -> HttpResponse {
    let mut response = HttpResponse::SeeOther();
    response.insert_header((header::LOCATION, to));
    for cookie in cookies {
        response.append_header((header::SET_COOKIE, cookie.to_string()));
    }
    response.finish()
}

/// The display name of the single sign-on issuer, if configured.
fn issuer(request: &HttpRequest) -> Option<String> {
    session::access(request).ok()?.issuer_label().map(str::to_owned)
}

fn refused_link(error: &AdminError) -> HttpResponse {
    let words = ErrorText::of(error);
    let page = match error {
        AdminError::NotFound(_) => expired_link_page(),
        _ => signed_out_error(words.title, &words.text),
    };
    answer(words.status, page)
}

/// A path of the console, or `/` for anything else. Browsers read `//` and `/\` as the beginning of
/// another host, and ignore invisible characters.
pub(super) fn console_path(next: &str) -> &str {
    let path = next.strip_prefix('/').is_some_and(|rest| !rest.starts_with('/'));
    let plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let circle = next.starts_with(SIGN_IN);
    if path && plain && !circle { next } else { "/" }
}

#[derive(Debug, Default)]
pub(super) struct SignInPage {
    /// Why the last attempt failed: the same text whether the name, password or code was wrong.
    pub(super) wrong: Option<String>,
    /// The path to redirect to after signing in.
    pub(super) next: String,
    /// The name as typed.
    pub(super) name: String,
    /// The display name of the single sign-on issuer, if configured.
    pub(super) issuer: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct SetUpPage {
    /// The token of the link, sent along with the form.
    pub(super) token: String,
    /// The user name of the link, or the name as typed.
    pub(super) name: String,
    /// Whether the link fixes the name.
    pub(super) fixed: bool,
    /// Why the last submission was rejected.
    pub(super) wrong: Option<String>,
}

pub(super) fn sign_in_page(view: &SignInPage) -> Markup {
    signed_out_page(
        "Sign in",
        &html! {
            @if let Some(wrong) = &view.wrong {
                (note("sign-in failed", BadgeTone::Bad, &html! { (visible(wrong)) }))
            }
            section .panel {
                header { h1 { "Sign in" } }
                form .form method="post" action="/sign-in" {
                    input type="hidden" name="next" value=(view.next);
                    (field("name", "Name", "", &html! {
                        input #name name="name" value=(visible(&view.name)) required autofocus
                              autocomplete="username" autocapitalize="none" spellcheck="false";
                    }))
                    (field("password", "Password", "", &html! {
                        input #password name="password" type="password" required autocomplete="current-password";
                    }))
                    (field("code", "Two-factor code", "Six digits from your authenticator app, if set up.", &html! {
                        input #code name="code" inputmode="numeric" pattern="[0-9]{6}" maxlength="6"
                              autocomplete="one-time-code" aria-describedby="code-hint";
                    }))
                    div .actions { button .first { "Sign in" } }
                }
                @if let Some(issuer) = &view.issuer {
                    @let next: String = form_urlencoded::byte_serialize(view.next.as_bytes()).collect();
                    div .pad {
                        a .button href={ "/oidc/start?next=" (next) } { "Sign in with " (visible(issuer)) }
                    }
                }
            }
        },
    )
}

/// The page shown after single sign-on, which redirects within the console.
pub(super) fn signed_in_page(next: &str) -> Markup {
    redirect_page(
        "Signed in",
        next,
        &html! {
            section .panel {
                header { h1 { "Signed in" } }
                div .pad { a .button.first href=(next) { "Continue" } }
            }
        },
    )
}

pub(super) fn set_up_page(view: &SetUpPage) -> Markup {
    signed_out_page(
        "Set up your account",
        &html! {
            @if let Some(wrong) = &view.wrong {
                (note("not completed", BadgeTone::Bad, &html! { (visible(wrong)) }))
            }
            section .panel {
                header { h1 { "Set up your account" } }
                form .form method="post" action="/setup" {
                    input type="hidden" name="token" value=(view.token);
                    (field("name", "Name", "You sign in with this name.", &html! {
                        input #name name="name" value=(visible(&view.name)) readonly[view.fixed] required
                              autofocus[!view.fixed] maxlength="64" autocomplete="username"
                              autocapitalize="none" spellcheck="false" aria-describedby="name-hint";
                    }))
                    (field("password", "Password", "At least 12 characters. A passphrase is fine.", &html! {
                        input #password name="password" type="password" required minlength="12"
                              autofocus[view.fixed] autocomplete="new-password" aria-describedby="password-hint";
                    }))
                    div .actions { button .first { "Set up account" } }
                }
            }
        },
    )
}

pub(super) fn expired_link_page() -> Markup {
    let text = "It was already used or has expired. Ask an administrator for a new one.";
    signed_out_error("Link expired", text)
}

/// The error page for users who are not signed in.
pub(super) fn signed_out_error(title: &str, text: &str) -> Markup {
    signed_out_page(
        title,
        &html! {
            section .panel {
                header { h1 { (visible(title)) } }
                div .pad { div .tight {
                    p { (visible(text)) }
                    a .button href="/sign-in" { "Sign in" }
                } }
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_within_the_console() {
        for path in ["/", "/events?q=a%20b&type=x", "/deliveries/1"] {
            assert_eq!(console_path(path), path);
        }
        for elsewhere in [
            "",
            "events",
            "//evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "https://evil.example",
            "/a\r\nset-cookie: x=y",
            "javascript:alert(1)",
            "/sign-in?next=/sign-in",
        ] {
            assert_eq!(console_path(elsewhere), "/", "{elsewhere:?}");
        }
    }
}
