//! The sign-in page and the form of a set-up link.

use maud::{Markup, html};
use url::form_urlencoded;

use super::super::layout::{bare, note, passing};
use super::super::parts::{BadgeTone, field, said};

/// The sign-in form.
#[derive(Debug, Default)]
pub(in crate::web::console) struct View {
    /// Why the last attempt failed: the same text whether the name, password or code was wrong.
    pub(in crate::web::console) wrong: Option<String>,
    /// The path to redirect to after signing in.
    pub(in crate::web::console) next: String,
    /// The name as typed.
    pub(in crate::web::console) name: String,
    /// The display name of the single sign-on issuer, if configured.
    pub(in crate::web::console) issuer: Option<String>,
}

/// The form of a set-up link.
#[derive(Debug, Default)]
pub(in crate::web::console) struct SetUp {
    /// The token of the link, sent along with the form.
    pub(in crate::web::console) token: String,
    /// The user name of the link, or the name as typed.
    pub(in crate::web::console) name: String,
    /// Whether the link fixes the name.
    pub(in crate::web::console) fixed: bool,
    /// Why the last submission was rejected.
    pub(in crate::web::console) wrong: Option<String>,
}

/// The sign-in page.
pub(in crate::web::console) fn page(view: &View) -> Markup {
    bare(
        "Sign in",
        &html! {
            @if let Some(wrong) = &view.wrong {
                (note("sign-in failed", BadgeTone::Bad, &html! { (said(wrong)) }))
            }
            section .panel {
                header { h1 { "Sign in" } }
                form .form method="post" action="/sign-in" {
                    input type="hidden" name="next" value=(view.next);
                    (field("name", "Name", "", &html! {
                        input #name name="name" value=(said(&view.name)) required autofocus
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
                        a .button href={ "/oidc/start?next=" (next) } { "Sign in with " (said(issuer)) }
                    }
                }
            }
        },
    )
}

/// The page shown after single sign-on, which redirects within the console.
pub(in crate::web::console) fn arrived(next: &str) -> Markup {
    passing(
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

/// The page of a set-up link.
pub(in crate::web::console) fn set_up(view: &SetUp) -> Markup {
    bare(
        "Set up your account",
        &html! {
            @if let Some(wrong) = &view.wrong {
                (note("not completed", BadgeTone::Bad, &html! { (said(wrong)) }))
            }
            section .panel {
                header { h1 { "Set up your account" } }
                form .form method="post" action="/setup" {
                    input type="hidden" name="token" value=(view.token);
                    (field("name", "Name", "You sign in with this name.", &html! {
                        input #name name="name" value=(said(&view.name)) readonly[view.fixed] required
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

/// The page of an expired link.
pub(in crate::web::console) fn spent() -> Markup {
    let text = "It was already used or has expired. Ask an administrator for a new one.";
    trouble("Link expired", text)
}

/// The error page for users who are not signed in.
pub(in crate::web::console) fn trouble(title: &str, text: &str) -> Markup {
    bare(
        title,
        &html! {
            section .panel {
                header { h1 { (said(title)) } }
                div .pad { div .tight {
                    p { (said(text)) }
                    a .button href="/sign-in" { "Sign in" }
                } }
            }
        },
    )
}
