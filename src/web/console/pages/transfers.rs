//! Transfers in progress: payloads that come in chunks.

use maud::{Markup, html};
use time::OffsetDateTime;

use super::super::layout::{Head, PageContext, Section};
use super::super::parts::{
    BadgeTone, NUMBER, Pager, TEXT, WIDE, age, empty, link_path, name, number, pager, panel, said,
    size, stamp, table, terms, when, word,
};

/// Squares in a row of a chunk map.
const ACROSS: usize = 40;
/// The most squares that are drawn: beyond it each stands for several chunks.
const SQUARES: usize = 400;

/// The list.
pub(in crate::web::console) struct View {
    /// Transfers, those with the least time left first.
    pub(in crate::web::console) rows: Vec<Row>,
    /// Where this page is.
    pub(in crate::web::console) pager: Pager,
    /// Those that were closed last: id, what it is of, source, state, and when its last chunk came.
    pub(in crate::web::console) closed: Vec<(i64, String, String, String, OffsetDateTime)>,
}

/// A transfer.
pub(in crate::web::console) struct Row {
    /// Its id.
    pub(in crate::web::console) id: i64,
    /// What it is of, such as a path.
    pub(in crate::web::console) name: String,
    /// Its source.
    pub(in crate::web::console) source: String,
    /// Its chunks.
    pub(in crate::web::console) map: Map,
    /// How many bytes are here.
    pub(in crate::web::console) bytes: u64,
    /// How many there will be, as it says.
    pub(in crate::web::console) of_bytes: Option<u64>,
    /// When its first chunk came.
    pub(in crate::web::console) began_at: OffsetDateTime,
    /// When its last chunk came.
    pub(in crate::web::console) last_at: OffsetDateTime,
    /// When it is given up unless another chunk comes.
    pub(in crate::web::console) until: OffsetDateTime,
}

/// One transfer.
pub(in crate::web::console) struct One {
    /// Its id.
    pub(in crate::web::console) id: i64,
    /// The sender's id of it.
    pub(in crate::web::console) name: String,
    /// What it is of, where that may be seen and the sender says a path.
    pub(in crate::web::console) path: Option<String>,
    /// To whom its source belongs.
    pub(in crate::web::console) tenant: String,
    /// Its source.
    pub(in crate::web::console) source: String,
    /// The event type of the whole.
    pub(in crate::web::console) kind: String,
    /// Whether it is open, or how it was closed: a stored word.
    pub(in crate::web::console) state: String,
    /// Which chunks are here; `None` once it is closed, when they are here no more.
    pub(in crate::web::console) map: Option<Map>,
    /// How many chunks came, of how many.
    pub(in crate::web::console) chunks: (u32, u32),
    /// How many bytes of text they had.
    pub(in crate::web::console) bytes: u64,
    /// When the first chunk came.
    pub(in crate::web::console) began_at: OffsetDateTime,
    /// When the last new chunk came.
    pub(in crate::web::console) last_at: OffsetDateTime,
    /// When it is given up unless another chunk comes, and when in any case.
    pub(in crate::web::console) until: Option<(OffsetDateTime, OffsetDateTime)>,
    /// The event that it became, if it did.
    pub(in crate::web::console) event: Option<String>,
    /// What it is of, as the sender says it.
    pub(in crate::web::console) envelope: Option<String>,
    /// Others of the same, the newest first: id, state, and when the first chunk came.
    pub(in crate::web::console) others: Vec<(i64, String, OffsetDateTime)>,
}

/// Which chunks of a payload are here.
#[derive(Debug, Clone, Default)]
pub(in crate::web::console) struct Map {
    /// For each chunk whether it is.
    pub(in crate::web::console) have: Vec<bool>,
}

/// The page.
pub(in crate::web::console) fn page(cx: &PageContext, view: &View) -> Markup {
    let head = Head {
        title: "Transfers",
        lead: "Payloads that come in chunks and are not whole yet. One that is given up becomes a dead letter.",
        section: Some(Section::Transfers),
        refresh: Some(10),
        ..Head::default()
    };
    cx.page(
        &head,
        &html! {
            section .panel aria-label="Transfers" #list data-live="5" {
                @if view.rows.is_empty() {
                    (empty("No transfers", "Nothing is on its way in chunks."))
                } @else {
                    (list(cx, &view.rows))
                    (pager(&view.pager))
                }
            }
            @if !view.closed.is_empty() {
                (panel("Closed", &html! { "Those whose last chunk came last" }, &closed(cx, &view.closed)))
            }
        },
    )
}

fn list(cx: &PageContext, rows: &[Row]) -> Markup {
    let columns = [
        ("What", WIDE),
        ("Source", TEXT),
        ("Chunks", WIDE),
        ("Size", NUMBER),
        ("Began", NUMBER),
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
    let columns = [("What", WIDE), ("Source", TEXT), ("State", TEXT), ("Last chunk", NUMBER)];
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
                        (number(view.chunks.0)) " of " (number(view.chunks.1)) " came. "
                        span .muted { "It is closed, and they are not kept apart any more." }
                    },
                } } }))
                @if let Some(envelope) = &view.envelope {
                    (panel("Envelope", &html! { "What it is of, as the sender says it" }, &html! {
                        pre .bytes tabindex="0" role="region" aria-label="Envelope" { (said(envelope)) }
                    }))
                }
                @if !view.others.is_empty() {
                    (panel("Of the same", &html! { "A newer one supersedes those that are open" },
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
        ("Its sender's id", html! { code { (said(&view.name)) } }),
        ("Chunks", html! { (number(view.chunks.0)) " of " (number(view.chunks.1)) }),
        ("Size", html! { (size(view.bytes)) " " span .muted { "as it is sent" } }),
        ("Began", stamp(view.began_at, cx.now)),
        ("Last chunk", stamp(view.last_at, cx.now)),
        ("Time left", html! { @if let Some(left) = left { (left) } }),
        ("Given up", html! { @if let Some((idle, _)) = view.until { (stamp(idle, cx.now)) } }),
        (
            "At the latest",
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
    table("Of the same", &[("Transfer", TEXT), ("State", TEXT), ("Began", NUMBER)], &rows)
}

/// A chunk map: a square for each chunk, or for as many as it takes.
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
    let says = format!("{} of {} chunks are here", number(here as u64), number(total as u64));
    html! {
        svg .map width=(across * 8) height=(down * 8) viewBox={ "0 0 " (across * 8) " " (down * 8) }
            role="img" aria-label=(says) {
            @for (place, class) in squares.iter().enumerate() {
                rect class=(class) width="6" height="6" rx="1"
                     x=(place % ACROSS * 8 + 1) y=(place / ACROSS * 8 + 1) {}
            }
        }
        span .under { (says) @if each > 1 { ", a square for " (each) } }
    }
}
