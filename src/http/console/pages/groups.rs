//! Dead letters by what they have in common.

use maud::{Markup, html};
use time::OffsetDateTime;

use super::super::frame::{Head, Section, Stage};
use super::super::parts::{
    Facet, NUMBER, Pager, TEXT, Tone, WIDE, empty, facets, link_path, number, pager, panel, said,
    short, sparkline, stamp, table, terms, when, word,
};
use super::dead_letters;
use crate::operator::Scope;

/// The list.
pub(in crate::http::console) struct View {
    /// The classes, which are kept apart, and what else narrows the list.
    pub(in crate::http::console) facets: Vec<Facet>,
    /// This page of it, those with most open first.
    pub(in crate::http::console) rows: Vec<Group>,
    /// Where this page is.
    pub(in crate::http::console) pager: Pager,
    /// Where one plans to act on all that match; `None` where nothing does.
    pub(in crate::http::console) plan: Option<String>,
}

/// A group.
pub(in crate::http::console) struct Group {
    /// Its id.
    pub(in crate::http::console) id: String,
    /// What kind of failure it is, in words such as `destination failure`.
    pub(in crate::http::console) class: String,
    /// The source.
    pub(in crate::http::console) source: String,
    /// The handler.
    pub(in crate::http::console) handler: String,
    /// The reason: a stored word.
    pub(in crate::http::console) reason: String,
    /// The message, what differs left out; `None` where it may not be seen.
    pub(in crate::http::console) message: Option<String>,
    /// How many are open.
    pub(in crate::http::console) open: u64,
    /// How many there ever were.
    pub(in crate::http::console) total: u64,
    /// When the first died.
    pub(in crate::http::console) first_at: OffsetDateTime,
    /// When the last died.
    pub(in crate::http::console) last_at: OffsetDateTime,
    /// Deaths over time.
    pub(in crate::http::console) course: Vec<u64>,
}

/// One group.
pub(in crate::http::console) struct One {
    /// The group.
    pub(in crate::http::console) group: Group,
    /// This page of what is in it.
    pub(in crate::http::console) rows: Vec<dead_letters::Row>,
    /// Where this page is.
    pub(in crate::http::console) pager: Pager,
    /// What to try first, where that is known.
    pub(in crate::http::console) advice: Option<&'static str>,
}

/// The page with all of them.
pub(in crate::http::console) fn page(stage: &Stage, view: &View) -> Markup {
    let plan = view.plan.as_ref().filter(|_| stage.may(Scope::EventsReplay));
    let head = Head {
        title: "Dead letters",
        lead: "Deliveries that ended without success, by what they have in common.",
        section: Some(Section::DeadLetters),
        actions: Some(html! {
            a .button href="/dead-letters/all" { "One by one" }
            @if let Some(plan) = plan { a .button.first href=(plan) { "Act on all of these" } }
        }),
        ..Head::default()
    };
    stage.page(
        &head,
        &html! {
            section .panel aria-label="Groups" {
                (facets(&view.facets))
                div #list data-live="15" {
                    @if view.rows.is_empty() {
                        (empty("No dead letters", "Nothing waits for an operator here."))
                    } @else {
                        (list(stage, &view.rows))
                        (pager(&view.pager))
                    }
                }
            }
        },
    )
}

fn list(stage: &Stage, rows: &[Group]) -> Markup {
    let columns = [
        ("What they have in common", WIDE),
        ("Class", TEXT),
        ("Source", TEXT),
        ("Open", NUMBER),
        ("Day", TEXT),
        ("First", NUMBER),
        ("Last", NUMBER),
    ];
    let rows: Vec<Vec<Markup>> = rows.iter().map(|row| vec![
        html! {
            a href={ "/dead-letters/groups/" (link_path(&row.id)) } {
                (short(row.message.as_deref().unwrap_or(&row.reason), 160))
            }
            span .under { (word(&row.reason, Tone::Bad)) }
        },
        html! { (said(&row.class)) },
        html! { span .said { (said(&row.source)) } span .under { (said(&row.handler)) } },
        html! { (number(row.open)) @if row.total > row.open { span .under { "of " (number(row.total)) } } },
        sparkline("Died in a day", &row.course),
        when(row.first_at, stage.now),
        when(row.last_at, stage.now),
    ]).collect();
    table("Groups of dead letters", &columns, &rows)
}

/// The page with one.
pub(in crate::http::console) fn one(stage: &Stage, view: &One) -> Markup {
    let group = &view.group;
    let title = short(group.message.as_deref().unwrap_or(&group.reason), 100);
    let plan = |action: &str| format!("/jobs/new?action={action}&group={}", link_path(&group.id));
    let acts = stage.may(Scope::EventsReplay) && group.open > 0;
    let head = Head {
        title: &title,
        section: Some(Section::DeadLetters),
        below: true,
        actions: acts.then(|| {
            html! {
                a .button.risky href=(plan("discard")) { "Discard all" }
                a .button.first href=(plan("replay")) { "Replay all" }
            }
        }),
        ..Head::default()
    };
    stage.page(&head, &html! {
        (panel("Group", &html! {}, &html! {
            (terms(&[
                ("Class", html! { (said(&group.class)) }),
                ("Reason", word(&group.reason, Tone::Bad)),
                ("Source", html! { (said(&group.source)) }),
                ("Handler", html! { (said(&group.handler)) }),
                ("Message", html! { @if let Some(message) = &group.message { code { (said(message)) } } }),
                ("Open", html! { (number(group.open)) " of " (number(group.total)) }),
                ("First", stamp(group.first_at, stage.now)),
                ("Last", stamp(group.last_at, stage.now)),
                ("Try first", html! { @if let Some(advice) = view.advice { (advice) } }),
            ]))
        }))
        section .panel aria-label="In this group" #list data-live="15" {
            @if view.rows.is_empty() {
                (empty("None is open", "All of them were dealt with."))
            } @else {
                (dead_letters::list(stage, &view.rows))
                (pager(&view.pager))
            }
        }
    })
}
