//! One delivery and what happened to its event.

use time::OffsetDateTime;

use super::super::Console;
use super::super::pages::delivery;
use super::super::pages::parts_of_event::{Event, Payload, Proof, Step};
use super::super::parts::{Bytes, Tab};
use crate::operator::{Caller, Dossier, OperatorError, Scope};
use crate::store::{DeadLetter, EventPreview};

/// One delivery.
pub(in crate::http::console) async fn delivery(
    console: &Console,
    caller: &Caller,
    id: &str,
    tab: Tab,
) -> Result<delivery::View, OperatorError> {
    caller.needs(Scope::EventsRead)?;
    let none = || OperatorError::NotFound(format!("delivery {id}"));
    let number: i64 = id.parse().map_err(|_| none())?;
    let dossier = console.dead_letters.show(caller, number).await?;
    Ok(view(dossier, caller, tab))
}

fn view(dossier: Dossier, caller: &Caller, tab: Tab) -> delivery::View {
    let may_see = caller.may(Scope::PayloadRead);
    let steps = steps(&dossier, may_see);
    let delivery = dossier.delivery;
    delivery::View {
        id: delivery.id,
        commands: commands(&delivery),
        more: more(&delivery, dossier.event.as_ref(), caller),
        group: delivery.group,
        resolved: delivery.resolution.zip(delivery.resolved_at),
        state: delivery.state,
        source: delivery.source,
        handler: delivery.handler,
        death_reason: delivery.death_reason,
        replay_of: delivery.replay_of,
        attempts: delivery.attempts,
        created_at: delivery.created_at,
        finished_at: delivery.finished_at,
        // Its parts are kept apart by a character that nobody sees.
        lane: delivery.lane.map(|lane| lane.replace('\u{1f}', " / ")),
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

/// What happened, oldest first.
fn steps(dossier: &Dossier, may_see: bool) -> Vec<(OffsetDateTime, Step)> {
    let mut steps = Vec::new();
    if let Some(preview) = &dossier.event {
        steps.push((preview.event.received_at, Step::Received));
    }
    for delivery in &dossier.deliveries {
        let created = Step::Created {
            delivery: delivery.id,
            handler: delivery.handler.clone(),
            replay_of: delivery.replay_of,
        };
        steps.push((delivery.created_at, created));
        let attempts = dossier.attempts.iter().filter(|attempt| attempt.delivery == delivery.id);
        steps.extend(attempts.map(|attempt| {
            let step = Step::Attempted {
                delivery: delivery.id,
                handler: delivery.handler.clone(),
                number: attempt.number,
                result: attempt.result.clone(),
                lasted: attempt.finished_at - attempt.started_at,
                error: attempt.error.clone().filter(|_| may_see),
            };
            (attempt.started_at, step)
        }));
        if let Some((how, at)) = delivery.resolution.clone().zip(delivery.resolved_at) {
            steps.push((at, Step::Resolved { delivery: delivery.id, how }));
        }
    }
    steps.sort_by_key(|(at, _)| *at);
    steps
}

/// What more can be done about it than to replay and to discard.
fn more(
    delivery: &DeadLetter,
    event: Option<&EventPreview>,
    caller: &Caller,
) -> Vec<(String, &'static str)> {
    let is_open = delivery.state == "dead" && delivery.resolution.is_none();
    // What came in chunks cannot be edited: what was signed says the file's digest.
    let whole = event.is_some_and(|preview| preview.event.envelope.is_none());
    let may = caller.may(Scope::PayloadRead) && caller.may(Scope::EventsReplay);
    if is_open && whole && may {
        vec![(format!("/deliveries/{}/edit", delivery.id), "Edit and replay")]
    } else {
        Vec::new()
    }
}

/// The same on the command line.
fn commands(delivery: &DeadLetter) -> Vec<(&'static str, String)> {
    let id = delivery.id;
    let mut commands = vec![("Show it", format!("sealpost dead-letters show {id}"))];
    if delivery.state == "dead" && delivery.resolution.is_none() {
        let act = |verb: &str| format!("sealpost dead-letters {verb} {id} --reason 'why'");
        commands.push(("Replay it", act("replay")));
        commands.push(("Discard it", act("discard")));
    }
    commands
}
