//! One destination: its URL, statistics of the last 24 hours, recent responses and actions.

use maud::{Markup, html};
use time::{Duration, OffsetDateTime};

use super::super::layout::{Head, PageContext, Section};
use super::super::parts::{
    BadgeTone, NUMBER, TEXT, WIDE, button, confirm, empty, link_path, number, panel, said, short,
    sparkline, stamp, table, terms, took, when, word,
};
use super::destinations::Row;
use crate::admin::Scope;

/// A destination.
pub(in crate::web::console) struct View {
    /// Its row in the list.
    pub(in crate::web::console) row: Row,
    /// When the next delivery is sent.
    pub(in crate::web::console) next: Option<OffsetDateTime>,
    /// The success rate of the last 24 hours, in percent.
    pub(in crate::web::console) success: Option<f64>,
    /// The median and the 95th percentile latency, in milliseconds.
    pub(in crate::web::console) within: (Option<u32>, Option<u32>),
    /// Successful and failed requests in each of the last 24 hours.
    pub(in crate::web::console) hours: (Vec<u64>, Vec<u64>),
    /// Its recent responses, newest first.
    pub(in crate::web::console) answers: Vec<Answer>,
    /// Whether headers and bodies are included (scope `payload:read`).
    pub(in crate::web::console) payload: bool,
}

/// A response of the destination.
pub(in crate::web::console) struct Answer {
    /// When the request was sent.
    pub(in crate::web::console) at: OffsetDateTime,
    /// How long it took.
    pub(in crate::web::console) took: Duration,
    /// The delivery; `None` for a test event.
    pub(in crate::web::console) delivery: Option<i64>,
    /// The status.
    pub(in crate::web::console) status: Option<u16>,
    /// The headers.
    pub(in crate::web::console) headers: Vec<(String, String)>,
    /// The beginning of the body.
    pub(in crate::web::console) body: String,
    /// Why the request failed.
    pub(in crate::web::console) error: Option<String>,
}

/// The page.
pub(in crate::web::console) fn page(cx: &PageContext, view: &View) -> Markup {
    let row = &view.row;
    let title = format!("Destination {}", row.name);
    let head = Head {
        title: &title,
        lead: row.url.as_deref().unwrap_or("Not in the configuration."),
        section: Some(Section::Destinations),
        below: true,
        ..Head::default()
    };
    cx.page(&head, &html! {
        div .beside {
            div .stack {
                (panel("Last 24 hours", &html! {}, &day(view)))
                (panel("Recent responses", &html! { "Newest first; at most one successful response per second" },
                       &answers(cx, view)))
            }
            div .stack {
                (panel("Destination", &html! {}, &facts(cx, view)))
                @if cx.may(Scope::SourcesWrite) { (acts(cx, row)) }
            }
        }
    })
}

fn day(view: &View) -> Markup {
    let percent =
        view.success.map_or_else(|| "\u{2013}".to_owned(), |percent| format!("{percent} %"));
    let within = |bound: Option<u32>| {
        bound.map_or_else(|| "\u{2013}".to_owned(), |ms| format!("\u{2264} {ms} ms"))
    };
    let sum = |counts: &[u64]| number(counts.iter().sum::<u64>());
    html! {
        dl .figures {
            div { dt { "Success rate" } dd { (percent) } }
            div { dt { "Delivered" } dd { (sum(&view.hours.0)) } }
            div { dt { "Failed" } dd { (sum(&view.hours.1)) } }
            div { dt { "Latency, p50" } dd { (within(view.within.0)) } }
            div { dt { "Latency, p95" } dd { (within(view.within.1)) } }
        }
        (terms(&[
            ("Delivered", sparkline("Delivered in 24 hours", &view.hours.0)),
            ("Failed", sparkline("Failed in 24 hours", &view.hours.1)),
        ]))
    }
}

fn facts(cx: &PageContext, view: &View) -> Markup {
    let row = &view.row;
    terms(&[
        ("URL", html! { @if let Some(url) = &row.url { code { (said(url)) } } }),
        (
            "State",
            html! {
                (word(row.state, BadgeTone::of(row.state)))
                @if let Some(since) = row.since { " since " (stamp(since, cx.now)) }
                @if let Some(why) = &row.why { span .under { (said(why)) } }
            },
        ),
        (
            "Next attempt",
            html! {
                @if let Some(at) = view.next { (when(at, cx.now)) }
                @else if row.ready == 0 { span .muted { "no delivery waiting" } }
                @else { span .muted { "blocked" } }
            },
        ),
        (
            "Waiting",
            html! {
                (number(row.ready))
                @if let Some(at) = row.oldest { ", oldest since " (stamp(at, cx.now)) }
            },
        ),
        ("In flight", html! { (number(row.at_work)) }),
        (
            "Dead letters",
            html! {
                a href={ "/dead-letters/all?handler=" (link_path(&format!("to:{}", row.name))) } { (number(row.dead)) }
            },
        ),
        (
            "Last failure",
            html! {
                @if let Some((at, error)) = &row.failed {
                    (stamp(*at, cx.now))
                    @if let Some(error) = error { span .under { (said(error)) } }
                }
            },
        ),
    ])
}

fn answers(cx: &PageContext, view: &View) -> Markup {
    if view.answers.is_empty() {
        return empty("No responses yet", "Responses appear here within seconds.");
    }
    let columns = [
        ("When", TEXT),
        ("Status", TEXT),
        ("Duration", NUMBER),
        ("Delivery", TEXT),
        ("Response", WIDE),
    ];
    let rows: Vec<Vec<Markup>> = view
        .answers
        .iter()
        .map(|one| {
            vec![
                when(one.at, cx.now),
                html! {
                    @let tone = if one.error.is_none() { BadgeTone::Good } else { BadgeTone::Bad };
                    @match one.status {
                        Some(status) => (word(&status.to_string(), tone)),
                        None => (word("no response", tone)),
                    }
                },
                html! { (took(one.took)) },
                html! {
                    @match one.delivery {
                        Some(id) => a href={ "/deliveries/" (id) } { "delivery " (id) },
                        None => (word("test", BadgeTone::Plain)),
                    }
                },
                html! {
                    @if let Some(error) = &one.error { (short(error, 300)) }
                    @if !one.headers.is_empty() || !one.body.is_empty() {
                        details .act {
                            summary { "Headers and body" }
                            div .pad { div .tight {
                                @for (name, value) in &one.headers {
                                    p { code { (said(name)) ": " (said(value)) } }
                                }
                                @if !one.body.is_empty() { pre { (said(&one.body)) } }
                            } }
                        }
                    } @else if !view.payload && one.error.is_none() {
                        span .muted { "requires scope payload:read" }
                    }
                },
            ]
        })
        .collect();
    table("Recent responses", &columns, &rows)
}

fn acts(cx: &PageContext, row: &Row) -> Markup {
    let act = |verb: &str| format!("/destinations/{}/{verb}", link_path(&row.name));
    html! {
        section .panel aria-label="Actions" {
            @if row.url.is_some() {
                details .act open {
                    summary { "Send a test event" }
                    div .pad { div .tight {
                        p .muted { "Signed like any event. Its type is sealpost.test, and the header sealpost-test marks it as a test." }
                        (button(cx, &act("test"), "first", "Send a test event"))
                    } }
                }
            }
            @for verb in &row.verbs {
                @let (label, says, class) = says(verb);
                details .act {
                    summary { (label) }
                    (confirm(cx, verb, &act(verb), says, (class, label)))
                }
            }
        }
    }
}

fn says(verb: &str) -> (&'static str, &'static str, &'static str) {
    match verb {
        "try" => (
            "Retry now",
            "Waiting deliveries are sent immediately. If they fail, the backoff resumes.",
            "first",
        ),
        "pause" => {
            ("Pause", "No delivery is sent until it is resumed. New events are kept.", "first")
        }
        "resume" => (
            "Resume",
            "Deliveries are sent again. A failing destination is retried immediately.",
            "first",
        ),
        "enable" => (
            "Enable",
            "Deliveries are sent again. A failing destination is retried immediately.",
            "first",
        ),
        _ => ("Disable", "No delivery is sent until it is enabled. New events are kept.", "risky"),
    }
}
