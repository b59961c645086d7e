//! Who may work, and how much of it at a time: no queue takes all the places, and no handler all
//! the connections.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use time::OffsetDateTime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Failing;
use crate::store::Queue;

/// The places of handlers. A few are kept for each queue, so that a handler that hangs leaves the
/// others theirs; the rest goes to whoever has work.
#[derive(Debug, Clone)]
pub(super) struct Places(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// Places that are nobody's own.
    shared: usize,
    /// How many each queue has of its own.
    own: usize,
    /// How many are taken.
    taken: HashMap<Queue, usize>,
    /// Queues that have places of their own.
    queues: Vec<Queue>,
}

/// A place that is taken; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    queue: Queue,
}

impl State {
    fn taken(&self, queue: &Queue) -> usize {
        self.taken.get(queue).copied().unwrap_or(0)
    }

    fn own(&self, queue: &Queue) -> usize {
        if self.queues.contains(queue) { self.own } else { 0 }
    }

    fn shared_free(&self) -> usize {
        let taken = self.taken.iter().map(|(queue, taken)| taken.saturating_sub(self.own(queue)));
        self.shared.saturating_sub(taken.sum())
    }
}

impl Places {
    /// So many places, for these queues.
    pub(super) fn new(all: usize, queues: Vec<Queue>) -> Self {
        let own = match queues.len() {
            0 => 0,
            1 => all,
            // Half of them, one at least where there are enough.
            count => (all / (2 * count)).max(usize::from(all > count)),
        };
        let shared = all.saturating_sub(own * queues.len());
        Self(Arc::new(Mutex::new(State { shared, own, taken: HashMap::new(), queues })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many each of these queues may take now, so that they all find room; those that come
    /// first get what cannot be shared out evenly.
    pub(super) fn offer(&self, queues: &[&Queue]) -> Vec<usize> {
        let state = self.state();
        let mut shared = state.shared_free();
        let mut left = queues.len();
        let offered = queues.iter().map(|queue| {
            let part = shared.div_ceil(left.max(1));
            shared -= part;
            left = left.saturating_sub(1);
            state.own(queue).saturating_sub(state.taken(queue)) + part
        });
        offered.collect()
    }

    /// Takes a place.
    pub(super) fn take(&self, queue: Queue) -> Place {
        *self.state().taken.entry(queue.clone()).or_default() += 1;
        Place { places: self.clone(), queue }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.places.state();
        if let Some(taken) = state.taken.get_mut(&self.queue) {
            *taken = taken.saturating_sub(1);
        }
    }
}

/// The connections on which attempts are loaded and settled. A handler has a part of them, and
/// only one while it is in trouble: what waits for a lock keeps its connection meanwhile.
#[derive(Debug)]
pub(super) struct Connections {
    each: u32,
    handlers: Mutex<HashMap<String, Share>>,
}

#[derive(Debug, Clone)]
struct Share {
    permits: Arc<Semaphore>,
    /// Where nothing that its handler comes to can be written.
    failing: Option<Failing>,
}

impl Connections {
    /// Of so many connections.
    pub(super) fn new(all: u32) -> Self {
        Self { each: all.saturating_sub(1).div_ceil(2).max(1), handlers: Mutex::default() }
    }

    fn handlers(&self) -> MutexGuard<'_, HashMap<String, Share>> {
        self.handlers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new_share(&self) -> Share {
        Share { permits: Arc::new(Semaphore::new(self.each as usize)), failing: None }
    }

    /// Waits until this handler may use a connection.
    pub(super) async fn turn(&self, handler: &str) -> Option<OwnedSemaphorePermit> {
        let share = {
            let mut handlers = self.handlers();
            handlers.entry(handler.to_owned()).or_insert_with(|| self.new_share()).clone()
        };
        let permits = if share.failing.is_some() { self.each } else { 1 };
        share.permits.acquire_many_owned(permits).await.ok()
    }

    /// Notes whether this handler is in trouble; gives whether that is new.
    pub(super) fn note(&self, handler: &str, troubled: bool, now: OffsetDateTime) -> bool {
        let mut handlers = self.handlers();
        let Some(share) = handlers.get_mut(handler) else { return false };
        let before = share.failing;
        share.failing = troubled.then(|| Failing::noted(before, now));
        before.is_some() != troubled
    }

    /// The handlers that are in trouble, and since when.
    pub(super) fn troubled(&self, now: OffsetDateTime) -> Vec<(String, OffsetDateTime)> {
        let handlers = self.handlers();
        let troubled = handlers
            .iter()
            .filter_map(|(name, share)| Some((name.clone(), share.failing?.since(now)?)));
        let mut troubled: Vec<_> = troubled.collect();
        troubled.sort_unstable();
        troubled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(handler: &str) -> Queue {
        Queue { source: "billing".to_owned(), handler: handler.to_owned() }
    }

    #[test]
    fn a_queue_that_takes_all_it_can_leaves_the_others_their_own() {
        let (busy, quiet, stray) = (queue("busy"), queue("quiet"), queue("stray"));
        let places = Places::new(32, vec![busy.clone(), quiet.clone()]);
        assert_eq!(places.offer(&[&busy, &quiet]), [16, 16]);
        assert_eq!(places.offer(&[&busy]), [24]);
        let mut taken: Vec<Place> = (0..24).map(|_| places.take(busy.clone())).collect();
        assert_eq!(places.offer(&[&busy, &quiet, &stray]), [0, 8, 0]);
        taken.truncate(20);
        assert_eq!(places.offer(&[&stray, &quiet]), [2, 10]);
    }

    #[test]
    fn no_more_is_offered_than_there_is() {
        let (one, other) = (queue("one"), queue("other"));
        let places = Places::new(1, vec![one.clone(), other.clone()]);
        assert_eq!(places.offer(&[&one, &other]), [1, 0]);
        assert_eq!(places.offer(&[&other, &one]), [1, 0]);
        let taken = places.take(other.clone());
        assert_eq!(places.offer(&[&one, &other]), [0, 0]);
        drop(taken);
        assert_eq!(Places::new(4, vec![one.clone()]).offer(&[&one]), [4]);
    }

    #[tokio::test]
    async fn a_handler_in_trouble_has_one_connection_and_another_all_of_its_own() {
        let connections = Connections::new(5);
        let held = (connections.turn("stuck").await, connections.turn("stuck").await);
        let now = OffsetDateTime::UNIX_EPOCH;
        assert!(connections.note("stuck", true, now));
        assert!(!connections.note("stuck", true, now + std::time::Duration::from_secs(1)));
        assert_eq!(connections.troubled(now), [("stuck".to_owned(), now)]);
        drop(held);
        let one = connections.turn("stuck").await;
        let mut second = Box::pin(connections.turn("stuck"));
        assert!(futures_util::poll!(&mut second).is_pending());
        let _others = (connections.turn("well").await, connections.turn("well").await);
        drop(one);
        assert!(futures_util::poll!(&mut second).is_ready());
    }
}
