//! The way in: signing in, and the form of a one-time link.

use maud::{Markup, html};
use url::form_urlencoded;

use super::super::layout::{bare, note, passing};
use super::super::parts::{BadgeTone, field, said};

/// The form to sign in with.
#[derive(Debug, Default)]
pub(in crate::web::console) struct View {
    /// Why the last try was none: the same words, whichever of name, password and code was wrong.
    pub(in crate::web::console) wrong: Option<String>,
    /// Where one wanted to go: a path of ours.
    pub(in crate::web::console) next: String,
    /// The name that was typed.
    pub(in crate::web::console) name: String,
    /// What people call the issuer where they may sign in, too.
    pub(in crate::web::console) issuer: Option<String>,
}

/// The form for who was given a link.
#[derive(Debug, Default)]
pub(in crate::web::console) struct SetUp {
    /// The link's secret word, which the form carries on.
    pub(in crate::web::console) token: String,
    /// The name that the link is for, or that was typed.
    pub(in crate::web::console) name: String,
    /// Whether the link is for that name.
    pub(in crate::web::console) fixed: bool,
    /// What was wrong with what was just tried.
    pub(in crate::web::console) wrong: Option<String>,
}

/// The page to sign in on.
pub(in crate::web::console) fn page(view: &View) -> Markup {
    bare(
        "Sign in",
        &html! {
            @if let Some(wrong) = &view.wrong {
                (note("not signed in", BadgeTone::Bad, &html! { (said(wrong)) }))
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
                    (field("code", "Code", "Six digits from your authenticator app, if you have set one up.", &html! {
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

/// The page from which who has signed in elsewhere goes on.
pub(in crate::web::console) fn arrived(next: &str) -> Markup {
    passing(
        "Signed in",
        next,
        &html! {
            section .panel {
                header { h1 { "You are signed in" } }
                div .pad { a .button.first href=(next) { "Go on" } }
            }
        },
    )
}

/// The page for who was given a link.
pub(in crate::web::console) fn set_up(view: &SetUp) -> Markup {
    bare(
        "Set up your account",
        &html! {
            @if let Some(wrong) = &view.wrong {
                (note("not yet", BadgeTone::Bad, &html! { (said(wrong)) }))
            }
            section .panel {
                header { h1 { "Set up your account" } }
                form .form method="post" action="/setup" {
                    input type="hidden" name="token" value=(view.token);
                    (field("name", "Name", "With it you sign in.", &html! {
                        input #name name="name" value=(said(&view.name)) readonly[view.fixed] required
                              autofocus[!view.fixed] maxlength="64" autocomplete="username"
                              autocapitalize="none" spellcheck="false" aria-describedby="name-hint";
                    }))
                    (field("password", "Password", "At least 12 characters; a few words are fine.", &html! {
                        input #password name="password" type="password" required minlength="12"
                              autofocus[view.fixed] autocomplete="new-password" aria-describedby="password-hint";
                    }))
                    div .actions { button .first { "Set it up" } }
                }
            }
        },
    )
}

/// The page on a link that is good no longer.
pub(in crate::web::console) fn spent() -> Markup {
    let text = "It was used, or is too old. Ask an administrator for another one.";
    trouble("This link is spent", text)
}

/// The page on why somebody who is not signed in does not get what they ask for.
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
