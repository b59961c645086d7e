//! The list of all dead letters.

use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use serde::Deserialize;

use super::layout::{Head, PageContext, Section};
use super::parts::{
    BadgeTone, Choice, NUMBER, Pager, TEXT, WIDE, badge, count, empty, field, link_path, name,
    number, pager, select, short, table, when,
};
use crate::admin::{
    AdminError, Caller, DeadLetterPage, Delivery, Filter, Paging, Resolution, Scope, Selection,
};
use crate::store::DeathReason;
use crate::web::admin::AdminState;

const ROWS: u32 = 50;

pub(super) fn routes(app: &mut web::ServiceConfig) {
    app.route("/dead-letters/all", web::get().to(list));
}

/// The query of the list; an empty field does not filter.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListQuery {
    pub(super) source: String,
    pub(super) handler: String,
    pub(super) reason: String,
    /// `all` includes resolved ones.
    pub(super) which: String,
    pub(super) before: i64,
}

pub(super) struct List {
    pub(super) query: ListQuery,
    pub(super) total: u64,
    pub(super) page: DeadLetterPage,
}

async fn list(
    cx: PageContext,
    admin: web::Data<AdminState>,
    query: web::Query<ListQuery>,
) -> HttpResponse {
    cx.show(read(&admin, &cx.viewer.caller, query.into_inner()), page).await
}

async fn read(admin: &AdminState, caller: &Caller, query: ListQuery) -> Result<List, AdminError> {
    caller.needs(Scope::EventsRead)?;
    let selection = Selection::Matching(query.filter()?);
    let total = admin.dead_letters.count(caller, &selection).await?;
    let paging = Paging { before: query.before(), after: None, limit: ROWS };
    let page = admin.dead_letters.list(caller, &selection, paging).await?;
    Ok(List { query, total, page })
}

impl ListQuery {
    fn filter(&self) -> Result<Filter, AdminError> {
        let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let reason = given(&self.reason).map(|word| word.parse::<DeathReason>()).transpose();
        Ok(Filter {
            source: given(&self.source),
            handler: given(&self.handler),
            death_reason: reason.map_err(|error| AdminError::Invalid(error.to_string()))?,
            resolved: self.is_all(),
            ..Filter::default()
        })
    }

    fn is_all(&self) -> bool {
        self.which == "all"
    }

    fn before(&self) -> Option<i64> {
        Some(self.before).filter(|before| *before != 0)
    }

    /// The address of a page of this list.
    fn address(&self, before: Option<i64>) -> String {
        let named = [
            ("source", &self.source),
            ("handler", &self.handler),
            ("reason", &self.reason),
            ("which", &self.which),
        ];
        let mut parts = parameters(&named);
        parts.extend(before.map(|before| format!("before={before}")));
        format!("/dead-letters/all?{}", parts.join("&"))
    }

    /// The page that plans a job on all open matches.
    fn plan(&self) -> String {
        let named =
            [("source", &self.source), ("handler", &self.handler), ("death_reason", &self.reason)];
        format!("/jobs/new?{}", parameters(&named).join("&"))
    }
}

fn parameters(named: &[(&str, &String)]) -> Vec<String> {
    let given = named.iter().filter(|(_, value)| !value.is_empty());
    given.map(|(name, value)| format!("{name}={}", link_path(value))).collect()
}

pub(super) fn page(cx: &PageContext, list: &List) -> Markup {
    let items = &list.page.items;
    let plans = !items.is_empty() && cx.may(Scope::EventsReplay);
    let head = Head {
        title: "All dead letters",
        lead: "Deliveries that failed permanently and need to be replayed or discarded.",
        section: Some(Section::DeadLetters),
        below: true,
        actions: plans
            .then(|| html! { a .button.first href=(list.query.plan()) { "Bulk action" } }),
        ..Head::default()
    };
    let pages = Pager {
        shown: format!(
            "{} on this page, {} in total, newest first",
            items.len(),
            count(list.total, "dead letter", "dead letters")
        ),
        first: list.query.before().map(|_| list.query.address(None)),
        next: list.page.older.map(|older| list.query.address(Some(older))),
    };
    cx.page(
        &head,
        &html! {
            section .panel aria-label="Dead letters" {
                (filters(&list.query))
                div #list data-live="15" {
                    @if items.is_empty() {
                        (empty("No dead letters", "No dead letter matches the filter."))
                    } @else {
                        (rows(cx, items))
                        (pager(&pages))
                    }
                }
            }
        },
    )
}

fn filters(query: &ListQuery) -> Markup {
    let choice = |value: &str, label: &str| Choice { value: value.into(), label: label.into() };
    let mut reasons = vec![choice("", "any")];
    reasons.extend(DeathReason::all().map(|reason| choice(reason.as_str(), reason.as_str())));
    let which = [choice("", "open"), choice("all", "open and resolved")];
    html! {
        form .search method="get" action="/dead-letters/all" role="search" {
            div .inline {
                (field("source", "Source", "", &html! {
                    input #source name="source" value=(query.source) data-search autocomplete="off";
                }))
                (field("handler", "Handler", "", &html! {
                    input #handler name="handler" value=(query.handler) autocomplete="off";
                }))
                (select("reason", "reason", "Reason", &reasons, &query.reason))
                (select("which", "which", "Show", &which, if query.is_all() { "all" } else { "" }))
                button { "Filter" }
            }
        }
    }
}

/// The table of dead letters, shared by several pages.
pub(super) fn rows(cx: &PageContext, dead_letters: &[Delivery]) -> Markup {
    let columns = [
        ("Delivery", TEXT),
        ("Type", TEXT),
        ("Source", TEXT),
        ("Reason", WIDE),
        ("Attempts", NUMBER),
        ("Dead since", TEXT),
        ("Blocks", NUMBER),
    ];
    let rows: Vec<Vec<Markup>> = dead_letters
        .iter()
        .map(|dead| {
            let reason = dead.death_reason.map_or(dead.state.as_str(), DeathReason::as_str);
            let resolution = dead.resolution.map(Resolution::as_str);
            vec![
                html! { a href={ "/deliveries/" (dead.id) } { (dead.id) } },
                name(dead.event_type.as_deref().unwrap_or("gone")),
                html! { (name(&dead.source)) span .under { (name(&dead.handler)) } },
                html! {
                    (badge(reason, BadgeTone::Bad))
                    @if let Some(how) = resolution { " " (badge(how, BadgeTone::of(how))) }
                    @if let Some(error) = &dead.error { span .under { (short(error, 160)) } }
                },
                html! { (dead.attempts) },
                html! { @if let Some(at) = dead.finished_at { (when(at, cx.now)) } },
                html! { @if dead.waiting > 0 { (number(dead.waiting.unsigned_abs())) } },
            ]
        })
        .collect();
    table("Dead letters", &columns, &rows)
}
