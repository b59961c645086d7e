//! Concurrency limits: no queue takes all slots, and no handler all connections.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use time::OffsetDateTime;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::problem::Failing;
use crate::store::Queue;

/// The slots of handlers. Some are reserved for each queue, so that a handler that hangs leaves the
/// others theirs. The rest is shared.
#[derive(Debug, Clone)]
pub(super) struct Slots(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    total: usize,
    state: Mutex<State>,
    /// Notified when a slot is released.
    released: Notify,
}

#[derive(Debug)]
struct State {
    /// Slots not reserved for a queue.
    shared: usize,
    /// How many are reserved for each queue.
    reserved: usize,
    /// Used slots per queue.
    used: HashMap<Queue, usize>,
    /// Queues with reserved slots.
    queues: Vec<Queue>,
}

/// A used slot; released when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Slots,
    queue: Queue,
}

impl State {
    fn used(&self, queue: &Queue) -> usize {
        self.used.get(queue).copied().unwrap_or(0)
    }

    fn reserved(&self, queue: &Queue) -> usize {
        if self.queues.contains(queue) { self.reserved } else { 0 }
    }

    fn shared_free(&self) -> usize {
        let used = self.used.iter().map(|(queue, used)| used.saturating_sub(self.reserved(queue)));
        self.shared.saturating_sub(used.sum())
    }
}

impl Slots {
    pub(super) fn new(total: usize, queues: Vec<Queue>) -> Self {
        let reserved = match queues.len() {
            0 => 0,
            1 => total,
            // Half of the slots are reserved, at least one per queue if there are enough.
            count => (total / (2 * count)).max(usize::from(total > count)),
        };
        let shared = total.saturating_sub(reserved * queues.len());
        let state = Mutex::new(State { shared, reserved, used: HashMap::new(), queues });
        Self(Arc::new(Shared { total, state, released: Notify::new() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until at least half of the slots are free.
    pub(super) async fn half_free(&self) {
        loop {
            let released = self.0.released.notified();
            let used: usize = self.state().used.values().sum();
            if used * 2 <= self.0.total {
                return;
            }
            released.await;
        }
    }

    /// The number of slots offered to each of these queues. What cannot be divided evenly goes to
    /// the first ones.
    pub(super) fn offer(&self, queues: &[&Queue]) -> Vec<usize> {
        let state = self.state();
        let mut shared = state.shared_free();
        let mut remaining = queues.len();
        let offers = queues.iter().map(|queue| {
            let share = shared.div_ceil(remaining.max(1));
            shared -= share;
            remaining = remaining.saturating_sub(1);
            state.reserved(queue).saturating_sub(state.used(queue)) + share
        });
        offers.collect()
    }

    pub(super) fn take(&self, queue: Queue) -> Slot {
        *self.state().used.entry(queue.clone()).or_default() += 1;
        Slot { slots: self.clone(), queue }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.slots.state();
        if let Some(used) = state.used.get_mut(&self.queue) {
            *used = used.saturating_sub(1);
        }
        drop(state);
        self.slots.0.released.notify_waiters();
    }
}

/// The connections that load events and settle attempts. A handler gets a part of them, and only
/// one while it is failing: what waits for a lock keeps its connection.
#[derive(Debug)]
pub(super) struct Connections {
    each: u32,
    handlers: Mutex<HashMap<String, Share>>,
}

#[derive(Debug, Clone)]
struct Share {
    permits: Arc<Semaphore>,
    /// Set while results of the handler cannot be recorded.
    failing: Option<Failing>,
}

impl Connections {
    pub(super) fn new(total: u32) -> Self {
        Self { each: total.saturating_sub(1).div_ceil(2).max(1), handlers: Mutex::default() }
    }

    fn handlers(&self) -> MutexGuard<'_, HashMap<String, Share>> {
        self.handlers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new_share(&self) -> Share {
        Share { permits: Arc::new(Semaphore::new(self.each as usize)), failing: None }
    }

    /// Waits for a connection for this handler.
    pub(super) async fn acquire(&self, handler: &str) -> Option<OwnedSemaphorePermit> {
        let share = {
            let mut handlers = self.handlers();
            handlers.entry(handler.to_owned()).or_insert_with(|| self.new_share()).clone()
        };
        let permits = if share.failing.is_some() { self.each } else { 1 };
        share.permits.acquire_many_owned(permits).await.ok()
    }

    /// Records whether this handler is failing. Returns whether that has changed.
    pub(super) fn record(&self, handler: &str, is_failing: bool, now: OffsetDateTime) -> bool {
        let mut handlers = self.handlers();
        let Some(share) = handlers.get_mut(handler) else { return false };
        let before = share.failing;
        share.failing = is_failing.then(|| Failing::recorded(before, now));
        before.is_some() != is_failing
    }

    /// The failing handlers, and since when they fail.
    pub(super) fn failing(&self, now: OffsetDateTime) -> Vec<(String, OffsetDateTime)> {
        let handlers = self.handlers();
        let failing = handlers
            .iter()
            .filter_map(|(name, share)| Some((name.clone(), share.failing?.since(now)?)));
        let mut failing: Vec<_> = failing.collect();
        failing.sort_unstable();
        failing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(handler: &str) -> Queue {
        Queue { source: "billing".to_owned(), handler: handler.to_owned() }
    }

    #[test]
    fn busy_queue_leaves_reserved_slots_to_others() {
        let (busy, quiet, stray) = (queue("busy"), queue("quiet"), queue("stray"));
        let slots = Slots::new(32, vec![busy.clone(), quiet.clone()]);
        assert_eq!(slots.offer(&[&busy, &quiet]), [16, 16]);
        assert_eq!(slots.offer(&[&busy]), [24]);
        let mut used: Vec<Slot> = (0..24).map(|_| slots.take(busy.clone())).collect();
        assert_eq!(slots.offer(&[&busy, &quiet, &stray]), [0, 8, 0]);
        used.truncate(20);
        assert_eq!(slots.offer(&[&stray, &quiet]), [2, 10]);
    }

    #[test]
    fn offers_never_exceed_the_free_slots() {
        let (one, other) = (queue("one"), queue("other"));
        let slots = Slots::new(1, vec![one.clone(), other.clone()]);
        assert_eq!(slots.offer(&[&one, &other]), [1, 0]);
        assert_eq!(slots.offer(&[&other, &one]), [1, 0]);
        let used = slots.take(other.clone());
        assert_eq!(slots.offer(&[&one, &other]), [0, 0]);
        drop(used);
        assert_eq!(Slots::new(4, vec![one.clone()]).offer(&[&one]), [4]);
    }

    #[tokio::test]
    async fn half_of_the_slots_are_awaited() {
        let one = queue("one");
        let slots = Slots::new(5, vec![one.clone()]);
        let mut used: Vec<Slot> = (0..3).map(|_| slots.take(one.clone())).collect();
        let mut half = Box::pin(slots.half_free());
        assert!(futures_util::poll!(&mut half).is_pending());
        used.pop();
        assert!(futures_util::poll!(&mut half).is_ready());
        slots.half_free().await;
    }

    #[tokio::test]
    async fn failing_handler_gets_one_connection_and_others_keep_theirs() {
        let connections = Connections::new(5);
        let held = (connections.acquire("stuck").await, connections.acquire("stuck").await);
        let now = OffsetDateTime::UNIX_EPOCH;
        assert!(connections.record("stuck", true, now));
        assert!(!connections.record("stuck", true, now + std::time::Duration::from_secs(1)));
        assert_eq!(connections.failing(now), [("stuck".to_owned(), now)]);
        drop(held);
        let one = connections.acquire("stuck").await;
        let mut second = Box::pin(connections.acquire("stuck"));
        assert!(futures_util::poll!(&mut second).is_pending());
        let _others = (connections.acquire("well").await, connections.acquire("well").await);
        drop(one);
        assert!(futures_util::poll!(&mut second).is_ready());
    }
}
