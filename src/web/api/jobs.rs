//! Jobs: bulk actions on dead letters, events or rejected requests, planned before they start.

use actix_web::web;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::{OpenApi, ToSchema};

use super::answer::{self, Done, ListPage, Page, WithEtag};
use super::body::Body;
use super::cursor::{self, JOBS};
use super::query::{Limit, Query};
use super::routes::{Endpoint, Routes};
use crate::admin::{BulkPreview, BulkRequest, Job, JobDetail, Repeat, ResendRequest};
use crate::verify::parse;
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

#[derive(OpenApi)]
#[openapi(paths(plan, preview, list, show))]
struct Document;

pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    // Planning twice creates two plans.
    routes.add(Endpoint::new("/api/v1/jobs").get_with_query(list).post(Repeat::Single, plan));
    // It changes nothing. Before the path of a job, which matches it too.
    routes.add(Endpoint::new("/api/v1/jobs/preview").post(Repeat::Repeatable, preview));
    routes.add(Endpoint::new("/api/v1/jobs/{job}").get(show));
}

/// The query of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct JobQuery {
    /// Cursor: `next` of the previous page.
    #[param(pattern = "^AWpv[A-Za-z0-9_-]{10}[AEIMQUYcgkosw048]$")]
    cursor: Option<String>,
    /// Maximum number of items.
    #[serde(default)]
    #[param(value_type = u32, minimum = 1, maximum = 200, default = 50)]
    limit: Limit,
}

/// A bulk action on dead letters or on the deliveries of events.
#[derive(ToSchema)]
#[schema(as = NewJobOfAnyKind)]
#[serde(untagged)]
enum JobRequest {
    DeadLetters(BulkRequest),
    Events(ResendRequest),
}

/// What tells the kinds of requests apart.
#[derive(Deserialize)]
struct Kind {
    action: AnyAction,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum AnyAction {
    Replay,
    Discard,
    Resend,
    RetryNow,
}

impl JobRequest {
    /// By the action, so that an error is about the kind of request that was meant.
    fn read(body: &RawValue) -> Result<Self, Denial> {
        fn read<'a, T: Deserialize<'a>>(body: &'a RawValue) -> Result<T, Denial> {
            parse(body.get().as_bytes()).map_err(|(_, error)| Denial::Invalid(error))
        }
        Ok(match read::<Kind>(body)?.action {
            AnyAction::Replay | AnyAction::Discard => Self::DeadLetters(read(body)?),
            AnyAction::Resend | AnyAction::RetryNow => Self::Events(read(body)?),
        })
    }
}

/// Plan a job
///
/// A dry run: returns how many dead letters or events match, and a sample. Nothing is changed until
/// the plan is started. A plan expires after fifteen minutes. Matches of `resend` and `retry_now` are
/// counted in at most 50,000 events: `counted_to` says how far.
#[utoipa::path(
    post, path = "/api/v1/jobs", operation_id = "planJob", tag = "jobs",
    request_body = JobRequest, security(("bearer" = ["events:replay"])),
    responses((status = 200, description = "The plan", body = JobDetail),
              (status = 404, description = "Nothing matches")),
)]
async fn plan(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    Body(request): Body<Box<RawValue>>,
    admin: web::Data<AdminState>,
) -> Result<Done<JobDetail>, Denial> {
    Ok(Done(match &JobRequest::read(&request)? {
        JobRequest::DeadLetters(request) => admin.jobs.plan(&caller, request).await?,
        JobRequest::Events(request) => admin.jobs.plan_resend(&caller, request).await?,
    }))
}

/// Preview a job
///
/// How many dead letters or events match now, and a sample. Nothing is changed or recorded.
#[utoipa::path(
    post, path = "/api/v1/jobs/preview", operation_id = "previewJob", tag = "jobs",
    request_body = JobRequest, security(("bearer" = ["events:replay"])),
    responses((status = 200, description = "The preview", body = BulkPreview),
              (status = 404, description = "Nothing matches")),
)]
async fn preview(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    Body(request): Body<Box<RawValue>>,
    admin: web::Data<AdminState>,
) -> Result<Done<BulkPreview>, Denial> {
    Ok(Done(match &JobRequest::read(&request)? {
        JobRequest::DeadLetters(request) => admin.jobs.preview(&caller, request).await?,
        JobRequest::Events(request) => admin.jobs.preview_resend(&caller, request).await?,
    }))
}

/// List jobs
///
/// Newest first, including plans.
#[utoipa::path(
    get, path = "/api/v1/jobs", operation_id = "listJobs", tag = "jobs",
    params(JobQuery), security(("bearer" = ["events:read"])),
    responses((status = 200, description = "A page of jobs", body = Page<Job>)),
)]
async fn list(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    Query(query): Query<JobQuery>,
    admin: web::Data<AdminState>,
) -> Result<ListPage<Job>, Denial> {
    let before = query.cursor.as_deref().map(|text| cursor::read(JOBS, text)).transpose()?;
    let jobs = admin.jobs.list(&caller, before, query.limit.and_one()).await?;
    Ok(ListPage(answer::page((jobs, query.limit), JOBS, |job: &Job| job.id)))
}

/// Show a job
///
/// With its progress, a sample, and the outcome of the deliveries it created.
#[utoipa::path(
    get, path = "/api/v1/jobs/{job}", operation_id = "showJob", tag = "jobs",
    params(("job" = i64, Path, description = "The job", minimum = 1)),
    security(("bearer" = ["events:read"])),
    responses((status = 200, description = "The job", body = JobDetail)),
)]
async fn show(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    job: web::Path<i64>,
    admin: web::Data<AdminState>,
) -> Result<WithEtag<JobDetail>, Denial> {
    Ok(WithEtag(admin.jobs.show(&caller, *job).await?))
}
