//! Events: search, details, body, fixture.

mod detail;
mod download;

use actix_web::web;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{OpenApi, ToSchema};
use uuid::Uuid;

use self::detail::{Detail, Summary};
use super::answer::{Linked, WithEtag};
use super::cursor::{self, List};
use super::deliveries::{State, Strength};
use super::query::{Beginning, Limit, Name, Query, Text, Time};
use super::routes::{Endpoint, Routes};
use crate::admin::{AdminError, Search};
use crate::store::EventId;
use crate::verify;
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

/// The list a cursor belongs to.
const LIST: List = *b"ev";

#[derive(OpenApi)]
#[openapi(paths(list, show, download::body, download::fixture))]
struct Document;

/// Adds the routes.
pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/events").ask(list));
    routes.add(Endpoint::new("/api/v1/events/{event}").get(show));
    routes.add(Endpoint::new("/api/v1/events/{event}/body").get(download::body));
    routes.add(Endpoint::new("/api/v1/events/{event}/fixture").get(download::fixture));
}

/// The query of the list; all given filters must match.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Filter by source.
    #[param(value_type = Option<String>, pattern = "^[!-~]{1,100}$")]
    source: Option<Name>,
    /// Filter by provider.
    #[param(value_type = Option<String>, pattern = "^[!-~]{1,100}$")]
    provider: Option<Name>,
    /// Filter by type; a trailing `*` is a wildcard.
    #[param(value_type = Option<String>, pattern = r"^[^\x00-\x1f\x7f-\x9f]{1,256}$")]
    kind: Option<Text>,
    /// Filter by the state of a delivery.
    #[param(inline)]
    state: Option<State>,
    /// Received at or after this time. For a chunked payload the first chunk counts.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Time>,
    /// Received before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Time>,
    /// Filter by prefix of the id.
    #[param(value_type = Option<String>, pattern = "^[0-9a-fA-F](-?[0-9a-fA-F]){0,31}-?$")]
    id: Option<Beginning>,
    /// Filter by deduplication key: the sender's event id, or the SHA-256 of the body in
    /// hexadecimal.
    #[param(value_type = Option<String>, pattern = r"^[^\x00-\x1f\x7f-\x9f]{1,256}$")]
    key: Option<Text>,
    /// Filter by strength of the proof.
    #[param(inline)]
    strength: Option<Strength>,
    /// Search this text in the first 64 KiB of the body, byte for byte; requires the scope
    /// `payload:read`.
    #[param(value_type = Option<String>, pattern = r"^[^\x00-\x1f\x7f-\x9f]{1,256}$")]
    text: Option<Text>,
    /// Cursor: `next` of the previous page.
    #[param(pattern = "^AWV2[A-Za-z0-9_-]{21}[AQgw]$")]
    cursor: Option<String>,
    /// Maximum number of items.
    #[serde(default)]
    #[param(value_type = u32, minimum = 1, maximum = 200, default = 50)]
    limit: Limit,
}

/// A page of events.
#[derive(Debug, Serialize, ToSchema)]
struct EventPage {
    /// The events, newest first.
    items: Vec<Summary>,
    /// The cursor of the next page; null on the last page.
    next: Option<String>,
    /// How far back this page has searched; null if the search is complete. A page may contain few
    /// events and still have a next page, because the search per page is bounded.
    #[serde(with = "time::serde::rfc3339::option")]
    looked_back_to: Option<OffsetDateTime>,
    /// Whether the search is complete.
    complete: bool,
}

/// List events
///
/// Newest first.
#[utoipa::path(
    get, path = "/api/v1/events", operation_id = "listEvents", tag = "events",
    params(Asked), security(("bearer" = ["events:read"])),
    responses((status = 200, description = "A page of events", body = EventPage)),
)]
async fn list(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    Query(asked): Query<Asked>,
    admin: web::Data<AdminState>,
) -> Result<Linked<EventPage>, Denial> {
    let before = asked.cursor.as_deref().map(|text| cursor::read(LIST, text)).transpose()?;
    let limit = asked.limit.exactly();
    let search = asked.search();
    let found = admin.monitoring.events(&caller, &search, before.map(EventId), limit).await;
    let found = found.map_err(|error| match error {
        // Invalid input can only come from the query.
        AdminError::Invalid(detail) => Denial::Malformed(detail.into()),
        error => error.into(),
    })?;
    let next = found.next.map(|EventId(last)| cursor::after(LIST, &last));
    let items = found.events.into_iter().map(Summary::new).collect::<Result<_, _>>()?;
    let (looked_back_to, complete) = (found.looked_back_to, found.complete);
    let page = EventPage { items, next: next.clone(), looked_back_to, complete };
    Ok(Linked { page, next })
}

/// Show an event
///
/// With its proof, deliveries, attempts, timeline and neighbours, but without its body.
#[utoipa::path(
    get, path = "/api/v1/events/{event}", operation_id = "showEvent", tag = "events",
    params(("event" = String, Path, format = Uuid, description = "The event")),
    security(("bearer" = ["events:read"])),
    responses((status = 200, description = "The event without its body", body = Detail)),
)]
async fn show(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    event: web::Path<Uuid>,
    admin: web::Data<AdminState>,
) -> Result<WithEtag<Detail>, Denial> {
    let detail = admin.monitoring.event(&caller, EventId(*event)).await?;
    Ok(WithEtag(Detail::new(detail)?))
}

impl Asked {
    fn search(self) -> Search {
        let name = |Name(name)| name;
        let text = |Text(text)| text;
        let time = |Time(time)| time;
        let state = |state| match state {
            State::Ready => "ready".to_owned(),
            State::Leased => "leased".to_owned(),
            State::Done => "done".to_owned(),
            State::Dead => "dead".to_owned(),
        };
        let strength = |strength| match strength {
            Strength::Signed => verify::Strength::Signed,
            Strength::Vouched => verify::Strength::Vouched,
            Strength::Edited => verify::Strength::Edited,
        };
        Search {
            source: self.source.map(name),
            provider: self.provider.map(name),
            kind: self.kind.map(text),
            state: self.state.map(state),
            from: self.from.map(time),
            to: self.to.map(time),
            id: self.id.map(|Beginning(id)| id),
            key: self.key.map(text),
            strength: self.strength.map(strength),
            text: self.text.map(text),
        }
    }
}
