//! Jobs: dealing with many dead letters or held requests, planned first.

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

/// The list that cursors belong to.
const LIST: List = *b"jo";

#[derive(OpenApi)]
#[openapi(paths(plan, start, cancel, list, show))]
struct Document;

/// Mounts the noun.
pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    // Whoever plans twice has two plans.
    routes.add(Endpoint::new("/api/v1/jobs").ask(list).post(Repeat::Single, plan));
    routes.add(Endpoint::new("/api/v1/jobs/{job}").get(show));
    // What was started or cancelled is refused the second time.
    routes.add(Endpoint::new("/api/v1/jobs/{job}/start").post(Repeat::Repeatable, start));
    routes.add(Endpoint::new("/api/v1/jobs/{job}/cancel").post(Repeat::Repeatable, cancel));
}

/// Which jobs.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Where to go on: `next` of the page before.
    #[param(pattern = "^AWpv[A-Za-z0-9_-]{10}[AEIMQUYcgkosw048]$")]
    cursor: Option<String>,
    /// How many, at most.
    #[serde(default)]
    #[param(value_type = u32, minimum = 1, maximum = 200, default = 50)]
    limit: Limit,
}

/// Plan a job
///
/// A dry run: it says how many dead letters match, and shows some of them. Nothing is done until
/// the plan is started, which it can be for fifteen minutes.
#[utoipa::path(
    post, path = "/api/v1/jobs", operation_id = "planJob", tag = "jobs",
    request_body = BulkRequest, security(("bearer" = ["events:replay"])),
    responses((status = 200, description = "The plan", body = Detail),
              (status = 404, description = "Nothing matches")),
)]
async fn plan(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    Body(bulk_request): Body<BulkRequest>,
    admin: web::Data<AdminState>,
) -> Result<Done<Detail>, Denial> {
    planned(admin.jobs.plan(&caller, &bulk_request.meant())).await
}

/// Answers with what was planned, whatever it is about.
pub(super) async fn planned(
    planning: impl Future<Output = Result<JobDetail, AdminError>>,
) -> Result<Done<Detail>, Denial> {
    Ok(Done(Detail::new(planning.await?)?))
}

/// Start a planned job
///
/// A gateway works it off in batches. A job about held requests needs `secrets:write` in the place
/// of `events:replay`.
#[utoipa::path(
    post, path = "/api/v1/jobs/{job}/start", operation_id = "startJob", tag = "jobs",
    params(("job" = i64, Path, description = "The job", minimum = 1)),
    security(("bearer" = ["events:replay"])),
    responses((status = 200, description = "It runs", body = Job)),
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
/// What it has done is done; after the present batch nothing more is. A job about held requests
/// needs `secrets:write` in the place of `events:replay`.
#[utoipa::path(
    post, path = "/api/v1/jobs/{job}/cancel", operation_id = "cancelJob", tag = "jobs",
    params(("job" = i64, Path, description = "The job", minimum = 1)),
    request_body = ReasonBody, security(("bearer" = ["events:replay"])),
    responses((status = 200, description = "It is cancelled", body = Job)),
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
/// The newest come first; plans are among them.
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
/// Its progress, some of what it is about, and what became of the deliveries that it made.
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
