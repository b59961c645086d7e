//! Deliveries: everything about one, dead or not.

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

/// Mounts the noun.
pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/deliveries/{delivery}").get(show));
}

/// What is being done about an event.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Delivery {
    id: i64,
    event: String,
    source: String,
    /// The handler's stored name; `gate` for what no handler has seen.
    handler: String,
    /// The event type; null when the event is gone.
    kind: Option<String>,
    state: State,
    /// The delivery that this one replays.
    replay_of: Option<i64>,
    /// Attempts begun.
    attempts: i32,
    death_reason: Option<DeathReason>,
    /// Its last error; in lists the first line. Null for callers without `payload:read`.
    error: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// When it became done or dead.
    #[serde(with = "time::serde::rfc3339::option")]
    finished_at: Option<OffsetDateTime>,
    resolution: Option<Resolution>,
    #[serde(with = "time::serde::rfc3339::option")]
    resolved_at: Option<OffsetDateTime>,
    /// What is delivered in order with it.
    lane: Option<String>,
    /// How many deliveries in its lane wait for it to be resolved.
    waiting: i64,
    /// The group of a dead letter; null for any other, and for one that died a moment ago.
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

/// How an operator resolved a dead letter.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Resolution {
    Replayed,
    Discarded,
}

/// Why a delivery is dead.
#[derive(Debug)]
pub(super) struct DeathReason(pub(super) store::DeathReason);

/// Everything about a delivery.
#[derive(Debug, Serialize, ToSchema)]
struct Everything {
    delivery: Delivery,
    /// Null when it was removed.
    event: Option<Event>,
    /// Every delivery of the event, oldest first, this one included.
    deliveries: Vec<Delivery>,
    /// Every attempt at those.
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
    /// The sender's own time.
    #[serde(with = "time::serde::rfc3339::option")]
    occurred_at: Option<OffsetDateTime>,
    proof: Proof,
    /// What was made of another event by an operator says so; nobody sent it.
    edited: Option<Edited>,
    seen: Seen,
    /// What of it only those may see who may see payloads; null for others.
    payload: Option<Payload>,
}

/// What proves an event.
#[derive(Debug, Serialize, ToSchema)]
struct Proof {
    strength: Strength,
    /// Which secret it was signed with: the beginning of its digest.
    secret: String,
    /// How old the signature was; negative for one from the future.
    skew_seconds: Option<i64>,
    /// Whether it came past its time and was awaited.
    late: bool,
}

/// How much is proven: the body is part of what was signed, or it is only vouched for; or nothing,
/// where an operator edited it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ProofStrength)]
pub(super) enum Strength {
    Signed,
    Vouched,
    Edited,
}

/// Of what event another was made, and by whom.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventEdited)]
pub(super) struct Edited {
    /// The event.
    from: String,
    by: String,
}

/// How often an event was received; null once its key is forgotten.
#[derive(Debug, Serialize, ToSchema)]
struct Seen {
    count: Option<i32>,
    #[serde(with = "time::serde::rfc3339::option")]
    last_at: Option<OffsetDateTime>,
}

/// What strangers sent: data, never to be rendered.
#[derive(Debug, Serialize, ToSchema)]
struct Payload {
    /// The headers that are kept.
    headers: BTreeMap<String, String>,
    /// What the sender's token says: any JSON.
    claims: Option<Value>,
    /// What is around the event: any JSON.
    envelope: Option<Value>,
    body: Preview,
}

/// The beginning of a body: at most 64 KiB.
#[derive(Debug, Serialize, ToSchema)]
struct Preview {
    size_bytes: u64,
    shown_bytes: u64,
    encoding: Encoding,
    content: String,
}

/// How a body is shown.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = PreviewEncoding)]
pub(super) enum Encoding {
    Text,
    Hex,
}

/// One attempt at a delivery.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Attempt {
    delivery: i64,
    /// From 1.
    number: i32,
    #[serde(with = "time::serde::rfc3339")]
    started_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    finished_at: OffsetDateTime,
    seconds: f64,
    result: Outcome,
    /// What went wrong; null for callers without `payload:read`.
    error: Option<String>,
}

/// How an attempt ended.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = AttemptResult)]
enum Outcome {
    Done,
    Retry,
    Held,
    Dead,
    Lost,
}

/// Show everything about a delivery
///
/// Its event, that event's other deliveries, and every attempt.
#[utoipa::path(
    get, path = "/api/v1/deliveries/{delivery}", operation_id = "showDelivery", tag = "deliveries",
    params(("delivery" = i64, Path, description = "The delivery", minimum = 1)),
    security(("bearer" = ["events:read"])),
    responses((status = 200, description = "Everything about it", body = Everything)),
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

/// Stored JSON as JSON; what is not, as text.
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
        words.description(Some("Why a delivery is dead")).into()
    }
}

impl ToSchema for DeathReason {}
