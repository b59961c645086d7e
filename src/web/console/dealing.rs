//! Handlers for groups, jobs, edits and pauses: first the pages, then the forms posted from them.

use actix_web::{HttpResponse, web};
use bytes::Bytes;
use serde::Deserialize;

use super::acts::{Form, plain_lines};
use super::layout::PageContext;
use super::page_context::STARTED;
use super::pages::{edit, groups, jobs, pauses};
use super::parts::link_path;
use super::present;
use crate::admin::{Action, AdminError, BulkRequest, Filter, Selection};
use crate::store::{DeathReason, PauseTarget};
use crate::web::admin::AdminState;

/// The routes.
pub(super) fn routes(app: &mut web::ServiceConfig) {
    app.route("/dead-letters", web::get().to(list))
        .route("/dead-letters/groups/{id}", web::get().to(group))
        .route("/jobs", web::get().to(all_jobs))
        .route("/jobs", web::post().to(plan))
        .route("/jobs/new", web::get().to(new_job))
        .route("/jobs/{id}", web::get().to(job))
        .route("/jobs/{id}/cancel", web::get().to(ask_to_cancel))
        .route("/jobs/{id}/cancel", web::post().to(cancel))
        .route("/jobs/{id}/start", web::post().to(start))
        .route("/deliveries/{id}/edit", web::get().to(edit_page))
        .route("/deliveries/{id}/edit", web::post().to(check_edit))
        .route("/deliveries/{id}/edit/again", web::post().to(edit_again))
        .route("/deliveries/{id}/edit/replay", web::post().to(replay_edit))
        .route("/pauses", web::get().to(all_holds))
        .route("/pauses/{what}/{name}/{verb}", web::post().to(hold));
}

/// The query of the groups page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct GroupsQuery {
    pub(super) class: String,
    pub(super) which: String,
    pub(super) after: String,
}

/// The query of a list sorted by newest first.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Older {
    pub(super) before: Option<i64>,
}

/// The selection of a job, from a query or a form; empty fields are ignored.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    pub(super) action: String,
    pub(super) group: String,
    pub(super) class: String,
    pub(super) source: String,
    pub(super) handler: String,
    pub(super) death_reason: String,
    pub(super) cap: String,
    pub(super) rate: String,
    pub(super) reason: String,
}

/// An edited body with the reason.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct EditForm {
    body: String,
    reason: String,
}

pub(super) fn given<T: std::str::FromStr>(what: &str, text: &str) -> Result<Option<T>, AdminError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let read = text.parse().map(Some);
    read.map_err(|_| AdminError::Invalid(format!("invalid {what} `{text}`")))
}

impl Asked {
    /// The action; `replay` by default.
    pub(super) fn action(&self) -> Result<Action, AdminError> {
        let word = if self.action.is_empty() { "replay" } else { &*self.action };
        let unknown =
            || AdminError::Invalid("unknown action; expected `replay` or `discard`".to_owned());
        Action::of(word).ok_or_else(unknown)
    }

    /// The selected dead letters.
    pub(super) fn selection(&self) -> Result<Selection, AdminError> {
        Ok(Selection::Matching(Filter {
            group: given("group", &self.group)?,
            class: given("class", &self.class)?,
            source: given("source", &self.source)?,
            handler: given("handler", &self.handler)?,
            death_reason: given::<DeathReason>("reason", &self.death_reason)?,
            ..Filter::default()
        }))
    }

    fn wish(&self) -> Result<BulkRequest, AdminError> {
        let reason = Form { reason: self.reason.clone() };
        Ok(BulkRequest {
            action: self.action()?,
            selection: self.selection()?,
            cap: given("limit", &self.cap)?,
            rate: given("rate", &self.rate)?,
            reason: reason.reason()?.to_owned(),
            force: false,
        })
    }
}

async fn list(
    cx: PageContext,
    admin: web::Data<AdminState>,
    query: web::Query<GroupsQuery>,
) -> HttpResponse {
    cx.show(present::groups(&admin, &cx.viewer.caller, &query), groups::page).await
}

async fn group(
    cx: PageContext,
    admin: web::Data<AdminState>,
    id: web::Path<i64>,
    query: web::Query<Older>,
) -> HttpResponse {
    cx.show(present::group(&admin, &cx.viewer.caller, *id, query.before), groups::one).await
}

async fn all_jobs(
    cx: PageContext,
    admin: web::Data<AdminState>,
    query: web::Query<Older>,
) -> HttpResponse {
    cx.show(present::jobs(&admin, &cx.viewer.caller, query.before), jobs::page).await
}

async fn new_job(
    cx: PageContext,
    admin: web::Data<AdminState>,
    query: web::Query<Asked>,
) -> HttpResponse {
    cx.show(present::new_job(&admin, &cx.viewer.caller, &query), jobs::new).await
}

async fn job(
    mut cx: PageContext,
    admin: web::Data<AdminState>,
    id: web::Path<i64>,
) -> HttpResponse {
    let view = present::job(&admin, &cx.viewer.caller, *id).await;
    // The flash message stays in the address; the page shows the current state.
    let runs = view.as_ref().is_ok_and(|view| view.job.is_running);
    cx.flash = cx.flash.filter(|flash| runs || flash.text != STARTED);
    cx.answer(view.map(|view| jobs::one(&cx, &view)))
}

async fn ask_to_cancel(
    cx: PageContext,
    admin: web::Data<AdminState>,
    id: web::Path<i64>,
) -> HttpResponse {
    let view = present::job(&admin, &cx.viewer.caller, *id).await;
    cx.answer(view.map(|view| jobs::cancel(&cx, &view.job)))
}

async fn plan(
    cx: PageContext,
    admin: web::Data<AdminState>,
    form: web::Form<Asked>,
) -> HttpResponse {
    let planned = async {
        let plan = admin.jobs.plan(&cx.viewer.caller, &form.wish()?).await?;
        Ok(format!("/jobs/{}", plan.job.id))
    };
    cx.go_on(planned.await)
}

async fn start(cx: PageContext, admin: web::Data<AdminState>, id: web::Path<i64>) -> HttpResponse {
    let started = async {
        let job = admin.jobs.start(&cx.viewer.caller, *id).await?;
        Ok(format!("/jobs/{}?did=started", job.id))
    };
    cx.go_on(started.await)
}

async fn cancel(
    cx: PageContext,
    admin: web::Data<AdminState>,
    id: web::Path<i64>,
    form: web::Form<Form>,
) -> HttpResponse {
    let cancelled = async {
        let jobs = &admin.jobs;
        let job = jobs.cancel(&cx.viewer.caller, *id, form.reason()?).await?;
        Ok(format!("/jobs/{}?did=cancelled", job.id))
    };
    cx.go_on(cancelled.await)
}

async fn edit_page(
    cx: PageContext,
    admin: web::Data<AdminState>,
    id: web::Path<i64>,
) -> HttpResponse {
    let text = admin.dead_letters.to_edit(&cx.viewer.caller, *id).await;
    let view = text.map(|text| edit::View { delivery: *id, edited: text, wrong: None });
    cx.answer(view.map(|view| edit::page(&cx, &view)))
}

/// Shows the editor again with the edited text.
async fn edit_again(
    cx: PageContext,
    id: web::Path<i64>,
    form: web::Form<EditForm>,
) -> HttpResponse {
    let view = edit::View { delivery: *id, edited: plain_lines(&form.body), wrong: None };
    cx.answer(Ok(edit::page(&cx, &view)))
}

/// Shows the difference, or the editor with the error.
async fn check_edit(
    cx: PageContext,
    admin: web::Data<AdminState>,
    id: web::Path<i64>,
    form: web::Form<EditForm>,
) -> HttpResponse {
    let body = plain_lines(&form.body);
    let rehearsed = async {
        let desk = &admin.dead_letters;
        let bytes = Bytes::from(body.clone());
        desk.preview_edit(&cx.viewer.caller, *id, &bytes).await
    };
    match rehearsed.await {
        Ok(rehearsal) => {
            let check = edit::Check {
                delivery: *id,
                edited: body,
                diff: rehearsal.diff,
                is_partial: rehearsal.is_partial,
                handlers: rehearsal.handlers,
            };
            cx.answer(Ok(edit::check(&cx, &check)))
        }
        Err(AdminError::Invalid(wrong)) => {
            let view = edit::View { delivery: *id, edited: body, wrong: Some(wrong) };
            PageContext::once_more(edit::page(&cx, &view))
        }
        Err(error) => cx.answer(Err(error)),
    }
}

async fn replay_edit(
    cx: PageContext,
    admin: web::Data<AdminState>,
    id: web::Path<i64>,
    form: web::Form<EditForm>,
) -> HttpResponse {
    let done = async {
        let desk = &admin.dead_letters;
        let why = Form { reason: form.reason.clone() };
        let body = Bytes::from(plain_lines(&form.body));
        let edited = desk.edit(&cx.viewer.caller, *id, &body, why.reason()?).await?;
        Ok(format!("/deliveries/{}?did=edited&made={}", *id, edited.event))
    };
    cx.go_on(done.await)
}

async fn all_holds(cx: PageContext, admin: web::Data<AdminState>) -> HttpResponse {
    cx.show(present::pauses(&admin, &cx.viewer.caller), pauses::page).await
}

/// Pauses or resumes a source or a handler.
async fn hold(
    cx: PageContext,
    admin: web::Data<AdminState>,
    path: web::Path<(String, String, String)>,
    form: web::Form<Form>,
) -> HttpResponse {
    let (what, name, verb) = path.into_inner();
    let done = async {
        let nothing = || AdminError::NotFound("page at this address".to_owned());
        let both = [PauseTarget::Source, PauseTarget::Handler];
        let what = both.into_iter().find(|one| one.as_str() == what).ok_or_else(nothing)?;
        let (pauses, caller) = (&admin.pauses, &cx.viewer.caller);
        let changed = match &*verb {
            "pause" => pauses.pause(caller, what, &name, form.reason()?).await?,
            "resume" => pauses.resume(caller, what, &name, form.reason()?).await?,
            _ => return Err(nothing()),
        };
        let did = if changed { &*verb } else { "unchanged" };
        Ok(format!("/pauses?did={did}#{what}-{}", link_path(&name)))
    };
    cx.go_on(done.await)
}
