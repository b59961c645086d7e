//! Destinations: how each stands, and holding one back or letting it go on.

use actix_web::web;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{OpenApi, ToSchema};

use super::answer::{Done, Listed, Page};
use super::body::{Because, Body};
use super::routes::{At, Routes};
use super::switch::{Asked, Switched, What};
use super::words::word;
use crate::http::caller::By;
use crate::http::denial::Denial;
use crate::http::operator::Operator;
use crate::operator::{self, Act, Scope};
use crate::store::Switch;

#[derive(OpenApi)]
#[openapi(paths(list, pause, resume, disable, enable, forget))]
struct Document;

/// Mounts the noun.
pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(At::new("/api/v1/destinations").get(list));
    let same = Act::Repeatable;
    routes.add(At::new("/api/v1/destinations/{destination}/pause").post(same, pause));
    routes.add(At::new("/api/v1/destinations/{destination}/resume").post(same, resume));
    routes.add(At::new("/api/v1/destinations/{destination}/disable").post(same, disable));
    routes.add(At::new("/api/v1/destinations/{destination}/enable").post(same, enable));
    routes.add(At::new("/api/v1/destinations/{destination}/forget").post(same, forget));
}

/// A destination.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Destination {
    name: String,
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
    By(caller): By,
    operator: web::Data<Operator>,
) -> Result<Listed<Destination>, Denial> {
    let listed = operator.destinations.list(&caller).await?.into_iter();
    let may = caller.may(Scope::PayloadRead);
    let items = listed.map(|one| Destination::new(one, may)).collect::<Result<_, _>>()?;
    Ok(Listed(Page::whole(items)))
}

/// Hold a destination back
///
/// Nothing is sent to it until it is resumed; what arrives for it is kept.
#[utoipa::path(
    post, path = "/api/v1/destinations/{destination}/pause", operation_id = "pauseDestination",
    tag = "destinations", params(("destination" = String, Path, description = "Its name",
                                  pattern = "^[a-z0-9_-]{1,64}$")),
    request_body = Because, security(("bearer" = ["sources:write"])),
    responses((status = 200, description = "It is held back", body = Switched)),
)]
async fn pause(asked: Asked) -> Result<Done<Switched>, Denial> {
    switch(asked, Switch::Pause).await
}

/// Let a paused destination go on
///
/// One that failed is tried at once.
#[utoipa::path(
    post, path = "/api/v1/destinations/{destination}/resume", operation_id = "resumeDestination",
    tag = "destinations", params(("destination" = String, Path, description = "Its name",
                                  pattern = "^[a-z0-9_-]{1,64}$")),
    request_body = Because, security(("bearer" = ["sources:write"])),
    responses((status = 200, description = "It goes on", body = Switched)),
)]
async fn resume(asked: Asked) -> Result<Done<Switched>, Denial> {
    switch(asked, Switch::Resume).await
}

/// Send nothing to a destination any more
///
/// What arrives for it is kept.
#[utoipa::path(
    post, path = "/api/v1/destinations/{destination}/disable", operation_id = "disableDestination",
    tag = "destinations", params(("destination" = String, Path, description = "Its name",
                                  pattern = "^[a-z0-9_-]{1,64}$")),
    request_body = Because, security(("bearer" = ["sources:write"])),
    responses((status = 200, description = "It is disabled", body = Switched)),
)]
async fn disable(asked: Asked) -> Result<Done<Switched>, Denial> {
    switch(asked, Switch::Disable).await
}

/// Let a disabled destination go on
///
/// Such as one that answered 410.
#[utoipa::path(
    post, path = "/api/v1/destinations/{destination}/enable", operation_id = "enableDestination",
    tag = "destinations", params(("destination" = String, Path, description = "Its name",
                                  pattern = "^[a-z0-9_-]{1,64}$")),
    request_body = Because, security(("bearer" = ["sources:write"])),
    responses((status = 200, description = "It goes on", body = Switched)),
)]
async fn enable(asked: Asked) -> Result<Done<Switched>, Denial> {
    switch(asked, Switch::Enable).await
}

/// Give up what waits for a destination that is not configured any more
///
/// Its deliveries become dead letters.
#[utoipa::path(
    post, path = "/api/v1/destinations/{destination}/forget", operation_id = "forgetDestination",
    tag = "destinations", params(("destination" = String, Path, description = "Its name",
                                  pattern = "^[a-z0-9_-]{1,64}$")),
    request_body = Because, security(("bearer" = ["sources:write"])),
    responses((status = 200, description = "Nothing waits for it", body = Forgotten)),
)]
async fn forget(
    (By(caller), name, Body(because), operator): Asked,
) -> Result<Done<Forgotten>, Denial> {
    let (name, reason) = (name.into_inner(), because.reason());
    let dead = operator.destinations.forget(&caller, &name, reason).await?;
    Ok(Done(Forgotten { name, dead }))
}

async fn switch(
    (By(caller), name, Body(because), operator): Asked,
    switch: Switch,
) -> Result<Done<Switched>, Denial> {
    let (name, reason) = (name.into_inner(), because.reason());
    let changed = operator.destinations.switch(&caller, &name, switch, reason).await?;
    Ok(Done(Switched { what: What::Destination, name, changed }))
}

impl Destination {
    fn new(listed: operator::Destination, errors: bool) -> Result<Self, Denial> {
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
            last_error: state.and_then(|state| state.last_error.clone()).filter(|_| errors),
            name: listed.name,
        })
    }
}
