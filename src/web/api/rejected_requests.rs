//! Refused requests that are held: why they are refused, and verifying them again.

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

/// The list that cursors belong to.
const LIST: List = *b"he";

#[derive(OpenApi)]
#[openapi(paths(list, plan, show, explanation, verify, discard))]
struct Document;

/// Mounts the noun.
pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/rejected-requests").ask(list));
    // Whoever plans twice has two plans.
    routes.add(Endpoint::new("/api/v1/rejected-requests/jobs").post(Repeat::Single, plan));
    routes.add(Endpoint::new("/api/v1/rejected-requests/{request}").get(show));
    routes.add(Endpoint::new("/api/v1/rejected-requests/{request}/explanation").get(explanation));
    // What is an event is refused the second time, and what is gone is not there.
    let same = Repeat::Repeatable;
    routes.add(Endpoint::new("/api/v1/rejected-requests/{request}/verify").post(same, verify));
    routes.add(Endpoint::new("/api/v1/rejected-requests/{request}/discard").post(same, discard));
}

/// Which held requests.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Of this source.
    #[param(value_type = Option<String>, pattern = "^[!-~]{1,100}$")]
    source: Option<Name>,
    /// Where to go on: `next` of the page before.
    #[param(pattern = "^AWhl[A-Za-z0-9_-]{21}[AQgw]$")]
    cursor: Option<String>,
    /// How many, at most.
    #[serde(default)]
    #[param(value_type = u32, minimum = 1, maximum = 200, default = 50)]
    limit: Limit,
}

/// What is to be done about many held requests.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewHeldJob)]
struct BulkRequest {
    action: Dealing,
    /// Those of this source; without it, all that the caller sees.
    #[schema(value_type = Option<String>, pattern = "^[!-~]{1,100}$")]
    source: Option<Name>,
    /// The most that are dealt with, the oldest first; without it all are.
    cap: Option<Count>,
    /// The most that are dealt with in a second; without it there is no limit.
    rate: Option<Count>,
    reason: Reason,
}

/// What is done about held requests.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = HeldDealing)]
enum Dealing {
    Verify,
    Discard,
}

/// A refused request that is held, sealed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RejectedRequest {
    id: String,
    tenant: String,
    source: String,
    provider: String,
    /// The word under which it was refused.
    reason: String,
    /// The address that it came from.
    peer: Option<String>,
    /// The size of its body.
    size_bytes: i64,
    #[serde(with = "time::serde::rfc3339")]
    received_at: OffsetDateTime,
    /// When it is removed.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    /// The event that it became when it was verified again.
    event: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    verified_at: Option<OffsetDateTime>,
    verified_by: Option<String>,
}

/// Everything about a held request.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HeldDetail)]
struct Detail {
    request: RejectedRequest,
    /// Its head and body; null for callers without `payload:read`, and once it is an event.
    payload: Option<Opened>,
    /// Why it is refused now; null once it is an event.
    explanation: Option<Explanation>,
}

/// What strangers sent: data, never to be rendered.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HeldPayload)]
struct Opened {
    path: Option<String>,
    query: Option<String>,
    /// Its headers, in order. What begins with a colon came along and is no header.
    headers: Vec<Header>,
    encoding: Encoding,
    /// Its whole body.
    body: String,
}

/// A header as it came, but for bytes that are no text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HeldHeader)]
struct Header {
    name: String,
    value: String,
}

/// What came of verifying a request again.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HeldVerified)]
struct Outcome {
    /// The event that it is; null where it is refused again.
    event: Option<String>,
    /// Whether that was there before.
    duplicate: bool,
    /// Why it is refused again.
    explanation: Option<Explanation>,
}

/// A held request that was removed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HeldDiscarded)]
struct Discarded {
    id: String,
}

/// List held requests
///
/// Refused requests of sources that hold them, newest first.
#[utoipa::path(
    get, path = "/api/v1/rejected-requests", operation_id = "listRejectedRequests", tag = "refusals",
    params(Asked), security(("bearer" = ["secrets:write"])),
    responses((status = 200, description = "A page of requests", body = Page<RejectedRequest>)),
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

/// Plan a job about held requests
///
/// A dry run: it says how many match and, where they are to be verified, how many of those would be
/// let in now. Nothing is done until the plan is started like any other, with
/// `POST /api/v1/jobs/{job}/start`, which it can be for fifteen minutes.
#[utoipa::path(
    post, path = "/api/v1/rejected-requests/jobs", operation_id = "planRejectedRequestsJob", tag = "refusals",
    request_body = BulkRequest, security(("bearer" = ["secrets:write"])),
    responses((status = 200, description = "The plan", body = JobDetail),
              (status = 404, description = "Nothing matches")),
)]
async fn plan(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    Body(wish): Body<BulkRequest>,
    admin: web::Data<AdminState>,
) -> Result<Done<JobDetail>, Denial> {
    planned(admin.jobs.plan_rejected(&caller, &wish.meant())).await
}

/// Show a held request
///
/// What it is, and why it is refused by the present secrets.
#[utoipa::path(
    get, path = "/api/v1/rejected-requests/{request}", operation_id = "showRejectedRequest", tag = "refusals",
    params(("request" = String, Path, format = Uuid, description = "The request")),
    security(("bearer" = ["secrets:write"])),
    responses((status = 200, description = "Everything about it", body = Detail),
              (status = 409, description = "It cannot be opened")),
)]
async fn show(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    request: web::Path<Uuid>,
    admin: web::Data<AdminState>,
) -> Result<WithEtag<Detail>, Denial> {
    Ok(WithEtag(Detail::new(admin.rejected_requests.show(&caller, *request).await?)))
}

/// Say why a held request is refused
///
/// By the present secrets; or that it is not.
#[utoipa::path(
    get, path = "/api/v1/rejected-requests/{request}/explanation", operation_id = "explainRejectedRequest",
    tag = "refusals",
    params(("request" = String, Path, format = Uuid, description = "The request")),
    security(("bearer" = ["secrets:write"])),
    responses((status = 200, description = "Why", body = Explanation),
              (status = 409, description = "It is an event by now, or cannot be opened")),
)]
async fn explanation(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    request: web::Path<Uuid>,
    admin: web::Data<AdminState>,
) -> Result<WithEtag<Explanation>, Denial> {
    Ok(WithEtag(Explanation::new(admin.rejected_requests.explain(&caller, *request).await?)))
}

/// Verify a held request again
///
/// As of its time of arrival; where it holds now, it is let in.
#[utoipa::path(
    post, path = "/api/v1/rejected-requests/{request}/verify", operation_id = "reprocessRejectedRequest",
    tag = "refusals",
    params(("request" = String, Path, format = Uuid, description = "The request")),
    request_body = ReasonBody, security(("bearer" = ["secrets:write"])),
    responses((status = 200, description = "What came of it", body = Outcome)),
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

/// Remove a held request
///
/// Before its time.
#[utoipa::path(
    post, path = "/api/v1/rejected-requests/{request}/discard", operation_id = "discardRejectedRequest",
    tag = "refusals",
    params(("request" = String, Path, format = Uuid, description = "The request")),
    request_body = ReasonBody, security(("bearer" = ["secrets:write"])),
    responses((status = 200, description = "It is gone", body = Discarded)),
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
    /// As it is asked for.
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
