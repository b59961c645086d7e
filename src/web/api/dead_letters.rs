//! Dead letters: list, replay, discard, unblock.

use std::time::Duration;

use actix_web::web;
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};
use uuid::Uuid;

use super::answer::{Done, ListPage, Page};
use super::body::{Body, Reason, ReasonBody};
use super::cursor::{self, List};
use super::deliveries::{DeathReason, Delivery};
use super::groups::Class;
use super::query::{Limit, Name, Number, Query, Seconds};
use super::routes::{Endpoint, Routes};
use crate::admin::{Action, Caller, Filter, Paging, Repeat, Selection};
use crate::store::{DeadLetter, EventId};
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

/// The list a cursor belongs to.
const LIST: List = *b"dl";

#[derive(OpenApi)]
#[openapi(paths(list, replay, discard, free))]
struct Document;

/// Adds the routes.
pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/dead-letters").ask(list));
    // A repeat is a conflict, since the dead letter is resolved.
    let refused = Repeat::Repeatable;
    routes.add(Endpoint::new("/api/v1/dead-letters/{delivery}/discard").post(refused, discard));
    routes.add(Endpoint::new("/api/v1/dead-letters/{delivery}/unblock").post(refused, free));
    // With `force` every repeat replays it again.
    routes
        .add(Endpoint::new("/api/v1/dead-letters/{delivery}/replay").post(Repeat::Single, replay));
}

/// The query of the list; all given filters must match.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Filter by event.
    #[param(value_type = Option<String>, format = Uuid)]
    event: Option<Uuid>,
    /// Filter by group.
    #[param(value_type = Option<i64>, minimum = 1)]
    group: Option<Number>,
    /// Filter by class.
    #[param(inline)]
    class: Option<Class>,
    /// Filter by source.
    #[param(value_type = Option<String>, pattern = "^[!-~]{1,100}$")]
    source: Option<Name>,
    /// Filter by handler; `gate` for events quarantined before any handler.
    #[param(value_type = Option<String>, pattern = "^[!-~]{1,100}$")]
    handler: Option<Name>,
    /// Filter by reason.
    #[param(inline)]
    death_reason: Option<DeathReason>,
    /// Minimum age in seconds.
    #[param(value_type = Option<u64>, minimum = 0, maximum = 3_155_760_000_u64)]
    older_than_seconds: Option<Seconds>,
    /// Maximum age in seconds.
    #[param(value_type = Option<u64>, minimum = 0, maximum = 3_155_760_000_u64)]
    newer_than_seconds: Option<Seconds>,
    /// Include resolved dead letters.
    #[serde(default)]
    all: bool,
    /// Cursor: `next` of the previous page.
    #[param(pattern = "^AWRs[A-Za-z0-9_-]{10}[AEIMQUYcgkosw048]$")]
    cursor: Option<String>,
    /// Maximum number of items.
    #[serde(default)]
    #[param(value_type = u32, minimum = 1, maximum = 200, default = 50)]
    limit: Limit,
}

/// A replay with its reason.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Replay {
    reason: Reason,
    /// Also replay a completed or already resolved delivery.
    #[serde(default)]
    force: bool,
}

/// A resolved dead letter.
#[derive(Debug, Serialize, ToSchema)]
struct Dealt {
    /// The delivery.
    delivery: i64,
    action: Dealing,
    /// The new deliveries of a replay.
    created: Vec<i64>,
}

/// The action on a dead letter.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Dealing {
    Replay,
    Discard,
}

/// A dead letter that no longer blocks its lane.
#[derive(Debug, Serialize, ToSchema)]
struct Unblocked {
    delivery: i64,
}

/// List dead letters
///
/// Newest first.
#[utoipa::path(
    get, path = "/api/v1/dead-letters", operation_id = "listDeadLetters", tag = "dead letters",
    params(Asked), security(("bearer" = ["events:read"])),
    responses((status = 200, description = "A page of dead letters", body = Page<Delivery>)),
)]
async fn list(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    Query(asked): Query<Asked>,
    admin: web::Data<AdminState>,
) -> Result<ListPage<Delivery>, Denial> {
    let before = asked.cursor.as_deref().map(|text| cursor::read(LIST, text)).transpose()?;
    let limit = asked.limit;
    let selection = Selection::Matching(asked.filter());
    let paging = Paging { before, ..Paging::first(limit.and_one()) };
    let rows = admin.dead_letters.list(&caller, &selection, paging).await?.letters;
    let place = |row: &DeadLetter| row.id;
    Ok(ListPage(Page::of((rows, limit), LIST, place, Delivery::new)?))
}

/// Replay a dead letter
///
/// Creates a new delivery of the same event; the dead letter is resolved.
#[utoipa::path(
    post, path = "/api/v1/dead-letters/{delivery}/replay", operation_id = "replayDeadLetter",
    tag = "dead letters",
    params(("delivery" = i64, Path, description = "The delivery", minimum = 1)),
    request_body = Replay, security(("bearer" = ["events:replay"])),
    responses((status = 200, description = "Replayed", body = Dealt)),
)]
async fn replay(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    delivery: web::Path<i64>,
    Body(replay): Body<Replay>,
    admin: web::Data<AdminState>,
) -> Result<Done<Dealt>, Denial> {
    let act = (Action::Replay, replay.force);
    apply(&caller, *delivery, act, replay.reason.as_str(), &admin).await
}

/// Discard a dead letter
///
/// Resolves it without a delivery; its lane is unblocked.
#[utoipa::path(
    post, path = "/api/v1/dead-letters/{delivery}/discard", operation_id = "discardDeadLetter",
    tag = "dead letters",
    params(("delivery" = i64, Path, description = "The delivery", minimum = 1)),
    request_body = ReasonBody, security(("bearer" = ["events:replay"])),
    responses((status = 200, description = "Discarded", body = Dealt)),
)]
async fn discard(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    delivery: web::Path<i64>,
    Body(because): Body<ReasonBody>,
    admin: web::Data<AdminState>,
) -> Result<Done<Dealt>, Denial> {
    apply(&caller, *delivery, (Action::Discard, false), because.reason(), &admin).await
}

/// Unblock the lane of a dead letter
///
/// The deliveries behind it proceed. It stays open; a replay joins the end of the lane.
#[utoipa::path(
    post, path = "/api/v1/dead-letters/{delivery}/unblock", operation_id = "unblockDeadLetterLane",
    tag = "dead letters",
    params(("delivery" = i64, Path, description = "The delivery", minimum = 1)),
    request_body = ReasonBody, security(("bearer" = ["events:replay"])),
    responses((status = 200, description = "Unblocked", body = Unblocked)),
)]
async fn free(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    delivery: web::Path<i64>,
    Body(because): Body<ReasonBody>,
    admin: web::Data<AdminState>,
) -> Result<Done<Unblocked>, Denial> {
    admin.dead_letters.free(&caller, *delivery, because.reason()).await?;
    Ok(Done(Unblocked { delivery: *delivery }))
}

async fn apply(
    caller: &Caller,
    delivery: i64,
    (action, force): (Action, bool),
    reason: &str,
    admin: &AdminState,
) -> Result<Done<Dealt>, Denial> {
    let batch = admin.dead_letters.act(caller, action, delivery, reason, force).await?;
    if let Some((_, refused)) = batch.refused.first() {
        return Err(Denial::Conflict(refused.to_string()));
    }
    let action = match action {
        Action::Replay => Dealing::Replay,
        Action::Discard => Dealing::Discard,
    };
    Ok(Done(Dealt { delivery, action, created: batch.created }))
}

impl Asked {
    fn filter(self) -> Filter {
        let age = |Seconds(seconds)| Duration::from_secs(seconds);
        Filter {
            event: self.event.map(EventId),
            group: self.group.map(|Number(id)| id),
            class: self.class.map(Class::meant),
            source: self.source.map(|Name(name)| name),
            handler: self.handler.map(|Name(name)| name),
            death_reason: self.death_reason.map(|DeathReason(reason)| reason),
            older_than: self.older_than_seconds.map(age),
            newer_than: self.newer_than_seconds.map(age),
            resolved: self.all,
        }
    }
}
