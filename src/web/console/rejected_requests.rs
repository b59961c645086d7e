//! Rejected requests that a source keeps: why they were rejected, and whether they would pass now.
//! They are never dispatched.

use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::actions::offer;
use super::jobs::plan::{limits, parse};
use super::layout::{Head, PageContext, Section, note};
use super::parts::{
    BadgeTone, BodyQuery, Bytes, Facet, FacetValue, NUMBER, Pager, TEXT, Tab, WIDE, badge, bytes,
    count, empty, facets, id, link_path, name, pager, panel, post, size, stamp, table, terms,
    visible, when,
};
use crate::admin::actions::Noun;
use crate::admin::{
    AdminError, Caller, Explanation, PREVIEW, Reason, RejectedAction, RejectedBulkRequest,
    RejectedRequest, RejectedRequestDetail, RejectedRequestPayload, Scope,
};
use crate::store::EventId;
use crate::web::admin::AdminState;

const ROWS: usize = 50;

pub(super) fn routes(app: &mut web::ServiceConfig) {
    app.route("/rejected-requests", web::get().to(list))
        .route("/rejected-requests/new", web::get().to(new))
        .route("/rejected-requests/jobs", web::post().to(plan))
        .route("/rejected-requests/{id}", web::get().to(show));
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ListQuery {
    source: String,
    before: String,
}

pub(super) struct List {
    /// The sources that the caller sees.
    pub(super) sources: Vec<String>,
    /// The source filtered by; empty for all.
    pub(super) source: String,
    pub(super) requests: Vec<RejectedRequest>,
    pub(super) pager: Pager,
}

/// The fields of a job, from a query or a form.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct JobForm {
    action: String,
    source: String,
    cap: String,
    rate: String,
    reason: String,
}

impl JobForm {
    fn action(&self) -> Result<RejectedAction, AdminError> {
        let unknown =
            |_| AdminError::Invalid("unknown action; expected `reprocess` or `discard`".to_owned());
        self.action.parse().map_err(unknown)
    }

    fn source(&self) -> Option<String> {
        Some(self.source.clone()).filter(|name| !name.is_empty())
    }

    fn request(&self) -> Result<RejectedBulkRequest, AdminError> {
        Ok(RejectedBulkRequest {
            action: self.action()?,
            source: self.source(),
            cap: parse("limit", &self.cap)?,
            rate: parse("rate", &self.rate)?,
            reason: Reason::new(&self.reason)?.into(),
        })
    }
}

async fn list(
    cx: PageContext,
    admin: web::Data<AdminState>,
    query: web::Query<ListQuery>,
) -> HttpResponse {
    cx.show(read(&admin, &cx.viewer.caller, query.into_inner()), page).await
}

async fn read(admin: &AdminState, caller: &Caller, query: ListQuery) -> Result<List, AdminError> {
    let source = Some(&*query.source).filter(|name| !name.is_empty());
    let before = Some(&*query.before).filter(|text| !text.is_empty()).map(parse_id).transpose()?;
    // The extra row shows whether there is a next page.
    let limit = u32::try_from(ROWS + 1).unwrap_or(u32::MAX);
    let mut requests = admin.rejected_requests.list(caller, source, before, limit).await?;
    let more = requests.len() > ROWS;
    requests.truncate(ROWS);
    let here = address(&query.source);
    let next = requests.last().filter(|_| more).map(|last| format!("{here}&before={}", last.id));
    let shown = count(requests.len() as u64, "request on this page", "requests on this page");
    let pager = Pager { shown, first: before.map(|_| here), next };
    Ok(List { sources: admin.verifiers.names(caller)?, source: query.source, requests, pager })
}

/// The address of the list; all sources if `source` is empty.
fn address(source: &str) -> String {
    format!("/rejected-requests?source={}", link_path(source))
}

fn parse_id(text: &str) -> Result<Uuid, AdminError> {
    text.parse().map_err(|_| AdminError::NotFound(format!("rejected request {text}")))
}

async fn show(
    cx: PageContext,
    admin: web::Data<AdminState>,
    id: web::Path<String>,
    query: web::Query<BodyQuery>,
) -> HttpResponse {
    let detail = async { admin.rejected_requests.show(&cx.viewer.caller, parse_id(&id)?).await };
    cx.show(detail, |cx, detail| detail_page(cx, detail, query.tab())).await
}

async fn new(cx: PageContext, query: web::Query<JobForm>) -> HttpResponse {
    let allowed = cx.viewer.caller.needs(Scope::SecretsWrite).map_err(AdminError::from);
    let action = allowed.and_then(|()| query.action());
    cx.answer(action.map(|action| plan_page(&cx, action, query.source().as_deref())))
}

async fn plan(
    cx: PageContext,
    admin: web::Data<AdminState>,
    form: web::Form<JobForm>,
) -> HttpResponse {
    let planned = async {
        let plan = admin.jobs.plan_rejected(&cx.viewer.caller, &form.request()?).await?;
        Ok(format!("/jobs/{}", plan.job.id))
    };
    cx.redirect(planned.await)
}

pub(super) fn page(cx: &PageContext, list: &List) -> Markup {
    let plan = |action: RejectedAction| {
        format!("/rejected-requests/new?action={action}&source={}", link_path(&list.source))
    };
    let head = Head {
        title: "Rejected requests",
        lead: "Requests that failed verification, kept for inspection by sources with keep_rejected. They are never delivered.",
        section: Some(Section::RejectedRequests),
        actions: (!list.requests.is_empty()).then(|| {
            html! {
                a .button.risky href=(plan(RejectedAction::Discard)) { "Discard all" }
                a .button.first href=(plan(RejectedAction::Reprocess)) { "Reprocess all" }
            }
        }),
        ..Head::default()
    };
    let sources = list.sources.iter().map(|source| {
        let chosen = *source == list.source;
        let href = address(if chosen { "" } else { source });
        FacetValue { label: source.clone(), count: None, href, chosen }
    });
    let filter = [Facet { label: "Source", values: sources.collect() }];
    cx.page(&head, &html! {
        section .panel aria-label="Sources" { (facets(&filter)) }
        section .panel aria-label="Rejected requests" #list data-live="15" {
            @if list.requests.is_empty() {
                (empty("No rejected requests", "A source keeps rejected requests when keep_rejected is set."))
            } @else {
                (rows(cx, &list.requests))
                (pager(&list.pager))
            }
        }
    })
}

/// The table of rejected requests, shared with the page of a job.
pub(super) fn rows(cx: &PageContext, requests: &[RejectedRequest]) -> Markup {
    let columns = [
        ("Received", TEXT),
        ("Source", TEXT),
        ("Reason", WIDE),
        ("Size", NUMBER),
        ("Deleted", NUMBER),
        ("Id", TEXT),
    ];
    let rows: Vec<Vec<Markup>> = requests
        .iter()
        .map(|request| {
            vec![
                html! { a href={ "/rejected-requests/" (request.id) } { (when(request.received_at, cx.now)) } },
                name(&request.source),
                html! {
                    @if let Some((event, by)) = reprocessed(request) {
                        (badge("verified", BadgeTone::Good))
                        span .under {
                            "reprocessed by " (visible(by)) ": " a href={ "/events/" (event) } { "event " (id(&event.to_string())) }
                        }
                    } @else {
                        (badge(request.reason.as_str(), BadgeTone::Bad))
                    }
                },
                html! { (size(request.size_bytes.unsigned_abs())) },
                when(request.expires_at, cx.now),
                id(&request.id.to_string()),
            ]
        })
        .collect();
    table("Rejected requests", &columns, &rows)
}

/// The event that a request became, and who reprocessed it.
fn reprocessed(request: &RejectedRequest) -> Option<(EventId, &str)> {
    Some((request.event?, request.verified_by.as_deref().unwrap_or_default()))
}

/// The page that plans a job.
pub(super) fn plan_page(cx: &PageContext, action: RejectedAction, source: Option<&str>) -> Markup {
    let target = match source {
        Some(source) => format!("Rejected requests of source {source}"),
        None => "All rejected requests".to_owned(),
    };
    let head = Head {
        title: match action {
            RejectedAction::Discard => "Discard rejected requests",
            RejectedAction::Reprocess => "Reprocess rejected requests",
        },
        lead: &target,
        section: Some(Section::RejectedRequests),
        below: true,
        ..Head::default()
    };
    cx.page(&head, &html! {
        (panel("Plan a job", &html! { (visible(&target)) }, &post(cx, "/rejected-requests/jobs", "form", &html! {
            input type="hidden" name="action" value=(action);
            input type="hidden" name="source" value=(source.unwrap_or_default());
            (limits("Empty for no limit"))
            p .muted {
                "The next page is a dry run: it shows how many match"
                @if action == RejectedAction::Reprocess { ", and how many of those pass verification now" }
                ". Nothing is changed until you start the job."
            }
            div .actions { button .first { "Plan job" } }
        })))
    })
}

pub(super) fn detail_page(cx: &PageContext, detail: &RejectedRequestDetail, tab: Tab) -> Markup {
    let request = &detail.request;
    let title = format!("Rejected request {}", request.id);
    let head = Head {
        title: &title,
        section: Some(Section::RejectedRequests),
        below: true,
        ..Head::default()
    };
    let reason_tone = if request.event.is_some() { BadgeTone::Plain } else { BadgeTone::Bad };
    cx.page(&head, &html! {
        (verdict(detail))
        div .beside {
            div .stack {
                (panel("Explanation", &html! { "Verification steps, in order" }, &html! {
                    ol .line-up { @if let Some(found) = &detail.explanation { (findings(found)) } }
                }))
                @match &detail.payload {
                    Some(payload) => (body(request, payload, tab)),
                    None => (panel("Body", &html! {}, &html! {
                        div .empty { p { "Payloads require the scope " code { "payload:read" } "." } }
                    })),
                }
            }
            div .stack {
                @if request.event.is_none() { section .panel aria-label="Actions" {
                    (offer(cx, Noun::RejectedRequest, "reprocess", &request.id.to_string()))
                    (offer(cx, Noun::RejectedRequest, "discard", &request.id.to_string()))
                } }
                (panel("Another request", &html! {}, &html! { p .pad {
                    a href={ "/explain?source=" (link_path(&request.source)) } { "Explain a recorded request" }
                    " of this source."
                } }))
                (panel("Request", &html! {}, &terms(&[
                    ("Source", html! { (visible(&request.source)) }),
                    ("Rejected for", badge(request.reason.as_str(), reason_tone)),
                    ("Received", stamp(request.received_at, cx.now)),
                    ("Deleted", stamp(request.expires_at, cx.now)),
                    ("Size", html! { (size(request.size_bytes.unsigned_abs())) }),
                ])))
                @if let Some(payload) = &detail.payload { (headers(payload)) }
            }
        }
    })
}

/// The event that it became, or why it is still rejected.
fn verdict(detail: &RejectedRequestDetail) -> Markup {
    if let Some((event, by)) = reprocessed(&detail.request) {
        return note(
            "verified",
            BadgeTone::Good,
            &html! {
                strong { "Reprocessed by " (visible(by)) } ": it is now "
                a href={ "/events/" (event) } { "event " (event) } "."
            },
        );
    }
    let Some(explanation) = &detail.explanation else { return html! {} };
    note(
        "refused",
        BadgeTone::Bad,
        &html! {
            strong { (visible(&explanation.text)) }
            @if let Some(hint) = &explanation.hint { " " (visible(hint)) }
        },
    )
}

fn findings(explanation: &Explanation) -> Markup {
    html! {
        li class=(BadgeTone::Bad.class()) {
            div .what { strong { (explanation.finding.as_str().replace('_', " ")) } }
            p .detail { (visible(&explanation.text)) }
        }
        @if let Some(secret) = &explanation.secret {
            li class=(BadgeTone::Plain.class()) {
                div .what { strong { "secret" } }
                p .detail { "signed with " (visible(secret)) }
            }
        }
    }
}

/// The beginning of the body.
fn body(request: &RejectedRequest, payload: &RejectedRequestPayload, tab: Tab) -> Markup {
    let mut shown = payload.bytes();
    let size = shown.len() as u64;
    shown.truncate(usize::try_from(PREVIEW).unwrap_or_default());
    let href = format!("/rejected-requests/{}", request.id);
    bytes(&Bytes { shown, size, tab, href, download: None })
}

fn headers(payload: &RejectedRequestPayload) -> Markup {
    if payload.headers.is_empty() {
        return html! {};
    }
    let headers = payload.headers.iter();
    let headers: Vec<(&str, Markup)> = headers
        .map(|header| (&*header.name, html! { code { (visible(&header.value)) } }))
        .collect();
    panel("Headers", &html! {}, &terms(&headers))
}
