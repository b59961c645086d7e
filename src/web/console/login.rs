//! Sign-in, sign-out and set-up links. These pages are for users who are not signed in, so they
//! have no navigation.

use actix_web::cookie::Cookie;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::page_context::{Words, html, sentence};
use super::pages::sign_in;
use crate::admin::{AdminError, SignInError};
use crate::web::session::{self, SIGN_IN, SignedIn};

/// The path to redirect to after signing in.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Towards {
    pub(super) next: String,
}

/// The fields of the sign-in form.
#[derive(Deserialize)]
pub(super) struct Credentials {
    name: String,
    password: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    next: String,
}

/// The query of a set-up link.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Link {
    token: String,
}

/// The fields of the set-up form.
#[derive(Deserialize)]
pub(super) struct Chosen {
    token: String,
    #[serde(default)]
    name: String,
    password: String,
}

/// The sign-in form.
pub(super) async fn form(request: HttpRequest, towards: web::Query<Towards>) -> HttpResponse {
    let (next, issuer) = (ours(&towards.next).to_owned(), issuer(&request));
    html(StatusCode::OK, sign_in::page(&sign_in::View { next, issuer, ..sign_in::View::default() }))
}

/// Signs a user in and redirects.
pub(super) async fn sign_in(request: HttpRequest, given: web::Form<Credentials>) -> HttpResponse {
    let code = Some(given.code.as_str()).filter(|code| !code.trim().is_empty());
    let signed_in = session::sign_in(&request, (&given.name, &given.password), code).await;
    let error = match signed_in {
        Ok(cookies) => return go_on(ours(&given.next), cookies),
        Err(error) => error,
    };
    let Refusal { status, text, after } = Refusal::of(&error);
    let next = ours(&given.next).to_owned();
    let (name, issuer) = (given.name.clone(), issuer(&request));
    let view = sign_in::View { wrong: Some(text), next, name, issuer };
    let mut response = html(status, sign_in::page(&view));
    wait(&mut response, after);
    response
}

/// Signs a user out.
pub(super) async fn sign_out(request: HttpRequest, SignedIn(own): SignedIn) -> HttpResponse {
    match session::sign_out(&request, &own).await {
        Ok(cookie) => go_on(SIGN_IN, [cookie]),
        Err(error) => refused_link(&error),
    }
}

/// The form of a set-up link.
pub(super) async fn link(request: HttpRequest, link: web::Query<Link>) -> HttpResponse {
    let about = async { session::access(&request)?.setup_link(&link.token).await };
    match about.await {
        Ok(about) => {
            let name = about.name.unwrap_or_default();
            let view = sign_in::SetUp {
                token: link.token.clone(),
                fixed: !name.is_empty(),
                name,
                wrong: None,
            };
            html(StatusCode::OK, sign_in::set_up(&view))
        }
        Err(error) => refused_link(&error),
    }
}

/// Uses a set-up link.
pub(super) async fn set_up(request: HttpRequest, chosen: web::Form<Chosen>) -> HttpResponse {
    let name = Some(chosen.name.trim()).filter(|name| !name.is_empty());
    let begun = session::set_up(&request, &chosen.token, name, &chosen.password).await;
    let error = match begun {
        Ok(Some(cookies)) => return go_on("/", cookies),
        // The user still needs a two-factor code, which the link does not replace.
        Ok(None) => return go_on(SIGN_IN, None),
        Err(error) => error,
    };
    if !matches!(error, AdminError::Invalid(_) | AdminError::Conflict(_)) {
        return refused_link(&error);
    }
    let about = async { session::access(&request)?.setup_link(&chosen.token).await };
    let fixed = about.await.is_ok_and(|about| about.name.is_some());
    let view = sign_in::SetUp {
        token: chosen.token.clone(),
        fixed,
        name: chosen.name.clone(),
        wrong: Some(sentence(&error.to_string())),
    };
    html(Words::of(&error).status, sign_in::set_up(&view))
}

/// A failed sign-in.
pub(super) struct Refusal {
    /// The status.
    pub(super) status: StatusCode,
    /// The reason, a sentence.
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
                let Words { status, text, .. } = Words::of(error);
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
pub(super) fn go_on(to: &str, cookies: impl IntoIterator<Item = Cookie<'static>>) -> HttpResponse {
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
    let words = Words::of(error);
    let page = match error {
        AdminError::NotFound(_) => sign_in::spent(),
        _ => sign_in::trouble(words.title, &words.text),
    };
    html(words.status, page)
}

/// A path of the console, or `/` for anything else. Browsers read `//` and `/\` as the beginning of
/// another host, and ignore invisible characters.
pub(super) fn ours(next: &str) -> &str {
    let path = next.strip_prefix('/').is_some_and(|rest| !rest.starts_with('/'));
    let plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let circle = next.starts_with(SIGN_IN);
    if path && plain && !circle { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_within_the_console() {
        for path in ["/", "/events?q=a%20b&type=x", "/deliveries/1"] {
            assert_eq!(ours(path), path);
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
            assert_eq!(ours(elsewhere), "/", "{elsewhere:?}");
        }
    }
}
