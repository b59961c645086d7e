//! The list of dead letters.

use maud::{Markup, html};
use time::OffsetDateTime;

use super::super::layout::{Head, PageContext, Section};
use super::super::parts::{
    BadgeTone, Choice, NUMBER, Pager, TEXT, WIDE, empty, field, name, number, pager, select, short,
    table, when, word,
};
use crate::admin::Scope;

/// The list.
pub(in crate::web::console) struct View {
    /// The filter.
    pub(in crate::web::console) narrowed: Narrowed,
    /// The known reasons.
    pub(in crate::web::console) reasons: Vec<String>,
    /// The page that plans a job on all open matches.
    pub(in crate::web::console) plan: Option<String>,
    /// The rows of this page.
    pub(in crate::web::console) rows: Vec<Row>,
    /// Where this page is.
    pub(in crate::web::console) pager: Pager,
}

/// The filter; an empty field does not filter.
#[derive(Debug, Clone, Default)]
pub(in crate::web::console) struct Narrowed {
    /// The source.
    pub(in crate::web::console) source: String,
    /// The handler.
    pub(in crate::web::console) handler: String,
    /// The reason.
    pub(in crate::web::console) reason: String,
    /// Whether resolved ones are included.
    pub(in crate::web::console) resolved: bool,
}

/// A dead letter.
pub(in crate::web::console) struct Row {
    /// The delivery's id.
    pub(in crate::web::console) id: i64,
    /// The event's type.
    pub(in crate::web::console) kind: Option<String>,
    /// Its source.
    pub(in crate::web::console) source: String,
    /// The handler's name.
    pub(in crate::web::console) handler: String,
    /// Why it was dead-lettered.
    pub(in crate::web::console) reason: String,
    /// The first line of its error; `None` without an error or without the scope.
    pub(in crate::web::console) error: Option<String>,
    /// Attempts started.
    pub(in crate::web::console) attempts: i32,
    /// When it was dead-lettered.
    pub(in crate::web::console) died_at: Option<OffsetDateTime>,
    /// The number of deliveries it blocks in its lane.
    pub(in crate::web::console) waiting: u64,
    /// How it was resolved.
    pub(in crate::web::console) resolution: Option<String>,
}

/// The page.
pub(in crate::web::console) fn page(cx: &PageContext, view: &View) -> Markup {
    let plan = view.plan.as_ref().filter(|_| cx.may(Scope::EventsReplay));
    let head = Head {
        title: "All dead letters",
        lead: "Deliveries that failed permanently and need to be replayed or discarded.",
        section: Some(Section::DeadLetters),
        below: true,
        actions: plan.map(|plan| html! { a .button.first href=(plan) { "Bulk action" } }),
        ..Head::default()
    };
    cx.page(
        &head,
        &html! {
            section .panel aria-label="Dead letters" {
                (narrow(view))
                div #list data-live="15" {
                    @if view.rows.is_empty() {
                        (empty("No dead letters", "No dead letter matches the filter."))
                    } @else {
                        (list(cx, &view.rows))
                        (pager(&view.pager))
                    }
                }
            }
        },
    )
}

fn narrow(view: &View) -> Markup {
    let choice = |value: &str, label: &str| Choice { value: value.into(), label: label.into() };
    let mut reasons = vec![choice("", "any")];
    reasons.extend(view.reasons.iter().map(|reason| choice(reason, reason)));
    let which = [choice("", "open"), choice("all", "open and resolved")];
    let narrowed = &view.narrowed;
    html! {
        form .search method="get" action="/dead-letters/all" role="search" {
            div .inline {
                (field("source", "Source", "", &html! {
                    input #source name="source" value=(narrowed.source) data-search autocomplete="off";
                }))
                (field("handler", "Handler", "", &html! {
                    input #handler name="handler" value=(narrowed.handler) autocomplete="off";
                }))
                (select("reason", "reason", "Reason", &reasons, &narrowed.reason))
                (select("which", "which", "Show", &which, if narrowed.resolved { "all" } else { "" }))
                button { "Filter" }
            }
        }
    }
}

/// The table of dead letters, shared by several pages.
pub(in crate::web::console) fn list(cx: &PageContext, rows: &[Row]) -> Markup {
    let columns = [
        ("Delivery", TEXT),
        ("Type", TEXT),
        ("Source", TEXT),
        ("Reason", WIDE),
        ("Attempts", NUMBER),
        ("Dead since", TEXT),
        ("Blocks", NUMBER),
    ];
    let rows: Vec<Vec<Markup>> = rows
        .iter()
        .map(|row| {
            vec![
                html! { a href={ "/deliveries/" (row.id) } { (row.id) } },
                name(row.kind.as_deref().unwrap_or("gone")),
                html! { (name(&row.source)) span .under { (name(&row.handler)) } },
                html! {
                    (word(&row.reason, BadgeTone::Bad))
                    @if let Some(how) = &row.resolution { " " (word(how, BadgeTone::of(how))) }
                    @if let Some(error) = &row.error { span .under { (short(error, 160)) } }
                },
                html! { (row.attempts) },
                html! { @if let Some(at) = row.died_at { (when(at, cx.now)) } },
                html! { @if row.waiting > 0 { (number(row.waiting)) } },
            ]
        })
        .collect();
    table("Dead letters", &columns, &rows)
}
