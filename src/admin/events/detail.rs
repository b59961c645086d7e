//! The details of one event.

use super::model::{EventDetail, EventPayload, EventProof, RelatedEvents, embedded};
use crate::admin::dead_letters::redact_payload;
use crate::admin::timeline::timeline;
use crate::admin::{AdminError, Caller, Monitoring, Scope};
use crate::store::{
    Delivery, DeliveryAttempt, EventId, EventPreview, LANE_REACH, PastAction, StoredEvent,
};

/// The maximum number of deliveries shown.
const DELIVERIES: usize = 1_000;
/// The maximum number of related events and edited copies shown.
const RELATED: i64 = 20;

impl Monitoring {
    /// The details of an event, without its body.
    pub async fn event(&self, caller: &Caller, id: EventId) -> Result<EventDetail, AdminError> {
        caller.needs(Scope::EventsRead)?;
        let not_found = || AdminError::NotFound(format!("event {id}"));
        let event = self.store.event_summaries(&[id], caller.tenant()).await?.pop();
        let event = event.ok_or_else(not_found)?;
        let preview = self.store.event_preview(id, 0).await?.ok_or_else(not_found)?;
        let (deliveries, attempts, operator_actions) = self.work_on(caller, id).await?;
        let transfer = self.store.transfer(None, Some(id)).await?;
        let same_lanes = self.store.related_events(id, RELATED).await?;
        let payload = caller.may(Scope::PayloadRead);
        let related = RelatedEvents {
            // Lanes are derived from the payload.
            lanes: if payload { same_lanes.lanes } else { Vec::new() },
            events: self.store.event_summaries(&same_lanes.events, caller.tenant()).await?,
            reach: u32::try_from(LANE_REACH).unwrap_or(u32::MAX),
        };
        let (older, newer) = self.store.adjacent(id, caller.tenant()).await?;
        let seen_count = preview.seen_count.map(|count| u64::from(count.unsigned_abs()));
        Ok(EventDetail {
            proof: self.proof(&preview),
            edits: self.store.edits_of(id, RELATED).await?,
            seen_count,
            last_seen_at: preview.last_seen_at,
            other_bodies: preview.other_bodies,
            transfer: self.with_chunks(Vec::from_iter(transfer)).await?.pop(),
            timeline: timeline(&preview, &deliveries, &attempts, &operator_actions),
            deliveries,
            attempts,
            related,
            older,
            newer,
            edited: preview.edited,
            payload: (payload && preview.erased.is_none())
                .then(|| EventPayload::new(&preview.event)),
            action: preview.event.action,
            occurred_at: preview.event.occurred_at,
            event,
        })
    }

    /// The deliveries of an event, their attempts and the operator actions on them, redacted for
    /// this caller.
    async fn work_on(
        &self,
        caller: &Caller,
        event: EventId,
    ) -> Result<(Vec<Delivery>, Vec<DeliveryAttempt>, Vec<PastAction>), AdminError> {
        let ids = self.store.deliveries_of(event).await?;
        let shown: Vec<i64> = ids.iter().copied().take(DELIVERIES).collect();
        let mut deliveries = self.store.deliveries(&shown, caller.tenant()).await?;
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

    fn proof(&self, preview: &EventPreview) -> EventProof {
        let event = &preview.event;
        let source = self.topology.source(&event.source, None);
        let place = |secrets: &[String]| secrets.iter().position(|secret| *secret == event.secret);
        EventProof {
            strength: event.strength,
            headers: source.map(|source| source.headers.clone()).unwrap_or_default(),
            secret_place: source.and_then(|source| place(&source.secrets)).map(|place| place + 1),
            secret: event.secret.clone(),
            skew_seconds: event.skew_seconds,
            late: event.late,
        }
    }
}

impl EventPayload {
    fn new(event: &StoredEvent) -> Self {
        Self {
            headers: event.headers.iter().cloned().collect(),
            claims: event.claims.as_ref().map(embedded),
            envelope: event.envelope.as_ref().map(embedded),
        }
    }
}
