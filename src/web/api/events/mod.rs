//! Events: looking for them, and all that is known of one: its body and a fixture of it too.

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

/// The list that cursors belong to.
const LIST: List = *b"ev";

#[derive(OpenApi)]
#[openapi(paths(list, show, download::body, download::fixture))]
struct Document;

/// Mounts the noun.
pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/events").ask(list));
    routes.add(Endpoint::new("/api/v1/events/{event}").get(show));
    routes.add(Endpoint::new("/api/v1/events/{event}/body").get(download::body));
    routes.add(Endpoint::new("/api/v1/events/{event}/fixture").get(download::fixture));
}

/// Which events. Every part that is there must hold.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Of this source.
    #[param(value_type = Option<String>, pattern = "^[!-~]{1,100}$")]
    source: Option<Name>,
    /// Of this kind of sender.
    #[param(value_type = Option<String>, pattern = "^[!-~]{1,100}$")]
    provider: Option<Name>,
    /// Of this type; `*` at the end stands for anything.
    #[param(value_type = Option<String>, pattern = r"^[^\x00-\x1f\x7f-\x9f]{1,256}$")]
    kind: Option<Text>,
    /// With a delivery in this state.
    #[param(inline)]
    state: Option<State>,
    /// Received at this time or later. Of a payload in chunks the first one counts.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Time>,
    /// Received before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Time>,
    /// With an id that begins so.
    #[param(value_type = Option<String>, pattern = "^[0-9a-fA-F](-?[0-9a-fA-F]){0,31}-?$")]
    id: Option<Beginning>,
    /// With this key: the id that its sender gave it, or the SHA-256 of the body in hexadecimal.
    #[param(value_type = Option<String>, pattern = r"^[^\x00-\x1f\x7f-\x9f]{1,256}$")]
    key: Option<Text>,
    /// Of this strength.
    #[param(inline)]
    strength: Option<Strength>,
    /// With this text in the first 64 KiB of the body, byte for byte; for callers with `payload:read`.
    #[param(value_type = Option<String>, pattern = r"^[^\x00-\x1f\x7f-\x9f]{1,256}$")]
    text: Option<Text>,
    /// Where to go on: `next` of the page before.
    #[param(pattern = "^AWV2[A-Za-z0-9_-]{21}[AQgw]$")]
    cursor: Option<String>,
    /// How many, at most.
    #[serde(default)]
    #[param(value_type = u32, minimum = 1, maximum = 200, default = 50)]
    limit: Limit,
}

/// A page of events.
#[derive(Debug, Serialize, ToSchema)]
struct EventPage {
    /// The events, newest first.
    items: Vec<Summary>,
    /// The cursor of the next page; null where there is no more.
    next: Option<String>,
    /// Up to when this page has looked back; null where it has looked at everything. A page may
    /// have few events and a next one: so many were found so far.
    #[serde(with = "time::serde::rfc3339::option")]
    looked_back_to: Option<OffsetDateTime>,
    /// Whether everything that was asked for has been looked at.
    complete: bool,
}

/// Look for events
///
/// The newest come first.
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
        // What cannot be asked for stands in the query.
        AdminError::Invalid(detail) => Denial::Malformed(detail.into()),
        error => error.into(),
    })?;
    let next = found.next.map(|EventId(last)| cursor::after(LIST, &last));
    let items = found.events.into_iter().map(Summary::new).collect::<Result<_, _>>()?;
    let (looked_back_to, complete) = (found.looked_back_to, found.complete);
    let page = EventPage { items, next: next.clone(), looked_back_to, complete };
    Ok(Linked { page, next })
}

/// Show everything about an event but its body
///
/// Why it was let in, its deliveries and every attempt, what happened in which order, and its
/// neighbours.
#[utoipa::path(
    get, path = "/api/v1/events/{event}", operation_id = "showEvent", tag = "events",
    params(("event" = String, Path, format = Uuid, description = "The event")),
    security(("bearer" = ["events:read"])),
    responses((status = 200, description = "Everything but its body", body = Detail)),
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
