//! Everything about one delivery.

use time::OffsetDateTime;

use super::model::{Delivery, DeliveryDetail, Event, ResolvedBy};
use crate::admin::payload_reads::{self, Read};
use crate::admin::timeline::timeline;
use crate::admin::{AdminError, Caller, Scope};
use crate::store::{EventPreview, PastAction, PastActionKind, Store};

/// The maximum size of a body preview, in bytes.
pub const PREVIEW: i32 = 64 * 1024;
/// The maximum number of deliveries of one event in the details.
const SIBLINGS: usize = 1000;

pub(super) async fn show(
    store: &Store,
    caller: &Caller,
    id: i64,
    now: OffsetDateTime,
) -> Result<DeliveryDetail, AdminError> {
    caller.needs(Scope::EventsRead)?;
    let mut siblings = store.sibling_ids(id).await?;
    // If there are too many, this one is still included.
    let place = siblings.iter().position(|sibling| *sibling == id).unwrap_or_default();
    siblings = siblings.into_iter().skip(place.saturating_sub(SIBLINGS - 1)).collect();
    siblings.truncate(SIBLINGS);
    let mut deliveries = store.deliveries(&siblings, caller.tenant()).await?;
    let delivery = deliveries.iter().find(|delivery| delivery.id == id).cloned();
    let mut delivery = delivery.ok_or_else(|| AdminError::NotFound(format!("delivery {id}")))?;
    let payload = caller.may(Scope::PayloadRead);
    if payload {
        let target = format!("event {}, at delivery {id}", delivery.event);
        payload_reads::record(store, caller, Read::Viewed, &target, now).await?;
    }
    let preview = store.event_preview(delivery.event, if payload { PREVIEW } else { 0 }).await?;
    let mut attempts = store.attempts(&siblings).await?;
    let actions = store.operator_actions(&siblings).await?;
    if payload {
        delivery.error = store.last_error(id).await?;
    } else {
        redact_payload(&mut delivery);
        deliveries.iter_mut().for_each(redact_payload);
        for attempt in &mut attempts {
            attempt.error = None;
        }
    }
    let entries = |preview| timeline(preview, &deliveries, &attempts, &actions);
    Ok(DeliveryDetail {
        timeline: preview.as_ref().map(entries).unwrap_or_default(),
        event: preview.map(|preview| Event::new(as_shown(preview), payload)),
        resolved_by: resolved_by(&delivery, &actions),
        delivery,
        deliveries,
        attempts,
    })
}

/// Removes credentials that the sender forwarded in the body.
fn as_shown(mut preview: EventPreview) -> EventPreview {
    preview.event.body = preview.event.shown_body();
    preview
}

fn resolved_by(delivery: &Delivery, actions: &[PastAction]) -> Option<ResolvedBy> {
    let resolves = |past: &&PastAction| {
        past.delivery == delivery.id
            && matches!(
                past.action,
                PastActionKind::Replay | PastActionKind::Resend | PastActionKind::Discard
            )
    };
    let actions: Vec<&PastAction> = actions.iter().filter(resolves).collect();
    let first = actions.first()?;
    let mut events = actions.iter().filter_map(|past| past.replay_event);
    Some(ResolvedBy {
        actor: first.actor.clone(),
        reason: first.reason.clone(),
        created: actions.iter().filter_map(|past| past.replay).collect(),
        edited: events.find(|event| *event != delivery.event),
    })
}

/// Removes what requires `payload:read`.
pub(in crate::admin) fn redact_payload(delivery: &mut Delivery) {
    delivery.error = None;
    // Lanes are derived from the payload, such as a path.
    delivery.lane = None;
}
