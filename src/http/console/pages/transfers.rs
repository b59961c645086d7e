//! Transfers in progress: payloads that come in chunks.

use maud::{Markup, html};
use time::OffsetDateTime;

use super::super::frame::{Head, Section, Stage};
use super::super::parts::{
    NUMBER, Pager, TEXT, WIDE, age, empty, number, pager, said, size, table, when,
};

/// Squares in a row of a chunk map.
const ACROSS: usize = 40;
/// The most squares that are drawn: beyond it each stands for several chunks.
const SQUARES: usize = 400;

/// The list.
pub(in crate::http::console) struct View {
    /// Transfers, those with the least time left first.
    pub(in crate::http::console) rows: Vec<Row>,
    /// Where this page is.
    pub(in crate::http::console) pager: Pager,
}

/// A transfer.
pub(in crate::http::console) struct Row {
    /// What it is of, such as a path.
    pub(in crate::http::console) name: String,
    /// Its source.
    pub(in crate::http::console) source: String,
    /// Its chunks.
    pub(in crate::http::console) map: Map,
    /// How many bytes are here.
    pub(in crate::http::console) bytes: u64,
    /// How many there will be, as it says.
    pub(in crate::http::console) of_bytes: Option<u64>,
    /// When its first chunk came.
    pub(in crate::http::console) began_at: OffsetDateTime,
    /// When its last chunk came.
    pub(in crate::http::console) last_at: OffsetDateTime,
    /// When it is given up unless another chunk comes.
    pub(in crate::http::console) until: OffsetDateTime,
}

/// Which chunks of a payload are here.
#[derive(Debug, Clone, Default)]
pub(in crate::http::console) struct Map {
    /// For each chunk whether it is.
    pub(in crate::http::console) have: Vec<bool>,
}

/// The page.
pub(in crate::http::console) fn page(stage: &Stage, view: &View) -> Markup {
    let head = Head {
        title: "Transfers",
        lead: "Payloads that come in chunks and are not whole yet. One that is given up becomes a dead letter.",
        section: Some(Section::Transfers),
        refresh: Some(10),
        ..Head::default()
    };
    stage.page(
        &head,
        &html! {
            section .panel aria-label="Transfers" #list data-live="5" {
                @if view.rows.is_empty() {
                    (empty("No transfers", "Nothing is on its way in chunks."))
                } @else {
                    (list(stage, &view.rows))
                    (pager(&view.pager))
                }
            }
        },
    )
}

fn list(stage: &Stage, rows: &[Row]) -> Markup {
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
                html! { span .said { (said(&row.name)) } },
                html! { span .said { (said(&row.source)) } },
                map(&row.map),
                html! {
                    (size(row.bytes))
                    @if let Some(all) = row.of_bytes { span .under { "of " (size(all)) } }
                },
                when(row.began_at, stage.now),
                when(row.last_at, stage.now),
                html! { (age(row.until - stage.now)) },
            ]
        })
        .collect();
    table("Transfers", &columns, &rows)
}

/// A chunk map: a square for each chunk, or for as many as it takes.
pub(in crate::http::console) fn map(map: &Map) -> Markup {
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
