//! Permits for bytes in memory: there is a limit of them, and what does not fit waits.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The unit in which bytes are counted.
const UNIT: usize = 1024;

/// A limit in bytes.
#[derive(Debug)]
pub struct BytePermits {
    units: u32,
    free: Arc<Semaphore>,
}

impl BytePermits {
    pub fn new(limit: usize) -> Self {
        let units = (limit / UNIT).clamp(1, Semaphore::MAX_PERMITS);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        Self { units, free: Arc::new(Semaphore::new(units as usize)) }
    }

    /// Waits, in order, for a permit for this many bytes; for more than the limit, until no other
    /// permit is in use. Always `Some`: the semaphore is never closed.
    pub async fn acquire(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.units);
        Arc::clone(&self.free).acquire_many_owned(units).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;

    #[tokio::test]
    async fn bytes_wait_for_permits_in_order() {
        let permits = BytePermits::new(10 * UNIT);
        let first = permits.acquire(6 * UNIT).await;
        let mut second = Box::pin(permits.acquire(5 * UNIT));
        let mut third = Box::pin(permits.acquire(1));
        assert!(poll!(&mut second).is_pending());
        assert!(poll!(&mut third).is_pending());
        drop(first);
        assert!(poll!(&mut second).is_ready());
        assert!(poll!(&mut third).is_ready());
    }

    #[tokio::test]
    async fn more_than_the_limit_waits_for_all_of_it() {
        let permits = BytePermits::new(2 * UNIT);
        let small = permits.acquire(1).await;
        let mut large = Box::pin(permits.acquire(usize::MAX));
        assert!(poll!(&mut large).is_pending());
        drop(small);
        assert!(poll!(&mut large).is_ready());
        assert!(BytePermits::new(0).acquire(9).await.is_some());
    }
}
