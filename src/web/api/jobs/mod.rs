//! Jobs: bulk actions on dead letters or rejected requests, planned before they start.

pub(super) mod bulk_request;
pub(super) mod shown;

use actix_web::web;
use serde::Deserialize;
use utoipa::OpenApi;

use self::bulk_request::BulkRequest;
use self::shown::{Detail, Job};
use super::answer::{Done, ListPage, Page, WithEtag};
use super::body::{Body, ReasonBody};
use super::cursor::{self, List};
use super::query::{Limit, Query};
use super::routes::{Endpoint, Routes};
use crate::admin::{self, AdminError, JobDetail, Repeat};
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

/// The list a cursor belongs to.
const LIST: List = *b"jo";

#[derive(OpenApi)]
#[openapi(paths(plan, start, cancel, list, show))]
struct Document;

/// Adds the routes.
pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    // Planning twice creates two plans.
    routes.add(Endpoint::new("/api/v1/jobs").ask(list).post(Repeat::Single, plan));
    routes.add(Endpoint::new("/api/v1/jobs/{job}").get(show));
    // A repeated start or cancellation is a conflict.
    routes.add(Endpoint::new("/api/v1/jobs/{job}/start").post(Repeat::Repeatable, start));
    routes.add(Endpoint::new("/api/v1/jobs/{job}/cancel").post(Repeat::Repeatable, cancel));
}

/// The query of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Cursor: `next` of the previous page.
    #[param(pattern = "^AWpv[A-Za-z0-9_-]{10}[AEIMQUYcgkosw048]$")]
    cursor: Option<String>,
    /// Maximum number of items.
    #[serde(default)]
    #[param(value_type = u32, minimum = 1, maximum = 200, default = 50)]
    limit: Limit,
}

/// Plan a job
///
/// A dry run: returns how many dead letters match and a sample. Nothing is changed until the plan
/// is started. A plan expires after fifteen minutes.
#[utoipa::path(
    post, path = "/api/v1/jobs", operation_id = "planJob", tag = "jobs",
    request_body = BulkRequest, security(("bearer" = ["events:replay"])),
    responses((status = 200, description = "The plan", body = Detail),
              (status = 404, description = "No dead letter matches")),
)]
async fn plan(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    Body(bulk_request): Body<BulkRequest>,
    admin: web::Data<AdminState>,
) -> Result<Done<Detail>, Denial> {
    planned(admin.jobs.plan(&caller, &bulk_request.meant())).await
}

/// The response with a planned job.
pub(super) async fn planned(
    planning: impl Future<Output = Result<JobDetail, AdminError>>,
) -> Result<Done<Detail>, Denial> {
    Ok(Done(Detail::new(planning.await?)?))
}

/// Start a planned job
///
/// A gateway processes it in batches. A job on rejected requests requires `secrets:write` instead
/// of `events:replay`.
#[utoipa::path(
    post, path = "/api/v1/jobs/{job}/start", operation_id = "startJob", tag = "jobs",
    params(("job" = i64, Path, description = "The job", minimum = 1)),
    security(("bearer" = ["events:replay"])),
    responses((status = 200, description = "The running job", body = Job)),
)]
async fn start(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    job: web::Path<i64>,
    admin: web::Data<AdminState>,
) -> Result<Done<Job>, Denial> {
    Ok(Done(Job::new(admin.jobs.start(&caller, *job).await?)?))
}

/// Cancel a job or a plan
///
/// Stops after the current batch; completed work is not undone. A job on rejected requests requires
/// `secrets:write` instead of `events:replay`.
#[utoipa::path(
    post, path = "/api/v1/jobs/{job}/cancel", operation_id = "cancelJob", tag = "jobs",
    params(("job" = i64, Path, description = "The job", minimum = 1)),
    request_body = ReasonBody, security(("bearer" = ["events:replay"])),
    responses((status = 200, description = "The cancelled job", body = Job)),
)]
async fn cancel(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    job: web::Path<i64>,
    Body(because): Body<ReasonBody>,
    admin: web::Data<AdminState>,
) -> Result<Done<Job>, Denial> {
    Ok(Done(Job::new(admin.jobs.cancel(&caller, *job, because.reason()).await?)?))
}

/// List jobs
///
/// Newest first, including plans.
#[utoipa::path(
    get, path = "/api/v1/jobs", operation_id = "listJobs", tag = "jobs",
    params(Asked), security(("bearer" = ["events:read"])),
    responses((status = 200, description = "A page of jobs", body = Page<Job>)),
)]
async fn list(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    Query(asked): Query<Asked>,
    admin: web::Data<AdminState>,
) -> Result<ListPage<Job>, Denial> {
    let before = asked.cursor.as_deref().map(|text| cursor::read(LIST, text)).transpose()?;
    let limit = asked.limit;
    let rows = admin.jobs.list(&caller, before, limit.and_one()).await?;
    let place = |job: &admin::Job| job.id;
    Ok(ListPage(Page::of((rows, limit), LIST, place, Job::new)?))
}

/// Show a job
///
/// With its progress, a sample, and the outcome of the deliveries it created.
#[utoipa::path(
    get, path = "/api/v1/jobs/{job}", operation_id = "showJob", tag = "jobs",
    params(("job" = i64, Path, description = "The job", minimum = 1)),
    security(("bearer" = ["events:read"])),
    responses((status = 200, description = "The job", body = Detail)),
)]
async fn show(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    job: web::Path<i64>,
    admin: web::Data<AdminState>,
) -> Result<WithEtag<Detail>, Denial> {
    Ok(WithEtag(Detail::new(admin.jobs.show(&caller, *job).await?)?))
}
