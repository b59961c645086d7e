//! The view of one delivery, with the timeline of its event.

use super::super::pages::delivery;
use super::super::pages::parts_of_event::{Event, Payload, Proof};
use super::super::parts::{Bytes, Tab};
use crate::admin::{AdminError, Caller, DeliveryDetail, MOST_EDITED, Scope};
use crate::store::{DeadLetter, EventId, EventPreview, PastAction};
use crate::web::admin::AdminState;

/// One delivery.
pub(in crate::web::console) async fn delivery(
    admin: &AdminState,
    caller: &Caller,
    id: &str,
    tab: Tab,
) -> Result<delivery::View, AdminError> {
    caller.needs(Scope::EventsRead)?;
    let none = || AdminError::NotFound(format!("delivery {id}"));
    let number: i64 = id.parse().map_err(|_| none())?;
    let dossier = admin.dead_letters.show(caller, number).await?;
    Ok(view(dossier, caller, tab))
}

fn view(dossier: DeliveryDetail, caller: &Caller, tab: Tab) -> delivery::View {
    let may_see = caller.may(Scope::PayloadRead);
    let steps = dossier.timeline();
    let delivery = dossier.delivery;
    let operator_actions =
        dossier.operator_actions.iter().filter(|deed| deed.delivery == delivery.id);
    let operator_actions: Vec<&PastAction> = operator_actions
        .filter(|deed| matches!(deed.action.as_str(), "replay" | "discard"))
        .collect();
    let edited = operator_actions.iter().filter_map(|deed| deed.replay_event);
    let edited = edited.map(EventId).find(|event| *event != delivery.event);
    delivery::View {
        id: delivery.id,
        commands: commands(&delivery),
        edit: edit(&delivery, dossier.event.as_ref(), caller),
        group: delivery.group,
        resolved: delivery.resolution.zip(delivery.resolved_at),
        resolved_by: operator_actions.first().map(|deed| (deed.actor.clone(), deed.reason.clone())),
        replays: operator_actions.iter().filter_map(|deed| deed.replay).collect(),
        edited_as: edited.map(|event| event.to_string()),
        state: delivery.state,
        source: delivery.source,
        handler: delivery.handler,
        death_reason: delivery.death_reason,
        replay_of: delivery.replay_of,
        attempts: delivery.attempts,
        created_at: delivery.created_at,
        finished_at: delivery.finished_at,
        // The parts of a lane name are separated by an invisible character.
        lane: delivery.lane,
        waiting: delivery.waiting.unsigned_abs(),
        error: dossier.last_error.filter(|_| may_see),
        event_id: delivery.event.to_string(),
        event: dossier
            .event
            .map(|preview| event(preview, may_see, tab, format!("/deliveries/{}", delivery.id))),
        steps,
    }
}

fn event(preview: EventPreview, may_see: bool, tab: Tab, href: String) -> Event {
    let event = preview.event;
    let text = |bytes: &bytes::Bytes| String::from_utf8_lossy(bytes).into_owned();
    let payload = may_see.then(|| Payload {
        claims: event.claims.as_ref().map(text),
        envelope: event.envelope.as_ref().map(text),
        body: Bytes {
            shown: event.body.to_vec(),
            size: preview.body_size,
            tab,
            href,
            download: None,
        },
        headers: event.headers,
    });
    let count = preview.seen_count.map(|count| u64::from(count.unsigned_abs()));
    Event {
        id: event.id.to_string(),
        tenant: event.tenant,
        source: event.source,
        provider: event.provider,
        kind: event.kind,
        action: event.action,
        received_at: event.received_at,
        occurred_at: event.occurred_at,
        seen: count.zip(preview.last_seen_at),
        proof: Proof {
            scheme: None,
            strength: event.strength.as_str().to_owned(),
            secret: event.secret,
            skew_seconds: event.skew_seconds,
            late: event.late,
        },
        payload,
    }
}

/// The link to the edit page, or why editing is impossible; `None` without the scopes.
fn edit(
    delivery: &DeadLetter,
    event: Option<&EventPreview>,
    caller: &Caller,
) -> Option<Result<String, &'static str>> {
    let is_open = delivery.state == "dead" && delivery.resolution.is_none();
    let may = caller.may(Scope::PayloadRead) && caller.may(Scope::EventsEdit);
    let event = event.filter(|_| is_open && may)?;
    Some(if event.as_text().is_none() {
        Err("The body is not text and cannot be edited.")
    } else if event.body_size > MOST_EDITED as u64 {
        Err("The body is larger than 4 MiB, the limit for editing.")
    } else {
        Ok(format!("/deliveries/{}/edit", delivery.id))
    })
}

/// Equivalent commands.
fn commands(delivery: &DeadLetter) -> Vec<(&'static str, String)> {
    let id = delivery.id;
    let mut commands = vec![("Show", format!("sealpost dead-letters show {id}"))];
    if delivery.state == "dead" && delivery.resolution.is_none() {
        let act = |verb: &str| format!("sealpost dead-letters {verb} {id} --reason 'why'");
        commands.push(("Replay", act("replay")));
        commands.push(("Discard", act("discard")));
    }
    commands
}
