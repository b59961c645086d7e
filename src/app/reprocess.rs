//! Reprocesses rejected requests that verify now, through the same verification and ingestion as
//! every request, but with writers of its own, since it outlives the listener.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use time::OffsetDateTime;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use crate::admin::{Reprocess, ReprocessError, Reprocessed};
use crate::ingest::{
    Accepted, GroupCommit, IngestService, NotStored, Receipt, Rejection, SlowLane, Source,
};
use crate::lifecycle::Supervisor;
use crate::store::Store;
use crate::verify::{RawRequest, RequestHead};

/// Verification and ingestion for requests that do not come from the listener.
pub(super) struct Reprocessor {
    store: Store,
    sources: HashMap<String, Arc<Source>>,
    committed: Arc<dyn Fn() + Send + Sync>,
    supervisor: Supervisor,
    /// The runtime of the writers: a request may come from the thread of a listener.
    runtime: Handle,
    /// Started with the first request.
    service: OnceLock<IngestService>,
}

impl Reprocessor {
    pub(super) fn new(
        store: &Store,
        sources: &[Arc<Source>],
        committed: &Arc<dyn Fn() + Send + Sync>,
        supervisor: &Supervisor,
    ) -> Self {
        let sources = sources.iter();
        Self {
            store: store.clone(),
            sources: sources.map(|one| (one.name.to_string(), Arc::clone(one))).collect(),
            committed: Arc::clone(committed),
            // The shutdown does not wait for these writers: each write is awaited by its caller.
            supervisor: supervisor.on(TaskTracker::new()),
            runtime: Handle::current(),
            service: OnceLock::new(),
        }
    }

    fn service(&self) -> &IngestService {
        self.service.get_or_init(|| {
            let _entered = self.runtime.enter();
            let batch = GroupCommit::start(&self.store, &self.supervisor, &self.committed);
            IngestService::new(self.store.clone(), batch, Arc::clone(&self.committed))
        })
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
        let accepted = self.service().accept(source, raw, received_at, SlowLane::default());
        let receipt = match accepted.await {
            Ok(Accepted::Recorded(receipt)) => receipt.into_inner(),
            Ok(Accepted::Answered(_)) => {
                let what = "a challenge of the sender, which is answered and not recorded";
                return Err(ReprocessError::NotRecorded(what.to_owned()));
            }
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
            Receipt::Batch { first, new, .. } => (first, new == 0),
        };
        Ok(Reprocessed { event, duplicate })
    }
}
