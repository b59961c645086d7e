//! Requests that contain several events.

use bytes::Bytes;
use time::OffsetDateTime;

use super::event::planned;
use super::{IngestService, Receipt, Rejection, Source, not_stored};
use crate::store::{Committed, Inserted, NewEvent};
use crate::verify::{EventMeta, Quarantine, Quarantined, VerifiedRequest};

impl IngestService {
    /// Records the events of one request in one transaction, each with its own key, body and plan.
    /// An id that was used before is a duplicate, whatever its body.
    pub(super) async fn batch(
        &self,
        source: &Source,
        verified: &VerifiedRequest,
        items: Vec<(EventMeta, Bytes)>,
        now: OffsetDateTime,
    ) -> Result<Committed<Receipt>, Rejection> {
        let provenance = verified.provenance(source.verifier.provider.kept_headers());
        let plan = |(meta, body)| planned(source, provenance.clone(), body, meta, now).0;
        let events: Vec<NewEvent> = items.into_iter().map(plan).collect();
        let Some(own) = events.first().map(|new| new.event.id) else {
            // There is nothing to make an event of, and an authentic request is never lost.
            let empty = Quarantined {
                reason: Quarantine::Schema,
                detail: "a batch without events".to_owned(),
                event_type: None,
            };
            return self.quarantine(source, verified, empty, now).await;
        };
        let recorded = self.store.record_batch(&events).await;
        let recorded = recorded.map_err(|error| not_stored(&error))?;
        (self.committed)();
        Ok(recorded.map(|recorded| {
            let new = recorded.iter().filter(|one| **one == Inserted::New).count();
            Receipt::Batch {
                first: match recorded.first() {
                    Some(Inserted::Duplicate(first) | Inserted::Differs { first, .. }) => *first,
                    Some(Inserted::New) | None => own,
                },
                new: number(new),
                duplicates: number(recorded.len().saturating_sub(new)),
            }
        }))
    }
}

fn number(events: usize) -> u32 {
    u32::try_from(events).unwrap_or(u32::MAX)
}
