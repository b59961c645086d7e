//! Thin events: they only refer to what happened.
//!
//! If the source has an API key, the whole event is fetched and, for handled types, the current
//! object; both are stored beside the event. A type such as `v1.invoice.paid` is then handled like
//! `invoice.paid`, except that the object is as of the request, not as of the event. Without a key
//! the event is stored and marked as not fetched.

mod client;

use async_trait::async_trait;
use serde_json::value::RawValue;
use time::OffsetDateTime;

pub(super) use self::client::{DEFAULT_BASE, DEFAULT_VERSION, StripeClient};
use super::applied::{Applied, stamp};
use super::changes::{Change, KINDS};
use super::payload::{Event, Related};
use super::refusal::{check_account, missing};
use super::tables::{self, Fetched, Thin};
use super::values::Id;
use crate::dispatch::{Attempt, Failure};
use crate::store::{DeathReason, EffectError, Effects, Outcome, StoredEvent, Tx, Write};

/// The prefix of a v1 API type in a thin event.
const V1_PREFIX: &str = "v1.";

/// Handles a thin event. `api` is the client of the source, and `account` the one it requires, if
/// it has them.
///
/// # Errors
/// A [`StripeClient`] failure, or a response other than the requested one.
pub(super) async fn handle(
    api: Option<&StripeClient>,
    account: Option<&str>,
    event: &StoredEvent,
    body: &Event<'_>,
    attempt: Attempt,
) -> Result<Effects, Failure> {
    let kind = event.event_type.strip_prefix(V1_PREFIX).filter(|kind| KINDS.contains(kind));
    let context = body.context().map(|context| context.as_str().to_owned());
    if kind.is_some() {
        check_account(account, context.as_deref())?;
    }
    let id = body.id().ok_or_else(|| missing("id"))?;
    let mut write = WriteThinEvent {
        thin: Thin {
            source: event.source.clone(),
            event_id: event.id.0,
            stripe_event: id.as_str().to_owned(),
            kind: event.event_type.clone(),
            context,
            fetched: None,
        },
        applied: None,
    };
    let Some(api) = api else { return Ok(Effects::write(write)) };
    let context = write.thin.context.as_deref();
    let event_text = api.event(&id, context, attempt.started_at).await?;
    let full_event: Event<'_> = parse_response(event_text.as_bytes(), "event")?;
    if full_event.id() != Some(id) {
        return Err(wrong_response("event"));
    }
    let mut object = None;
    if let Some(kind) = kind {
        let related = full_event.related_object.as_ref().or(body.related_object.as_ref());
        if Change::needs_object(kind) {
            object = Some(fetch_object(api, related, context, attempt.started_at).await?);
        }
        let mut stamp = stamp(event, body, write.thin.context.clone())?;
        stamp.seen_at = whole_second(attempt.started_at);
        let raw: Option<&RawValue> = match &object {
            Some(object) => Some(parse_response(object.as_bytes(), "object")?),
            None => None,
        };
        let change = Change::read(kind, raw, &stamp)?;
        write.applied = change.map(|change| Applied { stamp, change });
    }
    write.thin.fetched = Some(Fetched { event: event_text, object, at: attempt.started_at });
    Ok(Effects::write(write))
}

async fn fetch_object(
    api: &StripeClient,
    related: Option<&Related>,
    context: Option<&str>,
    now: OffsetDateTime,
) -> Result<String, Failure> {
    let related = related.ok_or_else(|| missing("related_object"))?;
    let url = related.url.as_deref().ok_or_else(|| missing("related_object.url"))?;
    let id = related.id().ok_or_else(|| missing("related_object.id"))?;
    let object = api.object(url, context, now).await?;
    let identified: Identified = parse_response(object.as_bytes(), "object")?;
    if identified.id != id {
        return Err(wrong_response("object"));
    }
    Ok(object)
}

#[derive(serde::Deserialize)]
struct Identified {
    id: Id,
}

/// Parses a response. Its errors are not the event's fault, so they are not a quarantine reason.
fn parse_response<'de, T: serde::Deserialize<'de>>(
    body: &'de [u8],
    what: &str,
) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| {
        let detail = format!("Stripe's response is not the requested {what}: {error}");
        Failure::permanent(DeathReason::Permanent, detail)
    })
}

fn wrong_response(what: &str) -> Failure {
    let detail = format!("Stripe responded with a different {what} than requested");
    Failure::permanent(DeathReason::Permanent, detail)
}

/// Truncates to whole seconds, the precision of Stripe's own times.
fn whole_second(time: OffsetDateTime) -> OffsetDateTime {
    time.replace_nanosecond(0).unwrap_or(time)
}

/// The writes for a thin event.
struct WriteThinEvent {
    thin: Thin,
    applied: Option<Applied>,
}

#[async_trait]
impl Write for WriteThinEvent {
    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Outcome, EffectError> {
        tables::record_thin(tx.connection(), &self.thin).await?;
        match &self.applied {
            Some(applied) => applied.apply(tx).await,
            None => Ok(Outcome::Ignored),
        }
    }
}
