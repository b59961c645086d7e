//! The list of alerts.

use maud::{Markup, html};
use time::OffsetDateTime;

use super::super::layout::{Head, PageContext, Section, note};
use super::super::parts::{
    BadgeTone, Facet, FacetValue, NUMBER, Pager, TEXT, WIDE, empty, facets, name, number, pager,
    said, table, when, word,
};

/// The list.
pub(in crate::web::console) struct View {
    /// Whether closed alerts are included.
    pub(in crate::web::console) all: bool,
    /// Whether an alert channel is configured.
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
    /// The severity: a stored value.
    pub(in crate::web::console) severity: String,
    /// The kind: a stored value.
    pub(in crate::web::console) kind: String,
    /// The source it is about.
    pub(in crate::web::console) source: String,
    /// The text; `None` without the scope `payload:read`.
    pub(in crate::web::console) text: Option<String>,
    /// How often it was raised.
    pub(in crate::web::console) count: u64,
    /// When it was raised last.
    pub(in crate::web::console) last_at: OffsetDateTime,
    /// Its state.
    pub(in crate::web::console) state: &'static str,
    /// Its notification state.
    pub(in crate::web::console) told: &'static str,
}

/// The page.
pub(in crate::web::console) fn page(cx: &PageContext, view: &View) -> Markup {
    let head = Head {
        title: "Alerts",
        lead: "Alerts that were sent or are waiting to be sent. Repeats are counted while the alert is open.",
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
        which("open or not yet sent", "/alerts", !view.all),
        which("all", "/alerts?which=all", view.all),
    ];
    cx.page(
        &head,
        &html! {
            @if !view.are_told { (nobody_is_told()) }
            section .panel aria-label="Alerts" {
                (facets(&[Facet { label: "Show", values }]))
                div #list data-live="15" {
                    @if view.rows.is_empty() {
                        (empty("No alerts", "No alert is open."))
                    } @else {
                        (list(cx, &view.rows))
                        (pager(&view.pager))
                    }
                }
            }
        },
    )
}

/// The warning shown while no alert channel is configured.
pub(in crate::web::console) fn nobody_is_told() -> Markup {
    note(
        "no channel",
        BadgeTone::Calm,
        &html! {
            "No alert channel is configured, so alerts appear only on this page. Set " code { "discord" }
            " in the section " code { "[alerts]" } " of the configuration."
        },
    )
}

fn list(cx: &PageContext, rows: &[Row]) -> Markup {
    let columns = [
        ("Alert", TEXT),
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
                        None => { span .muted { "requires scope payload:read" } }
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
