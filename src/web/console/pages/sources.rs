//! The list of sources, one source, and its set-up instructions.

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
    /// Its provider.
    pub(in crate::web::console) provider: String,
    /// Its tenant.
    pub(in crate::web::console) tenant: String,
    /// Its state.
    pub(in crate::web::console) state: String,
    /// When the last verified event was received.
    pub(in crate::web::console) verified_at: Option<OffsetDateTime>,
    /// Whether an operator paused it.
    pub(in crate::web::console) is_paused: bool,
    /// How long rejected requests are kept; `None` if they are not.
    pub(in crate::web::console) keeps_rejected: Option<Duration>,
    /// The number of its secrets.
    pub(in crate::web::console) secrets: u64,
}

/// One source.
pub(in crate::web::console) struct One {
    /// Its row.
    pub(in crate::web::console) row: Row,
    /// The webhook URLs.
    pub(in crate::web::console) urls: Vec<String>,
    /// Whether those are public URLs, and not the listener's own address.
    pub(in crate::web::console) is_public: bool,
    /// The values of `{action}` in those URLs.
    pub(in crate::web::console) actions: Vec<String>,
    /// The signature scheme, in words.
    pub(in crate::web::console) scheme: String,
    /// Its handlers.
    pub(in crate::web::console) handlers: Vec<String>,
    /// Traffic counts by outcome.
    pub(in crate::web::console) traffic: Vec<Count>,
    /// Its secrets.
    pub(in crate::web::console) secrets: Vec<Secret>,
    /// When it was paused, by whom and why.
    pub(in crate::web::console) paused: Option<(OffsetDateTime, String, String)>,
    /// A command that sends a signed test event.
    pub(in crate::web::console) test: Option<String>,
}

/// A traffic count.
pub(in crate::web::console) struct Count {
    /// What is counted.
    pub(in crate::web::console) what: String,
    /// In the last hour.
    pub(in crate::web::console) hour: u64,
    /// In the last 24 hours.
    pub(in crate::web::console) day: u64,
    /// The list behind the count, if available.
    pub(in crate::web::console) href: Option<String>,
}

/// A secret, known only by its fingerprint.
pub(in crate::web::console) struct Secret {
    /// Its fingerprint.
    pub(in crate::web::console) fingerprint: String,
    /// `active`, or its state otherwise.
    pub(in crate::web::console) state: String,
    /// When it first verified a request.
    pub(in crate::web::console) first_used: Option<OffsetDateTime>,
    /// When it last verified a request.
    pub(in crate::web::console) last_used: Option<OffsetDateTime>,
    /// The number of requests it verified.
    pub(in crate::web::console) uses: u64,
}

/// The page with all of them.
pub(in crate::web::console) fn page(cx: &PageContext, view: &View) -> Markup {
    let head = Head {
        title: "Sources",
        lead: "Webhook senders and their secrets, as configured.",
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
                @if rows.is_empty() { (empty("No sources", "The configuration contains no sources.")) }
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
            span .under { "keeps rejected requests for " (age(span)) }
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
                ". New events are stored."
            }))
        }
        div .beside {
            div .stack {
                (panel("Source", &html! {}, &terms(&[
                    ("State", state(row)),
                    ("Provider", html! { (said(&row.provider)) }),
                    ("Tenant", html! { (said(&row.tenant)) }),
                    ("Signature", html! { (said(&view.scheme)) }),
                    ("Handlers", html! { (said(&view.handlers.join(", "))) }),
                    ("Webhook URLs", html! { @for url in &view.urls { code .said { (said(url)) } br; } }),
                    ("Last verified", html! { @if let Some(at) = row.verified_at { (stamp(at, cx.now)) } }),
                ])))
                (panel("Traffic", &html! { "Requests and deliveries by outcome" }, &traffic(&view.traffic)))
                (panel("Secrets", &html! { "Fingerprints only" }, &secrets(cx, &view.secrets)))
            }
            @if cx.may(Scope::SourcesWrite) && row.state != "disabled" {
                section .panel aria-label="Actions" {
                    (switch(cx, "source", &row.name, view.paused.is_some()))
                }
            }
        }
    })
}

fn traffic(counts: &[Count]) -> Markup {
    let columns = [("Outcome", TEXT), ("Last hour", NUMBER), ("Last 24 hours", NUMBER)];
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
        return empty("No secrets", "Requests of this source cannot be verified.");
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

/// The set-up page: the URL and the secret for the sender, and whether an event has arrived.
pub(in crate::web::console) fn set_up(cx: &PageContext, view: &One) -> Markup {
    let row = &view.row;
    let above = (format!("/sources/{}", link_path(&row.name)), row.name.clone());
    let head = Head {
        title: "Set up",
        lead: "Configure the webhook URL and the secret at the sender, then trigger an event.",
        section: Some(Section::Sources),
        within: Some(&above),
        refresh: row.verified_at.is_none().then_some(5),
        ..Head::default()
    };
    cx.page(&head, &html! {
        div #set-up data-live=[row.verified_at.is_none().then_some("2")] {
            @match row.verified_at {
                Some(at) => (note("verified", BadgeTone::Good, &html! {
                    strong { "Set-up complete. " } "A verified event was received " (when(at, cx.now)) ". "
                    a href={ "/events?source=" (link_path(&row.name)) } { "Show events" }
                })),
                None => (note("waiting", BadgeTone::Calm, &html! {
                    "No verified event yet. This page updates when the first one arrives."
                })),
            }
        }
        (panel("Webhook URL", &html! { "The URL the sender calls" }, &html! { div .pad { div .stack {
            @for (place, url) in view.urls.iter().enumerate() {
                (command(&format!("url-{place}"), if place == 0 { "URL" } else { "Or" }, url))
            }
            @if !view.actions.is_empty() {
                p .muted { code { "{action}" } " is one of " (said(&view.actions.join(", "))) "." }
            }
            @if !view.is_public {
                p .muted {
                    "This is the gateway's own address. Senders call the public host in front of it. "
                    "Set " code { "ingest.public_url" } " in the configuration to show the public URL here."
                }
            }
        } } }))
        (panel("Secret", &html! {}, &html! { div .pad { p {
            "The secret is in the configuration and is not shown. "
            @if view.secrets.is_empty() { "No secret is configured, so no request can be verified." }
            @else { "The sender's secret must have this fingerprint:" }
        }
        @for secret in &view.secrets { p { code { (said(&secret.fingerprint)) } } }
        p .muted { (said(&view.scheme)) }
        (command("fingerprint", "Compute the fingerprint of a secret in a file", "sealpost sources fingerprint < secret.txt")) } }))
        @if let Some(test) = &view.test {
            (panel("Test event", &html! {}, &html! { div .pad {
                p .muted {
                    "One event, signed with the source's secret and marked as a test (type "
                    code { "sealpost.test" } "). It is recorded and not delivered."
                }
                (command("test", "Send a test event", test))
            } }))
        }
    })
}
