//! Rejected requests that are kept for inspection: explain, reprocess, discard.

use actix_web::web;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{OpenApi, ToSchema};
use uuid::Uuid;

use super::answer::{Done, ListPage, Page, WithEtag};
use super::body::{Body, Count, Reason, ReasonBody};
use super::cursor::{self, List};
use super::deliveries::Encoding;
use super::explain::Explanation;
use super::jobs::bulk_request::Terms;
use super::jobs::planned;
use super::jobs::shown::Detail as JobDetail;
use super::query::{Limit, Name, Query};
use super::routes::{Endpoint, Routes};
use crate::admin::{
    RecordedRequest, RejectedAction, RejectedBulkRequest, RejectedRequestDetail, Repeat, Verified,
};
use crate::store;
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

/// The list a cursor belongs to.
const LIST: List = *b"he";

#[derive(OpenApi)]
#[openapi(paths(list, plan, show, explanation, verify, discard))]
struct Document;

/// Adds the routes.
pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/rejected-requests").ask(list));
    // Planning twice creates two plans.
    routes.add(Endpoint::new("/api/v1/rejected-requests/jobs").post(Repeat::Single, plan));
    routes.add(Endpoint::new("/api/v1/rejected-requests/{request}").get(show));
    routes.add(Endpoint::new("/api/v1/rejected-requests/{request}/explanation").get(explanation));
    // A repeated reprocessing is a conflict; a repeated discard is not found.
    let same = Repeat::Repeatable;
    routes.add(Endpoint::new("/api/v1/rejected-requests/{request}/verify").post(same, verify));
    routes.add(Endpoint::new("/api/v1/rejected-requests/{request}/discard").post(same, discard));
}

/// The query of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
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

/// A bulk action on rejected requests.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewRejectedRequestsJob)]
struct BulkRequest {
    action: Dealing,
    /// Filter by source; all visible sources by default.
    #[schema(value_type = Option<String>, pattern = "^[!-~]{1,100}$")]
    source: Option<Name>,
    /// Maximum number to process, oldest first; all by default.
    cap: Option<Count>,
    /// Maximum number to process per second; unlimited by default.
    rate: Option<Count>,
    reason: Reason,
}

/// The action on rejected requests.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = RejectedRequestAction)]
enum Dealing {
    Verify,
    Discard,
}

/// A rejected request, stored encrypted.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RejectedRequest {
    id: String,
    tenant: String,
    source: String,
    provider: String,
    /// The rejection reason.
    reason: String,
    /// The client address.
    peer: Option<String>,
    /// The size of its body in bytes.
    size_bytes: i64,
    #[serde(with = "time::serde::rfc3339")]
    received_at: OffsetDateTime,
    /// When it is deleted.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    /// The event it became when it was reprocessed.
    event: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    verified_at: Option<OffsetDateTime>,
    verified_by: Option<String>,
}

/// A rejected request with its content and explanation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RejectedRequestDetail)]
struct Detail {
    request: RejectedRequest,
    /// Its headers and body; null without the scope `payload:read`, and once it is an event.
    payload: Option<Opened>,
    /// Why it is rejected by the current secrets; null once it is an event.
    explanation: Option<Explanation>,
}

/// Untrusted data from the client; never render it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RejectedRequestPayload)]
struct Opened {
    path: Option<String>,
    query: Option<String>,
    /// Its headers, in order. Names that begin with a colon are metadata and not headers.
    headers: Vec<Header>,
    encoding: Encoding,
    /// Its complete body.
    body: String,
}

/// A header as received, except for bytes that are not text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RejectedRequestHeader)]
struct Header {
    name: String,
    value: String,
}

/// The result of a reprocessing.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReprocessResult)]
struct Outcome {
    /// The event; null if the request is rejected again.
    event: Option<String>,
    /// Whether the event already existed.
    duplicate: bool,
    /// Why it is rejected again.
    explanation: Option<Explanation>,
}

/// A deleted rejected request.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DiscardedRejectedRequest)]
struct Discarded {
    id: String,
}

/// List rejected requests
///
/// Rejected requests of sources that keep them, newest first.
#[utoipa::path(
    get, path = "/api/v1/rejected-requests", operation_id = "listRejectedRequests", tag = "refusals",
    params(Asked), security(("bearer" = ["secrets:write"])),
    responses((status = 200, description = "A page of rejected requests", body = Page<RejectedRequest>)),
)]
async fn list(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    Query(asked): Query<Asked>,
    admin: web::Data<AdminState>,
) -> Result<ListPage<RejectedRequest>, Denial> {
    let before = asked.cursor.as_deref().map(|text| cursor::read(LIST, text)).transpose()?;
    let (source, limit) = (asked.source.map(|Name(name)| name), asked.limit);
    let rows =
        admin.rejected_requests.list(&caller, source.as_deref(), before, limit.and_one()).await?;
    let place = |row: &store::RejectedRequest| row.id;
    Ok(ListPage(Page::of((rows, limit), LIST, place, |row| Ok(RejectedRequest::new(row)))?))
}

/// Plan a job on rejected requests
///
/// A dry run: returns how many match and, for reprocessing, how many of those pass verification
/// now. Nothing is changed until the plan is started with `POST /api/v1/jobs/{job}/start`. A plan
/// expires after fifteen minutes.
#[utoipa::path(
    post, path = "/api/v1/rejected-requests/jobs", operation_id = "planRejectedRequestsJob", tag = "refusals",
    request_body = BulkRequest, security(("bearer" = ["secrets:write"])),
    responses((status = 200, description = "The plan", body = JobDetail),
              (status = 404, description = "No rejected request matches")),
)]
async fn plan(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    Body(wish): Body<BulkRequest>,
    admin: web::Data<AdminState>,
) -> Result<Done<JobDetail>, Denial> {
    planned(admin.jobs.plan_rejected(&caller, &wish.meant())).await
}

/// Show a rejected request
///
/// With its content, and why the current secrets reject it.
#[utoipa::path(
    get, path = "/api/v1/rejected-requests/{request}", operation_id = "showRejectedRequest", tag = "refusals",
    params(("request" = String, Path, format = Uuid, description = "Id of the rejected request")),
    security(("bearer" = ["secrets:write"])),
    responses((status = 200, description = "The rejected request", body = Detail),
              (status = 409, description = "It cannot be decrypted")),
)]
async fn show(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    request: web::Path<Uuid>,
    admin: web::Data<AdminState>,
) -> Result<WithEtag<Detail>, Denial> {
    Ok(WithEtag(Detail::new(admin.rejected_requests.show(&caller, *request).await?)))
}

/// Explain why a request was rejected
///
/// Verifies the rejected request with the current secrets.
#[utoipa::path(
    get, path = "/api/v1/rejected-requests/{request}/explanation", operation_id = "explainRejectedRequest",
    tag = "refusals",
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
    Ok(WithEtag(Explanation::new(admin.rejected_requests.explain(&caller, *request).await?)))
}

/// Reprocess a rejected request
///
/// Verifies it again as of its time of arrival. If it passes, it becomes an event.
#[utoipa::path(
    post, path = "/api/v1/rejected-requests/{request}/verify", operation_id = "reprocessRejectedRequest",
    tag = "refusals",
    params(("request" = String, Path, format = Uuid, description = "Id of the rejected request")),
    request_body = ReasonBody, security(("bearer" = ["secrets:write"])),
    responses((status = 200, description = "The result", body = Outcome)),
)]
async fn verify(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    request: web::Path<Uuid>,
    Body(because): Body<ReasonBody>,
    admin: web::Data<AdminState>,
) -> Result<Done<Outcome>, Denial> {
    let verified = admin.rejected_requests.verify(&caller, *request, because.reason()).await?;
    Ok(Done(Outcome::new(verified)))
}

/// Discard a rejected request
///
/// Deletes it before the end of its retention.
#[utoipa::path(
    post, path = "/api/v1/rejected-requests/{request}/discard", operation_id = "discardRejectedRequest",
    tag = "refusals",
    params(("request" = String, Path, format = Uuid, description = "Id of the rejected request")),
    request_body = ReasonBody, security(("bearer" = ["secrets:write"])),
    responses((status = 200, description = "Deleted", body = Discarded)),
)]
async fn discard(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    request: web::Path<Uuid>,
    Body(because): Body<ReasonBody>,
    admin: web::Data<AdminState>,
) -> Result<Done<Discarded>, Denial> {
    admin.rejected_requests.discard(&caller, *request, because.reason()).await?;
    Ok(Done(Discarded { id: request.to_string() }))
}

impl BulkRequest {
    /// Converts the request.
    fn meant(self) -> RejectedBulkRequest {
        let Terms { cap, rate, reason } = Terms::of(self.cap, self.rate, &self.reason);
        let action = match self.action {
            Dealing::Verify => RejectedAction::Verify,
            Dealing::Discard => RejectedAction::Discard,
        };
        RejectedBulkRequest {
            action,
            source: self.source.map(|Name(name)| name),
            cap,
            rate,
            reason,
        }
    }
}

impl RejectedRequest {
    pub(super) fn new(row: store::RejectedRequest) -> Self {
        Self {
            id: row.id.to_string(),
            tenant: row.tenant,
            source: row.source,
            provider: row.provider,
            reason: row.reason,
            peer: row.peer,
            size_bytes: row.size_bytes,
            received_at: row.received_at,
            expires_at: row.expires_at,
            event: row.event_id.map(|event| event.to_string()),
            verified_at: row.verified_at,
            verified_by: row.verified_by,
        }
    }
}

impl Detail {
    fn new(dossier: RejectedRequestDetail) -> Self {
        Self {
            request: RejectedRequest::new(dossier.request),
            payload: dossier.payload.map(Opened::new),
            explanation: dossier.explained.map(Explanation::new),
        }
    }
}

impl Opened {
    fn new(request: RecordedRequest) -> Self {
        let (encoding, body) = match std::str::from_utf8(&request.body) {
            Ok(text) => (Encoding::Text, text.to_owned()),
            Err(_) => (Encoding::Hex, hex::encode(&request.body)),
        };
        let header = |(name, value): (String, Vec<u8>)| Header {
            name,
            value: String::from_utf8_lossy(&value).into_owned(),
        };
        let headers = request.headers.into_iter().map(header).collect();
        Self { path: request.path, query: request.query, headers, encoding, body }
    }
}

impl Outcome {
    fn new(verified: Verified) -> Self {
        match verified {
            Verified::Admitted(admitted) => Self {
                event: Some(admitted.event.to_string()),
                duplicate: admitted.duplicate,
                explanation: None,
            },
            Verified::Refused(explained) => Self {
                event: None,
                duplicate: false,
                explanation: Some(Explanation::new(*explained)),
            },
        }
    }
}
