//! The events of one request, recorded together.

use super::insert::insert;
use super::{Committed, Inserted, NewEvent, Store, StoreError, Tx};

impl Store {
    /// Records the events of one request in one transaction: all of them or none, so that a sender
    /// may repeat the whole request. Returns the outcomes in the order of the events. Temporary
    /// errors are retried within the commit deadline.
    ///
    /// # Errors
    /// [`StoreError::Refused`] if the database rejects one of them: nothing is stored.
    /// [`StoreError::CommitUnknown`]: they may be stored.
    pub async fn record_batch(
        &self,
        events: &[NewEvent],
    ) -> Result<Committed<Vec<Inserted>>, StoreError> {
        self.record_alone(|| self.record_batch_once(events)).await
    }

    async fn record_batch_once(
        &self,
        events: &[NewEvent],
    ) -> Result<Committed<Vec<Inserted>>, StoreError> {
        let group: Vec<&NewEvent> = events.iter().collect();
        let mut tx = Tx::begin(&self.ingest).await?;
        // A lane is in the order of its deliveries, and one statement inserts them in any order.
        let at_once = if events.iter().any(|new| new.lane.is_some()) { 1 } else { group.len() };
        let mut recorded = Vec::with_capacity(group.len());
        for part in group.chunks(at_once.max(1)) {
            recorded.extend(insert(tx.connection(), part, self.key_retention).await?);
        }
        tx.commit(recorded).await
    }
}
