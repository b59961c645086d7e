//! Destinations: status, pause and resume, test events.

use actix_web::web;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{OpenApi, ToSchema};

use super::answer::{Done, ListPage, Page, WithEtag};
use super::body::{Body, ReasonBody};
use super::routes::{Endpoint, Routes};
use super::toggle::{Asked, Toggled, What};
use super::words::word;
use crate::admin::{self, DestinationDetail, Repeat};
use crate::store::{DestinationResponse, DestinationSwitch, ResponseHour};
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

#[derive(OpenApi)]
#[openapi(paths(list, show, pause, resume, try_now, send_test, disable, enable, forget))]
struct Document;

/// Adds the routes.
pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/destinations").get(list));
    routes.add(Endpoint::new("/api/v1/destinations/{destination}").get(show));
    let same = Repeat::Repeatable;
    routes.add(Endpoint::new("/api/v1/destinations/{destination}/try").post(same, try_now));
    routes.add(
        Endpoint::new("/api/v1/destinations/{destination}/test").post(Repeat::Single, send_test),
    );
    routes.add(Endpoint::new("/api/v1/destinations/{destination}/pause").post(same, pause));
    routes.add(Endpoint::new("/api/v1/destinations/{destination}/resume").post(same, resume));
    routes.add(Endpoint::new("/api/v1/destinations/{destination}/disable").post(same, disable));
    routes.add(Endpoint::new("/api/v1/destinations/{destination}/enable").post(same, enable));
    routes.add(Endpoint::new("/api/v1/destinations/{destination}/forget").post(same, forget));
}

/// A destination.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Destination {
    name: String,
    /// Its URL, without credentials and query; null if it is no longer configured.
    url: Option<String>,
    /// Whether it is configured.
    configured: bool,
    state: State,
    /// When it entered that state.
    #[serde(with = "time::serde::rfc3339::option")]
    since: Option<OffsetDateTime>,
    /// Why it is disabled.
    why: Option<String>,
    /// No delivery is sent before this time.
    #[serde(with = "time::serde::rfc3339::option")]
    not_before: Option<OffsetDateTime>,
    /// Consecutive failures.
    failures: i32,
    /// Waiting deliveries.
    ready: i64,
    /// When the oldest waiting delivery was created.
    #[serde(with = "time::serde::rfc3339::option")]
    oldest: Option<OffsetDateTime>,
    /// Deliveries in flight.
    at_work: i64,
    /// Open dead letters.
    dead: i64,
    #[serde(with = "time::serde::rfc3339::option")]
    last_failed_at: Option<OffsetDateTime>,
    /// The last error; null without the scope `payload:read`.
    last_error: Option<String>,
}

/// A destination with its statistics.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DestinationDetail)]
struct Detail {
    destination: Destination,
    /// When the next delivery is sent; null if none is waiting or it is paused.
    #[serde(with = "time::serde::rfc3339::option")]
    next_try_at: Option<OffsetDateTime>,
    /// The success rate of the last 24 hours, in percent; null without requests.
    success_percent: Option<f64>,
    /// The median latency of the last 24 hours in milliseconds, as an upper bound; null without
    /// responses, or if it exceeds the largest measured bound.
    p50_ms: Option<u32>,
    /// As `p50_ms`, for the 95th percentile.
    p95_ms: Option<u32>,
    /// The last 24 hours, oldest first, the current hour last.
    hours: Vec<Hour>,
    /// Recent responses, newest first, at most twenty; at most one successful response per second.
    answers: Vec<Answer>,
}

/// The results of one hour.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DestinationHour)]
struct Hour {
    #[serde(with = "time::serde::rfc3339")]
    begins_at: OffsetDateTime,
    delivered: u64,
    failed: u64,
}

/// A response of a destination. Headers and body are untrusted data; never render them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DestinationAnswer)]
struct Answer {
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    took_ms: i64,
    /// Whether it was a test event.
    test: bool,
    delivery: Option<i64>,
    event: String,
    /// The HTTP status; null without a response.
    status: Option<u16>,
    /// The headers, truncated; empty without the scope `payload:read`.
    headers: Vec<AnswerHeader>,
    /// The beginning of the body; empty without the scope `payload:read`.
    body: String,
    /// Why the request failed; null if it succeeded.
    error: Option<String>,
}

/// A response header.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DestinationAnswerHeader)]
struct AnswerHeader {
    name: String,
    value: String,
}

/// The result of a retry.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DestinationTried)]
struct Tried {
    name: String,
    /// Number of deliveries that are now due.
    due: u64,
}

/// The state of a destination.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = DestinationState)]
enum State {
    Ok,
    Unconfigured,
    Disabled,
    Paused,
    Failing,
    #[serde(rename = "told to wait")]
    ToldToWait,
    Rejecting,
}

/// A destination without waiting deliveries.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DestinationForgotten)]
struct Forgotten {
    name: String,
    /// Number of deliveries that became dead letters.
    dead: u64,
}

/// List destinations
///
/// Configured destinations first, then those that exist only in the database.
#[utoipa::path(
    get, path = "/api/v1/destinations", operation_id = "listDestinations", tag = "destinations",
    security(("bearer" = ["events:read"])),
    responses((status = 200, description = "All destinations", body = Page<Destination>)),
)]
async fn list(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    admin: web::Data<AdminState>,
) -> Result<ListPage<Destination>, Denial> {
    let listed = admin.destinations.list(&caller).await?.into_iter();
    let items = listed.map(Destination::new).collect::<Result<_, _>>()?;
    Ok(ListPage(Page::whole(items)))
}

/// Show a destination
///
/// With its URL, statistics of the last 24 hours, and recent responses.
#[utoipa::path(
    get, path = "/api/v1/destinations/{destination}", operation_id = "showDestination",
    tag = "destinations", params(("destination" = String, Path, description = "Name of the destination",
                                  pattern = "^[a-z0-9_-]{1,64}$")),
    security(("bearer" = ["events:read"])),
    responses((status = 200, description = "The destination", body = Detail)),
)]
async fn show(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    name: web::Path<String>,
    admin: web::Data<AdminState>,
) -> Result<WithEtag<Detail>, Denial> {
    Ok(WithEtag(Detail::new(admin.destinations.show(&caller, &name).await?)?))
}

/// Retry waiting deliveries of a destination now
///
/// An open circuit breaker sends its probe immediately, and waiting retries become due.
#[utoipa::path(
    post, path = "/api/v1/destinations/{destination}/try", operation_id = "tryDestination",
    tag = "destinations", params(("destination" = String, Path, description = "Name of the destination",
                                  pattern = "^[a-z0-9_-]{1,64}$")),
    request_body = ReasonBody, security(("bearer" = ["sources:write"])),
    responses((status = 200, description = "The retry has started", body = Tried),
              (status = 409, description = "It is paused or disabled")),
)]
async fn try_now(
    (AuthenticatedCaller(caller), name, Body(because), admin): Asked,
) -> Result<Done<Tried>, Denial> {
    let (name, reason) = (name.into_inner(), because.reason());
    let due = admin.destinations.try_now(&caller, &name, reason).await?;
    Ok(Done(Tried { name, due }))
}

/// Send a test event to a destination
///
/// Its type is `sealpost.test`, and it has the header `sealpost-test`. It is signed like any event,
/// sent once, and not stored as an event.
#[utoipa::path(
    post, path = "/api/v1/destinations/{destination}/test", operation_id = "testDestination",
    tag = "destinations", params(("destination" = String, Path, description = "Name of the destination",
                                  pattern = "^[a-z0-9_-]{1,64}$")),
    security(("bearer" = ["sources:write"])),
    responses((status = 200, description = "The response of the destination", body = Answer)),
)]
async fn send_test(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    name: web::Path<String>,
    admin: web::Data<AdminState>,
) -> Result<Done<Answer>, Denial> {
    Ok(Done(Answer::new(admin.destinations.send_test(&caller, &name).await?)))
}

/// Pause a destination
///
/// No delivery is sent until it is resumed; new events are kept.
#[utoipa::path(
    post, path = "/api/v1/destinations/{destination}/pause", operation_id = "pauseDestination",
    tag = "destinations", params(("destination" = String, Path, description = "Name of the destination",
                                  pattern = "^[a-z0-9_-]{1,64}$")),
    request_body = ReasonBody, security(("bearer" = ["sources:write"])),
    responses((status = 200, description = "Paused", body = Toggled)),
)]
async fn pause(asked: Asked) -> Result<Done<Toggled>, Denial> {
    switch(asked, DestinationSwitch::Pause).await
}

/// Resume a destination
///
/// A failing destination is retried immediately.
#[utoipa::path(
    post, path = "/api/v1/destinations/{destination}/resume", operation_id = "resumeDestination",
    tag = "destinations", params(("destination" = String, Path, description = "Name of the destination",
                                  pattern = "^[a-z0-9_-]{1,64}$")),
    request_body = ReasonBody, security(("bearer" = ["sources:write"])),
    responses((status = 200, description = "Resumed", body = Toggled)),
)]
async fn resume(asked: Asked) -> Result<Done<Toggled>, Denial> {
    switch(asked, DestinationSwitch::Resume).await
}

/// Disable a destination
///
/// No delivery is sent until it is enabled; new events are kept.
#[utoipa::path(
    post, path = "/api/v1/destinations/{destination}/disable", operation_id = "disableDestination",
    tag = "destinations", params(("destination" = String, Path, description = "Name of the destination",
                                  pattern = "^[a-z0-9_-]{1,64}$")),
    request_body = ReasonBody, security(("bearer" = ["sources:write"])),
    responses((status = 200, description = "Disabled", body = Toggled)),
)]
async fn disable(asked: Asked) -> Result<Done<Toggled>, Denial> {
    switch(asked, DestinationSwitch::Disable).await
}

/// Enable a destination
///
/// For example one that was disabled because it responded 410.
#[utoipa::path(
    post, path = "/api/v1/destinations/{destination}/enable", operation_id = "enableDestination",
    tag = "destinations", params(("destination" = String, Path, description = "Name of the destination",
                                  pattern = "^[a-z0-9_-]{1,64}$")),
    request_body = ReasonBody, security(("bearer" = ["sources:write"])),
    responses((status = 200, description = "Enabled", body = Toggled)),
)]
async fn enable(asked: Asked) -> Result<Done<Toggled>, Denial> {
    switch(asked, DestinationSwitch::Enable).await
}

/// Forget a destination that is no longer configured
///
/// Its waiting deliveries become dead letters.
#[utoipa::path(
    post, path = "/api/v1/destinations/{destination}/forget", operation_id = "forgetDestination",
    tag = "destinations", params(("destination" = String, Path, description = "Name of the destination",
                                  pattern = "^[a-z0-9_-]{1,64}$")),
    request_body = ReasonBody, security(("bearer" = ["sources:write"])),
    responses((status = 200, description = "No waiting deliveries are left", body = Forgotten)),
)]
async fn forget(
    (AuthenticatedCaller(caller), name, Body(because), admin): Asked,
) -> Result<Done<Forgotten>, Denial> {
    let (name, reason) = (name.into_inner(), because.reason());
    let dead = admin.destinations.forget(&caller, &name, reason).await?;
    Ok(Done(Forgotten { name, dead }))
}

async fn switch(
    (AuthenticatedCaller(caller), name, Body(because), admin): Asked,
    switch: DestinationSwitch,
) -> Result<Done<Toggled>, Denial> {
    let (name, reason) = (name.into_inner(), because.reason());
    let changed = admin.destinations.switch(&caller, &name, switch, reason).await?;
    Ok(Done(Toggled { what: What::Destination, name, changed }))
}

impl Detail {
    fn new(detail: DestinationDetail) -> Result<Self, Denial> {
        let hour = |(begins_at, did): (OffsetDateTime, ResponseHour)| Hour {
            begins_at,
            delivered: did.delivered,
            failed: did.failed,
        };
        Ok(Self {
            destination: Destination::new(detail.destination)?,
            next_try_at: detail.next_try,
            success_percent: detail.success_percent,
            p50_ms: detail.p50_ms,
            p95_ms: detail.p95_ms,
            hours: detail.hours.into_iter().map(hour).collect(),
            answers: detail.answers.into_iter().map(Answer::new).collect(),
        })
    }
}

impl Answer {
    fn new(answer: DestinationResponse) -> Self {
        let header = |(name, value)| AnswerHeader { name, value };
        Self {
            at: answer.at,
            took_ms: i64::try_from(answer.took.whole_milliseconds()).unwrap_or(i64::MAX),
            test: answer.delivery.is_none(),
            delivery: answer.delivery,
            event: answer.event.to_string(),
            status: answer.status,
            headers: answer.headers.into_iter().map(header).collect(),
            body: answer.body,
            error: answer.error,
        }
    }
}

impl Destination {
    fn new(listed: admin::Destination) -> Result<Self, Denial> {
        let state = listed.state.as_ref();
        Ok(Self {
            configured: listed.configured,
            state: word(listed.standing.as_str())?,
            since: listed.since,
            why: state.and_then(|state| state.disabled_why.clone()),
            not_before: state.and_then(|state| state.not_before),
            failures: state.map_or(0, |state| state.failures),
            ready: state.map_or(0, |state| state.ready),
            oldest: state.and_then(|state| state.oldest),
            at_work: state.map_or(0, |state| state.leased),
            dead: state.map_or(0, |state| state.dead),
            last_failed_at: state.and_then(|state| state.last_failed_at),
            last_error: state.and_then(|state| state.last_error.clone()),
            url: listed.url.clone(),
            name: listed.name,
        })
    }
}
