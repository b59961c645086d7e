//! Transfers: payloads received in chunks.

use maud::{Markup, html};
use time::OffsetDateTime;

use super::super::layout::{Head, PageContext, Section};
use super::super::parts::{
    BadgeTone, NUMBER, Pager, TEXT, WIDE, age, empty, link_path, name, number, pager, panel, said,
    size, stamp, table, terms, when, word,
};

/// Squares in a row of a chunk map.
const ACROSS: usize = 40;
/// The maximum number of squares; above it each square stands for several chunks.
const SQUARES: usize = 400;

/// The list.
pub(in crate::web::console) struct View {
    /// Open transfers, least time left first.
    pub(in crate::web::console) rows: Vec<Row>,
    /// Where this page is.
    pub(in crate::web::console) pager: Pager,
    /// The most recently closed: id, path, source, state, and when the last chunk arrived.
    pub(in crate::web::console) closed: Vec<(i64, String, String, String, OffsetDateTime)>,
}

/// A transfer.
pub(in crate::web::console) struct Row {
    /// Its id.
    pub(in crate::web::console) id: i64,
    /// Its subject, such as a path.
    pub(in crate::web::console) name: String,
    /// Its source.
    pub(in crate::web::console) source: String,
    /// Its chunks.
    pub(in crate::web::console) map: Map,
    /// Bytes received.
    pub(in crate::web::console) bytes: u64,
    /// The total announced by the sender.
    pub(in crate::web::console) of_bytes: Option<u64>,
    /// When its first chunk arrived.
    pub(in crate::web::console) began_at: OffsetDateTime,
    /// When its last chunk arrived.
    pub(in crate::web::console) last_at: OffsetDateTime,
    /// When it expires unless another chunk arrives.
    pub(in crate::web::console) until: OffsetDateTime,
}

/// One transfer.
pub(in crate::web::console) struct One {
    /// Its id.
    pub(in crate::web::console) id: i64,
    /// The sender's id of it.
    pub(in crate::web::console) name: String,
    /// Its path, if announced by the sender and visible to the caller.
    pub(in crate::web::console) path: Option<String>,
    /// The tenant of its source.
    pub(in crate::web::console) tenant: String,
    /// Its source.
    pub(in crate::web::console) source: String,
    /// The event type of the whole.
    pub(in crate::web::console) kind: String,
    /// Its state: a stored value.
    pub(in crate::web::console) state: String,
    /// The received chunks; `None` once closed, when they are deleted.
    pub(in crate::web::console) map: Option<Map>,
    /// Chunks received, and the total.
    pub(in crate::web::console) chunks: (u32, u32),
    /// Bytes received, as encoded text.
    pub(in crate::web::console) bytes: u64,
    /// When the first chunk arrived.
    pub(in crate::web::console) began_at: OffsetDateTime,
    /// When the last new chunk arrived.
    pub(in crate::web::console) last_at: OffsetDateTime,
    /// The idle deadline and the final deadline.
    pub(in crate::web::console) until: Option<(OffsetDateTime, OffsetDateTime)>,
    /// The event it became, if any.
    pub(in crate::web::console) event: Option<String>,
    /// The sender's envelope.
    pub(in crate::web::console) envelope: Option<String>,
    /// Other transfers of the same payload, newest first: id, state, and when the first chunk
    /// arrived.
    pub(in crate::web::console) others: Vec<(i64, String, OffsetDateTime)>,
}

/// The received chunks of a payload.
#[derive(Debug, Clone, Default)]
pub(in crate::web::console) struct Map {
    /// For each chunk, whether it was received.
    pub(in crate::web::console) have: Vec<bool>,
}

/// The page.
pub(in crate::web::console) fn page(cx: &PageContext, view: &View) -> Markup {
    let head = Head {
        title: "Transfers",
        lead: "Incomplete payloads received in chunks. An expired transfer becomes a dead letter.",
        section: Some(Section::Transfers),
        refresh: Some(10),
        ..Head::default()
    };
    cx.page(
        &head,
        &html! {
            section .panel aria-label="Transfers" #list data-live="5" {
                @if view.rows.is_empty() {
                    (empty("No transfers", "No open transfers."))
                } @else {
                    (list(cx, &view.rows))
                    (pager(&view.pager))
                }
            }
            @if !view.closed.is_empty() {
                (panel("Closed", &html! { "Most recent first" }, &closed(cx, &view.closed)))
            }
        },
    )
}

fn list(cx: &PageContext, rows: &[Row]) -> Markup {
    let columns = [
        ("Payload", WIDE),
        ("Source", TEXT),
        ("Chunks", WIDE),
        ("Size", NUMBER),
        ("Started", NUMBER),
        ("Last chunk", NUMBER),
        ("Time left", NUMBER),
    ];
    let rows: Vec<Vec<Markup>> = rows
        .iter()
        .map(|row| {
            vec![
                html! { a .said href={ "/transfers/" (row.id) } { (said(&row.name)) } },
                name(&row.source),
                map(&row.map),
                html! {
                    (size(row.bytes))
                    @if let Some(all) = row.of_bytes { span .under { "of " (size(all)) } }
                },
                when(row.began_at, cx.now),
                when(row.last_at, cx.now),
                html! { (age(row.until - cx.now)) },
            ]
        })
        .collect();
    table("Transfers", &columns, &rows)
}

fn closed(cx: &PageContext, rows: &[(i64, String, String, String, OffsetDateTime)]) -> Markup {
    let columns = [("Payload", WIDE), ("Source", TEXT), ("State", TEXT), ("Last chunk", NUMBER)];
    let rows: Vec<Vec<Markup>> = rows
        .iter()
        .map(|(id, name, source, state, at)| {
            vec![
                html! { a .said href={ "/transfers/" (id) } { (said(name)) } },
                html! { span .said { (said(source)) } },
                word(state, BadgeTone::of(state)),
                when(*at, cx.now),
            ]
        })
        .collect();
    table("Closed", &columns, &rows)
}

/// The page with one.
pub(in crate::web::console) fn one(cx: &PageContext, view: &One) -> Markup {
    let title = format!("Transfer {}", view.id);
    let is_open = view.until.is_some();
    let head = Head {
        title: &title,
        lead: view.path.as_deref().unwrap_or(&view.name),
        section: Some(Section::Transfers),
        below: true,
        refresh: is_open.then_some(10),
        ..Head::default()
    };
    cx.page(&head, &html! {
        div #now .beside data-live=[is_open.then_some("5")] {
            div .stack {
                (panel("Chunks", &html! {}, &html! { div .pad { @match &view.map {
                    Some(chunks) => (map(chunks)),
                    None => p {
                        (number(view.chunks.0)) " of " (number(view.chunks.1)) " received. "
                        span .muted { "The transfer is closed; its chunks are no longer stored separately." }
                    },
                } } }))
                @if let Some(envelope) = &view.envelope {
                    (panel("Envelope", &html! { "As sent" }, &html! {
                        pre .bytes tabindex="0" role="region" aria-label="Envelope" { (said(envelope)) }
                    }))
                }
                @if !view.others.is_empty() {
                    (panel("Same payload", &html! { "A newer transfer supersedes open ones" },
                        &others(cx, &view.others)))
                }
            }
            (panel("Transfer", &html! {}, &facts(cx, view)))
        }
    })
}

fn facts(cx: &PageContext, view: &One) -> Markup {
    let left = view.until.map(|(idle, _)| age(idle - cx.now));
    let source = format!("/sources/{}", link_path(&view.source));
    terms(&[
        ("State", word(&view.state, BadgeTone::of(&view.state))),
        ("Path", html! { @if let Some(path) = &view.path { code { (said(path)) } } }),
        ("Source", cx.link(Section::Sources, &source, &view.source)),
        ("Tenant", html! { (said(&view.tenant)) }),
        ("Type", html! { (said(&view.kind)) }),
        ("Sender's id", html! { code { (said(&view.name)) } }),
        ("Chunks", html! { (number(view.chunks.0)) " of " (number(view.chunks.1)) }),
        ("Size", html! { (size(view.bytes)) " " span .muted { "as encoded" } }),
        ("Started", stamp(view.began_at, cx.now)),
        ("Last chunk", stamp(view.last_at, cx.now)),
        ("Time left", html! { @if let Some(left) = left { (left) } }),
        ("Expires", html! { @if let Some((idle, _)) = view.until { (stamp(idle, cx.now)) } }),
        (
            "Expires at the latest",
            html! { @if let Some((_, total)) = view.until { (stamp(total, cx.now)) } },
        ),
        (
            "Event",
            html! { @if let Some(event) = &view.event {
                a .mono href={ "/events/" (link_path(event)) } { (said(event)) }
            } },
        ),
    ])
}

fn others(cx: &PageContext, others: &[(i64, String, OffsetDateTime)]) -> Markup {
    let rows: Vec<Vec<Markup>> = others
        .iter()
        .map(|(id, state, began)| {
            vec![
                html! { a href={ "/transfers/" (id) } { (id) } },
                word(state, BadgeTone::of(state)),
                when(*began, cx.now),
            ]
        })
        .collect();
    table("Same payload", &[("Transfer", TEXT), ("State", TEXT), ("Started", NUMBER)], &rows)
}

/// The chunk map: one square per chunk, or per several chunks.
pub(in crate::web::console) fn map(map: &Map) -> Markup {
    let total = map.have.len();
    let here = map.have.iter().filter(|have| **have).count();
    let each = total.div_ceil(SQUARES).max(1);
    let class = |chunks: &[bool]| match chunks.iter().filter(|have| **have).count() {
        0 => "lack",
        here if here == chunks.len() => "have",
        _ => "some",
    };
    let squares: Vec<&str> = map.have.chunks(each).map(class).collect();
    let across = squares.len().clamp(1, ACROSS);
    let down = squares.len().div_ceil(ACROSS).max(1);
    let says = format!("{} of {} chunks received", number(here as u64), number(total as u64));
    html! {
        svg .map width=(across * 8) height=(down * 8) viewBox={ "0 0 " (across * 8) " " (down * 8) }
            role="img" aria-label=(says) {
            @for (place, class) in squares.iter().enumerate() {
                rect class=(class) width="6" height="6" rx="1"
                     x=(place % ACROSS * 8 + 1) y=(place / ACROSS * 8 + 1) {}
            }
        }
        span .under { (says) @if each > 1 { ", one square per " (each) } }
    }
}
