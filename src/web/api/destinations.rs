//! Destinations: how each stands, and holding one back or letting it go on.

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

/// Mounts the noun.
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
    /// Where it is, without a user or a query; null where it is not in the configuration.
    url: Option<String>,
    /// Whether it is in the configuration.
    configured: bool,
    state: State,
    /// Since when it is in that state.
    #[serde(with = "time::serde::rfc3339::option")]
    since: Option<OffsetDateTime>,
    /// Why it is disabled.
    why: Option<String>,
    /// Nothing is sent before.
    #[serde(with = "time::serde::rfc3339::option")]
    not_before: Option<OffsetDateTime>,
    /// Failures in a row.
    failures: i32,
    /// How many of its deliveries wait.
    ready: i64,
    /// Since when the one that waits longest has been there.
    #[serde(with = "time::serde::rfc3339::option")]
    oldest: Option<OffsetDateTime>,
    /// How many of its deliveries are at work.
    at_work: i64,
    /// How many of its dead letters are open.
    dead: i64,
    #[serde(with = "time::serde::rfc3339::option")]
    last_failed_at: Option<OffsetDateTime>,
    /// How it last failed; null for callers without `payload:read`.
    last_error: Option<String>,
}

/// Everything about a destination.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DestinationDetail)]
struct Detail {
    destination: Destination,
    /// When something is sent to it next; null where nothing waits, or an operator holds it back.
    #[serde(with = "time::serde::rfc3339::option")]
    next_try_at: Option<OffsetDateTime>,
    /// Of a hundred requests of the last day, how many ended with the event being taken; null where
    /// there were none.
    success_percent: Option<f64>,
    /// Half of the answers of the last day came within so many milliseconds; null where there were
    /// none, or it was longer than is told apart.
    p50_ms: Option<u32>,
    /// As `p50_ms`, of 95 in a hundred.
    p95_ms: Option<u32>,
    /// The last 24 hours, the oldest first, the present one last.
    hours: Vec<Hour>,
    /// Its last answers, newest first, at most twenty; of those that took the event, one a second.
    answers: Vec<Answer>,
}

/// How a destination did in an hour.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DestinationHour)]
struct Hour {
    #[serde(with = "time::serde::rfc3339")]
    begins_at: OffsetDateTime,
    delivered: u64,
    failed: u64,
}

/// What a destination answered. What it wrote is data of strangers, never to be rendered.
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
    /// Null where nothing came back.
    status: Option<u16>,
    /// Within bounds; none for callers without `payload:read`.
    headers: Vec<AnswerHeader>,
    /// Its beginning; empty for callers without `payload:read`.
    body: String,
    /// Why the event was not taken; null where it was.
    error: Option<String>,
}

/// A header of an answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DestinationAnswerHeader)]
struct AnswerHeader {
    name: String,
    value: String,
}

/// What waits for a destination is tried.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DestinationTried)]
struct Tried {
    name: String,
    /// How many deliveries are due by that.
    due: u64,
}

/// How a destination stands.
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

/// A destination for which nothing waits any more.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DestinationForgotten)]
struct Forgotten {
    name: String,
    /// How many of its deliveries became dead letters.
    dead: u64,
}

/// List destinations
///
/// Those of the configuration, then those of which only the database knows.
#[utoipa::path(
    get, path = "/api/v1/destinations", operation_id = "listDestinations", tag = "destinations",
    security(("bearer" = ["events:read"])),
    responses((status = 200, description = "Every destination", body = Page<Destination>)),
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
/// Where it is, how it did in the last day, and what it answered last.
#[utoipa::path(
    get, path = "/api/v1/destinations/{destination}", operation_id = "showDestination",
    tag = "destinations", params(("destination" = String, Path, description = "Its name",
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

/// Try now what waits for a destination
///
/// An open breaker sends its probe at once, and what waits for its time is due.
#[utoipa::path(
    post, path = "/api/v1/destinations/{destination}/try", operation_id = "tryDestination",
    tag = "destinations", params(("destination" = String, Path, description = "Its name",
                                  pattern = "^[a-z0-9_-]{1,64}$")),
    request_body = ReasonBody, security(("bearer" = ["sources:write"])),
    responses((status = 200, description = "It is tried", body = Tried),
              (status = 409, description = "An operator holds it back")),
)]
async fn try_now(
    (AuthenticatedCaller(caller), name, Body(because), admin): Asked,
) -> Result<Done<Tried>, Denial> {
    let (name, reason) = (name.into_inner(), because.reason());
    let due = admin.destinations.try_now(&caller, &name, reason).await?;
    Ok(Done(Tried { name, due }))
}

/// Send a destination a test event
///
/// It says that it is one: its type is `sealpost.test`, and it has the header `sealpost-test`. It is
/// signed as every event is, sent once, and is no event of any list.
#[utoipa::path(
    post, path = "/api/v1/destinations/{destination}/test", operation_id = "testDestination",
    tag = "destinations", params(("destination" = String, Path, description = "Its name",
                                  pattern = "^[a-z0-9_-]{1,64}$")),
    security(("bearer" = ["sources:write"])),
    responses((status = 200, description = "What it answered", body = Answer)),
)]
async fn send_test(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    name: web::Path<String>,
    admin: web::Data<AdminState>,
) -> Result<Done<Answer>, Denial> {
    Ok(Done(Answer::new(admin.destinations.send_test(&caller, &name).await?)))
}

/// Hold a destination back
///
/// Nothing is sent to it until it is resumed; what arrives for it is kept.
#[utoipa::path(
    post, path = "/api/v1/destinations/{destination}/pause", operation_id = "pauseDestination",
    tag = "destinations", params(("destination" = String, Path, description = "Its name",
                                  pattern = "^[a-z0-9_-]{1,64}$")),
    request_body = ReasonBody, security(("bearer" = ["sources:write"])),
    responses((status = 200, description = "It is held back", body = Toggled)),
)]
async fn pause(asked: Asked) -> Result<Done<Toggled>, Denial> {
    switch(asked, DestinationSwitch::Pause).await
}

/// Let a paused destination go on
///
/// One that failed is tried at once.
#[utoipa::path(
    post, path = "/api/v1/destinations/{destination}/resume", operation_id = "resumeDestination",
    tag = "destinations", params(("destination" = String, Path, description = "Its name",
                                  pattern = "^[a-z0-9_-]{1,64}$")),
    request_body = ReasonBody, security(("bearer" = ["sources:write"])),
    responses((status = 200, description = "It goes on", body = Toggled)),
)]
async fn resume(asked: Asked) -> Result<Done<Toggled>, Denial> {
    switch(asked, DestinationSwitch::Resume).await
}

/// Send nothing to a destination any more
///
/// What arrives for it is kept.
#[utoipa::path(
    post, path = "/api/v1/destinations/{destination}/disable", operation_id = "disableDestination",
    tag = "destinations", params(("destination" = String, Path, description = "Its name",
                                  pattern = "^[a-z0-9_-]{1,64}$")),
    request_body = ReasonBody, security(("bearer" = ["sources:write"])),
    responses((status = 200, description = "It is disabled", body = Toggled)),
)]
async fn disable(asked: Asked) -> Result<Done<Toggled>, Denial> {
    switch(asked, DestinationSwitch::Disable).await
}

/// Let a disabled destination go on
///
/// Such as one that answered 410.
#[utoipa::path(
    post, path = "/api/v1/destinations/{destination}/enable", operation_id = "enableDestination",
    tag = "destinations", params(("destination" = String, Path, description = "Its name",
                                  pattern = "^[a-z0-9_-]{1,64}$")),
    request_body = ReasonBody, security(("bearer" = ["sources:write"])),
    responses((status = 200, description = "It goes on", body = Toggled)),
)]
async fn enable(asked: Asked) -> Result<Done<Toggled>, Denial> {
    switch(asked, DestinationSwitch::Enable).await
}

/// Give up what waits for a destination that is not configured any more
///
/// Its deliveries become dead letters.
#[utoipa::path(
    post, path = "/api/v1/destinations/{destination}/forget", operation_id = "forgetDestination",
    tag = "destinations", params(("destination" = String, Path, description = "Its name",
                                  pattern = "^[a-z0-9_-]{1,64}$")),
    request_body = ReasonBody, security(("bearer" = ["sources:write"])),
    responses((status = 200, description = "Nothing waits for it", body = Forgotten)),
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
