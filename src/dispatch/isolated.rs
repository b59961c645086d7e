//! Deliveries whose lease expired: ended, and run one at a time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::{error, warn};

use super::run::count_ended;
use super::{CLAIM_WITHIN, Dispatcher, in_time};
use crate::store::{Counter, Lease, StoreError};

/// After so many runs alone that ended with their process, a delivery is given up.
const MOST_LOST: u32 = 8;

/// Deliveries that are run one at a time.
#[derive(Debug, Default)]
pub(super) struct Isolated {
    /// There may be some.
    there: AtomicBool,
    /// One of them is in flight.
    running: AtomicBool,
    /// The handler of the last one.
    last: Mutex<String>,
}

impl Dispatcher {
    /// Ends expired leases, but for those that are held here; gives how many deliveries became
    /// dead letters.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn recover_expired_leases(&self) -> Result<usize, StoreError> {
        let most = self.settings.retry.max_attempts.min(MOST_LOST);
        let held = self.held.ids();
        let lost = self.store.recover_expired_leases(&self.sources, &held, self.clock.now(), most);
        let lost = in_time(CLAIM_WITHIN, lost).await?;
        if lost.isolated > 0 {
            warn!(
                count = lost.isolated,
                "leases expired without a result; deliveries are isolated and run one at a time"
            );
        }
        for queue in &lost.buried {
            error!(
                source.name = queue.source,
                handler.name = queue.handler,
                "delivery dead-lettered: its lease expired every time"
            );
            count_ended(&self.store, &queue.source, &queue.handler, "lost", Counter::Dead);
        }
        // Another gateway may have left some.
        self.isolated.there.store(true, Ordering::Relaxed);
        Ok(lost.buried.len())
    }

    /// Takes a delivery whose lease expired, if none is in flight; what is given with it says that
    /// it is over when it is dropped.
    pub(super) async fn claim_isolated(&self) -> Result<Option<(Lease, RunningAlone)>, StoreError> {
        if self.isolated.running.swap(true, Ordering::AcqRel) {
            return Ok(None);
        }
        let running = RunningAlone(Arc::clone(&self.isolated));
        let (now, lease) = (self.clock.now(), self.settings.lease);
        let last = || self.isolated.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = last().clone();
        let claim = self.store.claim_isolated(&self.sources, &before, now, lease);
        let isolated = in_time(CLAIM_WITHIN, claim).await?;
        self.isolated.there.store(isolated.is_some(), Ordering::Relaxed);
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

    /// Starts an isolated delivery beside what is in flight, where there is one and none is in
    /// flight.
    pub(super) async fn start_isolated(&self) {
        if !self.isolated.there.load(Ordering::Relaxed) {
            return;
        }
        match self.claim_isolated().await {
            Ok(Some((lease, running))) => self.start(lease, running),
            Ok(None) => {}
            Err(error) => {
                self.isolated.there.store(false, Ordering::Relaxed);
                let error = &error as &dyn std::error::Error;
                warn!(error, "cannot claim isolated deliveries");
            }
        }
    }
}

/// An isolated delivery is in flight until this is dropped.
pub(super) struct RunningAlone(Arc<Isolated>);

impl Drop for RunningAlone {
    fn drop(&mut self) {
        self.0.running.store(false, Ordering::Release);
    }
}
