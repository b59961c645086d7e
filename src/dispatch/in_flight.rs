//! What this process holds. A lease that expires while its holder is here is no lost one: it is
//! renewed, and nobody in this process takes it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use super::{CLAIM_WITHIN, in_time};
use crate::store::{Lease, Store};

/// The deliveries that this process works on.
#[derive(Debug, Clone, Default)]
pub(super) struct InFlight(Arc<Mutex<HashMap<i64, (Lease, Instant)>>>);

/// One of them; it is not any more when this is dropped.
#[derive(Debug)]
pub(super) struct InFlightGuard {
    held: InFlight,
    delivery: i64,
}

impl InFlight {
    fn leases(&self) -> MutexGuard<'_, HashMap<i64, (Lease, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that this one is worked on.
    pub(super) fn hold(&self, lease: &Lease) -> InFlightGuard {
        self.leases().insert(lease.delivery, (lease.clone(), Instant::now()));
        InFlightGuard { held: self.clone(), delivery: lease.delivery }
    }

    /// All of them.
    pub(super) fn ids(&self) -> Vec<i64> {
        self.leases().keys().copied().collect()
    }

    /// Renews, again and again, the leases of what takes long.
    pub(super) async fn renew(&self, store: &Store, lease: Duration) {
        let every = lease / 3;
        loop {
            tokio::time::sleep(every).await;
            let long: Vec<Lease> = self
                .leases()
                .values()
                .filter(|(_, since)| since.elapsed() >= every)
                .map(|(held, _)| held.clone())
                .collect();
            if long.is_empty() {
                continue;
            }
            if let Err(error) = in_time(CLAIM_WITHIN, store.renew(&long, lease)).await {
                let error = &error as &dyn std::error::Error;
                warn!(error, count = long.len(), "cannot renew leases");
            }
        }
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.held.leases().remove(&self.delivery);
    }
}
