//! Turns a stored event into a fixture: the event and its outcome, without secrets and personal
//! data. The fixture of a dead letter is a test that fails the same way until the cause is fixed.

mod model;
mod scrub;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

pub use model::{CapturedFixture, Scrubbed};

use super::payload_reads::{self, Read};
use super::{AdminError, Caller, Scope, Verifiers};
use crate::store::{
    DeathReason, DeliveryOutcome, EventId, HandlerName, Origin, Store, StoredEvent,
};
use crate::verify::{Quarantine, SenderInfo};

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
    let (event, origin) = loaded
        .filter(|(event, _)| caller.tenant().is_none_or(|tenant| tenant == event.tenant))
        .ok_or_else(|| AdminError::NotFound(format!("event {id}")))?;
    let body = match &event.envelope {
        None => event.shown_body().to_vec(),
        Some(envelope) => {
            let provider = &verifiers.of(caller, &event.source)?.verifier.provider;
            let whole = provider.whole(envelope, &event.body);
            whole.ok_or_else(|| invalid("the payload cannot be reassembled"))?
        }
    };
    let captured = fixture((&event, origin), &body, &store.delivery_outcomes(id).await?, keep)?;
    payload_reads::record(store, caller, Read::Captured, &format!("event {id}"), now).await?;
    Ok(captured)
}

/// The fixture of an event with this body and these outcomes.
fn fixture(
    (event, origin): (&StoredEvent, Origin),
    body: &[u8],
    delivery_outcomes: &[DeliveryOutcome],
    keep: &[String],
) -> Result<CapturedFixture, AdminError> {
    let delivery = delivery_outcomes
        .iter()
        .rev()
        .find(|delivery| !HandlerName::parse(&delivery.handler).is_destination());
    let delivery = delivery.ok_or_else(|| invalid("the event has no deliveries to handlers"))?;
    if !delivery.is_final() {
        return Err(invalid("the delivery is not finished yet"));
    }
    let mut value: Value = serde_json::from_slice(body)
        .map_err(|_| invalid("the body is not JSON and cannot be scrubbed"))?;
    if delivery.death_reason == Some(DeathReason::Quarantined(Quarantine::DuplicateKey)) {
        return Err(invalid("the body has a duplicate field, which scrubbing would lose"));
    }
    let mut scrubbed = scrub::scrub(&mut value, keep);
    scrubbed.extend(file(&mut value));

    let mut headers = Map::new();
    for (name, value) in &event.headers {
        if !SenderInfo::is_name(name) && !RECREATED.iter().any(|part| name.contains(part)) {
            headers.insert(name.clone(), value.as_str().into());
        }
    }
    let name = format!("captured-{}", event.id.0.simple());
    let status =
        if delivery.handler == crate::store::QUARANTINE { "quarantined" } else { "accepted" };
    let mut then = Map::new();
    then.insert("state".into(), delivery.state.as_str().into());
    let death_reason = delivery.death_reason.map(DeathReason::as_str);
    for (key, value) in [("outcome", delivery.outcome.as_deref()), ("death_reason", death_reason)] {
        if let Some(value) = value {
            then.insert(key.into(), value.into());
        }
    }
    let edited = origin.edited_from.map_or(String::new(), |original| {
        format!(" The body was edited by an operator, from event {original}.")
    });
    let (event_type, state) = (&event.event_type, &delivery.state);
    let mut document = json!({
        "name": name,
        "about": format!("Captured: an event of type {event_type}, final state {state}.{edited}"),
        "provider": event.provider,
        "source": event.source,
        "body": value,
        "expect": [{ "status": 202, "body": { "status": status } }],
        "then": then,
    });
    if let Some(object) = document.as_object_mut() {
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
    Ok(CapturedFixture { provider: event.provider.clone(), name, document, scrubbed })
}

/// Masks the text of a file in the payload, and corrects its size and digest.
fn file(value: &mut Value) -> Option<Scrubbed> {
    let file = value.get_mut("file")?.as_object_mut()?;
    if file.contains_key("content_encoding") {
        return None;
    }
    let content = file.get("content")?.as_str()?;
    let mut front_matter = false;
    let lines = content.split_inclusive('\n').enumerate().map(|(number, line)| {
        if line.trim_end() == "---" {
            front_matter = number == 0;
            return line.to_owned();
        }
        match line.split_once(':') {
            Some((key, text)) if front_matter => format!("{key}:{}", scrub::masked(text)),
            _ => scrub::masked(line),
        }
    });
    let content: String = lines.collect();
    file.insert("sha".into(), hex::encode(Sha256::digest(&content)).into());
    file.insert("size".into(), content.len().into());
    file.insert("content".into(), content.into());
    Some(Scrubbed { place: "/file/content".to_owned(), rule: "free text".to_owned() })
}

/// The run a token belongs to.
fn run(claims: &[u8]) -> Option<(Value, Value)> {
    let claims: Value = serde_json::from_slice(claims).ok()?;
    Some((claims.get("runKey")?.clone(), claims.get("guildId")?.clone()))
}

fn invalid(why: &str) -> AdminError {
    AdminError::Invalid(format!("cannot capture the event: {why}"))
}
