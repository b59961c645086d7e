//! Dead letters by what they have in common.

use maud::{Markup, html};
use time::OffsetDateTime;

use super::super::layout::{Head, PageContext, Section};
use super::super::parts::{
    BadgeTone, Facet, NUMBER, Pager, TEXT, WIDE, empty, facets, name, number, pager, panel, said,
    short, sparkline, stamp, table, terms, when, word,
};
use super::dead_letters;
use crate::admin::Scope;

/// The list.
pub(in crate::web::console) struct View {
    /// The classes, which are kept apart, and what else narrows the list.
    pub(in crate::web::console) facets: Vec<Facet>,
    /// The groups of each class that is shown.
    pub(in crate::web::console) classes: Vec<OfClass>,
}

/// The groups of a class.
pub(in crate::web::console) struct OfClass {
    /// What it is called.
    pub(in crate::web::console) name: &'static str,
    /// What it asks people to do.
    pub(in crate::web::console) asks: &'static str,
    /// This page of it, those with most open first.
    pub(in crate::web::console) rows: Vec<Group>,
    /// Where this page is.
    pub(in crate::web::console) pager: Pager,
    /// Where one plans to act on all of the class; `None` where none is open.
    pub(in crate::web::console) plan: Option<String>,
}

/// A group.
pub(in crate::web::console) struct Group {
    /// Its id.
    pub(in crate::web::console) id: i64,
    /// What kind of failure they are, in words.
    pub(in crate::web::console) class: &'static str,
    /// The source.
    pub(in crate::web::console) source: String,
    /// The handler.
    pub(in crate::web::console) handler: String,
    /// The reason: a stored word.
    pub(in crate::web::console) reason: String,
    /// What it is called.
    pub(in crate::web::console) title: String,
    /// Whether its messages are too various to be told apart.
    pub(in crate::web::console) is_various: bool,
    /// How many are open.
    pub(in crate::web::console) open: u64,
    /// How many there ever were.
    pub(in crate::web::console) total: u64,
    /// When the first died.
    pub(in crate::web::console) first_at: OffsetDateTime,
    /// When the last died.
    pub(in crate::web::console) last_at: OffsetDateTime,
    /// The newest of them: a delivery.
    pub(in crate::web::console) sample: i64,
    /// How many died in each hour of the last day.
    pub(in crate::web::console) course: Vec<u64>,
}

/// One group.
pub(in crate::web::console) struct One {
    /// The group.
    pub(in crate::web::console) group: Group,
    /// This page of what is in it.
    pub(in crate::web::console) rows: Vec<dead_letters::Row>,
    /// Where this page is.
    pub(in crate::web::console) pager: Pager,
    /// What its class asks people to do.
    pub(in crate::web::console) asks: &'static str,
}

/// The page with all of them.
pub(in crate::web::console) fn page(cx: &PageContext, view: &View) -> Markup {
    let head = Head {
        title: "Dead letters",
        lead: "Deliveries that ended without success, by what they have in common.",
        section: Some(Section::DeadLetters),
        actions: Some(html! { a .button href="/dead-letters/all" { "One by one" } }),
        ..Head::default()
    };
    let nothing = view.classes.iter().all(|class| class.rows.is_empty());
    cx.page(
        &head,
        &html! {
            section .panel aria-label="Classes" { (facets(&view.facets)) }
            div #list .stack data-live="15" {
                @if nothing {
                    section .panel aria-label="Groups" {
                        (empty("No dead letters", "Nothing waits for an operator here."))
                    }
                }
                @for class in view.classes.iter().filter(|class| !class.rows.is_empty()) {
                    (of_class(cx, class))
                }
            }
        },
    )
}

fn of_class(cx: &PageContext, class: &OfClass) -> Markup {
    let plan = class.plan.as_ref().filter(|_| cx.may(Scope::EventsReplay));
    html! {
        section .panel aria-label=(class.name) {
            header {
                h2 { (class.name) }
                p { (class.asks) }
                @if let Some(plan) = plan {
                    div .actions { a .button.small-button href=(plan) { "Act on all of these" } }
                }
            }
            (list(cx, class.name, &class.rows))
            (pager(&class.pager))
        }
    }
}

fn list(cx: &PageContext, caption: &str, rows: &[Group]) -> Markup {
    let columns = [
        ("Newest message", WIDE),
        ("Source", TEXT),
        ("Open", NUMBER),
        ("Day", TEXT),
        ("First", NUMBER),
        ("Last", NUMBER),
    ];
    let rows: Vec<Vec<Markup>> = rows.iter().map(|row| vec![
        html! {
            a href={ "/dead-letters/groups/" (row.id) } {
                (short(&row.title, 160))
            }
            span .under {
                (word(&row.reason, BadgeTone::Bad))
                @if row.is_various { " various messages" }
            }
        },
        html! { (name(&row.source)) span .under { (name(&row.handler)) } },
        html! { (number(row.open)) @if row.total > row.open { span .under { "of " (number(row.total)) } } },
        sparkline("Died in a day", &row.course),
        when(row.first_at, cx.now),
        when(row.last_at, cx.now),
    ]).collect();
    table(caption, &columns, &rows)
}

/// The page with one.
pub(in crate::web::console) fn one(cx: &PageContext, view: &One) -> Markup {
    let group = &view.group;
    let title = short(&group.title, 100);
    let plan = |action: &str| format!("/jobs/new?action={action}&group={}", group.id);
    let acts = cx.may(Scope::EventsReplay) && group.open > 0;
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
    cx.page(&head, &html! {
        (panel("Group", &html! {}, &html! {
            (terms(&[
                ("Class", html! { (group.class) }),
                ("Reason", word(&group.reason, BadgeTone::Bad)),
                ("Source", html! { (said(&group.source)) }),
                ("Handler", html! { (said(&group.handler)) }),
                ("Newest message", html! {
                    code { (said(&group.title)) }
                    @if group.is_various { " and others: they are too various to be told apart" }
                }),
                ("Open", html! { (number(group.open)) " of " (number(group.total)) }),
                ("First", stamp(group.first_at, cx.now)),
                ("Last", stamp(group.last_at, cx.now)),
                ("What to do", html! { (view.asks) }),
                ("The newest", html! { a href={ "/deliveries/" (group.sample) } { "Delivery " (group.sample) } }),
                ("Last day", sparkline("Died in a day", &group.course)),
            ]))
        }))
        section .panel aria-label="In this group" #list data-live="15" {
            @if view.rows.is_empty() {
                (empty("None is open", "All of them were dealt with."))
            } @else {
                (dead_letters::list(cx, &view.rows))
                (pager(&view.pager))
            }
        }
    })
}
