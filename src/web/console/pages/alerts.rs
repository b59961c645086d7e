//! What people were told, or are to be told.

use maud::{Markup, html};
use time::OffsetDateTime;

use super::super::layout::{Head, PageContext, Section, note};
use super::super::parts::{
    BadgeTone, Facet, FacetValue, NUMBER, Pager, TEXT, WIDE, empty, facets, name, number, pager,
    said, table, when, word,
};

/// The list.
pub(in crate::web::console) struct View {
    /// Whether those that are over and told are shown too.
    pub(in crate::web::console) all: bool,
    /// Whether anybody is told: there is a channel.
    pub(in crate::web::console) are_told: bool,
    /// Alerts, newest first.
    pub(in crate::web::console) rows: Vec<Row>,
    /// Where this page is.
    pub(in crate::web::console) pager: Pager,
}

/// An alert.
pub(in crate::web::console) struct Row {
    /// Its id.
    pub(in crate::web::console) id: i64,
    /// How much it matters: a stored word.
    pub(in crate::web::console) severity: String,
    /// What happened: a stored word.
    pub(in crate::web::console) kind: String,
    /// The source that it is about.
    pub(in crate::web::console) source: String,
    /// What is told; `None` where it may not be seen.
    pub(in crate::web::console) text: Option<String>,
    /// How often it was raised.
    pub(in crate::web::console) count: u64,
    /// When it was raised last.
    pub(in crate::web::console) last_at: OffsetDateTime,
    /// Whether it goes on, in a word.
    pub(in crate::web::console) state: &'static str,
    /// Whether it was told, in a word.
    pub(in crate::web::console) told: &'static str,
}

/// The page.
pub(in crate::web::console) fn page(cx: &PageContext, view: &View) -> Markup {
    let head = Head {
        title: "Alerts",
        lead: "What people were told, or are to be told. The same again while it goes on is counted.",
        section: Some(Section::Alerts),
        ..Head::default()
    };
    let which = |label: &str, href: &str, chosen| FacetValue {
        label: label.into(),
        count: None,
        href: href.into(),
        chosen,
    };
    let values = vec![
        which("going on or to be told", "/alerts", !view.all),
        which("all", "/alerts?which=all", view.all),
    ];
    cx.page(
        &head,
        &html! {
            @if !view.are_told { (nobody_is_told()) }
            section .panel aria-label="Alerts" {
                (facets(&[Facet { label: "Which", values }]))
                div #list data-live="15" {
                    @if view.rows.is_empty() {
                        (empty("No alerts", "Nothing is wrong that anybody would be told."))
                    } @else {
                        (list(cx, &view.rows))
                        (pager(&view.pager))
                    }
                }
            }
        },
    )
}

/// Says that alerts reach nobody who does not look here.
pub(in crate::web::console) fn nobody_is_told() -> Markup {
    note(
        "nobody is told",
        BadgeTone::Calm,
        &html! {
            "No channel is configured, so alerts are only shown here. Set " code { "discord" }
            " in the section " code { "[alerts]" } " of the configuration."
        },
    )
}

fn list(cx: &PageContext, rows: &[Row]) -> Markup {
    let columns = [
        ("What", TEXT),
        ("Severity", TEXT),
        ("Source", TEXT),
        ("Text", WIDE),
        ("Count", NUMBER),
        ("Last", TEXT),
        ("State", TEXT),
    ];
    let rows: Vec<Vec<Markup>> = rows
        .iter()
        .map(|row| {
            vec![
                html! { (name(&row.kind)) span .under { "alert " (row.id) } },
                word(&row.severity, BadgeTone::of(&row.severity)),
                name(&row.source),
                html! {
                    @match &row.text {
                        Some(text) => { (said(text)) }
                        None => { span .muted { "shown with the scope payload:read" } }
                    }
                },
                html! { (number(row.count)) },
                when(row.last_at, cx.now),
                html! { (word(row.state, BadgeTone::of(row.state))) span .under { (row.told) } },
            ]
        })
        .collect();
    table("Alerts", &columns, &rows)
}
