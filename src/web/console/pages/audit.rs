//! The audit log: who did what, to what, and why.

use maud::{Markup, html};
use time::OffsetDateTime;

use super::super::layout::{Head, PageContext, Section, note};
use super::super::parts::{
    BadgeTone, NUMBER, Pager, TEXT, WIDE, empty, field, number, pager, panel, post, said, short,
    stamp, table,
};

/// The list.
pub(in crate::web::console) struct View {
    /// Narrowed to this actor; all where it is empty.
    pub(in crate::web::console) actor: String,
    /// Narrowed to this action; all where it is empty.
    pub(in crate::web::console) action: String,
    /// Not before this day, as it was typed.
    pub(in crate::web::console) since: String,
    /// Not after this day, as it was typed.
    pub(in crate::web::console) until: String,
    /// Whether whoever looks sees all of the chain, and can have it checked.
    pub(in crate::web::console) whole: bool,
    /// Entries, the newest first.
    pub(in crate::web::console) rows: Vec<Row>,
    /// Where this page is.
    pub(in crate::web::console) pager: Pager,
    /// Whether the chain of hashes holds, where that was checked: a sentence.
    pub(in crate::web::console) chain: Option<(bool, String)>,
}

/// An entry.
pub(in crate::web::console) struct Row {
    /// Its number.
    pub(in crate::web::console) id: i64,
    /// When.
    pub(in crate::web::console) at: OffsetDateTime,
    /// Who.
    pub(in crate::web::console) actor: String,
    /// From where.
    pub(in crate::web::console) address: Option<String>,
    /// What they did: a stored word.
    pub(in crate::web::console) action: String,
    /// To what.
    pub(in crate::web::console) target: String,
    /// Why.
    pub(in crate::web::console) reason: String,
    /// To how many.
    pub(in crate::web::console) count: u64,
    /// The entry's hash, in hexadecimal.
    pub(in crate::web::console) hash: String,
}

/// The page.
pub(in crate::web::console) fn page(cx: &PageContext, view: &View) -> Markup {
    let head = Head {
        title: "Audit log",
        lead: "Who did what, to what, and why. Entries are only ever added; each names the hash of the one before.",
        section: Some(Section::Audit),
        ..Head::default()
    };
    cx.page(&head, &html! {
        @if let Some((intact, text)) = &view.chain {
            (note(if *intact { "chain holds" } else { "chain broken" },
                  if *intact { BadgeTone::Good } else { BadgeTone::Bad }, &html! { (said(text)) }))
        }
        section .panel aria-label="Entries" {
            form .search method="get" action="/audit" role="search" {
                div .inline {
                    (field("actor", "Who", "", &html! {
                        input #actor name="actor" value=(view.actor) data-search autocomplete="off";
                    }))
                    (field("action", "What", "", &html! {
                        input #action name="action" value=(view.action) autocomplete="off";
                    }))
                    (field("since", "From", "", &html! {
                        input #since name="since" type="date" value=(view.since);
                    }))
                    (field("until", "To", "", &html! {
                        input #until name="until" type="date" value=(view.until);
                    }))
                    button { "Narrow" }
                }
            }
            @if view.rows.is_empty() { (empty("No entries", "Nobody did anything that matches.")) }
            @else { (list(cx, &view.rows)) (pager(&view.pager)) }
        }
        @if view.whole { (panel("Check the chain", &html! {}, &check(cx))) }
    })
}

fn check(cx: &PageContext) -> Markup {
    let hint =
        "The hash of an entry as you noted it elsewhere: then entries that were cut off show too.";
    post(
        cx,
        "/audit/verify",
        "form",
        &html! {
            (field("head", "Expected hash, if you have one", hint, &html! {
                input #head name="head" pattern="[0-9a-fA-F]{64}" maxlength="64" autocomplete="off"
                      spellcheck="false" aria-describedby="head-hint";
            }))
            div .actions { button { "Check every entry" } }
        },
    )
}

fn list(cx: &PageContext, rows: &[Row]) -> Markup {
    let columns = [
        ("Entry", NUMBER),
        ("When", TEXT),
        ("Who", TEXT),
        ("What", TEXT),
        ("To what, and why", WIDE),
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
