//! Deliveries in flight in this process. Their leases are renewed, and nobody in this process
//! recovers them when they expire.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use super::{CLAIM_TIMEOUT, in_time};
use crate::store::{Lease, Store};

#[derive(Debug, Clone, Default)]
pub(super) struct InFlight(Arc<Mutex<HashMap<i64, (Lease, Instant)>>>);

/// Removes its delivery when dropped.
#[derive(Debug)]
pub(super) struct InFlightGuard {
    in_flight: InFlight,
    delivery: i64,
}

impl InFlight {
    fn leases(&self) -> MutexGuard<'_, HashMap<i64, (Lease, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn insert(&self, lease: &Lease) -> InFlightGuard {
        self.leases().insert(lease.delivery, (lease.clone(), Instant::now()));
        InFlightGuard { in_flight: self.clone(), delivery: lease.delivery }
    }

    pub(super) fn ids(&self) -> Vec<i64> {
        self.leases().keys().copied().collect()
    }

    /// Renews the leases of long-running deliveries until dropped.
    pub(super) async fn renew(&self, store: &Store, lease: Duration) {
        let every = lease / 3;
        loop {
            tokio::time::sleep(every).await;
            let long: Vec<Lease> = self
                .leases()
                .values()
                .filter(|(_, since)| since.elapsed() >= every)
                .map(|(lease, _)| lease.clone())
                .collect();
            if long.is_empty() {
                continue;
            }
            if let Err(error) = in_time(CLAIM_TIMEOUT, store.renew(&long, lease)).await {
                let error = &error as &dyn std::error::Error;
                warn!(error, count = long.len(), "cannot renew leases");
            }
        }
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.in_flight.leases().remove(&self.delivery);
    }
}
