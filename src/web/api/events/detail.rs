//! What is said of an event.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

use crate::admin::{self, EventDetail, PayloadView, ProofView};
use crate::store::EventRow;
use crate::web::api::deliveries::{Attempt, Delivery, Edited, Strength, embedded};
use crate::web::api::transfers::Transfer;
use crate::web::api::words::word;
use crate::web::denial::Denial;

/// An event, as lists show it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventSummary)]
pub(super) struct Summary {
    id: String,
    tenant: String,
    source: String,
    provider: String,
    kind: String,
    strength: Strength,
    /// Where its body comes from, if an operator edited it: nobody sent this event.
    edited: Option<Edited>,
    /// Whether it came past its time and was awaited.
    late: bool,
    #[serde(with = "time::serde::rfc3339")]
    received_at: OffsetDateTime,
    /// The size of its body.
    size_bytes: u64,
    deliveries: Deliveries,
}

/// How many deliveries of an event are in which state.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventDeliveries)]
struct Deliveries {
    ready: u64,
    leased: u64,
    done: u64,
    /// Dead letters that nobody has dealt with.
    dead: u64,
    /// Dead letters that were replayed or discarded.
    resolved: u64,
}

/// Everything about an event but its body.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventDetail)]
pub(super) struct Detail {
    event: Summary,
    /// The action in the path; not signed, a hint.
    action: Option<String>,
    /// The sender's own time.
    #[serde(with = "time::serde::rfc3339::option")]
    occurred_at: Option<OffsetDateTime>,
    proof: Proof,
    /// What came beside the body; null for callers without `payload:read`.
    payload: Option<Beside>,
    /// How often it was received; null once its key is forgotten.
    seen_count: Option<u64>,
    /// When it was received last.
    #[serde(with = "time::serde::rfc3339::option")]
    last_seen_at: Option<OffsetDateTime>,
    /// How often it was received with another body under the same id; those bodies are not kept,
    /// unless the sender uses an id once: then they are events of their own.
    other_bodies: u32,
    /// The transfer that it came by, if it came in chunks.
    transfer: Option<Transfer>,
    /// Its deliveries, oldest first.
    deliveries: Vec<Delivery>,
    /// Every attempt at those.
    attempts: Vec<Attempt>,
    /// Where its body comes from, if nobody sent it; the secret is that of the other event.
    edited: Option<Edited>,
    /// The events that operators made of it, oldest first, at most twenty.
    edits: Vec<EditMade>,
    /// All of it in the order in which it happened.
    timeline: Vec<TimelineEntry>,
    related: Related,
    /// The event that was received before it, if one is near.
    older: Option<String>,
    /// The event that was received after it, if one is near.
    newer: Option<String>,
}

/// An event that an operator made of another one.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventEdit)]
struct EditMade {
    event: String,
    /// Who edited it.
    by: String,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
}

/// Why an event was let in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventProof)]
struct Proof {
    strength: Strength,
    /// The headers that carry the proof, as its source is configured now.
    headers: Vec<String>,
    /// The fingerprint of the secret that verified it.
    secret: String,
    /// The secret's place among those that are configured now, from 1; null where it is not among
    /// them.
    secret_place: Option<usize>,
    /// Our time minus the signed time at arrival.
    skew_seconds: Option<i64>,
    /// Whether it came past its time and was awaited.
    late: bool,
}

/// What came beside a body: what strangers sent, never to be rendered.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventPayload)]
struct Beside {
    /// The headers that are kept; under names that begin with a colon, what came along and is not
    /// signed: `:content-type`, `:user-agent`, `:peer`.
    headers: BTreeMap<String, String>,
    /// What the sender's token says: any JSON.
    claims: Option<Value>,
    /// What is around the event: any JSON.
    envelope: Option<Value>,
}

/// Something that happened to an event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventMoment)]
struct TimelineEntry {
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    what: What,
    /// How often it had been received by then, where it was again. Only the last time is kept.
    times: Option<u64>,
    /// The delivery that it is about.
    delivery: Option<i64>,
    handler: Option<String>,
    /// Which attempt it was.
    attempt: Option<i32>,
    /// How long the attempt took.
    took_seconds: Option<f64>,
    /// What went wrong; null for callers without `payload:read`.
    error: Option<String>,
    /// Who, where an operator did it.
    by: Option<String>,
    /// Why, in the operator's words.
    reason: Option<String>,
    /// The event that was made, where this one was edited.
    made: Option<String>,
}

/// What happened to an event: to itself, to an attempt, or by an operator.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = EventMomentWhat)]
enum What {
    Received,
    #[serde(rename = "received again")]
    ReceivedAgain,
    #[serde(rename = "received with another body")]
    ReceivedOtherwise,
    Edited,
    Quarantined,
    Done,
    Retry,
    Held,
    Dead,
    Lost,
    Replayed,
    Discarded,
    Unblocked,
}

/// Other events in the lanes of an event's deliveries.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventRelated)]
struct Related {
    lanes: Vec<String>,
    /// The events, newest first, at most twenty.
    events: Vec<Summary>,
    /// How many deliveries before and after were looked at, besides all that are unfinished.
    reach: u32,
}

impl Summary {
    pub(super) fn new(row: EventRow) -> Result<Self, Denial> {
        let counts = row.deliveries;
        Ok(Self {
            id: row.id.to_string(),
            tenant: row.tenant,
            source: row.source,
            provider: row.provider,
            kind: row.kind,
            strength: word(row.strength.as_str())?,
            edited: row.edited.map(Edited::new),
            late: row.late,
            received_at: row.received_at,
            size_bytes: row.size,
            deliveries: Deliveries {
                ready: counts.ready,
                leased: counts.leased,
                done: counts.done,
                dead: counts.dead,
                resolved: counts.resolved,
            },
        })
    }
}

impl Detail {
    pub(super) fn new(detail: EventDetail) -> Result<Self, Denial> {
        let (deliveries, attempts) = (detail.deliveries.into_iter(), detail.attempts.into_iter());
        let related = detail.related.events.into_iter();
        let edits = detail.edits.into_iter();
        let edits =
            edits.map(|made| EditMade { event: made.event.to_string(), by: made.by, at: made.at });
        Ok(Self {
            event: Summary::new(detail.event)?,
            action: detail.action,
            occurred_at: detail.occurred_at,
            proof: Proof::new(detail.proof)?,
            payload: detail.payload.map(Beside::new),
            seen_count: detail.seen.map(|(count, _)| count),
            last_seen_at: detail.seen.map(|(_, last)| last),
            other_bodies: detail.other_bodies,
            transfer: detail.transfer.map(Transfer::new).transpose()?,
            deliveries: deliveries.map(Delivery::new).collect::<Result<_, _>>()?,
            attempts: attempts.map(Attempt::new).collect::<Result<_, _>>()?,
            edited: detail.edited.map(Edited::new),
            edits: edits.collect(),
            timeline: detail
                .timeline
                .into_iter()
                .map(TimelineEntry::new)
                .collect::<Result<_, _>>()?,
            related: Related {
                lanes: detail.related.lanes,
                events: related.map(Summary::new).collect::<Result<_, _>>()?,
                reach: detail.related.reach,
            },
            older: detail.older.map(|event| event.to_string()),
            newer: detail.newer.map(|event| event.to_string()),
        })
    }
}

impl Proof {
    fn new(proof: ProofView) -> Result<Self, Denial> {
        Ok(Self {
            strength: word(proof.strength.as_str())?,
            headers: proof.headers,
            secret: proof.secret,
            secret_place: proof.secret_place,
            skew_seconds: proof.skew_seconds,
            late: proof.late,
        })
    }
}

impl Beside {
    fn new(payload: PayloadView) -> Self {
        Self {
            headers: payload.headers.into_iter().collect(),
            claims: payload.claims.as_ref().map(embedded),
            envelope: payload.envelope.as_ref().map(embedded),
        }
    }
}

impl TimelineEntry {
    fn new(moment: admin::TimelineEntry) -> Result<Self, Denial> {
        Ok(Self {
            at: moment.at,
            what: word(&moment.what)?,
            times: moment.times,
            delivery: moment.delivery,
            handler: moment.handler,
            attempt: moment.attempt,
            took_seconds: moment.took.map(Duration::as_seconds_f64),
            error: moment.error,
            by: moment.by,
            reason: moment.reason,
            made: moment.made.map(|event| event.to_string()),
        })
    }
}
