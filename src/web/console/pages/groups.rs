//! Dead letters grouped by error.

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
    /// The filters: class, and open or all.
    pub(in crate::web::console) facets: Vec<Facet>,
    /// The groups of each class shown.
    pub(in crate::web::console) classes: Vec<OfClass>,
}

/// The groups of a class.
pub(in crate::web::console) struct OfClass {
    /// Its label.
    pub(in crate::web::console) name: &'static str,
    /// The recommended action.
    pub(in crate::web::console) asks: &'static str,
    /// The groups of this page, most open dead letters first.
    pub(in crate::web::console) rows: Vec<Group>,
    /// Where this page is.
    pub(in crate::web::console) pager: Pager,
    /// The page that plans a job on the whole class; `None` if none is open.
    pub(in crate::web::console) plan: Option<String>,
}

/// A group.
pub(in crate::web::console) struct Group {
    /// Its id.
    pub(in crate::web::console) id: i64,
    /// The class label.
    pub(in crate::web::console) class: &'static str,
    /// The source.
    pub(in crate::web::console) source: String,
    /// The handler.
    pub(in crate::web::console) handler: String,
    /// The reason: a stored value.
    pub(in crate::web::console) reason: String,
    /// The title.
    pub(in crate::web::console) title: String,
    /// Whether its messages vary too much to be grouped further.
    pub(in crate::web::console) is_various: bool,
    /// Open dead letters.
    pub(in crate::web::console) open: u64,
    /// Dead letters in total.
    pub(in crate::web::console) total: u64,
    /// When the first was dead-lettered.
    pub(in crate::web::console) first_at: OffsetDateTime,
    /// When the last was dead-lettered.
    pub(in crate::web::console) last_at: OffsetDateTime,
    /// The newest delivery in it.
    pub(in crate::web::console) sample: i64,
    /// Dead letters per hour in the last 24 hours.
    pub(in crate::web::console) course: Vec<u64>,
}

/// One group.
pub(in crate::web::console) struct One {
    /// The group.
    pub(in crate::web::console) group: Group,
    /// The dead letters of this page.
    pub(in crate::web::console) rows: Vec<dead_letters::Row>,
    /// Where this page is.
    pub(in crate::web::console) pager: Pager,
    /// The recommended action of its class.
    pub(in crate::web::console) asks: &'static str,
}

/// The page with all of them.
pub(in crate::web::console) fn page(cx: &PageContext, view: &View) -> Markup {
    let head = Head {
        title: "Dead letters",
        lead: "Deliveries that failed permanently, grouped by error.",
        section: Some(Section::DeadLetters),
        actions: Some(html! { a .button href="/dead-letters/all" { "All dead letters" } }),
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
                        (empty("No dead letters", "No open dead letters."))
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
                    div .actions { a .button.small-button href=(plan) { "Bulk action" } }
                }
            }
            (list(cx, class.name, &class.rows))
            (pager(&class.pager))
        }
    }
}

fn list(cx: &PageContext, caption: &str, rows: &[Group]) -> Markup {
    let columns = [
        ("Latest message", WIDE),
        ("Source", TEXT),
        ("Open", NUMBER),
        ("Last 24 h", TEXT),
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
        sparkline("Dead-lettered in 24 hours", &row.course),
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
                ("Latest message", html! {
                    code { (said(&group.title)) }
                    @if group.is_various { " and others (too varied to group further)" }
                }),
                ("Open", html! { (number(group.open)) " of " (number(group.total)) }),
                ("First", stamp(group.first_at, cx.now)),
                ("Last", stamp(group.last_at, cx.now)),
                ("Recommended action", html! { (view.asks) }),
                ("Latest", html! { a href={ "/deliveries/" (group.sample) } { "Delivery " (group.sample) } }),
                ("Last 24 hours", sparkline("Dead-lettered in 24 hours", &group.course)),
            ]))
        }))
        section .panel aria-label="In this group" #list data-live="15" {
            @if view.rows.is_empty() {
                (empty("No open dead letters", "All dead letters of this group are resolved."))
            } @else {
                (dead_letters::list(cx, &view.rows))
                (pager(&view.pager))
            }
        }
    })
}
