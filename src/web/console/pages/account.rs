//! One's own account: what it may, the password, the codes.

use maud::{Markup, html};
use time::OffsetDateTime;

use super::super::layout::{Head, PageContext, Section, note};
use super::super::parts::{
    BadgeTone, TEXT, button, command, field, panel, post, qr, said, stamp, table, terms, when, word,
};
use crate::admin::OwnSession;

/// The account.
pub(in crate::web::console) struct View {
    /// What it may do.
    pub(in crate::web::console) scopes: Vec<String>,
    /// Since when this session lasts.
    pub(in crate::web::console) since: OffsetDateTime,
    /// Whether a password is kept here.
    pub(in crate::web::console) password: bool,
    /// How the codes stand.
    pub(in crate::web::console) codes: Codes,
    /// Whether nothing else can be done before codes are turned on.
    pub(in crate::web::console) must_enrol: bool,
    /// Their sessions, the one that was used last first; none on a page that is about another form.
    pub(in crate::web::console) sessions: Vec<OwnSession>,
    /// What was wrong with what was just tried.
    pub(in crate::web::console) wrong: Option<String>,
}

/// How the codes of an authenticator app stand.
pub(in crate::web::console) enum Codes {
    /// There can be none: why.
    Never(String),
    /// None is asked for.
    Off,
    /// Begun: the address that an app reads, which holds the secret, and the secret to type; both
    /// only on the page that follows the beginning.
    Begun(Option<(String, String)>),
    /// One is asked for.
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
        ("May", may),
        ("Signed in", stamp(view.since, cx.now)),
    ]);
    cx.page(&head, &html! {
        @if view.must_enrol {
            (note("required", BadgeTone::Warn, &html! {
                "A second factor is required here. Set codes up below: until then you can do nothing else."
            }))
        }
        @if let Some(wrong) = &view.wrong { (note("not done", BadgeTone::Bad, &html! { (said(wrong)) })) }
        div .two {
            div .stack {
                (panel("You", &html! {}, &html! { div .pad { (you) } }))
                @if !view.sessions.is_empty() {
                    (panel("Sessions", &html! {}, &sessions(cx, &view.sessions)))
                }
                @if view.password { (panel("Password", &html! {}, &password(cx))) }
            }
            (panel("Codes", &html! {}, &codes(cx, &view.codes)))
        }
    })
}

fn sessions(cx: &PageContext, sessions: &[OwnSession]) -> Markup {
    let columns =
        [("Signed in", TEXT), ("From", TEXT), ("Last seen", TEXT), ("Ends", TEXT), ("", TEXT)];
    let rows: Vec<Vec<Markup>> = sessions
        .iter()
        .map(|session| {
            vec![
                html! {
                    (stamp(session.since, cx.now))
                    @if session.is_this { " " (word("this one", BadgeTone::Good)) }
                },
                html! { (said(&session.peer)) span .under { (said(&session.agent)) } },
                when(session.last_seen_at, cx.now),
                when(session.until, cx.now),
                html! { @if !session.is_this {
                    (button(cx, &format!("/account/sessions/{}/end", session.id), "risky", "End"))
                } },
            ]
        })
        .collect();
    html! {
        (table("Sessions", &columns, &rows))
        @if sessions.len() > 1 {
            div .pad { (button(cx, "/account/sessions/end", "risky", "Sign out everywhere else")) }
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
            (field("new", "New password", "At least 12 characters; a few words are fine.", &html! {
                input #new name="new" type="password" required minlength="12" autocomplete="new-password"
                      aria-describedby="new-hint";
            }))
            div .actions { button { "Change it" } }
            p .muted .small { "Your other sessions end." }
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
            p { (word("off", BadgeTone::Plain)) " No codes can be asked for." }
            p .muted { (said(why)) }
        } } },
        Codes::Off => html! {
            div .pad {
                p { (word("off", BadgeTone::Plain)) " Only your password is asked for when you sign in." }
            }
            (begin(cx, "first", "Set codes up"))
        },
        Codes::Begun(secret) => html! {
            div .pad { div .tight {
                @if let Some((address, secret)) = secret {
                    p { "Let an authenticator app read this, then type the code that it shows." }
                    (qr(address))
                    (command("secret", "Or type this into the app", secret))
                } @else {
                    p { "Type the code that the app shows now, or begin anew." }
                }
            } }
            (post(cx, "/account/codes/confirm", "form", &html! {
                (field("code", "Code", "The six digits that the app shows.", &html! {
                    input #code name="code" inputmode="numeric" pattern="[0-9]{6}" maxlength="6" required
                          autocomplete="one-time-code" aria-describedby="code-hint";
                }))
                div .actions { button .first { "Turn codes on" } }
            }))
            @if secret.is_none() { (begin(cx, "", "Begin anew")) }
        },
        Codes::On => html! {
            div .pad { p { (word("on", BadgeTone::Good)) " A code is asked for when you sign in." } }
            (post(cx, "/account/codes/off", "form", &html! {
                (password_now("password"))
                div .actions { button .risky { "Turn codes off" } }
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
