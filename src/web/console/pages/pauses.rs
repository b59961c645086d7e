//! Sources and handlers, paused or not.

use maud::{Markup, html};
use time::OffsetDateTime;

use super::super::layout::{Head, PageContext, Section};
use super::super::parts::{
    BadgeTone, TEXT, WIDE, confirm, empty, link_path, name, said, table, when, word,
};
use crate::admin::Scope;

/// The list.
pub(in crate::web::console) struct View {
    /// Sources, then handlers.
    pub(in crate::web::console) rows: Vec<Row>,
}

/// A source or a handler.
pub(in crate::web::console) struct Row {
    /// `source` or `handler`.
    pub(in crate::web::console) what: &'static str,
    /// Its name.
    pub(in crate::web::console) name: String,
    /// When it was paused, by whom and why; `None` if it is not paused.
    pub(in crate::web::console) pause: Option<(OffsetDateTime, String, String)>,
}

/// The page.
pub(in crate::web::console) fn page(cx: &PageContext, view: &View) -> Markup {
    let head = Head {
        title: "Pauses",
        lead: "A paused source or handler still receives, verifies and stores events. Nothing is delivered until it is resumed.",
        section: Some(Section::Pauses),
        ..Head::default()
    };
    cx.page(
        &head,
        &html! {
            section .panel aria-label="Sources and handlers" #list data-live="15" {
                @if view.rows.is_empty() {
                    (empty("Nothing to pause", "The configuration contains no enabled source."))
                } @else {
                    (list(cx, &view.rows))
                }
            }
            @if cx.may(Scope::SourcesWrite) {
                section .panel aria-label="Actions" {
                    @for row in &view.rows {
                        div .switch id={ (row.what) "-" (link_path(&row.name)) } {
                            (switch(cx, row.what, &row.name, row.pause.is_some()))
                        }
                    }
                }
            }
        },
    )
}

fn list(cx: &PageContext, rows: &[Row]) -> Markup {
    let columns =
        [("Name", TEXT), ("Kind", TEXT), ("State", TEXT), ("Reason", WIDE), ("Since", TEXT)];
    let rows: Vec<Vec<Markup>> = rows
        .iter()
        .map(|row| {
            let state = if row.pause.is_some() { "paused" } else { "ok" };
            vec![
                name(&row.name),
                html! { (row.what) },
                word(state, BadgeTone::of(state)),
                html! { @if let Some((_, by, why)) = &row.pause {
                    (said(why)) span .under { "by " (said(by)) }
                } },
                html! { @if let Some((at, ..)) = &row.pause { (when(*at, cx.now)) } },
            ]
        })
        .collect();
    table("Sources and handlers", &columns, &rows)
}

/// The form that pauses or resumes a source or handler. It redirects to the list.
pub(in crate::web::console) fn switch(
    cx: &PageContext,
    what: &str,
    name: &str,
    is_paused: bool,
) -> Markup {
    let (verb, label, says) = if is_paused {
        ("resume", "Resume", "Stored events are processed, oldest first.")
    } else {
        (
            "pause",
            "Pause",
            "New events are verified and stored. Deliveries in flight are completed.",
        )
    };
    let name_part = link_path(name);
    html! {
        details .act {
            summary { (label) " " (what) " " (said(name)) }
            (confirm(cx, &format!("{verb}-{what}-{name_part}"),
                &format!("/pauses/{what}/{name_part}/{verb}"), says, ("first", label)))
        }
    }
}
