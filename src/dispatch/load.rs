//! Loads the events of claimed deliveries.

use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::backoff::DeliveryRetries;
use super::runner::Runner;
use super::together::{Next, Waiting, fail};
use super::{SETTLE_TIMEOUT, in_time};
use crate::store::{EventId, Lease, Origin, StoreError, StoredEvent};

/// For how long loading an event is retried before the lease is released.
const LOAD_TIMEOUT: Duration = Duration::from_secs(5);

type Load = Waiting<(i64, EventId), Option<(StoredEvent, Origin)>, StoreError>;

/// An event in memory.
pub(super) struct Loaded {
    pub(super) event: StoredEvent,
    pub(super) origin: Origin,
    /// Its share of the memory for large bodies.
    pub(super) memory: Option<OwnedSemaphorePermit>,
}

impl Runner {
    /// Loads an event, a small one together with others for the same handler. `None` if it no
    /// longer exists.
    pub(super) async fn load(&self, lease: &Lease) -> Result<Option<Loaded>, StoreError> {
        let mut retries = DeliveryRetries::until(Instant::now() + LOAD_TIMEOUT);
        loop {
            match self.load_once(lease).await {
                Err(error) if retries.should_retry(&error).await => {}
                loaded => return loaded,
            }
        }
    }

    async fn load_once(&self, lease: &Lease) -> Result<Option<Loaded>, StoreError> {
        let (handler, connections) = (&lease.handler, &self.connections);
        let mut ticket = self.loads.add(handler, (lease.delivery, lease.event));
        let together = loop {
            match self.loads.next(handler, connections, &mut ticket).await {
                Next::Result(loaded) => break loaded?,
                Next::Make(group, connection) => {
                    self.load_all(group).await;
                    drop(connection);
                }
            }
        };
        if let Some((event, origin)) = together {
            return Ok(Some(Loaded { event, origin, memory: None }));
        }
        let connection = connections.acquire(handler).await;
        let size = in_time(SETTLE_TIMEOUT, self.store.body_size(lease.event)).await;
        // Not held while it waits for memory.
        drop(connection);
        let Some(size) = size? else { return Ok(None) };
        let memory = self.body_memory.acquire(size).await;
        let connection = connections.acquire(handler).await;
        let loading = self.store.event_to_deliver(lease.event, Some(lease.delivery));
        let alone = in_time(SETTLE_TIMEOUT, loading).await;
        drop(connection);
        Ok(alone?.map(|(event, origin)| Loaded { event, origin, memory }))
    }

    /// Loads what can be loaded together; each of the others is then loaded alone, by its delivery.
    async fn load_all(&self, group: Vec<Load>) {
        let deliveries: Vec<_> = group.iter().map(|load| load.call).collect();
        let loading = self.store.events_to_deliver(&deliveries);
        let mut loaded = match in_time(SETTLE_TIMEOUT, loading).await {
            Ok(loaded) => loaded,
            // One of them cannot be read.
            Err(StoreError::Inconsistent { .. }) => Vec::new(),
            Err(error) => return fail(group, error),
        };
        for load in group {
            let found = loaded.iter().position(|(_, origin)| origin.delivery == Some(load.call.0));
            load.answer(Ok(found.map(|found| loaded.swap_remove(found))));
        }
    }
}
