//! Turns a stored event into a fixture: the event and its outcome, without secrets and personal
//! data. The fixture of a dead letter is a test that fails the same way until the cause is fixed.

mod model;
mod payload;
mod scrub;

use serde_json::{Map, Value, json};
use time::OffsetDateTime;

pub use model::{CapturedFixture, Scrubbed};

use self::payload::Payload;
use super::payload_reads::{self, Read};
use super::unreadable::unreadable;
use super::{AdminError, Caller, Scope, Verifiers};
use crate::store::{
    DeathReason, DeliveryOutcome, EventId, HandlerName, Origin, Store, StoredEvent,
};
use crate::verify::{Provider, Quarantine, RequestHead, SenderInfo};

/// Headers that are created whenever a fixture is signed, by a part of their name.
const RECREATED: [&str; 4] = ["timestamp", "app-id", "signature", "service"];

/// Captures an event as a fixture. The fields in `keep` are not scrubbed.
///
/// # Errors
/// [`AdminError::Invalid`] if a delivery is not finished or the payload cannot be scrubbed.
pub async fn capture(
    caller: &Caller,
    store: &Store,
    verifiers: &Verifiers,
    (id, now): (EventId, OffsetDateTime),
    keep: &[String],
) -> Result<CapturedFixture, AdminError> {
    caller.needs(Scope::PayloadRead)?;
    caller.needs(Scope::EventsReplay)?;
    let loaded = store.event_to_deliver(id, None).await?;
    let loaded =
        loaded.filter(|(event, _)| caller.tenant().is_none_or(|tenant| tenant == event.tenant));
    let Some((event, origin)) = loaded else {
        return Err(unreadable(store, id, caller.tenant()).await);
    };
    let body = match &event.envelope {
        None => event.shown_body().to_vec(),
        Some(envelope) => {
            let provider = &verifiers.of(caller, &event.source)?.verifier.provider;
            let whole = provider.whole(envelope, &event.body);
            whole.ok_or_else(|| invalid("the payload cannot be reassembled"))?
        }
    };
    // The source may be gone.
    let source = verifiers.of(caller, &event.source).ok();
    let provider = source.map(|source| &*source.verifier.provider);
    let provider = provider.filter(|provider| provider.name() == event.provider);
    let outcomes = store.delivery_outcomes(id).await?;
    let captured = fixture((&event, origin), &body, provider, &outcomes, keep)?;
    payload_reads::record(store, caller, Read::Captured, &format!("event {id}"), now).await?;
    Ok(captured)
}

/// The fixture of an event with this body and these outcomes. `provider` is that of its source, if
/// the source still exists.
fn fixture(
    (event, origin): (&StoredEvent, Origin),
    body: &[u8],
    provider: Option<&dyn Provider>,
    delivery_outcomes: &[DeliveryOutcome],
    keep: &[String],
) -> Result<CapturedFixture, AdminError> {
    // An event that only destinations get has none.
    let delivery = delivery_outcomes
        .iter()
        .rev()
        .find(|delivery| !HandlerName::parse(&delivery.handler).is_destination());
    if delivery.is_some_and(|delivery| !delivery.is_final()) {
        return Err(invalid("the delivery is not finished yet"));
    }
    let duplicate_key = DeathReason::Quarantined(Quarantine::DuplicateKey);
    if delivery.is_some_and(|delivery| delivery.death_reason == Some(duplicate_key)) {
        return Err(invalid("the body has a duplicate field, which scrubbing would lose"));
    }
    let sender_info = SenderInfo::restore(
        event.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())),
    );
    let head = RequestHead::default();
    let scheme = provider.and_then(|provider| provider.scheme(&head)).map(|scheme| &**scheme);
    let payload = Payload::of(body, sender_info.is_form(), scheme, keep)?;

    let mut headers = Map::new();
    for (name, value) in &event.headers {
        if !SenderInfo::is_name(name) && !RECREATED.iter().any(|part| name.contains(part)) {
            headers.insert(name.clone(), value.as_str().into());
        }
    }
    // Whoever signs it again assumes JSON.
    let is_assumed = payload.is_document() && sender_info.is_json();
    if let Some(content_type) = sender_info.content_type().filter(|_| !is_assumed) {
        headers.insert("content-type".into(), content_type.into());
    }
    let name = format!("captured-{}", event.id.0.simple());
    let (event_type, is_quarantined) = (
        &event.event_type,
        delivery.is_some_and(|delivery| delivery.handler == crate::store::QUARANTINE),
    );
    let expect = if let Some(own) = provider.and_then(Provider::answer) {
        json!({ "status": own.status })
    } else {
        let status = if is_quarantined { "quarantined" } else { "accepted" };
        json!({ "status": 202, "body": { "status": status } })
    };
    let state =
        delivery.map_or_else(String::new, |delivery| format!(", final state {}", delivery.state));
    let edited = origin.edited_from.map_or(String::new(), |original| {
        format!(" The body was edited by an operator, from event {original}.")
    });
    let mut document = json!({
        "name": name,
        "about": format!("Captured: an event of type {event_type}{state}.{edited}"),
        "provider": event.provider,
        "source": event.source,
        payload.key: payload.value,
        "expect": [expect],
    });
    if let Some(object) = document.as_object_mut() {
        if let Some(delivery) = delivery {
            object.insert("then".into(), then(delivery));
        }
        if let Some(action) = &event.action {
            object.insert("action".into(), action.as_str().into());
        }
        let run = event.claims.as_ref().and_then(|claims| run(claims));
        if let Some((run_key, guild)) = run {
            headers.insert("fixture-run-key".into(), run_key.clone());
            headers.insert("fixture-guild".into(), guild.clone());
            let run = json!([{ "apify_run": { "run_key": run_key, "guild_id": guild } }]);
            object.insert("prepare".into(), run);
        }
        object.insert("headers".into(), headers.into());
    }
    let (provider, scrubbed) = (event.provider.clone(), payload.scrubbed);
    Ok(CapturedFixture { provider, name, document, scrubbed })
}

/// What a fixture expects of the delivery.
fn then(delivery: &DeliveryOutcome) -> Value {
    let mut then = Map::new();
    then.insert("state".into(), delivery.state.as_str().into());
    let death_reason = delivery.death_reason.map(DeathReason::as_str);
    for (key, value) in [("outcome", delivery.outcome.as_deref()), ("death_reason", death_reason)] {
        if let Some(value) = value {
            then.insert(key.into(), value.into());
        }
    }
    then.into()
}

/// The run a token belongs to.
fn run(claims: &[u8]) -> Option<(Value, Value)> {
    let claims: Value = serde_json::from_slice(claims).ok()?;
    Some((claims.get("runKey")?.clone(), claims.get("guildId")?.clone()))
}

fn invalid(why: &str) -> AdminError {
    AdminError::Invalid(format!("cannot capture the event: {why}"))
}
