//! The way in: signing in, and the first person's setting up.

use maud::{Markup, html};

use super::super::frame::{bare, note};
use super::super::parts::{Tone, field, panel};

/// The form to sign in with.
#[derive(Debug, Default)]
pub(in crate::http::console) struct View {
    /// Why the last try was none: always the same words, whatever was wrong.
    pub(in crate::http::console) wrong: Option<&'static str>,
    /// Where one wanted to go: a path of ours.
    pub(in crate::http::console) next: String,
    /// The name that was typed.
    pub(in crate::http::console) name: String,
    /// Whether a code is asked for, after the password was good.
    pub(in crate::http::console) code: bool,
    /// What the company's own sign-in is called, where there is one.
    pub(in crate::http::console) company: Option<String>,
}

/// The form for who was given a link.
#[derive(Debug, Default)]
pub(in crate::http::console) struct SetUp {
    /// The link's secret word, which the form carries on.
    pub(in crate::http::console) token: String,
    /// The name that the link is for; empty where one chooses it.
    pub(in crate::http::console) name: String,
    /// What was wrong with what was just tried.
    pub(in crate::http::console) wrong: Option<String>,
}

/// The page to sign in on.
pub(in crate::http::console) fn page(view: &View) -> Markup {
    bare(
        "Sign in",
        &html! {
            @if let Some(wrong) = view.wrong { (note("not signed in", Tone::Bad, &html! { (wrong) })) }
            section .panel {
                header { h1 { "Sign in" } }
                form .form method="post" action="/sign-in" {
                    input type="hidden" name="next" value=(view.next);
                    @if view.code {
                        (field("code", "Code", "The six digits that your app shows.", &html! {
                            input #code name="code" inputmode="numeric" pattern="[0-9]{6}" maxlength="6" required
                                  autofocus autocomplete="one-time-code" aria-describedby="code-hint";
                        }))
                    } @else {
                        (field("name", "Name", "", &html! {
                            input #name name="name" value=(view.name) required autofocus
                                  autocomplete="username" autocapitalize="none" spellcheck="false";
                        }))
                        (field("password", "Password", "", &html! {
                            input #password name="password" type="password" required autocomplete="current-password";
                        }))
                    }
                    div .actions { button .first { "Sign in" } }
                }
                @if let Some(company) = &view.company {
                    form .form method="post" action="/sign-in/company" {
                        input type="hidden" name="next" value=(view.next);
                        button { "Sign in with " (super::super::parts::said(company)) }
                    }
                }
            }
        },
    )
}

/// The page for who was given a link.
pub(in crate::http::console) fn set_up(view: &SetUp) -> Markup {
    bare(
        "Set up your account",
        &html! {
            @if let Some(wrong) = &view.wrong {
                (note("not yet", Tone::Bad, &html! { (super::super::parts::said(wrong)) }))
            }
            section .panel {
                header { h1 { "Set up your account" } }
                form .form method="post" action="/setup" {
                    input type="hidden" name="token" value=(view.token);
                    (field("name", "Name", "With it you sign in.", &html! {
                        input #name name="name" value=(view.name) readonly[!view.name.is_empty()] required autofocus
                              maxlength="100" autocomplete="username" autocapitalize="none" spellcheck="false"
                              aria-describedby="name-hint";
                    }))
                    (field("password", "Password", "At least 12 characters; a few words are fine.", &html! {
                        input #password name="password" type="password" required minlength="12"
                              autocomplete="new-password" aria-describedby="password-hint";
                    }))
                    div .actions { button .first { "Set it up" } }
                }
            }
        },
    )
}

/// The page on a link that is good no longer.
pub(in crate::http::console) fn spent() -> Markup {
    bare(
        "This link is spent",
        &html! {
            (panel("What now", &html! {}, &html! { div .pad { div .tight {
                h1 { "This link is spent" }
                p { "It was used, or is too old. Ask for another one: " code { "sealpost people invite" } "." }
                a .button href="/sign-in" { "Sign in" }
            } } }))
        },
    )
}
