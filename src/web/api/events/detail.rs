//! The representation of an event.

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
    /// The original event, if an operator created this one by an edit.
    edited: Option<Edited>,
    /// Whether it was accepted after its token expired.
    late: bool,
    #[serde(with = "time::serde::rfc3339")]
    received_at: OffsetDateTime,
    /// The size of its body in bytes.
    size_bytes: u64,
    deliveries: Deliveries,
}

/// The number of deliveries of an event by state.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventDeliveries)]
struct Deliveries {
    ready: u64,
    leased: u64,
    done: u64,
    /// Open dead letters.
    dead: u64,
    /// Resolved dead letters.
    resolved: u64,
}

/// An event without its body.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventDetail)]
pub(super) struct Detail {
    event: Summary,
    /// The action in the path; an unsigned hint.
    action: Option<String>,
    /// The time reported by the sender.
    #[serde(with = "time::serde::rfc3339::option")]
    occurred_at: Option<OffsetDateTime>,
    proof: Proof,
    /// Headers, claims and envelope; null without the scope `payload:read`.
    payload: Option<Beside>,
    /// How often it was received; null once its deduplication key has expired.
    seen_count: Option<u64>,
    /// When it was last received.
    #[serde(with = "time::serde::rfc3339::option")]
    last_seen_at: Option<OffsetDateTime>,
    /// How often it was received with a different body under the same id. Those bodies are not
    /// stored, unless the provider's ids are not unique: then they are separate events.
    other_bodies: u32,
    /// The transfer, if it was received in chunks.
    transfer: Option<Transfer>,
    /// Its deliveries, oldest first.
    deliveries: Vec<Delivery>,
    /// All attempts of those deliveries.
    attempts: Vec<Attempt>,
    /// The original event, if this one was created by an edit; the secret is that of the original.
    edited: Option<Edited>,
    /// Edited copies of it, oldest first, at most twenty.
    edits: Vec<EditMade>,
    /// The timeline, oldest first.
    timeline: Vec<TimelineEntry>,
    related: Related,
    /// The event received before it, if close in time.
    older: Option<String>,
    /// The event received after it, if close in time.
    newer: Option<String>,
}

/// An edited copy of an event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventEdit)]
struct EditMade {
    event: String,
    /// Who edited it.
    by: String,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
}

/// The proof of an event's authenticity.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventProof)]
struct Proof {
    strength: Strength,
    /// The headers that carry the signature, by the current configuration of the source.
    headers: Vec<String>,
    /// The fingerprint of the secret that verified it.
    secret: String,
    /// The position of the secret among the configured ones, from 1; null if no longer configured.
    secret_place: Option<usize>,
    /// The gateway's time minus the signed time at arrival, in seconds.
    skew_seconds: Option<i64>,
    /// Whether it was accepted after its token expired.
    late: bool,
}

/// Headers, claims and envelope: untrusted data, never render it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventPayload)]
struct Beside {
    /// The stored headers. Names that begin with a colon are unsigned metadata: `:content-type`,
    /// `:user-agent`, `:peer`.
    headers: BTreeMap<String, String>,
    /// The claims of the sender's token: any JSON.
    claims: Option<Value>,
    /// The envelope of the event: any JSON.
    envelope: Option<Value>,
}

/// An entry of the timeline of an event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventMoment)]
struct TimelineEntry {
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    what: What,
    /// How often it had been received by then, for a duplicate. Only the last time is recorded.
    times: Option<u64>,
    /// The delivery.
    delivery: Option<i64>,
    handler: Option<String>,
    /// The number of the attempt.
    attempt: Option<i32>,
    /// The duration of the attempt.
    took_seconds: Option<f64>,
    /// The error; null without the scope `payload:read`.
    error: Option<String>,
    /// The operator, for an operator's action.
    by: Option<String>,
    /// The operator's reason.
    reason: Option<String>,
    /// The event created by an edit.
    made: Option<String>,
}

/// The kind of a timeline entry: about the event, an attempt, or an operator's action.
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
    Deferred,
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
    /// Number of finished deliveries inspected before and after; unfinished ones are all included.
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
