//! The signed-in user's account: scopes, sessions, password, two-factor codes.

use maud::{Markup, html};
use time::OffsetDateTime;

use super::super::layout::{Head, PageContext, Section, note};
use super::super::parts::{
    BadgeTone, TEXT, button, command, field, panel, post, qr, said, stamp, table, terms, when, word,
};
use crate::admin::OwnSession;

/// The account.
pub(in crate::web::console) struct View {
    /// Its scopes.
    pub(in crate::web::console) scopes: Vec<String>,
    /// When this session began.
    pub(in crate::web::console) since: OffsetDateTime,
    /// Whether the user has a local password (false for single sign-on).
    pub(in crate::web::console) password: bool,
    /// The state of two-factor codes.
    pub(in crate::web::console) codes: Codes,
    /// Whether codes must be turned on before anything else is allowed.
    pub(in crate::web::console) must_enrol: bool,
    /// Sessions, most recently used first; empty on a page that redisplays another form.
    pub(in crate::web::console) sessions: Vec<OwnSession>,
    /// Why the last form was rejected.
    pub(in crate::web::console) wrong: Option<String>,
}

/// The state of two-factor codes.
pub(in crate::web::console) enum Codes {
    /// Not available, with the reason.
    Never(String),
    /// Off.
    Off,
    /// Set-up started: the `otpauth` address with the secret, and the secret to type; both are
    /// shown only on the page that starts the set-up.
    Begun(Option<(String, String)>),
    /// On.
    On,
}

/// The page.
pub(in crate::web::console) fn page(cx: &PageContext, view: &View) -> Markup {
    let head = Head { title: "Account", section: Some(Section::Account), ..Head::default() };
    let caller = &cx.viewer.caller;
    let may = html! { @for scope in &view.scopes { (word(scope, BadgeTone::Plain)) " " } };
    let you = terms(&[
        ("Name", html! { (said(caller.actor())) }),
        ("Tenant", html! { @if let Some(tenant) = caller.tenant() { (said(tenant)) } }),
        ("Scopes", may),
        ("Signed in", stamp(view.since, cx.now)),
    ]);
    cx.page(&head, &html! {
        @if view.must_enrol {
            (note("required", BadgeTone::Warn, &html! {
                "Two-factor authentication is required. Set it up below; until then no other page is available."
            }))
        }
        @if let Some(wrong) = &view.wrong { (note("not changed", BadgeTone::Bad, &html! { (said(wrong)) })) }
        div .two {
            div .stack {
                (panel("Profile", &html! {}, &html! { div .pad { (you) } }))
                @if !view.sessions.is_empty() {
                    (panel("Sessions", &html! {}, &sessions(cx, &view.sessions)))
                }
                @if view.password { (panel("Password", &html! {}, &password(cx))) }
            }
            (panel("Two-factor authentication", &html! {}, &codes(cx, &view.codes)))
        }
    })
}

fn sessions(cx: &PageContext, sessions: &[OwnSession]) -> Markup {
    let columns =
        [("Signed in", TEXT), ("From", TEXT), ("Last seen", TEXT), ("Expires", TEXT), ("", TEXT)];
    let rows: Vec<Vec<Markup>> = sessions
        .iter()
        .map(|session| {
            vec![
                html! {
                    (stamp(session.since, cx.now))
                    @if session.is_this { " " (word("current", BadgeTone::Good)) }
                },
                html! { (said(&session.peer)) span .under { (said(&session.agent)) } },
                when(session.last_seen_at, cx.now),
                when(session.until, cx.now),
                html! { @if !session.is_this {
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

fn password(cx: &PageContext) -> Markup {
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

fn codes(cx: &PageContext, codes: &Codes) -> Markup {
    match codes {
        Codes::Never(why) => html! { div .pad { div .tight {
            p { (word("off", BadgeTone::Plain)) " Two-factor authentication is not available." }
            p .muted { (said(why)) }
        } } },
        Codes::Off => html! {
            div .pad {
                p { (word("off", BadgeTone::Plain)) " Sign-in requires only your password." }
            }
            (begin(cx, "first", "Set up two-factor authentication"))
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
            @if secret.is_none() { (begin(cx, "", "Start over")) }
        },
        Codes::On => html! {
            div .pad { p { (word("on", BadgeTone::Good)) " Sign-in requires a two-factor code." } }
            (post(cx, "/account/codes/off", "form", &html! {
                (password_now("password"))
                div .actions { button .risky { "Turn off" } }
            }))
        },
    }
}

fn begin(cx: &PageContext, class: &str, label: &str) -> Markup {
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
