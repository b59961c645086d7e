//! Everything about one event.

use bytes::Bytes;
use time::OffsetDateTime;

use super::Monitoring;
use super::transfers::TransferView;
use crate::admin::dead_letters::redact_payload;
use crate::admin::timeline::timeline;
use crate::admin::{AdminError, Caller, Scope, TimelineEntry};
use crate::store::{
    DeadLetter, Edit, EditMade, EventId, EventPreview, EventRow, LANE_REACH, PastAction,
    PastAttempt,
};
use crate::verify::Strength;

/// The most deliveries of one event that are shown.
const DELIVERIES: usize = 1_000;
/// How many events of the same lanes are shown.
const RELATED: i64 = 20;

/// Everything about one event but its body.
#[derive(Debug, Clone)]
pub struct EventDetail {
    /// What lists show of it.
    pub event: EventRow,
    /// The action in the path; not signed, a hint.
    pub action: Option<String>,
    /// When it happened, as the sender says.
    pub occurred_at: Option<OffsetDateTime>,
    /// Why it was accepted.
    pub proof: ProofView,
    /// What came beside the body; `None` for callers without `payload:read`.
    pub payload: Option<PayloadView>,
    /// How often it was received and when last; `None` once its key is deleted.
    pub seen: Option<(u64, OffsetDateTime)>,
    /// How often it was received with another body under the same id.
    pub other_bodies: u32,
    /// The transfer that it came by, if it came in chunks.
    pub transfer: Option<TransferView>,
    /// Its deliveries, oldest first. Texts of errors are left out for callers without
    /// `payload:read`.
    pub deliveries: Vec<DeadLetter>,
    /// Every attempt at those.
    pub attempts: Vec<PastAttempt>,
    /// Where its body comes from, if nobody sent it. The proof is about the other event.
    pub edited: Option<Edit>,
    /// The events that operators made of it, oldest first, at most twenty.
    pub edits: Vec<EditMade>,
    /// All of it in the order in which it happened.
    pub timeline: Vec<TimelineEntry>,
    /// Other events in the lanes of its deliveries.
    pub related: Related,
    /// The event that was received before it, if one is near.
    pub older: Option<EventId>,
    /// The event that was received after it, if one is near.
    pub newer: Option<EventId>,
}

/// Why an event was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofView {
    /// How much the proof says.
    pub strength: Strength,
    /// The headers that carry it, as its source is configured now; none where it is not.
    pub headers: Vec<String>,
    /// The fingerprint of the secret that verified it.
    pub secret: String,
    /// The secret's place among those that are configured now, from 1; `None` where it is not
    /// among them.
    pub secret_place: Option<usize>,
    /// Our time minus the signed time at arrival, in seconds.
    pub skew_seconds: Option<i64>,
    /// Accepted past the time of its token, because it was still awaited.
    pub late: bool,
}

/// What came beside a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadView {
    /// The headers that are kept, by lower-case name.
    pub headers: Vec<(String, String)>,
    /// What the verified token says, as JSON.
    pub claims: Option<Bytes>,
    /// For a payload that came in chunks: its JSON without content and chunk number.
    pub envelope: Option<Bytes>,
}

/// Other events in the lanes of an event's deliveries.
#[derive(Debug, Clone, Default)]
pub struct Related {
    /// The lanes.
    pub lanes: Vec<String>,
    /// The events, newest first, at most twenty.
    pub events: Vec<EventRow>,
    /// How many deliveries before and after were looked at, besides all that are unfinished.
    pub reach: u32,
}

impl Monitoring {
    /// Everything about an event but its body.
    ///
    /// # Errors
    /// [`AdminError::Denied`] without [`Scope::EventsRead`]; [`AdminError::NotFound`];
    /// [`AdminError::Store`].
    pub async fn event(&self, caller: &Caller, id: EventId) -> Result<EventDetail, AdminError> {
        caller.needs(Scope::EventsRead)?;
        let not_found = || AdminError::NotFound(format!("event {id}"));
        let row = self.store.event_rows(&[id], caller.tenant()).await?.pop();
        let row = row.ok_or_else(not_found)?;
        let preview = self.store.event_preview(id, 0).await?.ok_or_else(not_found)?;
        let (deliveries, attempts, operator_actions) = self.work_on(caller, id).await?;
        let transfer = self.store.transfer(None, Some(id)).await?;
        let mates = self.store.related_events(id, RELATED).await?;
        let payload = caller.may(Scope::PayloadRead);
        let related = Related {
            lanes: if payload { mates.lanes } else { Vec::new() },
            events: self.store.event_rows(&mates.events, caller.tenant()).await?,
            reach: u32::try_from(LANE_REACH).unwrap_or(u32::MAX),
        };
        let (older, newer) = self.store.adjacent(id, caller.tenant()).await?;
        let seen = preview.seen_count.map(|count| u64::from(count.unsigned_abs()));
        Ok(EventDetail {
            proof: self.proof(&preview),
            edits: self.store.edits_of(id, RELATED).await?,
            seen: seen.zip(preview.last_seen_at),
            other_bodies: preview.other_bodies,
            transfer: self.view(Vec::from_iter(transfer)).await?.pop(),
            timeline: timeline(&preview, &deliveries, &attempts, &operator_actions),
            deliveries,
            attempts,
            related,
            older,
            newer,
            edited: preview.edited,
            action: preview.event.action,
            occurred_at: preview.event.occurred_at,
            payload: payload.then_some(PayloadView {
                headers: preview.event.headers,
                claims: preview.event.claims,
                envelope: preview.event.envelope,
            }),
            event: row,
        })
    }

    /// The deliveries of an event, the attempts at them and what operators did to them, as this
    /// caller may see them.
    async fn work_on(
        &self,
        caller: &Caller,
        event: EventId,
    ) -> Result<(Vec<DeadLetter>, Vec<PastAttempt>, Vec<PastAction>), AdminError> {
        let ids = self.store.deliveries_of(event).await?;
        let shown: Vec<i64> = ids.iter().copied().take(DELIVERIES).collect();
        let mut deliveries = self.store.dead_letters(&shown, caller.tenant()).await?;
        let mut attempts = self.store.attempts(&shown).await?;
        let operator_actions = self.store.operator_actions(&shown).await?;
        if !caller.may(Scope::PayloadRead) {
            deliveries.iter_mut().for_each(redact_payload);
            for attempt in &mut attempts {
                attempt.error = None;
            }
        }
        Ok((deliveries, attempts, operator_actions))
    }

    fn proof(&self, preview: &EventPreview) -> ProofView {
        let event = &preview.event;
        let source = self.topology.source(&event.source, None);
        let place = |secrets: &[String]| secrets.iter().position(|secret| *secret == event.secret);
        ProofView {
            strength: event.strength,
            headers: source.map(|source| source.headers.clone()).unwrap_or_default(),
            secret_place: source.and_then(|source| place(&source.secrets)).map(|place| place + 1),
            secret: event.secret.clone(),
            skew_seconds: event.skew_seconds,
            late: event.late,
        }
    }
}
