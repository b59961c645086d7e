//! Rejected requests that a source keeps: why they were rejected, and whether they would pass now.
//! They are never dispatched.

use maud::{Markup, html};
use time::OffsetDateTime;

use super::super::layout::{Head, PageContext, Section, note};
use super::super::parts::{
    BadgeTone, Bytes, Facet, NUMBER, Pager, TEXT, WIDE, bytes, confirm, empty, facets, field, id,
    link_path, name, pager, panel, post, said, size, stamp, table, terms, when, word,
};

/// The list.
pub(in crate::web::console) struct View {
    /// The source filter.
    pub(in crate::web::console) facets: Vec<Facet>,
    /// The source filtered by.
    pub(in crate::web::console) source: Option<String>,
    /// Rejected requests, newest first.
    pub(in crate::web::console) rows: Vec<Row>,
    /// Where this page is.
    pub(in crate::web::console) pager: Pager,
}

/// A rejected request.
pub(in crate::web::console) struct Row {
    /// Its id.
    pub(in crate::web::console) id: String,
    /// The source it was sent to.
    pub(in crate::web::console) source: String,
    /// Why it was rejected: a stored value.
    pub(in crate::web::console) reason: String,
    /// The explanation in a sentence.
    pub(in crate::web::console) verdict: String,
    /// The size of its body, in bytes.
    pub(in crate::web::console) size: u64,
    /// When it was received.
    pub(in crate::web::console) received_at: OffsetDateTime,
    /// When it is deleted.
    pub(in crate::web::console) until: OffsetDateTime,
    /// The event it became, and who reprocessed it.
    pub(in crate::web::console) event: Option<(String, String)>,
}

/// The form that plans a job on rejected requests.
pub(in crate::web::console) struct New {
    /// `verify` or `discard`.
    pub(in crate::web::console) action: &'static str,
    /// The source; `None` for all.
    pub(in crate::web::console) source: Option<String>,
}

/// One rejected request.
pub(in crate::web::console) struct One {
    /// Its row.
    pub(in crate::web::console) row: Row,
    /// The verification steps in order: name, tone, finding.
    pub(in crate::web::console) findings: Vec<(String, BadgeTone, String)>,
    /// The suggested fix.
    pub(in crate::web::console) advice: Option<String>,
    /// Its headers; signature headers are shortened.
    pub(in crate::web::console) headers: Vec<(String, String)>,
    /// Its body; `None` without the scope `payload:read`.
    pub(in crate::web::console) body: Option<Bytes>,
}

/// The page with all of them.
pub(in crate::web::console) fn page(cx: &PageContext, view: &View) -> Markup {
    let head = Head {
        title: "Rejected requests",
        lead: "Requests that failed verification, kept for inspection by sources with keep_rejected. They are never delivered.",
        section: Some(Section::Held),
        actions: (!view.rows.is_empty()).then(|| {
            html! {
                a .button.risky href=(plan(view.source.as_deref(), "discard")) { "Discard all" }
                a .button.first href=(plan(view.source.as_deref(), "verify")) { "Reprocess all" }
            }
        }),
        ..Head::default()
    };
    cx.page(&head, &html! {
        section .panel aria-label="Sources" { (facets(&view.facets)) }
        section .panel aria-label="Rejected requests" #list data-live="15" {
            @if view.rows.is_empty() {
                (empty("No rejected requests", "A source keeps rejected requests when keep_rejected is set."))
            } @else {
                (list(cx, &view.rows))
                (pager(&view.pager))
            }
        }
    })
}

fn plan(source: Option<&str>, action: &str) -> String {
    format!(
        "/rejected-requests/new?action={action}&source={}",
        link_path(source.unwrap_or_default())
    )
}

/// The page that plans a job on rejected requests.
pub(in crate::web::console) fn new(cx: &PageContext, view: &New) -> Markup {
    let target = match &view.source {
        Some(source) => format!("Rejected requests of source {source}"),
        None => "All rejected requests".to_owned(),
    };
    let head = Head {
        title: if view.action == "discard" {
            "Discard rejected requests"
        } else {
            "Reprocess rejected requests"
        },
        lead: &target,
        section: Some(Section::Held),
        below: true,
        ..Head::default()
    };
    cx.page(&head, &html! {
        (panel("Plan a job", &html! { (said(&target)) }, &post(cx, "/rejected-requests/jobs", "form", &html! {
            input type="hidden" name="action" value=(view.action);
            input type="hidden" name="source" value=(view.source.as_deref().unwrap_or_default());
            div .grid {
                (field("cap", "Limit", "Oldest first; empty for all", &html! {
                    input #cap name="cap" type="number" min="1" max="4000000000"
                          aria-describedby="cap-hint";
                }))
                (field("rate", "Rate per second", "Empty for no limit", &html! {
                    input #rate name="rate" type="number" min="1" max="100000"
                          aria-describedby="rate-hint";
                }))
            }
            (field("reason", "Reason", "Recorded in the audit log.", &html! {
                input #reason name="reason" required maxlength="500" autocomplete="off"
                      aria-describedby="reason-hint";
            }))
            p .muted {
                "The next page is a dry run: it shows how many match"
                @if view.action == "verify" { ", and how many of those pass verification now" }
                ". Nothing is changed until you start the job."
            }
            div .actions { button .first { "Plan job" } }
        })))
    })
}

/// The table of rejected requests.
pub(in crate::web::console) fn list(cx: &PageContext, rows: &[Row]) -> Markup {
    let columns = [
        ("Received", TEXT),
        ("Source", TEXT),
        ("Reason", WIDE),
        ("Size", NUMBER),
        ("Deleted", NUMBER),
        ("Id", TEXT),
    ];
    let rows: Vec<Vec<Markup>> = rows
        .iter()
        .map(|row| {
            vec![
                html! { a href={ "/rejected-requests/" (link_path(&row.id)) } { (when(row.received_at, cx.now)) } },
                name(&row.source),
                html! {
                    @if let Some((event, by)) = &row.event {
                        (word("verified", BadgeTone::Good))
                        span .under {
                            "reprocessed by " (said(by)) ": " a href={ "/events/" (link_path(event)) } { "event " (id(event)) }
                        }
                    } @else {
                        (word(&row.reason, BadgeTone::Bad)) span .under { (said(&row.verdict)) }
                    }
                },
                html! { (size(row.size)) },
                when(row.until, cx.now),
                id(&row.id),
            ]
        })
        .collect();
    table("Rejected requests", &columns, &rows)
}

/// The page with one.
pub(in crate::web::console) fn one(cx: &PageContext, view: &One) -> Markup {
    let row = &view.row;
    let title = format!("Rejected request {}", row.id);
    let act = |verb: &str| format!("/rejected-requests/{}/{verb}", link_path(&row.id));
    let head = Head { title: &title, section: Some(Section::Held), below: true, ..Head::default() };
    cx.page(&head, &html! {
        @if let Some((event, by)) = &row.event {
            (note("verified", BadgeTone::Good, &html! {
                strong { "Reprocessed by " (said(by)) } ": it is now "
                a href={ "/events/" (link_path(event)) } { "event " (said(event)) } "."
            }))
        } @else {
            (note("refused", BadgeTone::Bad, &html! {
                strong { (said(&row.verdict)) }
                @if let Some(advice) = &view.advice { " " (said(advice)) }
            }))
        }
        div .beside {
            div .stack {
                (panel("Explanation", &html! { "Verification steps, in order" }, &html! {
                    ol .line-up {
                        @for (what, tone, found) in &view.findings {
                            li class=(tone.class()) {
                                div .what { strong { (said(what)) } }
                                p .detail { (said(found)) }
                            }
                        }
                    }
                }))
                @match &view.body {
                    Some(body) => (bytes(body)),
                    None => (panel("Body", &html! {}, &html! {
                        div .empty { p { "Payloads require the scope " code { "payload:read" } "." } }
                    })),
                }
            }
            div .stack {
                @if row.event.is_none() { section .panel aria-label="Actions" {
                    details .act open {
                        summary { "Reprocess" }
                        (confirm(cx, "verify", &act("verify"),
                            "Verifies it again as of its time of arrival, with the current secrets. If it passes, it becomes an event.",
                            ("first", "Reprocess")))
                    }
                    details .act {
                        summary { "Discard" }
                        (confirm(cx, "discard", &act("discard"),
                            "Deletes it now instead of at the end of its retention. This cannot be undone.",
                            ("risky", "Discard")))
                    }
                } }
                (panel("Another request", &html! {}, &html! { p .pad {
                    a href={ "/explain?source=" (link_path(&row.source)) } { "Explain a recorded request" }
                    " of this source."
                } }))
                (panel("Request", &html! {}, &terms(&[
                    ("Source", html! { (said(&row.source)) }),
                    ("Rejected for", word(&row.reason, if row.event.is_some() { BadgeTone::Plain } else { BadgeTone::Bad })),
                    ("Received", stamp(row.received_at, cx.now)),
                    ("Deleted", stamp(row.until, cx.now)),
                    ("Size", html! { (size(row.size)) }),
                ])))
                @let headers: Vec<(&str, Markup)> = view.headers.iter()
                    .map(|(name, value)| (&**name, html! { code { (said(value)) } })).collect();
                @if !headers.is_empty() { (panel("Headers", &html! {}, &terms(&headers))) }
            }
        }
    })
}
