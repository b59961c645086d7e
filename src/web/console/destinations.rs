//! Destinations: the list, and one with its statistics, recent responses and actions.

use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use time::Duration;

use super::actions::offer;
use super::layout::{Head, PageContext, Section, note};
use super::parts::{
    BadgeTone, NUMBER, TEXT, WIDE, badge, empty, link_path, number, panel, short, sparkline, stamp,
    table, terms, took, visible, when,
};
use crate::admin::actions::Noun;
use crate::admin::{
    Destination, DestinationDetail, DestinationHour, DestinationPause, DestinationResponse,
    DestinationState, Scope,
};
use crate::store::HandlerName;
use crate::web::admin::AdminState;

pub(super) fn routes(app: &mut web::ServiceConfig) {
    app.route("/destinations", web::get().to(list))
        .route("/destinations/{name}", web::get().to(show));
}

async fn list(cx: PageContext, admin: web::Data<AdminState>) -> HttpResponse {
    let destinations = admin.destinations.list(&cx.viewer.caller);
    cx.show(destinations, |cx, destinations| page(cx, destinations)).await
}

async fn show(
    cx: PageContext,
    admin: web::Data<AdminState>,
    name: web::Path<String>,
) -> HttpResponse {
    cx.show(admin.destinations.show(&cx.viewer.caller, &name), one).await
}

pub(super) fn page(cx: &PageContext, destinations: &[Destination]) -> Markup {
    let head = Head {
        title: "Destinations",
        lead: "Endpoints that receive verified events. Events for a paused or failing destination are kept.",
        section: Some(Section::Destinations),
        ..Head::default()
    };
    cx.page(
        &head,
        &html! {
            section .panel aria-label="Destinations" #list data-live="15" {
                @if destinations.is_empty() {
                    (empty("No destinations", "The configuration contains no destinations."))
                } @else {
                    (rows(cx, destinations))
                }
            }
        },
    )
}

fn rows(cx: &PageContext, destinations: &[Destination]) -> Markup {
    let columns = [
        ("Destination", TEXT),
        ("State", TEXT),
        ("Waiting", NUMBER),
        ("Oldest", TEXT),
        ("In flight", NUMBER),
        ("Dead letters", NUMBER),
        ("Last failure", WIDE),
    ];
    let rows: Vec<Vec<Markup>> = destinations.iter().map(|one| vec![
        html! {
            a #(link_path(&one.name)) href={ "/destinations/" (link_path(&one.name)) } { (visible(&one.name)) }
            @if let Some(url) = &one.url { span .under { (short(url, 80)) } }
        },
        html! {
            (state(one))
            @if let Some(since) = one.since { " " span .muted { "since " (when(since, cx.now)) } }
            @if let Some(reason) = &one.reason { span .under { (visible(reason)) } }
            @if let Some(pause) = &one.paused { span .under { (paused(pause)) } }
        },
        html! { (number(one.ready.unsigned_abs())) },
        html! { @if let Some(at) = one.oldest { (when(at, cx.now)) } },
        html! { (number(one.in_flight.unsigned_abs())) },
        html! { (number(one.dead.unsigned_abs())) },
        html! {
            @if let Some(at) = one.last_failed_at {
                (when(at, cx.now))
                @if let Some(error) = &one.last_error { span .under { (short(error, 160)) } }
            }
        },
    ]).collect();
    table("Destinations", &columns, &rows)
}

/// Who paused it, and why.
fn paused(pause: &DestinationPause) -> Markup {
    html! { "paused by " (visible(&pause.paused_by)) ": " (visible(&pause.reason)) }
}

fn state(destination: &Destination) -> Markup {
    let label = match destination.state {
        DestinationState::BackingOff => "backing off",
        other => other.as_str(),
    };
    badge(label, BadgeTone::of(label))
}

pub(super) fn one(cx: &PageContext, detail: &DestinationDetail) -> Markup {
    let destination = &detail.destination;
    let title = format!("Destination {}", destination.name);
    let head = Head {
        title: &title,
        lead: destination.url.as_deref().unwrap_or("Not in the configuration."),
        section: Some(Section::Destinations),
        below: true,
        actions: cx.may(Scope::EventsReplay).then(|| {
            let handler = HandlerName::Destination(&destination.name).to_string();
            let form = format!("/jobs/resend?handler={}", link_path(&handler));
            html! { a .button href=(form) { "Resend or back-fill" } }
        }),
        ..Head::default()
    };
    cx.page(&head, &html! {
        @if let Some(pause) = &destination.paused {
            (note("paused", BadgeTone::Warn, &html! {
                "By " (visible(&pause.paused_by)) ", " (stamp(pause.paused_at, cx.now)) ": "
                (visible(&pause.reason))
                ". New events are kept."
            }))
        }
        div .beside {
            div .stack {
                (panel("Last 24 hours", &html! {}, &day(detail)))
                (panel("Recent responses", &html! { "Newest first; at most one successful response per second" },
                       &answers(cx, &detail.responses)))
            }
            div .stack {
                (panel("Destination", &html! {}, &facts(cx, detail)))
                @if cx.may(Scope::SourcesWrite) { (acts(cx, destination)) }
            }
        }
    })
}

fn day(detail: &DestinationDetail) -> Markup {
    let percent = detail
        .success_percent
        .map_or_else(|| "\u{2013}".to_owned(), |percent| format!("{percent} %"));
    let within = |bound: Option<u32>| {
        bound.map_or_else(|| "\u{2013}".to_owned(), |ms| format!("\u{2264} {ms} ms"))
    };
    let line = |count: fn(&DestinationHour) -> u64| -> Vec<u64> {
        detail.hours.iter().map(count).collect()
    };
    let (delivered, failed) = (line(|hour| hour.delivered), line(|hour| hour.failed));
    let sum = |counts: &[u64]| number(counts.iter().sum::<u64>());
    html! {
        dl .figures {
            div { dt { "Success rate" } dd { (percent) } }
            div { dt { "Delivered" } dd { (sum(&delivered)) } }
            div { dt { "Failed" } dd { (sum(&failed)) } }
            div { dt { "Latency, p50" } dd { (within(detail.p50_ms)) } }
            div { dt { "Latency, p95" } dd { (within(detail.p95_ms)) } }
        }
        (terms(&[
            ("Delivered", sparkline("Delivered in 24 hours", &delivered)),
            ("Failed", sparkline("Failed in 24 hours", &failed)),
        ]))
    }
}

fn facts(cx: &PageContext, detail: &DestinationDetail) -> Markup {
    let one = &detail.destination;
    terms(&[
        ("URL", html! { @if let Some(url) = &one.url { code { (visible(url)) } } }),
        (
            "State",
            html! {
                (state(one))
                @if let Some(since) = one.since { " since " (stamp(since, cx.now)) }
                @if let Some(reason) = &one.reason { span .under { (visible(reason)) } }
            },
        ),
        (
            "Next attempt",
            html! {
                @if let Some(at) = detail.next_attempt_at { (when(at, cx.now)) }
                @else if one.ready == 0 { span .muted { "no delivery waiting" } }
                @else { span .muted { "blocked" } }
            },
        ),
        (
            "Waiting",
            html! {
                (number(one.ready.unsigned_abs()))
                @if let Some(at) = one.oldest { ", oldest since " (stamp(at, cx.now)) }
            },
        ),
        ("In flight", html! { (number(one.in_flight.unsigned_abs())) }),
        (
            "Dead letters",
            html! {
                @let handler = HandlerName::Destination(&one.name).to_string();
                a href={ "/dead-letters/all?handler=" (link_path(&handler)) } { (number(one.dead.unsigned_abs())) }
            },
        ),
        (
            "Last failure",
            html! {
                @if let Some(at) = one.last_failed_at {
                    (stamp(at, cx.now))
                    @if let Some(error) = &one.last_error { span .under { (visible(error)) } }
                }
            },
        ),
    ])
}

fn answers(cx: &PageContext, answers: &[DestinationResponse]) -> Markup {
    if answers.is_empty() {
        return empty("No responses yet", "Responses appear here within seconds.");
    }
    let columns = [
        ("When", TEXT),
        ("Status", TEXT),
        ("Duration", NUMBER),
        ("Delivery", TEXT),
        ("Response", WIDE),
    ];
    let rows: Vec<Vec<Markup>> = answers
        .iter()
        .map(|one| {
            vec![
                when(one.at, cx.now),
                html! {
                    @let tone = if one.error.is_none() { BadgeTone::Good } else { BadgeTone::Bad };
                    @match one.status {
                        Some(status) => (badge(&status.to_string(), tone)),
                        None => (badge("no response", tone)),
                    }
                },
                html! { (took(Duration::milliseconds(one.took_ms))) },
                html! {
                    @match one.delivery {
                        Some(id) => a href={ "/deliveries/" (id) } { "delivery " (id) },
                        None => (badge("test", BadgeTone::Plain)),
                    }
                },
                html! {
                    @if let Some(error) = &one.error { (short(error, 300)) }
                    @if !one.headers.is_empty() || !one.body.is_empty() {
                        details .act {
                            summary { "Headers and body" }
                            div .pad { div .tight {
                                @for header in &one.headers {
                                    p { code { (visible(&header.name)) ": " (visible(&header.value)) } }
                                }
                                @if !one.body.is_empty() { pre { (visible(&one.body)) } }
                            } }
                        }
                    } @else if !cx.may(Scope::PayloadRead) && one.error.is_none() {
                        span .muted { "requires scope payload:read" }
                    }
                },
            ]
        })
        .collect();
    table("Recent responses", &columns, &rows)
}

fn acts(cx: &PageContext, one: &Destination) -> Markup {
    html! {
        section .panel aria-label="Actions" {
            @if one.configured { (offer(cx, Noun::Destination, "test", &one.name)) }
            @for verb in verbs(one.state) { (offer(cx, Noun::Destination, verb, &one.name)) }
        }
    }
}

fn verbs(state: DestinationState) -> &'static [&'static str] {
    match state {
        DestinationState::Unconfigured => &[],
        DestinationState::Paused => &["resume", "disable"],
        DestinationState::Disabled => &["enable"],
        DestinationState::Failing | DestinationState::BackingOff | DestinationState::Rejecting => {
            &["retry", "resume", "pause", "disable"]
        }
        DestinationState::Ok => &["retry", "pause", "disable"],
    }
}
