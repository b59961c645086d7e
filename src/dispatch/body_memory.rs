//! The memory for large bodies: what is delivered at a time must not depend on how large events
//! happen to be.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The unit of the limit, in bytes.
const UNIT: u64 = 1024;

#[derive(Debug)]
pub(super) struct BodyMemory {
    units: u32,
    free: Arc<Semaphore>,
}

impl BodyMemory {
    pub(super) fn new(bytes: u64) -> Self {
        let most = u64::try_from(Semaphore::MAX_PERMITS).unwrap_or(u64::MAX).min(u32::MAX.into());
        let units = u32::try_from(bytes.div_ceil(UNIT).clamp(1, most)).unwrap_or(u32::MAX);
        Self { units, free: Arc::new(Semaphore::new(units as usize)) }
    }

    /// Waits, in order, until there is memory for a body of this size. A body that is larger than
    /// the limit waits until it is the only one.
    pub(super) async fn reserve(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.units);
        Arc::clone(&self.free).acquire_many_owned(units).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;

    #[tokio::test]
    async fn bodies_wait_for_memory_in_order() {
        let memory = BodyMemory::new(10 * UNIT);
        let first = memory.reserve(6 * UNIT).await;
        let mut second = Box::pin(memory.reserve(5 * UNIT));
        let mut third = Box::pin(memory.reserve(1));
        assert!(poll!(&mut second).is_pending());
        assert!(poll!(&mut third).is_pending());
        drop(first);
        assert!(poll!(&mut second).is_ready());
        assert!(poll!(&mut third).is_ready());
    }

    #[tokio::test]
    async fn body_larger_than_the_limit_is_delivered_alone() {
        let memory = BodyMemory::new(2 * UNIT);
        let small = memory.reserve(1).await;
        let mut large = Box::pin(memory.reserve(u64::MAX));
        assert!(poll!(&mut large).is_pending());
        drop(small);
        assert!(poll!(&mut large).is_ready());
        assert!(BodyMemory::new(0).reserve(9).await.is_some());
    }
}
