//! The audit log: list and verify.

use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use serde::Deserialize;
use time::macros::format_description;
use time::{Date, Duration, OffsetDateTime};

use super::layout::{Head, PageContext, Section, note};
use super::parts::{
    BadgeTone, NUMBER, Pager, TEXT, WIDE, count, empty, field, link_path, number, pager, panel,
    post, short, stamp, table, visible,
};
use crate::admin::audit::{self, AuditRow};
use crate::admin::{AdminError, Caller};
use crate::store::{AuditFilter, Hash, Store};
use crate::web::admin::AdminState;

const ROWS: u32 = 50;

pub(super) fn routes(app: &mut web::ServiceConfig) {
    app.route("/audit", web::get().to(list)).route("/audit/verify", web::post().to(verify));
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(super) struct ListQuery {
    /// The actor; empty for all.
    pub(super) actor: String,
    /// The action; empty for all.
    pub(super) action: String,
    /// The first day, as typed.
    pub(super) since: String,
    /// The last day, as typed.
    pub(super) until: String,
    /// The entry before which the page begins.
    pub(super) before: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Expected {
    head: String,
}

pub(super) struct Page {
    pub(super) query: ListQuery,
    /// Whether the caller sees the whole chain and may verify it.
    pub(super) whole: bool,
    pub(super) entries: Vec<AuditRow>,
    pub(super) pager: Pager,
    /// The result of a chain verification, if one was run: valid or not, and a sentence.
    pub(super) chain: Option<(bool, String)>,
}

async fn list(
    cx: PageContext,
    admin: web::Data<AdminState>,
    query: web::Query<ListQuery>,
) -> HttpResponse {
    cx.show(Page::load(&admin.store, &cx.viewer.caller, &query), page).await
}

/// Verifies the chain. It reads every entry, so it is a posted form and not a link that a browser
/// could prefetch.
async fn verify(
    cx: PageContext,
    admin: web::Data<AdminState>,
    expected: web::Form<Expected>,
) -> HttpResponse {
    let (store, caller) = (&admin.store, &cx.viewer.caller);
    let verified = async {
        let chain = Some(chain(store, caller, &expected.head).await?);
        Ok(Page { chain, ..Page::load(store, caller, &ListQuery::default()).await? })
    };
    cx.show(verified, page).await
}

impl Page {
    async fn load(store: &Store, caller: &Caller, query: &ListQuery) -> Result<Self, AdminError> {
        let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let filter = AuditFilter {
            actor: given(&query.actor),
            action: given(&query.action),
            since: day(&query.since)?,
            until: day(&query.until)?.map(|day| day.saturating_add(Duration::DAY)),
            tenant: None,
        };
        let before = Some(query.before).filter(|before| *before > 0);
        let mut entries = audit::list(store, caller, &filter, before, ROWS + 1).await?;
        let more = entries.len() > ROWS as usize;
        entries.truncate(ROWS as usize);
        let last = entries.last().map(|entry| entry.id).filter(|_| more);
        let shown = count(entries.len() as u64, "entry", "entries");
        Ok(Self {
            query: query.clone(),
            pager: Pager {
                shown: format!("{shown} on this page, newest first"),
                first: before.map(|_| query.address(None)),
                next: last.map(|last| query.address(Some(last))),
            },
            entries,
            whole: caller.tenant().is_none(),
            chain: None,
        })
    }
}

/// The result of the verification, in a sentence; `head` is an expected hash, if any.
async fn chain(store: &Store, caller: &Caller, head: &str) -> Result<(bool, String), AdminError> {
    let expected = Some(head.trim()).filter(|head| !head.is_empty()).map(hash).transpose()?;
    let verified = audit::verify(store, caller, expected.as_ref(), |_| ()).await?;
    let holding = count(verified.entries, "entry valid", "entries valid");
    let head = match verified.head {
        Some(head) => format!("the head is entry {}, hash {}", head.id, hex::encode(head.hash)),
        None => "the log is empty".to_owned(),
    };
    Ok(match verified.broken {
        Some(broken) => (false, format!("{broken}. Before that: {holding}; {head}.")),
        None => (true, format!("{holding}; {head}.")),
    })
}

impl ListQuery {
    fn address(&self, before: Option<i64>) -> String {
        let named = [
            ("actor", &self.actor),
            ("action", &self.action),
            ("since", &self.since),
            ("until", &self.until),
        ];
        let named = named.into_iter().filter(|(_, value)| !value.is_empty());
        let named = named.map(|(name, value)| format!("{name}={}", link_path(value)));
        let before = before.map(|before| format!("before={before}"));
        format!("/audit?{}", named.chain(before).collect::<Vec<_>>().join("&"))
    }
}

/// Parses a day and returns its beginning.
fn day(text: &str) -> Result<Option<OffsetDateTime>, AdminError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let day = Date::parse(text, format_description!("[year]-[month]-[day]"));
    let day = day
        .map_err(|_| AdminError::Invalid("invalid day; expected the form 2026-11-20".to_owned()))?;
    Ok(Some(day.midnight().assume_utc()))
}

fn hash(text: &str) -> Result<Hash, AdminError> {
    let wrong = || AdminError::Invalid("invalid hash; expected 64 hexadecimal digits".to_owned());
    let bytes = hex::decode(text).map_err(|_| wrong())?;
    bytes.try_into().map_err(|_| wrong())
}

pub(super) fn page(cx: &PageContext, view: &Page) -> Markup {
    let head = Head {
        title: "Audit log",
        lead: "Administrative actions with actor, target and reason. Append-only; each entry contains the hash of the previous one.",
        section: Some(Section::Audit),
        ..Head::default()
    };
    cx.page(&head, &html! {
        @if let Some((intact, text)) = &view.chain {
            (note(if *intact { "chain valid" } else { "chain broken" },
                  if *intact { BadgeTone::Good } else { BadgeTone::Bad }, &html! { (visible(text)) }))
        }
        section .panel aria-label="Entries" {
            form .search method="get" action="/audit" role="search" {
                div .inline {
                    (field("actor", "Actor", "", &html! {
                        input #actor name="actor" value=(view.query.actor) data-search autocomplete="off";
                    }))
                    (field("action", "Action", "", &html! {
                        input #action name="action" value=(view.query.action) autocomplete="off";
                    }))
                    (field("since", "From", "", &html! {
                        input #since name="since" type="date" value=(view.query.since);
                    }))
                    (field("until", "To", "", &html! {
                        input #until name="until" type="date" value=(view.query.until);
                    }))
                    button { "Filter" }
                }
            }
            @if view.entries.is_empty() { (empty("No entries", "No entry matches the filter.")) }
            @else { (rows(cx, &view.entries)) (pager(&view.pager)) }
        }
        @if view.whole { (panel("Verify the chain", &html! {}, &verify_form(cx))) }
    })
}

fn verify_form(cx: &PageContext) -> Markup {
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

fn rows(cx: &PageContext, entries: &[AuditRow]) -> Markup {
    let columns = [
        ("Entry", NUMBER),
        ("When", TEXT),
        ("Actor", TEXT),
        ("Action", TEXT),
        ("Target and reason", WIDE),
        ("Count", NUMBER),
        ("Hash", TEXT),
    ];
    let rows: Vec<Vec<Markup>> = entries.iter().map(|entry| vec![
        html! { (entry.id) },
        stamp(entry.at, cx.now),
        html! {
            span .said { (visible(&entry.actor)) }
            @if let Some(address) = &entry.address { span .under { (visible(address)) } }
        },
        html! { (visible(&entry.action)) },
        html! { (visible(&entry.target)) @if !entry.reason.is_empty() { span .under { (visible(&entry.reason)) } } },
        html! { (number(entry.count.unsigned_abs())) },
        html! {
            @let hash = hex::encode(entry.hash);
            code .nowrap title=(hash) { (short(&hash, 10)) }
        },
    ]).collect();
    table("Entries of the audit log", &columns, &rows)
}
