//! One's own account: password, second factor, sessions.

use maud::{Markup, html};
use time::OffsetDateTime;

use super::super::frame::{Head, Section, Stage, note};
use super::super::parts::{
    TEXT, Tone, WIDE, button, command, empty, field, panel, post, qr, said, table, when, word,
};

/// The account.
pub(in crate::http::console) struct View {
    /// What it may do.
    pub(in crate::http::console) scopes: Vec<String>,
    /// How the second factor stands.
    pub(in crate::http::console) second_factor: SecondFactor,
    /// Sessions, this one included.
    pub(in crate::http::console) sessions: Vec<Session>,
    /// What was wrong with what was just tried.
    pub(in crate::http::console) wrong: Option<&'static str>,
}

/// How the second factor stands.
pub(in crate::http::console) enum SecondFactor {
    /// There is none.
    Off,
    /// Begun: the address that an app reads, which holds its secret; and that secret to type.
    Begun { address: String, secret: String },
    /// It is asked for.
    On,
}

/// A session.
pub(in crate::http::console) struct Session {
    /// Its public id.
    pub(in crate::http::console) id: String,
    /// Whether it is the one that looks.
    pub(in crate::http::console) this: bool,
    /// What the browser calls itself.
    pub(in crate::http::console) agent: String,
    /// When it began.
    pub(in crate::http::console) began_at: OffsetDateTime,
    /// When it was last used.
    pub(in crate::http::console) seen_at: OffsetDateTime,
}

/// The page.
pub(in crate::http::console) fn page(stage: &Stage, view: &View) -> Markup {
    let head = Head { title: "Account", section: Some(Section::Account), ..Head::default() };
    stage.page(&head, &html! {
        @if let Some(wrong) = view.wrong { (note("wrong", Tone::Bad, &html! { (wrong) })) }
        div .two {
            div .stack {
                (panel("You", &html! {}, &html! { div .pad { div .tight {
                    strong { (said(stage.viewer.caller.actor())) }
                    p { @for scope in &view.scopes { (word(scope, Tone::Plain)) " " } }
                } } }))
                (panel("Password", &html! {}, &password(stage)))
            }
            (panel("Second factor", &html! {}, &second_factor(stage, &view.second_factor)))
        }
        (panel("Sessions", &html! { "Each ends after 30 minutes without use" }, &sessions(stage, &view.sessions)))
    })
}

fn password(stage: &Stage) -> Markup {
    post(
        stage,
        "/account/password",
        "form",
        &html! {
            (field("current", "Password now", "", &html! {
                input #current name="current" type="password" required autocomplete="current-password";
            }))
            (field("new", "New password", "At least 12 characters.", &html! {
                input #new name="new" type="password" required minlength="12" autocomplete="new-password"
                      aria-describedby="new-hint";
            }))
            div .actions { button { "Change it" } }
            p .muted .small { "Your other sessions end." }
        },
    )
}

fn second_factor(stage: &Stage, factor: &SecondFactor) -> Markup {
    let code = field(
        "code",
        "Code",
        "The six digits that the app shows.",
        &html! {
            input #code name="code" inputmode="numeric" pattern="[0-9]{6}" maxlength="6" required
                  autocomplete="one-time-code" aria-describedby="code-hint";
        },
    );
    match factor {
        SecondFactor::Off => html! { div .pad { div .tight {
            p { (word("off", Tone::Plain)) " Only your password is asked for when you sign in." }
            (button(stage, "/account/second-factor", "first", "Set it up"))
        } } },
        SecondFactor::Begun { address, secret } => html! {
            div .pad { div .tight {
                p { "Let an authenticator app read this, then type the code that it shows." }
                (qr(address))
                (command("secret", "Or type this into the app", secret))
            } }
            (post(stage, "/account/second-factor/confirm", "form", &html! {
                (code)
                div .actions { button .first { "Turn it on" } }
            }))
        },
        SecondFactor::On => html! {
            div .pad { p { (word("on", Tone::Good)) " A code is asked for when you sign in." } }
            (post(stage, "/account/second-factor/remove", "form", &html! {
                (code)
                div .actions { button .risky { "Turn it off" } }
            }))
        },
    }
}

fn sessions(stage: &Stage, sessions: &[Session]) -> Markup {
    if sessions.is_empty() {
        return empty("No sessions", "You are not signed in by a password.");
    }
    let columns = [("Browser", WIDE), ("Began", TEXT), ("Last used", TEXT), ("", TEXT)];
    let rows: Vec<Vec<Markup>> = sessions.iter().map(|session| vec![
        html! { (said(&session.agent)) @if session.this { " " (word("this one", Tone::Good)) } },
        when(session.began_at, stage.now),
        when(session.seen_at, stage.now),
        html! { @if !session.this {
            (button(stage, &format!("/account/sessions/{}/end", super::super::parts::link_path(&session.id)), "small-button", "End"))
        } },
    ]).collect();
    table("Sessions", &columns, &rows)
}
