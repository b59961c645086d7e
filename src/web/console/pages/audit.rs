//! The audit log.

use maud::{Markup, html};
use time::OffsetDateTime;

use super::super::layout::{Head, PageContext, Section, note};
use super::super::parts::{
    BadgeTone, NUMBER, Pager, TEXT, WIDE, empty, field, number, pager, panel, post, said, short,
    stamp, table,
};

/// The list.
pub(in crate::web::console) struct View {
    /// Filter by actor; empty for all.
    pub(in crate::web::console) actor: String,
    /// Filter by action; empty for all.
    pub(in crate::web::console) action: String,
    /// First day, as typed.
    pub(in crate::web::console) since: String,
    /// Last day, as typed.
    pub(in crate::web::console) until: String,
    /// Whether the caller sees the whole chain and may verify it.
    pub(in crate::web::console) whole: bool,
    /// Entries, newest first.
    pub(in crate::web::console) rows: Vec<Row>,
    /// Where this page is.
    pub(in crate::web::console) pager: Pager,
    /// The result of a chain verification, if one was run: valid or not, and a sentence.
    pub(in crate::web::console) chain: Option<(bool, String)>,
}

/// An entry.
pub(in crate::web::console) struct Row {
    /// Its number.
    pub(in crate::web::console) id: i64,
    /// When.
    pub(in crate::web::console) at: OffsetDateTime,
    /// The actor.
    pub(in crate::web::console) actor: String,
    /// The client address.
    pub(in crate::web::console) address: Option<String>,
    /// The action: a stored value.
    pub(in crate::web::console) action: String,
    /// The target.
    pub(in crate::web::console) target: String,
    /// The reason.
    pub(in crate::web::console) reason: String,
    /// The number of affected rows.
    pub(in crate::web::console) count: u64,
    /// The entry's hash, in hexadecimal.
    pub(in crate::web::console) hash: String,
}

/// The page.
pub(in crate::web::console) fn page(cx: &PageContext, view: &View) -> Markup {
    let head = Head {
        title: "Audit log",
        lead: "Administrative actions with actor, target and reason. Append-only; each entry contains the hash of the previous one.",
        section: Some(Section::Audit),
        ..Head::default()
    };
    cx.page(&head, &html! {
        @if let Some((intact, text)) = &view.chain {
            (note(if *intact { "chain valid" } else { "chain broken" },
                  if *intact { BadgeTone::Good } else { BadgeTone::Bad }, &html! { (said(text)) }))
        }
        section .panel aria-label="Entries" {
            form .search method="get" action="/audit" role="search" {
                div .inline {
                    (field("actor", "Actor", "", &html! {
                        input #actor name="actor" value=(view.actor) data-search autocomplete="off";
                    }))
                    (field("action", "Action", "", &html! {
                        input #action name="action" value=(view.action) autocomplete="off";
                    }))
                    (field("since", "From", "", &html! {
                        input #since name="since" type="date" value=(view.since);
                    }))
                    (field("until", "To", "", &html! {
                        input #until name="until" type="date" value=(view.until);
                    }))
                    button { "Filter" }
                }
            }
            @if view.rows.is_empty() { (empty("No entries", "No entry matches the filter.")) }
            @else { (list(cx, &view.rows)) (pager(&view.pager)) }
        }
        @if view.whole { (panel("Verify the chain", &html! {}, &check(cx))) }
    })
}

fn check(cx: &PageContext) -> Markup {
    let hint = "The hash of an entry, recorded earlier outside this database. It also detects deleted entries at the end.";
    post(
        cx,
        "/audit/verify",
        "form",
        &html! {
            (field("head", "Expected hash (optional)", hint, &html! {
                input #head name="head" pattern="[0-9a-fA-F]{64}" maxlength="64" autocomplete="off"
                      spellcheck="false" aria-describedby="head-hint";
            }))
            div .actions { button { "Verify all entries" } }
        },
    )
}

fn list(cx: &PageContext, rows: &[Row]) -> Markup {
    let columns = [
        ("Entry", NUMBER),
        ("When", TEXT),
        ("Actor", TEXT),
        ("Action", TEXT),
        ("Target and reason", WIDE),
        ("Count", NUMBER),
        ("Hash", TEXT),
    ];
    let rows: Vec<Vec<Markup>> = rows.iter().map(|row| vec![
        html! { (row.id) },
        stamp(row.at, cx.now),
        html! {
            span .said { (said(&row.actor)) }
            @if let Some(address) = &row.address { span .under { (said(address)) } }
        },
        html! { (said(&row.action)) },
        html! { (said(&row.target)) @if !row.reason.is_empty() { span .under { (said(&row.reason)) } } },
        html! { (number(row.count)) },
        html! { code .nowrap title=(row.hash) { (short(&row.hash, 10)) } },
    ]).collect();
    table("Entries of the audit log", &columns, &rows)
}
