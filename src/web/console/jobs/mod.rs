//! Jobs: bulk actions on dead letters, events or rejected requests. A job is planned (the dry run), then
//! started and can be cancelled, then shows its outcome.

pub(super) mod detail;
pub(super) mod plan;
pub(super) mod resend;

use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use serde::Deserialize;

use super::layout::{Head, PageContext, Section};
use super::page_context::STARTED;
use super::parts::{
    BadgeTone, NUMBER, Pager, TEXT, WIDE, badge, count, empty, number, pager, table, visible, when,
};
use crate::admin::{Job, JobState, Scope};
use crate::web::admin::AdminState;

const ROWS: usize = 50;

pub(super) fn routes(app: &mut web::ServiceConfig) {
    app.route("/jobs", web::get().to(list))
        .route("/jobs", web::post().to(plan::create))
        .route("/jobs/new", web::get().to(plan::new))
        .route("/jobs/resend", web::get().to(resend::new))
        .route("/jobs/resend", web::post().to(resend::create))
        .route("/jobs/{id}", web::get().to(show))
        .route("/jobs/{id}/cancel", web::get().to(ask_to_cancel));
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct JobQuery {
    before: Option<i64>,
}

pub(super) struct List {
    pub(super) jobs: Vec<Job>,
    pub(super) pager: Pager,
}

async fn list(
    cx: PageContext,
    admin: web::Data<AdminState>,
    query: web::Query<JobQuery>,
) -> HttpResponse {
    let read = async {
        // The extra row shows whether there is a next page.
        let limit = u32::try_from(ROWS + 1).unwrap_or(u32::MAX);
        let mut jobs = admin.jobs.list(&cx.viewer.caller, query.before, limit).await?;
        let more = jobs.len() > ROWS;
        jobs.truncate(ROWS);
        let next = jobs.last().filter(|_| more).map(|job| format!("/jobs?before={}", job.id));
        let shown = count(jobs.len() as u64, "job", "jobs") + " on this page, newest first";
        let pager = Pager { shown, first: query.before.map(|_| "/jobs".to_owned()), next };
        Ok(List { jobs, pager })
    };
    cx.show(read, page).await
}

async fn show(
    mut cx: PageContext,
    admin: web::Data<AdminState>,
    id: web::Path<i64>,
) -> HttpResponse {
    let detail = admin.jobs.show(&cx.viewer.caller, *id).await;
    // The flash message stays in the address; the page shows the current state.
    let runs = detail.as_ref().is_ok_and(|detail| detail.job.state == JobState::Running);
    cx.flash = cx.flash.filter(|flash| runs || flash.text != STARTED);
    cx.answer(detail.map(|detail| detail::page(&cx, &detail)))
}

async fn ask_to_cancel(
    cx: PageContext,
    admin: web::Data<AdminState>,
    id: web::Path<i64>,
) -> HttpResponse {
    let detail = admin.jobs.show(&cx.viewer.caller, *id).await;
    cx.answer(detail.map(|detail| detail::cancel(&cx, &detail.job)))
}

pub(super) fn page(cx: &PageContext, list: &List) -> Markup {
    let head = Head {
        title: "Jobs",
        lead: "Bulk actions on dead letters, events and rejected requests.",
        actions: cx.may(Scope::EventsReplay).then(|| {
            html! { a .button href="/jobs/resend" { "Resend events" } }
        }),
        section: Some(Section::Jobs),
        refresh: Some(10),
        ..Head::default()
    };
    cx.page(
        &head,
        &html! {
            section .panel aria-label="Jobs" #list data-live="5" {
                @if list.jobs.is_empty() {
                    (empty("No jobs", "Plan a job from a group of dead letters, from the rejected requests, or by resending events."))
                } @else {
                    (rows(cx, &list.jobs))
                    (pager(&list.pager))
                }
            }
        },
    )
}

fn rows(cx: &PageContext, jobs: &[Job]) -> Markup {
    let columns = [
        ("Job", TEXT),
        ("Target", WIDE),
        ("State", TEXT),
        ("Done", NUMBER),
        ("Total", NUMBER),
        ("Planned by", TEXT),
        ("Planned", NUMBER),
    ];
    let rows: Vec<Vec<Markup>> = jobs
        .iter()
        .map(|job| {
            vec![
                html! { a href={ "/jobs/" (job.id) } { (job.action.verb()) " " (job.id) } },
                html! { (visible(&job.target)) span .under { (visible(&job.reason)) } },
                state_badge(job.state),
                html! { (number(processed(job))) },
                html! { (number(job.goal)) },
                html! { span .said { (visible(&job.planned_by)) } },
                when(job.planned_at, cx.now),
            ]
        })
        .collect();
    table("Jobs", &columns, &rows)
}

/// The number of items that were processed or skipped.
fn processed(job: &Job) -> u64 {
    job.resolved + job.skipped
}

fn state_badge(state: JobState) -> Markup {
    let tone = match state {
        JobState::Cancelled => BadgeTone::Warn,
        other => BadgeTone::of(other.as_str()),
    };
    badge(state.as_str(), tone)
}
