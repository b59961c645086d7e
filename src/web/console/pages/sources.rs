//! The sources, one of them, and how one is set up.

use maud::{Markup, html};
use time::{Duration, OffsetDateTime};

use super::super::layout::{Head, PageContext, Section, note};
use super::super::parts::{
    BadgeTone, NUMBER, TEXT, age, command, empty, link_path, number, panel, said, stamp, table,
    terms, when, word,
};
use super::pauses::switch;
use crate::admin::Scope;

/// The list.
pub(in crate::web::console) struct View {
    /// The sources.
    pub(in crate::web::console) rows: Vec<Row>,
}

/// A source.
pub(in crate::web::console) struct Row {
    /// Its name.
    pub(in crate::web::console) name: String,
    /// What kind of sender it is.
    pub(in crate::web::console) provider: String,
    /// To whom it belongs.
    pub(in crate::web::console) tenant: String,
    /// How it stands, in a word.
    pub(in crate::web::console) state: String,
    /// Whether a verified event ever came.
    pub(in crate::web::console) verified_at: Option<OffsetDateTime>,
    /// Whether an operator holds it back.
    pub(in crate::web::console) is_paused: bool,
    /// How long requests that it refuses are held; `None` where they are not.
    pub(in crate::web::console) keeps_rejected: Option<Duration>,
    /// How many secrets it has.
    pub(in crate::web::console) secrets: u64,
}

/// One source.
pub(in crate::web::console) struct One {
    /// Its row.
    pub(in crate::web::console) row: Row,
    /// What its sender calls.
    pub(in crate::web::console) urls: Vec<String>,
    /// Whether that is so, and not the listener's own address.
    pub(in crate::web::console) is_public: bool,
    /// What `{action}` in those stands for.
    pub(in crate::web::console) actions: Vec<String>,
    /// How it signs, in words.
    pub(in crate::web::console) scheme: String,
    /// Its handlers.
    pub(in crate::web::console) handlers: Vec<String>,
    /// What came and what became of it.
    pub(in crate::web::console) traffic: Vec<Count>,
    /// Its secrets.
    pub(in crate::web::console) secrets: Vec<Secret>,
    /// Since when an operator holds it back, who and why.
    pub(in crate::web::console) paused: Option<(OffsetDateTime, String, String)>,
    /// A command that sends a test event, signed.
    pub(in crate::web::console) test: Option<String>,
}

/// How much there was of something.
pub(in crate::web::console) struct Count {
    /// Of what.
    pub(in crate::web::console) what: String,
    /// In the last hour.
    pub(in crate::web::console) hour: u64,
    /// In the last day.
    pub(in crate::web::console) day: u64,
    /// Where it is listed, if it is.
    pub(in crate::web::console) href: Option<String>,
}

/// A secret, of which only the fingerprint is known.
pub(in crate::web::console) struct Secret {
    /// Its fingerprint.
    pub(in crate::web::console) fingerprint: String,
    /// `active`, or why not.
    pub(in crate::web::console) state: String,
    /// When it first verified a request.
    pub(in crate::web::console) first_used: Option<OffsetDateTime>,
    /// When it last did.
    pub(in crate::web::console) last_used: Option<OffsetDateTime>,
    /// How many requests it verified.
    pub(in crate::web::console) uses: u64,
}

/// The page with all of them.
pub(in crate::web::console) fn page(cx: &PageContext, view: &View) -> Markup {
    let head = Head {
        title: "Sources",
        lead: "Who may send, and with which secrets. They stand in the configuration.",
        section: Some(Section::Sources),
        ..Head::default()
    };
    let columns = [
        ("Source", TEXT),
        ("Provider", TEXT),
        ("Tenant", TEXT),
        ("State", TEXT),
        ("Last verified", TEXT),
        ("Secrets", NUMBER),
        ("", TEXT),
    ];
    let rows: Vec<Vec<Markup>> = view
        .rows
        .iter()
        .map(|row| {
            vec![
                html! { a href={ "/sources/" (link_path(&row.name)) } { (said(&row.name)) } },
                html! { (said(&row.provider)) },
                html! { (said(&row.tenant)) },
                state(row),
                html! { @match row.verified_at {
                    Some(at) => (when(at, cx.now)),
                    None => span .muted { "never" },
                } },
                html! { (number(row.secrets)) },
                html! { a href={ "/sources/" (link_path(&row.name)) "/set-up" } { "Set up" } },
            ]
        })
        .collect();
    cx.page(
        &head,
        &html! {
            section .panel aria-label="Sources" #list data-live="15" {
                @if rows.is_empty() { (empty("No sources", "The configuration names none.")) }
                @else { (table("Sources", &columns, &rows)) }
            }
        },
    )
}

fn state(row: &Row) -> Markup {
    html! {
        @if row.is_paused { (word("paused", BadgeTone::Warn)) " " }
        (word(&row.state, BadgeTone::of(&row.state)))
        @if let Some(span) = row.keeps_rejected {
            span .under { "holds what it refuses for " (age(span)) }
        }
    }
}

/// The page with one.
pub(in crate::web::console) fn one(cx: &PageContext, view: &One) -> Markup {
    let row = &view.row;
    let here = format!("/sources/{}", link_path(&row.name));
    let head = Head {
        title: &row.name,
        section: Some(Section::Sources),
        below: true,
        actions: Some(html! {
            a .button href={ "/events?source=" (link_path(&row.name)) } { "Events" }
            a .button href={ (here) "/set-up" } { "Set up" }
            @if cx.may(Scope::SecretsWrite) {
                a .button href={ "/explain?source=" (link_path(&row.name)) } { "Explain a request" }
            }
        }),
        ..Head::default()
    };
    cx.page(&head, &html! {
        @if let Some((at, actor, reason)) = &view.paused {
            (note("paused", BadgeTone::Warn, &html! {
                "By " (said(actor)) ", " (stamp(*at, cx.now)) ": " (said(reason))
                ". What arrives is kept."
            }))
        }
        div .beside {
            div .stack {
                (panel("Source", &html! {}, &terms(&[
                    ("State", state(row)),
                    ("Provider", html! { (said(&row.provider)) }),
                    ("Tenant", html! { (said(&row.tenant)) }),
                    ("Signs", html! { (said(&view.scheme)) }),
                    ("Handlers", html! { (said(&view.handlers.join(", "))) }),
                    ("Addresses", html! { @for url in &view.urls { code .said { (said(url)) } br; } }),
                    ("Last verified", html! { @if let Some(at) = row.verified_at { (stamp(at, cx.now)) } }),
                ])))
                (panel("Traffic", &html! { "What came, and what became of it" }, &traffic(&view.traffic)))
                (panel("Secrets", &html! { "Known by their fingerprints only" }, &secrets(cx, &view.secrets)))
            }
            @if cx.may(Scope::SourcesWrite) && row.state != "disabled" {
                section .panel aria-label="What to do" {
                    (switch(cx, "source", &row.name, view.paused.is_some()))
                }
            }
        }
    })
}

fn traffic(counts: &[Count]) -> Markup {
    let columns = [("What", TEXT), ("Last hour", NUMBER), ("Last day", NUMBER)];
    let shown = |count: &Count, of: u64| {
        html! { @match count.href.as_ref().filter(|_| of > 0) {
            Some(href) => a href=(href) { (number(of)) },
            None => (number(of)),
        } }
    };
    let rows: Vec<Vec<Markup>> = counts
        .iter()
        .map(|one| vec![html! { (said(&one.what)) }, shown(one, one.hour), shown(one, one.day)])
        .collect();
    table("Traffic", &columns, &rows)
}

fn secrets(cx: &PageContext, secrets: &[Secret]) -> Markup {
    if secrets.is_empty() {
        return empty("No secrets", "Nothing that it sends can be verified.");
    }
    let columns = [
        ("Fingerprint", TEXT),
        ("State", TEXT),
        ("Requests", NUMBER),
        ("First used", NUMBER),
        ("Last used", NUMBER),
    ];
    let at = |at: Option<OffsetDateTime>| {
        html! { @match at {
            Some(at) => (when(at, cx.now)),
            None => span .muted { "never" },
        } }
    };
    let rows: Vec<Vec<Markup>> = secrets
        .iter()
        .map(|secret| {
            vec![
                html! { code .nowrap { (said(&secret.fingerprint)) } },
                word(&secret.state, BadgeTone::of(&secret.state)),
                html! { (number(secret.uses)) },
                at(secret.first_used),
                at(secret.last_used),
            ]
        })
        .collect();
    table("Secrets", &columns, &rows)
}

/// The page that shows what to give the sender, and turns green.
pub(in crate::web::console) fn set_up(cx: &PageContext, view: &One) -> Markup {
    let row = &view.row;
    let above = (format!("/sources/{}", link_path(&row.name)), row.name.clone());
    let head = Head {
        title: "Set up",
        lead: "Give the sender the address and the secret; then let it send something.",
        section: Some(Section::Sources),
        within: Some(&above),
        refresh: row.verified_at.is_none().then_some(5),
        ..Head::default()
    };
    cx.page(&head, &html! {
        div #set-up data-live=[row.verified_at.is_none().then_some("2")] {
            @match row.verified_at {
                Some(at) => (note("verified", BadgeTone::Good, &html! {
                    strong { "It works. " } "A verified event was received " (when(at, cx.now)) ". "
                    a href={ "/events?source=" (link_path(&row.name)) } { "See it" }
                })),
                None => (note("waiting", BadgeTone::Calm, &html! {
                    "No verified event yet. This page turns green when the first one comes."
                })),
            }
        }
        (panel("The address", &html! { "It is what the sender calls" }, &html! { div .pad { div .stack {
            @for (place, url) in view.urls.iter().enumerate() {
                (command(&format!("url-{place}"), if place == 0 { "URL" } else { "Or" }, url))
            }
            @if !view.actions.is_empty() {
                p .muted { code { "{action}" } " is one of " (said(&view.actions.join(", "))) "." }
            }
            @if !view.is_public {
                p .muted {
                    "It is the gateway's own address: the sender calls the public host that stands in front. "
                    "Say it in the configuration, as " code { "ingest.public_url" } ", and it is shown here."
                }
            }
        } } }))
        (panel("The secret", &html! {}, &html! { div .pad { p {
            "The configuration names it; it is not shown. "
            @if view.secrets.is_empty() { "There is none yet: nothing can be verified." }
            @else { "What the sender signs with must have this fingerprint:" }
        }
        @for secret in &view.secrets { p { code { (said(&secret.fingerprint)) } } }
        p .muted { (said(&view.scheme)) }
        (command("fingerprint", "Computes the fingerprint of a secret in a file", "sealpost sources fingerprint < secret.txt")) } }))
        @if let Some(test) = &view.test {
            (panel("A test", &html! {}, &html! { div .pad {
                p .muted {
                    "One event, signed with the source's secret and marked as a test (type "
                    code { "sealpost.test" } "): it is recorded, and handed to nobody."
                }
                (command("test", "Sends one harmless test event", test))
            } }))
        }
    })
}
