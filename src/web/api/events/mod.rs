//! Events: search, details, body, fixture.

mod download;

use actix_web::web;
use serde::Deserialize;
use utoipa::OpenApi;
use uuid::Uuid;

use super::answer::{Linked, WithEtag};
use super::cursor::{self, EVENTS};
use super::query::{Beginning, Limit, Name, Query, Text, Time};
use super::routes::{Endpoint, Routes};
use crate::admin::{AdminError, EventDetail, EventPage, Search};
use crate::store::{DeliveryState, EventId};
use crate::verify::Strength;
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

#[derive(OpenApi)]
#[openapi(paths(list, show, download::body, download::fixture))]
struct Document;

pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/events").get_with_query(list));
    routes.add(Endpoint::new("/api/v1/events/{event}").get(show));
    routes.add(Endpoint::new("/api/v1/events/{event}/body").get(download::body));
    routes.add(Endpoint::new("/api/v1/events/{event}/fixture").get(download::fixture));
}

/// The query of the list; all given filters must match.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EventQuery {
    /// Filter by source.
    #[param(value_type = Option<String>, pattern = "^[!-~]{1,100}$")]
    source: Option<Name>,
    /// Filter by provider.
    #[param(value_type = Option<String>, pattern = "^[!-~]{1,100}$")]
    provider: Option<Name>,
    /// Filter by type; a trailing `*` is a wildcard.
    #[param(value_type = Option<String>, pattern = r"^[^\x00-\x1f\x7f-\x9f]{1,256}$")]
    r#type: Option<Text>,
    /// Filter by the state of a delivery.
    #[param(inline)]
    state: Option<DeliveryState>,
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

/// List events
///
/// Newest first.
#[utoipa::path(
    get, path = "/api/v1/events", operation_id = "listEvents", tag = "events",
    params(EventQuery), security(("bearer" = ["events:read"])),
    responses((status = 200, description = "A page of events", body = EventPage)),
)]
async fn list(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    Query(query): Query<EventQuery>,
    admin: web::Data<AdminState>,
) -> Result<Linked<EventPage>, Denial> {
    let before = query.cursor.as_deref().map(|text| cursor::read(EVENTS, text)).transpose()?;
    let limit = query.limit.exactly();
    let search = query.search();
    let found = admin.monitoring.events(&caller, &search, before.map(EventId), limit).await;
    let found = found.map_err(|error| match error {
        // Invalid input can only come from the query.
        AdminError::Invalid(detail) => Denial::Malformed(detail.into()),
        error => error.into(),
    })?;
    let page = found.into_page(|EventId(last)| cursor::after(EVENTS, &last));
    Ok(Linked { next: page.next.clone(), page })
}

/// Show an event
///
/// With its proof, deliveries, attempts, timeline and neighbours, but without its body.
#[utoipa::path(
    get, path = "/api/v1/events/{event}", operation_id = "showEvent", tag = "events",
    params(("event" = String, Path, format = Uuid, description = "The event")),
    security(("bearer" = ["events:read"])),
    responses((status = 200, description = "The event without its body", body = EventDetail)),
)]
async fn show(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    event: web::Path<Uuid>,
    admin: web::Data<AdminState>,
) -> Result<WithEtag<EventDetail>, Denial> {
    Ok(WithEtag(admin.monitoring.event(&caller, EventId(*event)).await?))
}

impl EventQuery {
    fn search(self) -> Search {
        let name = |Name(name)| name;
        let text = |Text(text)| text;
        let time = |Time(time)| time;
        Search {
            source: self.source.map(name),
            provider: self.provider.map(name),
            event_type: self.r#type.map(text),
            state: self.state,
            from: self.from.map(time),
            to: self.to.map(time),
            id: self.id.map(|Beginning(id)| id),
            key: self.key.map(text),
            strength: self.strength,
            text: self.text.map(text),
        }
    }
}
