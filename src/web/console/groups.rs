//! Dead letters grouped by error: the list and one group.

use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use serde::Deserialize;
use strum::VariantArray as _;

use super::dead_letters;
use super::layout::{Head, PageContext, Section};
use super::parts::{
    BadgeTone, Facet, FacetValue, NUMBER, Pager, TEXT, WIDE, badge, count, empty, facets, name,
    number, pager, panel, short, sparkline, stamp, table, terms, visible, when,
};
use crate::admin::{
    AdminError, Caller, Class, DeadLetterPage, Filter, Group, GroupCursor, GroupPage,
    GroupSelection, Paging, Scope, Selection,
};
use crate::web::admin::AdminState;

const ROWS: u32 = 50;
/// Groups per class when all classes are shown.
const PER_CLASS: u32 = 10;

pub(super) fn routes(app: &mut web::ServiceConfig) {
    app.route("/dead-letters", web::get().to(list))
        .route("/dead-letters/groups/{id}", web::get().to(show));
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ListQuery {
    class: String,
    which: String,
    after: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct GroupQuery {
    before: Option<i64>,
}

/// The list: the largest groups of every class, or all of one class.
pub(super) struct List {
    pub(super) class: Option<Class>,
    /// Whether groups without open dead letters are included.
    pub(super) resolved: bool,
    /// The position after which the list begins.
    pub(super) after: Option<GroupCursor>,
    pub(super) classes: Vec<(Class, GroupPage)>,
    pub(super) open: Vec<(Class, u64)>,
}

pub(super) struct GroupDetail {
    pub(super) group: Group,
    /// Only dead letters with lower ids are shown.
    pub(super) before: Option<i64>,
    pub(super) page: DeadLetterPage,
}

async fn list(
    cx: PageContext,
    admin: web::Data<AdminState>,
    query: web::Query<ListQuery>,
) -> HttpResponse {
    cx.show(read(&admin, &cx.viewer.caller, &query), page).await
}

async fn show(
    cx: PageContext,
    admin: web::Data<AdminState>,
    id: web::Path<i64>,
    query: web::Query<GroupQuery>,
) -> HttpResponse {
    cx.show(read_one(&admin, &cx.viewer.caller, *id, query.before), one).await
}

async fn read(admin: &AdminState, caller: &Caller, query: &ListQuery) -> Result<List, AdminError> {
    caller.needs(Scope::EventsRead)?;
    let class = Some(&*query.class).filter(|word| !word.is_empty()).map(str::parse::<Class>);
    let class = class.transpose().map_err(|error| AdminError::Invalid(error.to_string()))?;
    let after = Some(&*query.after).filter(|text| !text.is_empty());
    let after = after.map(str::parse::<GroupCursor>).transpose()?;
    let resolved = query.which == "all";
    let shown: Vec<Class> = class.map_or(Class::VARIANTS.to_vec(), |class| vec![class]);
    let limit = if class.is_some() { ROWS } else { PER_CLASS };
    let mut classes = Vec::new();
    for one in shown {
        let selection = GroupSelection { class: Some(one), resolved, ..GroupSelection::default() };
        classes.push((one, admin.groups.list(caller, &selection, after, limit).await?));
    }
    let open = admin.groups.by_class(caller).await?;
    Ok(List { class, resolved, after, classes, open })
}

async fn read_one(
    admin: &AdminState,
    caller: &Caller,
    id: i64,
    before: Option<i64>,
) -> Result<GroupDetail, AdminError> {
    let group = admin.groups.show(caller, id).await?;
    let selection = Selection::Matching(Filter { group: Some(id), ..Filter::default() });
    let paging = Paging { before, ..Paging::first(ROWS) };
    let page = admin.dead_letters.list(caller, &selection, paging).await?;
    Ok(GroupDetail { group, before, page })
}

fn address(class: Option<Class>, resolved: bool) -> String {
    let class = class.map_or("", Class::as_str);
    format!("/dead-letters?class={class}&which={}", if resolved { "all" } else { "" })
}

fn label(class: Class) -> &'static str {
    match class {
        Class::Handler => "Handler failures",
        Class::Destination => "Destination failures",
        Class::Content => "Quarantined content",
        Class::Transfer => "Expired transfers",
        Class::Internal => "Internal errors",
    }
}

fn recommended(class: Class) -> &'static str {
    match class {
        Class::Handler => {
            "A handler failed or reported a permanent error. Fix the handler, then replay."
        }
        Class::Destination => {
            "The destination did not accept the event. Fix the destination, then replay."
        }
        Class::Content => "Authentic but not processable. Edit the event, or contact the sender.",
        Class::Transfer => "A chunked payload stayed incomplete. The sender has to send it again.",
        Class::Internal => "An internal error; see the log. A replay is safe.",
    }
}

pub(super) fn page(cx: &PageContext, list: &List) -> Markup {
    let head = Head {
        title: "Dead letters",
        lead: "Deliveries that failed permanently, grouped by error.",
        section: Some(Section::DeadLetters),
        actions: Some(html! { a .button href="/dead-letters/all" { "All dead letters" } }),
        ..Head::default()
    };
    let shown = || list.classes.iter().filter(|(_, page)| !page.items.is_empty());
    cx.page(
        &head,
        &html! {
            section .panel aria-label="Classes" { (facets(&filters(list))) }
            div #list .stack data-live="15" {
                @if shown().next().is_none() {
                    section .panel aria-label="Groups" {
                        (empty("No dead letters", "No open dead letters."))
                    }
                }
                @for (class, page) in shown() { (of_class(cx, list, *class, page)) }
            }
        },
    )
}

fn filters(list: &List) -> Vec<Facet> {
    let open =
        |class: Class| list.open.iter().find(|(one, _)| *one == class).map_or(0, |(_, n)| *n);
    let values = Class::VARIANTS.iter().map(|&class| FacetValue {
        label: label(class).to_owned(),
        count: Some(open(class)),
        href: address(Some(class).filter(|_| list.class != Some(class)), list.resolved),
        chosen: list.class == Some(class),
    });
    let which = [("open", false), ("open and resolved", true)].map(|(label, all)| FacetValue {
        label: label.to_owned(),
        count: None,
        href: address(list.class, all),
        chosen: list.resolved == all,
    });
    vec![
        Facet { label: "Class", values: values.collect() },
        Facet { label: "Show", values: which.into() },
    ]
}

fn of_class(cx: &PageContext, list: &List, class: Class, page: &GroupPage) -> Markup {
    let here = address(Some(class), list.resolved);
    let open: u64 = page.items.iter().map(|group| group.open).sum();
    let pages = Pager {
        shown: count(page.items.len() as u64, "group on this page", "groups on this page")
            + ", most open dead letters first",
        first: list.after.map(|_| here.clone()),
        next: page.next.map(|next| format!("{here}&after={next}")),
    };
    html! {
        section .panel aria-label=(label(class)) {
            header {
                h2 { (label(class)) }
                p { (recommended(class)) }
                @if open > 0 && cx.may(Scope::EventsReplay) {
                    div .actions {
                        a .button.small-button href={ "/jobs/new?class=" (class) } { "Bulk action" }
                    }
                }
            }
            (rows(cx, label(class), &page.items))
            (pager(&pages))
        }
    }
}

fn rows(cx: &PageContext, caption: &str, groups: &[Group]) -> Markup {
    let columns = [
        ("Latest message", WIDE),
        ("Source", TEXT),
        ("Open", NUMBER),
        ("Last 24 h", TEXT),
        ("First", NUMBER),
        ("Last", NUMBER),
    ];
    let rows: Vec<Vec<Markup>> = groups.iter().map(|group| vec![
        html! {
            a href={ "/dead-letters/groups/" (group.id) } {
                (short(&group.title, 160))
            }
            span .under {
                (badge(group.death_reason.as_str(), BadgeTone::Bad))
                @if group.is_various { " various messages" }
            }
        },
        html! { (name(&group.source)) span .under { (name(&group.handler)) } },
        html! { (number(group.open)) @if group.total > group.open { span .under { "of " (number(group.total)) } } },
        sparkline("Dead-lettered in 24 hours", &group.trend),
        when(group.first_at, cx.now),
        when(group.last_at, cx.now),
    ]).collect();
    table(caption, &columns, &rows)
}

pub(super) fn one(cx: &PageContext, one: &GroupDetail) -> Markup {
    let group = &one.group;
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
    let here = format!("/dead-letters/groups/{}", group.id);
    let items = &one.page.items;
    let pages = Pager {
        shown: format!("{} on this page, {} open, newest first", items.len(), number(group.open)),
        first: one.before.map(|_| here.clone()),
        next: one.page.older.map(|older| format!("{here}?before={older}")),
    };
    cx.page(&head, &html! {
        (panel("Group", &html! {}, &html! {
            (terms(&[
                ("Class", html! { (label(group.class)) }),
                ("Reason", badge(group.death_reason.as_str(), BadgeTone::Bad)),
                ("Source", html! { (visible(&group.source)) }),
                ("Handler", html! { (visible(&group.handler)) }),
                ("Latest message", html! {
                    code { (visible(&group.title)) }
                    @if group.is_various { " and others (too varied to group further)" }
                }),
                ("Open", html! { (number(group.open)) " of " (number(group.total)) }),
                ("First", stamp(group.first_at, cx.now)),
                ("Last", stamp(group.last_at, cx.now)),
                ("Recommended action", html! { (recommended(group.class)) }),
                ("Latest", html! { a href={ "/deliveries/" (group.sample) } { "Delivery " (group.sample) } }),
                ("Last 24 hours", sparkline("Dead-lettered in 24 hours", &group.trend)),
            ]))
        }))
        section .panel aria-label="In this group" #list data-live="15" {
            @if items.is_empty() {
                (empty("No open dead letters", "All dead letters of this group are resolved."))
            } @else {
                (dead_letters::rows(cx, items))
                (pager(&pages))
            }
        }
    })
}
