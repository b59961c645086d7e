//! Rejected requests that are kept for inspection.

use actix_web::web;
use serde::Deserialize;
use utoipa::OpenApi;
use uuid::Uuid;

use super::answer::{self, Done, ListPage, Page, WithEtag};
use super::body::Body;
use super::cursor::{self, REJECTED_REQUESTS};
use super::query::{Limit, Name, Query};
use super::routes::{Endpoint, Routes};
use crate::admin::{
    Explanation, JobDetail, RejectedBulkRequest, RejectedRequest, RejectedRequestDetail, Repeat,
};
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

#[derive(OpenApi)]
#[openapi(paths(list, plan, show, explanation))]
struct Document;

pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/rejected-requests").get_with_query(list));
    // Planning twice creates two plans.
    routes.add(Endpoint::new("/api/v1/rejected-requests/jobs").post(Repeat::Single, plan));
    routes.add(Endpoint::new("/api/v1/rejected-requests/{request}").get(show));
    routes.add(Endpoint::new("/api/v1/rejected-requests/{request}/explanation").get(explanation));
}

/// The query of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RejectedRequestQuery {
    /// Filter by source.
    #[param(value_type = Option<String>, pattern = "^[!-~]{1,100}$")]
    source: Option<Name>,
    /// Cursor: `next` of the previous page.
    #[param(pattern = "^AWhl[A-Za-z0-9_-]{21}[AQgw]$")]
    cursor: Option<String>,
    /// Maximum number of items.
    #[serde(default)]
    #[param(value_type = u32, minimum = 1, maximum = 200, default = 50)]
    limit: Limit,
}

/// List rejected requests
///
/// Rejected requests of sources that keep them, newest first.
#[utoipa::path(
    get, path = "/api/v1/rejected-requests", operation_id = "listRejectedRequests", tag = "rejected requests",
    params(RejectedRequestQuery), security(("bearer" = ["secrets:write"])),
    responses((status = 200, description = "A page of rejected requests", body = Page<RejectedRequest>)),
)]
async fn list(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    Query(query): Query<RejectedRequestQuery>,
    admin: web::Data<AdminState>,
) -> Result<ListPage<RejectedRequest>, Denial> {
    let before =
        query.cursor.as_deref().map(|text| cursor::read(REJECTED_REQUESTS, text)).transpose()?;
    let (source, limit) = (query.source.map(|Name(name)| name), query.limit);
    let rows =
        admin.rejected_requests.list(&caller, source.as_deref(), before, limit.and_one()).await?;
    Ok(ListPage(answer::page((rows, limit), REJECTED_REQUESTS, |row: &RejectedRequest| row.id)))
}

/// Plan a job on rejected requests
///
/// A dry run: returns how many match and, for reprocessing, how many of those pass verification
/// now. Nothing is changed until the plan is started with `POST /api/v1/jobs/{job}/start`. A plan
/// expires after fifteen minutes.
#[utoipa::path(
    post, path = "/api/v1/rejected-requests/jobs", operation_id = "planRejectedRequestsJob", tag = "rejected requests",
    request_body = RejectedBulkRequest, security(("bearer" = ["secrets:write"])),
    responses((status = 200, description = "The plan", body = JobDetail),
              (status = 404, description = "No rejected request matches")),
)]
async fn plan(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    Body(request): Body<RejectedBulkRequest>,
    admin: web::Data<AdminState>,
) -> Result<Done<JobDetail>, Denial> {
    Ok(Done(admin.jobs.plan_rejected(&caller, &request).await?))
}

/// Show a rejected request
///
/// With its content, and why the current secrets reject it.
#[utoipa::path(
    get, path = "/api/v1/rejected-requests/{request}", operation_id = "showRejectedRequest", tag = "rejected requests",
    params(("request" = String, Path, format = Uuid, description = "Id of the rejected request")),
    security(("bearer" = ["secrets:write"])),
    responses((status = 200, description = "The rejected request", body = RejectedRequestDetail),
              (status = 409, description = "It cannot be decrypted")),
)]
async fn show(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    request: web::Path<Uuid>,
    admin: web::Data<AdminState>,
) -> Result<WithEtag<RejectedRequestDetail>, Denial> {
    Ok(WithEtag(admin.rejected_requests.show(&caller, *request).await?))
}

/// Explain why a request was rejected
///
/// Verifies the rejected request with the current secrets.
#[utoipa::path(
    get, path = "/api/v1/rejected-requests/{request}/explanation", operation_id = "explainRejectedRequest",
    tag = "rejected requests",
    params(("request" = String, Path, format = Uuid, description = "Id of the rejected request")),
    security(("bearer" = ["secrets:write"])),
    responses((status = 200, description = "The explanation", body = Explanation),
              (status = 409, description = "It is already an event, or cannot be decrypted")),
)]
async fn explanation(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    request: web::Path<Uuid>,
    admin: web::Data<AdminState>,
) -> Result<WithEtag<Explanation>, Denial> {
    Ok(WithEtag(admin.rejected_requests.explain(&caller, *request).await?))
}
