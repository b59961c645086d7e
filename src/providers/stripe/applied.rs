//! What an event changes, as a write.

use async_trait::async_trait;

use super::changes::Change;
use super::payload::Event;
use super::refusal::missing;
use super::tables::Stamp;
use crate::dispatch::Failure;
use crate::store::{EffectError, Outcome, StoredEvent, Tx, Write};

/// A change, with the event that reports it.
pub(super) struct Applied {
    pub(super) stamp: Stamp,
    pub(super) change: Change,
}

#[async_trait]
impl Write for Applied {
    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Outcome, EffectError> {
        self.change.apply(tx, &self.stamp).await
    }
}

/// The data about this event that every row contains.
pub(super) fn stamp(
    event: &StoredEvent,
    body: &Event<'_>,
    account: Option<String>,
) -> Result<Stamp, Failure> {
    let happened_at = body.created.ok_or_else(|| missing("created"))?.0;
    Ok(Stamp {
        source: event.source.clone(),
        livemode: body.livemode.ok_or_else(|| missing("livemode"))?,
        account,
        happened_at,
        seen_at: happened_at,
        stripe_event: body.id().map(|id| id.as_str().to_owned()).unwrap_or_default(),
        event_id: event.id.0,
    })
}
