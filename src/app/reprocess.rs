//! Reprocesses rejected requests that verify now, through the same verification and ingestion as
//! every request, but with writers of its own, since it outlives the listener.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use time::OffsetDateTime;
use tokio_util::task::TaskTracker;

use crate::admin::{Reprocess, ReprocessError, Reprocessed};
use crate::ingest::{GroupCommit, Intake, NotStored, Receipt, Rejection, SlowLane, Source};
use crate::lifecycle::Supervisor;
use crate::store::Store;
use crate::verify::{RawRequest, RequestHead};

/// Verification and ingestion for requests that do not come from the listener.
pub(super) struct Reprocessor {
    intake: Intake,
    sources: HashMap<String, Arc<Source>>,
}

impl Reprocessor {
    pub(super) fn new(
        store: &Store,
        sources: &[Arc<Source>],
        committed: &Arc<dyn Fn() + Send + Sync>,
        supervisor: &Supervisor,
    ) -> Self {
        // The shutdown does not wait for these writers: each write is awaited by its caller.
        let supervisor = supervisor.on(TaskTracker::new());
        let batch = GroupCommit::start(store, &supervisor, committed);
        let intake = Intake::new(store.clone(), batch, Arc::clone(committed));
        let sources =
            sources.iter().map(|source| (source.name.to_string(), Arc::clone(source))).collect();
        Self { intake, sources }
    }
}

#[async_trait]
impl Reprocess for Reprocessor {
    async fn reprocess(
        &self,
        source: &str,
        head: RequestHead,
        body: Bytes,
        received_at: OffsetDateTime,
    ) -> Result<Reprocessed, ReprocessError> {
        let source = self.sources.get(source).ok_or(ReprocessError::NoSource)?;
        let raw = RawRequest::new(head, body);
        let accepted = self.intake.accept(source, raw, received_at, SlowLane::default());
        let receipt = match accepted.await {
            Ok(receipt) => receipt.into_inner(),
            Err(Rejection::Refused(_)) => return Err(ReprocessError::Refused),
            Err(never @ (Rejection::KeyReused | Rejection::NotStored(NotStored::Refused))) => {
                return Err(ReprocessError::NotRecorded(never.to_string()));
            }
            Err(other) => return Err(ReprocessError::Busy(other.to_string())),
        };
        let (event, duplicate) = match receipt {
            Receipt::Accepted(event)
            | Receipt::Quarantined(event, _)
            | Receipt::Chunk { event, .. } => (event, false),
            Receipt::Duplicate(event)
            | Receipt::Differs { first: event, .. }
            | Receipt::Replayed { event, .. } => (event, true),
        };
        Ok(Reprocessed { event, duplicate })
    }
}
