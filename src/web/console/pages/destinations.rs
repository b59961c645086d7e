//! The list of destinations.

use maud::{Markup, html};
use time::OffsetDateTime;

use super::super::layout::{Head, PageContext, Section};
use super::super::parts::{
    BadgeTone, NUMBER, TEXT, WIDE, empty, link_path, number, said, short, table, when, word,
};

/// The list.
pub(in crate::web::console) struct View {
    /// The destinations.
    pub(in crate::web::console) rows: Vec<Row>,
}

/// A destination.
pub(in crate::web::console) struct Row {
    /// Its name.
    pub(in crate::web::console) name: String,
    /// Its URL.
    pub(in crate::web::console) url: Option<String>,
    /// Its state.
    pub(in crate::web::console) state: &'static str,
    /// When it entered that state.
    pub(in crate::web::console) since: Option<OffsetDateTime>,
    /// The reason for that state.
    pub(in crate::web::console) why: Option<String>,
    /// Waiting deliveries.
    pub(in crate::web::console) ready: u64,
    /// When the oldest waiting delivery was created.
    pub(in crate::web::console) oldest: Option<OffsetDateTime>,
    /// Deliveries in flight.
    pub(in crate::web::console) at_work: u64,
    /// Open dead letters.
    pub(in crate::web::console) dead: u64,
    /// The last failure: time and text.
    pub(in crate::web::console) failed: Option<(OffsetDateTime, Option<String>)>,
    /// The available actions.
    pub(in crate::web::console) verbs: Vec<&'static str>,
}

/// The page.
pub(in crate::web::console) fn page(cx: &PageContext, view: &View) -> Markup {
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
                @if view.rows.is_empty() {
                    (empty("No destinations", "The configuration contains no destinations."))
                } @else {
                    (list(cx, &view.rows))
                }
            }
        },
    )
}

fn list(cx: &PageContext, rows: &[Row]) -> Markup {
    let columns = [
        ("Destination", TEXT),
        ("State", TEXT),
        ("Waiting", NUMBER),
        ("Oldest", TEXT),
        ("In flight", NUMBER),
        ("Dead letters", NUMBER),
        ("Last failure", WIDE),
    ];
    let rows: Vec<Vec<Markup>> = rows.iter().map(|row| vec![
        html! {
            a #(link_path(&row.name)) href={ "/destinations/" (link_path(&row.name)) } { (said(&row.name)) }
            @if let Some(url) = &row.url { span .under { (short(url, 80)) } }
        },
        html! {
            (word(row.state, BadgeTone::of(row.state)))
            @if let Some(since) = row.since { " " span .muted { "since " (when(since, cx.now)) } }
            @if let Some(why) = &row.why { span .under { (said(why)) } }
        },
        html! { (number(row.ready)) },
        html! { @if let Some(at) = row.oldest { (when(at, cx.now)) } },
        html! { (number(row.at_work)) },
        html! { (number(row.dead)) },
        html! {
            @if let Some((at, error)) = &row.failed {
                (when(*at, cx.now))
                @if let Some(error) = error { span .under { (short(error, 160)) } }
            }
        },
    ]).collect();
    table("Destinations", &columns, &rows)
}
