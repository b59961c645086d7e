//! Refused requests that a source is told to hold: why they were refused, and whether they would be
//! now. They are never dispatched.

use maud::{Markup, html};
use time::OffsetDateTime;

use super::super::frame::{Head, Section, Stage, note};
use super::super::parts::{
    Bytes, NUMBER, Pager, TEXT, Tone, WIDE, bytes, confirm, empty, link_path, pager, panel, said,
    size, stamp, table, terms, when, word,
};

/// The list.
pub(in crate::http::console) struct View {
    /// Held requests, the newest first.
    pub(in crate::http::console) rows: Vec<Row>,
    /// Where this page is.
    pub(in crate::http::console) pager: Pager,
}

/// A held request.
pub(in crate::http::console) struct Row {
    /// Its id.
    pub(in crate::http::console) id: String,
    /// The source that it was sent to.
    pub(in crate::http::console) source: String,
    /// Why it was refused: a stored word.
    pub(in crate::http::console) reason: String,
    /// The explanation in a sentence.
    pub(in crate::http::console) verdict: String,
    /// The size of its body, in bytes.
    pub(in crate::http::console) size: u64,
    /// When it was received.
    pub(in crate::http::console) received_at: OffsetDateTime,
    /// When it is removed.
    pub(in crate::http::console) until: OffsetDateTime,
}

/// One held request.
pub(in crate::http::console) struct One {
    /// Its row.
    pub(in crate::http::console) row: Row,
    /// What was looked at, in order: what, how it is meant, what was found.
    pub(in crate::http::console) findings: Vec<(String, Tone, String)>,
    /// What to do about it.
    pub(in crate::http::console) advice: Option<String>,
    /// Its headers; those that prove something are shortened.
    pub(in crate::http::console) headers: Vec<(String, String)>,
    /// Its body; `None` where it may not be seen.
    pub(in crate::http::console) body: Option<Bytes>,
}

/// The page with all of them.
pub(in crate::http::console) fn page(stage: &Stage, view: &View) -> Markup {
    let head = Head {
        title: "Held requests",
        lead: "Requests that were refused, of sources that are told to hold them. Never delivered.",
        section: Some(Section::Held),
        ..Head::default()
    };
    stage.page(&head, &html! {
        section .panel aria-label="Held requests" #list data-live="15" {
            @if view.rows.is_empty() {
                (empty("Nothing is held", "A source holds what it refuses where hold_refused is set."))
            } @else {
                (list(stage, &view.rows))
                (pager(&view.pager))
            }
        }
    })
}

fn list(stage: &Stage, rows: &[Row]) -> Markup {
    let columns = [
        ("Request", TEXT),
        ("Source", TEXT),
        ("Why", WIDE),
        ("Size", NUMBER),
        ("Received", NUMBER),
        ("Removed", NUMBER),
    ];
    let rows: Vec<Vec<Markup>> = rows
        .iter()
        .map(|row| {
            vec![
                html! { a .mono href={ "/held/" (link_path(&row.id)) } { (said(&row.id)) } },
                html! { span .said { (said(&row.source)) } },
                html! { (word(&row.reason, Tone::Bad)) span .under { (said(&row.verdict)) } },
                html! { (size(row.size)) },
                when(row.received_at, stage.now),
                when(row.until, stage.now),
            ]
        })
        .collect();
    table("Held requests", &columns, &rows)
}

/// The page with one.
pub(in crate::http::console) fn one(stage: &Stage, view: &One) -> Markup {
    let row = &view.row;
    let title = format!("Held request {}", row.id);
    let act = |verb: &str| format!("/held/{}/{verb}", link_path(&row.id));
    let head = Head { title: &title, section: Some(Section::Held), below: true, ..Head::default() };
    stage.page(&head, &html! {
        (note("refused", Tone::Bad, &html! {
            strong { (said(&row.verdict)) }
            @if let Some(advice) = &view.advice { " " (said(advice)) }
        }))
        div .beside {
            div .stack {
                (panel("Explanation", &html! { "What was looked at, in order" }, &html! {
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
                        div .empty { p { "Payloads are shown to who has the scope " code { "payload:read" } "." } }
                    })),
                }
            }
            div .stack {
                section .panel aria-label="What to do" {
                    details .act open {
                        summary { "Verify again" }
                        (confirm(stage, "verify", &act("verify"),
                            "Once the secret is right it is checked as if it had come in time, and becomes an event.",
                            ("first", "Verify again")))
                    }
                    details .act {
                        summary { "Discard" }
                        (confirm(stage, "discard", &act("discard"),
                            "It is removed now, and not only when its time is over. Nothing brings it back.",
                            ("risky", "Discard")))
                    }
                }
                (panel("Another request", &html! {}, &html! { p .pad {
                    a href={ "/explain?source=" (link_path(&row.source)) } { "Explain one that was recorded" }
                    ", of this source."
                } }))
                (panel("Request", &html! {}, &terms(&[
                    ("Source", html! { (said(&row.source)) }),
                    ("Reason", word(&row.reason, Tone::Bad)),
                    ("Received", stamp(row.received_at, stage.now)),
                    ("Removed", stamp(row.until, stage.now)),
                    ("Size", html! { (size(row.size)) }),
                ])))
                @let headers: Vec<(&str, Markup)> = view.headers.iter()
                    .map(|(name, value)| (&**name, html! { code { (said(value)) } })).collect();
                @if !headers.is_empty() { (panel("Headers", &html! {}, &terms(&headers))) }
            }
        }
    })
}
