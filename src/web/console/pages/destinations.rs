//! The destinations: how they stand, and what holds them back or lets them go on.

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
    /// Where it is.
    pub(in crate::web::console) url: Option<String>,
    /// How it stands, in one word.
    pub(in crate::web::console) state: &'static str,
    /// Since when it stands so.
    pub(in crate::web::console) since: Option<OffsetDateTime>,
    /// Why, in whose words ever.
    pub(in crate::web::console) why: Option<String>,
    /// How many deliveries wait.
    pub(in crate::web::console) ready: u64,
    /// Since when the oldest waits.
    pub(in crate::web::console) oldest: Option<OffsetDateTime>,
    /// How many are at work.
    pub(in crate::web::console) at_work: u64,
    /// How many are dead and open.
    pub(in crate::web::console) dead: u64,
    /// When it failed last, and how.
    pub(in crate::web::console) failed: Option<(OffsetDateTime, Option<String>)>,
    /// What can be done: the verbs.
    pub(in crate::web::console) verbs: Vec<&'static str>,
}

/// The page.
pub(in crate::web::console) fn page(cx: &PageContext, view: &View) -> Markup {
    let head = Head {
        title: "Destinations",
        lead: "Where verified events are handed on to. What arrives for one that is held back is kept.",
        section: Some(Section::Destinations),
        ..Head::default()
    };
    cx.page(
        &head,
        &html! {
            section .panel aria-label="Destinations" #list data-live="15" {
                @if view.rows.is_empty() {
                    (empty("No destinations", "The configuration names none."))
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
        ("At work", NUMBER),
        ("Dead", NUMBER),
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
