//! Loads the events of claimed deliveries.

use std::time::Duration;

use tokio::time::Instant;

use super::backoff::DeliveryRetries;
use super::runner::Runner;
use super::together::{Next, Waiting};
use super::{SETTLE_TIMEOUT, in_time};
use crate::store::{EventId, Lease, Origin, StoreError, StoredEvent};

/// For how long loading an event is retried before the lease is released.
const LOAD_TIMEOUT: Duration = Duration::from_secs(5);

type Loaded = Option<(StoredEvent, Origin)>;
type Load = Waiting<(i64, EventId), Loaded, StoreError>;

impl Runner {
    /// Loads an event, together with others for the same handler. `None` if it no longer exists.
    pub(super) async fn load(&self, lease: &Lease) -> Result<Loaded, StoreError> {
        let mut retries = DeliveryRetries::until(Instant::now() + LOAD_TIMEOUT);
        loop {
            match self.load_once(lease).await {
                Err(error) if retries.should_retry(&error).await => {}
                loaded => return loaded,
            }
        }
    }

    async fn load_once(&self, lease: &Lease) -> Result<Loaded, StoreError> {
        let mut ticket = self.loads.add(&lease.handler, (lease.delivery, lease.event));
        loop {
            match self.loads.next(&lease.handler, &self.connections, &mut ticket).await {
                Next::Result(loaded) => return loaded,
                Next::Make(group, connection) => {
                    self.load_all(group).await;
                    drop(connection);
                }
            }
        }
    }

    async fn load_all(&self, group: Vec<Load>) {
        let alone = if group.len() == 1 {
            group
        } else {
            let deliveries: Vec<_> = group.iter().map(|load| load.call).collect();
            let loading = self.store.events_to_deliver(&deliveries);
            match in_time(SETTLE_TIMEOUT, loading).await {
                Ok(loaded) => answer_each(group, loaded),
                // One of them cannot be read.
                Err(StoreError::Inconsistent { .. }) => group,
                Err(error) => {
                    // The others get a timeout, which is temporary too.
                    if let Some(first) = group.into_iter().next() {
                        first.answer(Err(error));
                    }
                    return;
                }
            }
        };
        for load in alone {
            let (delivery, event) = load.call;
            let loading = self.store.event_to_deliver(event, Some(delivery));
            load.answer(in_time(SETTLE_TIMEOUT, loading).await);
        }
    }
}

/// Answers those whose event was loaded, and returns the others.
fn answer_each(group: Vec<Load>, loaded: Vec<(StoredEvent, Origin)>) -> Vec<Load> {
    let mut alone = group;
    for (event, origin) in loaded {
        let found = alone.iter().position(|load| Some(load.call.0) == origin.delivery);
        if let Some(found) = found {
            alone.swap_remove(found).answer(Ok(Some((event, origin))));
        }
    }
    alone
}
