//! Everything about one delivery.

use bytes::Bytes;
use time::OffsetDateTime;

use crate::admin::payload_reads::{self, Read};
use crate::admin::timeline::timeline;
use crate::admin::{AdminError, Caller, Scope, TimelineEntry};
use crate::store::{DeadLetter, EventPreview, PastAction, PastAttempt, Store};

/// How many bytes of a body are shown.
pub const PREVIEW: i32 = 64 * 1024;
/// The most deliveries of one event that are shown.
const SIBLINGS: usize = 1000;

/// Everything about one delivery, as far as the caller may see it.
#[derive(Debug, Clone)]
pub struct DeliveryDetail {
    /// The delivery.
    pub delivery: DeadLetter,
    /// The whole text of its last error.
    pub last_error: Option<String>,
    /// Its event; `None` when that was removed.
    pub event: Option<EventPreview>,
    /// Every delivery of that event, oldest first, this one included.
    pub deliveries: Vec<DeadLetter>,
    /// Every attempt at those.
    pub attempts: Vec<PastAttempt>,
    /// What operators did to those, and what made them.
    pub operator_actions: Vec<PastAction>,
    /// Whether what the sender and the handlers wrote is in it: without it there are no bodies, no
    /// kept headers, no claims and no error texts.
    pub payload: bool,
}

pub(super) async fn show(
    store: &Store,
    caller: &Caller,
    id: i64,
    now: OffsetDateTime,
) -> Result<DeliveryDetail, AdminError> {
    caller.needs(Scope::EventsRead)?;
    let mut siblings = store.sibling_ids(id).await?;
    // Where there are too many, this one is among those that are shown all the same.
    let place = siblings.iter().position(|sibling| *sibling == id).unwrap_or_default();
    siblings = siblings.into_iter().skip(place.saturating_sub(SIBLINGS - 1)).collect();
    siblings.truncate(SIBLINGS);
    let deliveries = store.dead_letters(&siblings, caller.tenant()).await?;
    let delivery = deliveries.iter().find(|delivery| delivery.id == id).cloned();
    let delivery = delivery.ok_or_else(|| AdminError::NotFound(format!("delivery {id}")))?;
    let payload = caller.may(Scope::PayloadRead);
    if payload {
        let target = format!("event {}, at delivery {id}", delivery.event);
        payload_reads::note(store, caller, Read::Looked, &target, now).await?;
    }
    let mut dossier = DeliveryDetail {
        last_error: store.last_error(id).await?,
        event: store.event_preview(delivery.event, if payload { PREVIEW } else { 0 }).await?,
        attempts: store.attempts(&siblings).await?,
        operator_actions: store.operator_actions(&siblings).await?,
        delivery,
        deliveries,
        payload,
    };
    if let Some(preview) = &mut dossier.event {
        preview.event.body = preview.event.shown_body();
    }
    if !payload {
        dossier.redact_payload();
    }
    Ok(dossier)
}

impl DeliveryDetail {
    /// What happened to its event, in the order in which it happened; nothing once it is gone.
    pub fn timeline(&self) -> Vec<TimelineEntry> {
        let told =
            |event| timeline(event, &self.deliveries, &self.attempts, &self.operator_actions);
        self.event.as_ref().map(told).unwrap_or_default()
    }

    fn redact_payload(&mut self) {
        self.last_error = None;
        redact_payload(&mut self.delivery);
        self.deliveries.iter_mut().for_each(redact_payload);
        for attempt in &mut self.attempts {
            attempt.error = None;
        }
        if let Some(preview) = &mut self.event {
            preview.event.headers.clear();
            preview.event.claims = None;
            preview.event.envelope = None;
            preview.event.body = Bytes::new();
        }
    }
}

/// Takes out what only those may see who see payloads.
pub(in crate::admin) fn redact_payload(letter: &mut DeadLetter) {
    letter.error = None;
    // Made of what the sender wrote, such as a path.
    letter.lane = None;
}
