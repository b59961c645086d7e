//! Sources: the list, one source, and its set-up instructions.

use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use time::{Duration, OffsetDateTime};

use super::actions::offer_for;
use super::layout::{Head, PageContext, Section, note};
use super::parts::{
    BadgeTone, NUMBER, TEXT, age, badge, command, empty, link_path, number, panel, stamp, table,
    terms, visible, when,
};
use super::pauses::switch;
use crate::admin::actions::Noun;
use crate::admin::{Counts, PauseTarget, Scope, Source, SourceSecret, SourceSetup};
use crate::web::admin::AdminState;

pub(super) fn routes(app: &mut web::ServiceConfig) {
    app.route("/sources", web::get().to(list))
        .route("/sources/{name}", web::get().to(show))
        .route("/sources/{name}/set-up", web::get().to(show_set_up));
}

async fn list(cx: PageContext, admin: web::Data<AdminState>) -> HttpResponse {
    let sources = admin.monitoring.sources(&cx.viewer.caller);
    cx.show(sources, |cx, sources| page(cx, sources)).await
}

async fn show(
    cx: PageContext,
    admin: web::Data<AdminState>,
    name: web::Path<String>,
) -> HttpResponse {
    cx.show(admin.monitoring.source(&cx.viewer.caller, &name), one).await
}

async fn show_set_up(
    cx: PageContext,
    admin: web::Data<AdminState>,
    name: web::Path<String>,
) -> HttpResponse {
    cx.show(admin.monitoring.source(&cx.viewer.caller, &name), set_up).await
}

pub(super) fn page(cx: &PageContext, sources: &[Source]) -> Markup {
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
    let rows: Vec<Vec<Markup>> = sources
        .iter()
        .map(|source| {
            vec![
                html! { a href={ "/sources/" (link_path(&source.name)) } { (visible(&source.name)) } },
                provider(cx, source),
                html! { (visible(&source.tenant)) },
                state(source),
                html! { @match source.last_event_at {
                    Some(at) => (when(at, cx.now)),
                    None => span .muted { "never" },
                } },
                html! { (number(source.secrets.iter().filter(|secret| is_current(secret)).count() as u64)) },
                html! { a href={ "/sources/" (link_path(&source.name)) "/set-up" } { "Set up" } },
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

fn provider(cx: &PageContext, source: &Source) -> Markup {
    let href = format!("/providers/{}", link_path(&source.provider));
    cx.link(Section::Providers, &href, &source.provider)
}

fn state(source: &Source) -> Markup {
    let setup = match source.setup {
        SourceSetup::Receiving => "ok",
        other => other.as_str(),
    };
    html! {
        @if source.paused.is_some() { (badge("paused", BadgeTone::Warn)) " " }
        (badge(setup, BadgeTone::of(setup)))
        @if let Some(seconds) = source.keep_rejected_seconds {
            span .under { "keeps rejected requests for " (age(Duration::seconds_f64(seconds))) }
        }
    }
}

/// Whether requests are verified with it.
fn is_current(secret: &SourceSecret) -> bool {
    secret.place.is_some() || secret.stored_at.is_some()
}

fn scheme(source: &Source) -> String {
    let headers = match source.headers.as_slice() {
        [] => String::new(),
        headers => format!("Header {}; ", headers.join(", ")),
    };
    format!("{headers}freshness window: {}", source.freshness())
}

pub(super) fn one(cx: &PageContext, source: &Source) -> Markup {
    let here = format!("/sources/{}", link_path(&source.name));
    let head = Head {
        title: &source.name,
        section: Some(Section::Sources),
        below: true,
        actions: Some(html! {
            a .button href={ "/events?source=" (link_path(&source.name)) } { "Events" }
            a .button href={ (here) "/set-up" } { "Set up" }
            @if cx.may(Scope::SecretsWrite) {
                a .button href={ "/explain?source=" (link_path(&source.name)) } { "Explain a request" }
            }
        }),
        ..Head::default()
    };
    cx.page(&head, &html! {
        (handshake_note(cx, source))
        @if let Some(pause) = &source.paused {
            (note("paused", BadgeTone::Warn, &html! {
                "By " (visible(&pause.paused_by)) ", " (stamp(pause.paused_at, cx.now)) ": "
                (visible(&pause.reason))
                ". New events are stored."
            }))
        }
        div .beside {
            div .stack {
                (panel("Source", &html! {}, &terms(&[
                    ("State", state(source)),
                    ("Provider", provider(cx, source)),
                    ("Tenant", html! { (visible(&source.tenant)) }),
                    ("Signature", html! { (visible(&scheme(source))) }),
                    ("Handlers", html! { (visible(&source.handlers.join(", "))) }),
                    ("Webhook URLs", html! { @for url in &source.urls { code .said { (visible(url)) } br; } }),
                    ("Last verified", html! { @if let Some(at) = source.last_event_at { (stamp(at, cx.now)) } }),
                ])))
                (panel("Traffic", &html! { "Requests and deliveries by outcome" }, &traffic(cx, source)))
                (panel("Secrets", &html! { "Fingerprints only" }, &secrets(cx, &source.secrets)))
            }
            @if source.setup != SourceSetup::Disabled { (actions(cx, source)) }
        }
    })
}

/// Whether a handshake that brings a secret is accepted, and what to do before there is one.
fn handshake_note(cx: &PageContext, source: &Source) -> Markup {
    let Some(handshake) = &source.handshake else { return html! {} };
    let has_secret = source.secrets.iter().any(is_current);
    match (handshake.open_until, &handshake.opened_by) {
        (Some(until), Some(by)) => note(
            "open",
            BadgeTone::Warn,
            &html! {
                "The next handshake is accepted, until " (stamp(until, cx.now)) ", opened by "
                (visible(by)) ". Let the sender send it now."
            },
        ),
        _ if !has_secret => note(
            "no secret",
            BadgeTone::Warn,
            &html! {
                "The sender brings the secret in a handshake, and every request is rejected until then. "
                "Accept a handshake, and let the sender send it."
            },
        ),
        _ => html! {},
    }
}

fn actions(cx: &PageContext, source: &Source) -> Markup {
    let open = source.handshake.as_ref().map(|handshake| handshake.open_until.is_some());
    let open = open.filter(|_| cx.may(Scope::SecretsWrite));
    let has_stored = source.secrets.iter().any(|secret| secret.stored_at.is_some());
    let about = (&*source.name, &*format!("source {}", source.name));
    if !cx.may(Scope::SourcesWrite) && open.is_none() {
        return html! {};
    }
    html! {
        section .panel aria-label="Actions" {
            @if cx.may(Scope::SourcesWrite) {
                (switch(cx, PauseTarget::Source, &source.name, source.paused.is_some()))
            }
            @if let Some(is_open) = open {
                (offer_for(cx, Noun::Source, "accept-handshake", about))
                @if is_open { (offer_for(cx, Noun::Source, "refuse-handshake", about)) }
                @if has_stored { (offer_for(cx, Noun::Source, "remove-secret", about)) }
            }
        }
    }
}

/// The traffic counts; rejection reasons follow the number of rejected requests.
fn traffic(cx: &PageContext, source: &Source) -> Markup {
    let name = link_path(&source.name);
    let events = format!("/events?source={name}");
    let dead = format!("/dead-letters/all?source={name}&which=all");
    let rejected = (source.keep_rejected_seconds.is_some() && cx.may(Scope::SecretsWrite))
        .then(|| format!("/rejected-requests?source={name}"));
    let row = |label: &str, of: &dyn Fn(&Counts) -> u64, href: Option<&str>| {
        let shown = |count: u64| {
            html! { @match href.filter(|_| count > 0) {
                Some(href) => a href=(href) { (number(count)) },
                None => (number(count)),
            } }
        };
        vec![html! { (visible(label)) }, shown(of(&source.hour)), shown(of(&source.day))]
    };
    let mut rows = vec![
        row("Requests", &|counts| counts.received, None),
        row("New events", &|counts| counts.accepted, Some(&events)),
        row("Duplicates", &|counts| counts.duplicates, None),
        row("Chunks", &|counts| counts.chunks, Some("/transfers")),
        row("Quarantined", &|counts| counts.quarantined, Some(&dead)),
        row("Rejected", &|counts| counts.refused, rejected.as_deref()),
    ];
    rows.extend(source.day.reasons.iter().map(|one| {
        let of = |counts: &Counts| {
            let known = counts.reasons.iter().find(|known| known.reason == one.reason);
            known.map_or(0, |known| known.count)
        };
        row(&format!("Rejected: {}", one.reason), &of, rejected.as_deref())
    }));
    rows.extend([
        row("Handled", &|counts| counts.handled, Some(&format!("{events}&state=done"))),
        row("Failed attempts", &|counts| counts.retries, None),
        row("Dead letters", &|counts| counts.dead, Some(&dead)),
    ]);
    let columns = [("Outcome", TEXT), ("Last hour", NUMBER), ("Last 24 hours", NUMBER)];
    table("Traffic", &columns, &rows)
}

fn secrets(cx: &PageContext, secrets: &[SourceSecret]) -> Markup {
    if secrets.is_empty() {
        return empty("No secrets", "Requests of this source cannot be verified.");
    }
    let columns = [
        ("Fingerprint", TEXT),
        ("State", TEXT),
        ("Handshake", TEXT),
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
            let state = match secret.removable {
                true => "unused: safe to remove",
                false if is_current(secret) => "active",
                false => "no longer configured",
            };
            vec![
                html! { code .nowrap { (visible(&secret.fingerprint)) } },
                badge(state, BadgeTone::of(state)),
                html! { @if let Some(at) = secret.stored_at { (when(at, cx.now)) } },
                html! { (number(secret.requests)) },
                at(secret.first_at),
                at(secret.last_at),
            ]
        })
        .collect();
    table("Secrets", &columns, &rows)
}

/// The set-up page: the URL and the secret for the sender, and whether an event has arrived.
pub(super) fn set_up(cx: &PageContext, source: &Source) -> Markup {
    let above = (format!("/sources/{}", link_path(&source.name)), source.name.clone());
    let head = Head {
        title: "Set up",
        lead: "Configure the webhook URL and the secret at the sender, then trigger an event.",
        section: Some(Section::Sources),
        within: Some(&above),
        refresh: source.last_event_at.is_none().then_some(5),
        ..Head::default()
    };
    cx.page(&head, &html! {
        div #set-up data-live=[source.last_event_at.is_none().then_some("2")] {
            @match source.last_event_at {
                Some(at) => (note("verified", BadgeTone::Good, &html! {
                    strong { "Set-up complete. " } "A verified event was received " (when(at, cx.now)) ". "
                    a href={ "/events?source=" (link_path(&source.name)) } { "Show events" }
                })),
                None => (note("waiting", BadgeTone::Calm, &html! {
                    "No verified event yet. This page updates when the first one arrives."
                })),
            }
        }
        (panel("Webhook URL", &html! { "The URL the sender calls" }, &html! { div .pad { div .stack {
            @for (place, url) in source.urls.iter().enumerate() {
                (command(&format!("url-{place}"), if place == 0 { "URL" } else { "Or" }, url))
            }
            @if !source.actions.is_empty() {
                p .muted { code { "{action}" } " is one of " (visible(&source.actions.join(", "))) "." }
            }
            @if !source.urls_are_public {
                p .muted {
                    "This is the gateway's own address. Senders call the public host in front of it. "
                    "Set " code { "ingest.public_url" } " in the configuration to show the public URL here."
                }
            }
        } } }))
        (panel("Secret", &html! {}, &html! { div .pad { p {
            @if source.handshake.is_some() {
                "The sender brings the secret in a handshake, while one is accepted: "
                code { "sealpost sources accept-handshake " (visible(&source.name)) } ". "
            }
            @if !source.secrets.is_empty() { "A secret is not shown. The sender's secret must have this fingerprint:" }
            @else if source.handshake.is_none() { "None: the sender publishes its keys, and they are fetched when a request needs them." }
        }
        @for secret in &source.secrets { p { code { (visible(&secret.fingerprint)) } } }
        p .muted { (visible(&scheme(source))) }
        (command("fingerprint", "Compute the fingerprint of a secret in a file", "sealpost sources fingerprint < secret.txt")) } }))
        (panel("Test event", &html! {}, &html! { div .pad {
                p .muted {
                    "One event, signed with the source's secret and marked as a test (type "
                    code { "sealpost.test" } "). It is recorded and not delivered."
                }
                (command("test", "Send a test event", &test_command(source)))
        } }))
    })
}

fn test_command(source: &Source) -> String {
    let own = source.urls.first().zip(source.paths.first());
    let base = own.and_then(|(url, path)| url.strip_suffix(path.as_str())).unwrap_or_default();
    format!("sealpost sources test {} --to {base}", source.name)
}
