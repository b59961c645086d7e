//! Thin events: they only point at what happened.
//!
//! Where the source has an API key, Stripe is asked for the whole event, and, for the types that
//! something is done about, for the object as it is now; both are kept beside the event. A type
//! such as `v1.invoice.paid` is then handled as `invoice.paid` is, with one difference: the object
//! is described as of when it was asked for, not as of the event. Without a key the event is kept
//! and marked.

mod client;

use async_trait::async_trait;
use serde_json::value::RawValue;
use time::OffsetDateTime;

pub(super) use self::client::{DEFAULT_BASE, DEFAULT_VERSION, StripeClient};
use super::changes::{Change, KINDS};
use super::handler::{Applied, Stripe, stamp};
use super::payload::{Event, Related};
use super::refusal::missing;
use super::tables::{self, Fetched, Thin};
use super::values::Id;
use crate::dispatch::{Attempt, Failure};
use crate::store::{DeathReason, EffectError, Effects, Outcome, StoredEvent, Tx, Write};

/// What stands before a type of the older interface in a thin event.
const OF_OLD: &str = "v1.";

impl Stripe {
    /// Handles a thin event.
    ///
    /// # Errors
    /// As [`StripeClient`] fails; or what it answered is not what was asked for.
    pub(super) async fn thin(
        &self,
        event: &StoredEvent,
        body: &Event<'_>,
        attempt: Attempt,
    ) -> Result<Effects, Failure> {
        let kind = event.event_type.strip_prefix(OF_OLD).filter(|kind| KINDS.contains(kind));
        let context = body.context().map(|context| context.as_str().to_owned());
        if kind.is_some() {
            self.check_account(context.as_deref())?;
        }
        let id = body.id().ok_or_else(|| missing("id"))?;
        let mut write = Asked {
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
        let Some(api) = &self.api else { return Ok(Effects::write(write)) };
        let context = write.thin.context.as_deref();
        let told = api.event(&id, context, attempt.started_at).await?;
        let whole: Event<'_> = answered(told.as_bytes(), "event")?;
        if whole.id() != Some(id) {
            return Err(other("event"));
        }
        let mut object = None;
        if let Some(kind) = kind {
            let related = whole.related_object.as_ref().or(body.related_object.as_ref());
            if Change::wants_object(kind) {
                object = Some(fetch_object(api, related, context, attempt.started_at).await?);
            }
            let mut stamp = stamp(event, body, write.thin.context.clone())?;
            stamp.seen_at = whole_second(attempt.started_at);
            let raw: Option<&RawValue> = match &object {
                Some(object) => Some(answered(object.as_bytes(), "object")?),
                None => None,
            };
            let change = Change::read(kind, raw, &stamp)?;
            write.applied = change.map(|change| Applied { stamp, change });
        }
        write.thin.fetched = Some(Fetched { event: told, object, at: attempt.started_at });
        Ok(Effects::write(write))
    }
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
    let named: Classified = answered(object.as_bytes(), "object")?;
    if named.id != id {
        return Err(other("object"));
    }
    Ok(object)
}

#[derive(serde::Deserialize)]
struct Classified {
    id: Id,
}

/// Reads an answer. What is wrong with it is not the event's fault: no quarantine word says so.
fn answered<'de, T: serde::Deserialize<'de>>(body: &'de [u8], what: &str) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| {
        let detail = format!("Stripe's response is not the requested {what}: {error}");
        Failure::permanent(DeathReason::Permanent, detail)
    })
}

fn other(what: &str) -> Failure {
    let detail = format!("Stripe responded with a different {what} than requested");
    Failure::permanent(DeathReason::Permanent, detail)
}

/// The second in which `time` lies: as exact as Stripe's own times.
fn whole_second(time: OffsetDateTime) -> OffsetDateTime {
    time.replace_nanosecond(0).unwrap_or(time)
}

/// What is written about a thin event.
struct Asked {
    thin: Thin,
    applied: Option<Applied>,
}

#[async_trait]
impl Write for Asked {
    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Outcome, EffectError> {
        tables::record_thin(tx.connection(), &self.thin).await?;
        match &self.applied {
            Some(applied) => applied.apply(tx).await,
            None => Ok(Outcome::Ignored),
        }
    }
}
