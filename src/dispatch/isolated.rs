//! Recovers deliveries with an expired lease, and runs them one at a time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::{error, warn};

use super::runner::count_ended;
use super::{CLAIM_TIMEOUT, Dispatcher, in_time};
use crate::store::{Counter, Lease, StoreError};

/// A delivery is dead-lettered after this number of attempts lost in isolation.
const MAX_LOST: u32 = 8;

#[derive(Debug, Default)]
pub(super) struct Isolated {
    /// Whether there may be isolated deliveries.
    may_exist: AtomicBool,
    /// Whether one of them is in flight.
    running: AtomicBool,
    /// The handler of the last isolated delivery.
    last: Mutex<String>,
}

impl Dispatcher {
    /// Recovers expired leases, except those of deliveries in flight here. Returns the number of
    /// deliveries dead-lettered.
    pub async fn recover_expired_leases(&self) -> Result<usize, StoreError> {
        let max_lost = self.settings.retry.max_attempts.min(MAX_LOST);
        let own = self.in_flight.ids();
        let recovered =
            self.store.recover_expired_leases(&self.sources, &own, self.clock.now(), max_lost);
        let recovered = in_time(CLAIM_TIMEOUT, recovered).await?;
        if recovered.isolated > 0 {
            warn!(
                count = recovered.isolated,
                "leases expired without a result; deliveries are isolated and run one at a time"
            );
        }
        for queue in &recovered.dead {
            error!(
                source.name = queue.source,
                handler.name = queue.handler,
                "delivery dead-lettered: its lease expired every time"
            );
            count_ended(&self.store, &queue.source, &queue.handler, "lost", Counter::Dead);
        }
        // Another gateway may have left some.
        self.isolated.may_exist.store(true, Ordering::Relaxed);
        Ok(recovered.dead.len())
    }

    /// Claims an isolated delivery, if none is in flight. The guard marks its end when dropped.
    pub(super) async fn claim_isolated(
        &self,
    ) -> Result<Option<(Lease, IsolatedGuard)>, StoreError> {
        if self.isolated.running.swap(true, Ordering::AcqRel) {
            return Ok(None);
        }
        let running = IsolatedGuard(Arc::clone(&self.isolated));
        let (now, lease) = (self.clock.now(), self.settings.lease);
        let last = || self.isolated.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = last().clone();
        let claim = self.store.claim_isolated(&self.sources, &before, now, lease);
        let isolated = in_time(CLAIM_TIMEOUT, claim).await?;
        self.isolated.may_exist.store(isolated.is_some(), Ordering::Relaxed);
        let Some(lease) = isolated else { return Ok(None) };
        last().clone_from(&lease.handler);
        warn!(
            delivery.id = lease.delivery,
            event.id = %lease.event,
            attempt = lease.attempt,
            "lease expired without a result; running this isolated delivery alone"
        );
        Ok(Some((lease, running)))
    }

    /// Starts an isolated delivery beside the others, if there is one and none is in flight.
    pub(super) async fn start_isolated(&self) {
        if !self.isolated.may_exist.load(Ordering::Relaxed) {
            return;
        }
        match self.claim_isolated().await {
            Ok(Some((lease, running))) => self.start(lease, running),
            Ok(None) => {}
            Err(error) => {
                self.isolated.may_exist.store(false, Ordering::Relaxed);
                let error = &error as &dyn std::error::Error;
                warn!(error, "cannot claim isolated deliveries");
            }
        }
    }
}

/// Marks that an isolated delivery is in flight.
pub(super) struct IsolatedGuard(Arc<Isolated>);

impl Drop for IsolatedGuard {
    fn drop(&mut self) {
        self.0.running.store(false, Ordering::Release);
    }
}
