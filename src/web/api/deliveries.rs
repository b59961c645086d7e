//! Deliveries.

use std::collections::BTreeMap;

use actix_web::web;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{OpenApi, ToSchema};

use super::answer::WithEtag;
use super::groups::Class;
use super::routes::{Endpoint, Routes};
use super::words::{maybe, word};
use crate::admin::DeliveryDetail;
use crate::store::{self, DeadLetter, Edit, EventPreview, PastAttempt};
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

#[derive(OpenApi)]
#[openapi(paths(show))]
struct Document;

/// Adds the routes.
pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/deliveries/{delivery}").get(show));
}

/// The processing of an event by one handler or destination.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Delivery {
    id: i64,
    event: String,
    source: String,
    /// The name of the handler; `gate` if the event was quarantined before any handler.
    handler: String,
    /// The event type; null if the event was deleted.
    kind: Option<String>,
    state: State,
    /// The delivery this one replays.
    replay_of: Option<i64>,
    /// Number of attempts started.
    attempts: i32,
    death_reason: Option<DeathReason>,
    /// The last error; in lists its first line. Null without the scope `payload:read`.
    error: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// When it was completed or dead-lettered.
    #[serde(with = "time::serde::rfc3339::option")]
    finished_at: Option<OffsetDateTime>,
    resolution: Option<Resolution>,
    #[serde(with = "time::serde::rfc3339::option")]
    resolved_at: Option<OffsetDateTime>,
    /// The lane: deliveries of one lane are processed in order.
    lane: Option<String>,
    /// Number of deliveries in its lane blocked until it is resolved.
    waiting: i64,
    /// The group of a dead letter; null for other deliveries, and for a dead letter that is not
    /// grouped yet.
    group: Option<i64>,
    /// The class of its group.
    class: Option<Class>,
}

/// The state of a delivery.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = DeliveryState)]
pub(super) enum State {
    Ready,
    Leased,
    Done,
    Dead,
}

/// How a dead letter was resolved.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Resolution {
    Replayed,
    Discarded,
}

/// Why a delivery was dead-lettered.
#[derive(Debug)]
pub(super) struct DeathReason(pub(super) store::DeathReason);

/// A delivery with its event and attempts.
#[derive(Debug, Serialize, ToSchema)]
struct Everything {
    delivery: Delivery,
    /// Null if the event was deleted.
    event: Option<Event>,
    /// All deliveries of the event, oldest first, including this one.
    deliveries: Vec<Delivery>,
    /// All attempts of those deliveries.
    attempts: Vec<Attempt>,
}

/// An event.
#[derive(Debug, Serialize, ToSchema)]
struct Event {
    id: String,
    tenant: String,
    source: String,
    provider: String,
    kind: String,
    action: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    received_at: OffsetDateTime,
    /// The time reported by the sender.
    #[serde(with = "time::serde::rfc3339::option")]
    occurred_at: Option<OffsetDateTime>,
    proof: Proof,
    /// The original event, if an operator created this one by an edit.
    edited: Option<Edited>,
    seen: Seen,
    /// The payload; null without the scope `payload:read`.
    payload: Option<Payload>,
}

/// The proof of an event's authenticity.
#[derive(Debug, Serialize, ToSchema)]
struct Proof {
    strength: Strength,
    /// The fingerprint of the secret that verified it.
    secret: String,
    /// Age of the signature at arrival in seconds; negative if its timestamp was in the future.
    skew_seconds: Option<i64>,
    /// Whether it was accepted after its token expired.
    late: bool,
}

/// The strength of the proof: the signature covers the body, the request is authenticated without
/// covering the body, or the body was edited by an operator and has no proof.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ProofStrength)]
pub(super) enum Strength {
    Signed,
    Vouched,
    Edited,
}

/// The original of an edited event, and who edited it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventEdited)]
pub(super) struct Edited {
    /// The event.
    from: String,
    by: String,
}

/// How often the event was received; null once its deduplication key has expired.
#[derive(Debug, Serialize, ToSchema)]
struct Seen {
    count: Option<i32>,
    #[serde(with = "time::serde::rfc3339::option")]
    last_at: Option<OffsetDateTime>,
}

/// Untrusted data from the sender; never render it.
#[derive(Debug, Serialize, ToSchema)]
struct Payload {
    /// The stored headers.
    headers: BTreeMap<String, String>,
    /// The claims of the sender's token: any JSON.
    claims: Option<Value>,
    /// The envelope of the event: any JSON.
    envelope: Option<Value>,
    body: Preview,
}

/// The first 64 KiB of a body.
#[derive(Debug, Serialize, ToSchema)]
struct Preview {
    size_bytes: u64,
    shown_bytes: u64,
    encoding: Encoding,
    content: String,
}

/// The encoding of the body in this response.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = PreviewEncoding)]
pub(super) enum Encoding {
    Text,
    Hex,
}

/// An attempt of a delivery.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Attempt {
    delivery: i64,
    /// The number of the attempt, from 1.
    number: i32,
    #[serde(with = "time::serde::rfc3339")]
    started_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    finished_at: OffsetDateTime,
    seconds: f64,
    result: Outcome,
    /// The error; null without the scope `payload:read`.
    error: Option<String>,
}

/// How an attempt ended.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = AttemptResult)]
enum Outcome {
    Done,
    Retry,
    Deferred,
    Dead,
    Lost,
}

/// Show a delivery
///
/// With its event, the other deliveries of that event, and all attempts.
#[utoipa::path(
    get, path = "/api/v1/deliveries/{delivery}", operation_id = "showDelivery", tag = "deliveries",
    params(("delivery" = i64, Path, description = "The delivery", minimum = 1)),
    security(("bearer" = ["events:read"])),
    responses((status = 200, description = "The delivery", body = Everything)),
)]
async fn show(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    delivery: web::Path<i64>,
    admin: web::Data<AdminState>,
) -> Result<WithEtag<Everything>, Denial> {
    let dossier = admin.dead_letters.show(&caller, *delivery).await?;
    Ok(WithEtag(Everything::new(dossier)?))
}

impl Everything {
    fn new(dossier: DeliveryDetail) -> Result<Self, Denial> {
        let delivery = DeadLetter { error: dossier.last_error, ..dossier.delivery };
        let deliveries = dossier.deliveries.into_iter();
        let attempts = dossier.attempts.into_iter();
        Ok(Self {
            delivery: Delivery::new(delivery)?,
            event: dossier.event.map(|event| Event::new(event, dossier.payload)).transpose()?,
            deliveries: deliveries.map(Delivery::new).collect::<Result<_, _>>()?,
            attempts: attempts.map(Attempt::new).collect::<Result<_, _>>()?,
        })
    }
}

impl Delivery {
    pub(super) fn new(row: DeadLetter) -> Result<Self, Denial> {
        Ok(Self {
            id: row.id,
            event: row.event.to_string(),
            source: row.source,
            handler: row.handler,
            kind: row.kind,
            state: word(&row.state)?,
            replay_of: row.replay_of,
            attempts: row.attempts,
            death_reason: maybe(row.death_reason.as_deref())?,
            error: row.error,
            created_at: row.created_at,
            finished_at: row.finished_at,
            resolution: maybe(row.resolution.as_deref())?,
            resolved_at: row.resolved_at,
            lane: row.lane,
            waiting: row.waiting,
            group: row.group,
            class: maybe(row.class.as_deref())?,
        })
    }
}

impl Edited {
    pub(super) fn new(edit: Edit) -> Self {
        Self { from: edit.from.to_string(), by: edit.by }
    }
}

impl Event {
    fn new(preview: EventPreview, payloads: bool) -> Result<Self, Denial> {
        let payload = payloads.then(|| Payload::of(&preview));
        let edited = preview.edited.clone().map(Edited::new);
        let event = preview.event;
        Ok(Self {
            id: event.id.to_string(),
            tenant: event.tenant,
            source: event.source,
            provider: event.provider,
            kind: event.kind,
            action: event.action,
            received_at: event.received_at,
            occurred_at: event.occurred_at,
            proof: Proof {
                strength: word(event.strength.as_str())?,
                secret: event.secret,
                skew_seconds: event.skew_seconds,
                late: event.late,
            },
            edited,
            seen: Seen { count: preview.seen_count, last_at: preview.last_seen_at },
            payload,
        })
    }
}

impl Payload {
    fn of(preview: &EventPreview) -> Self {
        let event = &preview.event;
        let (encoding, content) = match preview.as_text() {
            Some(text) => (Encoding::Text, text.to_owned()),
            None => (Encoding::Hex, hex::encode(&event.body)),
        };
        Self {
            headers: event.headers.iter().cloned().collect(),
            claims: event.claims.as_ref().map(embedded),
            envelope: event.envelope.as_ref().map(embedded),
            body: Preview {
                size_bytes: preview.body_size,
                shown_bytes: event.body.len() as u64,
                encoding,
                content,
            },
        }
    }
}

/// Stored JSON as JSON; invalid JSON as text.
pub(super) fn embedded(bytes: &Bytes) -> Value {
    serde_json::from_slice(bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()))
}

impl Attempt {
    pub(super) fn new(attempt: PastAttempt) -> Result<Self, Denial> {
        Ok(Self {
            delivery: attempt.delivery,
            number: attempt.number,
            started_at: attempt.started_at,
            finished_at: attempt.finished_at,
            seconds: (attempt.finished_at - attempt.started_at).as_seconds_f64(),
            result: word(&attempt.result)?,
            error: attempt.error,
        })
    }
}

impl Serialize for DeathReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for DeathReason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for DeathReason {
    fn schema() -> RefOr<Schema> {
        let words = store::DeathReason::all().map(store::DeathReason::as_str);
        let words = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words));
        words.description(Some("Why a delivery was dead-lettered")).into()
    }
}

impl ToSchema for DeathReason {}
