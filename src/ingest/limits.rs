//! Limits the cost of invalid signatures per peer. It throttles, and never affects authentication:
//! senders share addresses, and anybody can make a large sender's servers send junk. A peer that
//! fails too often therefore has few of its requests verified at a time. The others wait for a
//! moment, and none is rejected because of it.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::{DefaultKeyedRateLimiter, Quota};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::Peer;

/// The failures per minute that one peer may have at one source.
const FAILURES_PER_MINUTE: NonZeroU32 = NonZeroU32::new(20).unwrap();
/// How long a peer stays in the slow lane after its last failure.
const PENALTY: Duration = Duration::from_mins(1);
/// Concurrent verifications of one peer in the slow lane.
const SLOW_LANE_SLOTS: usize = 2;
/// How long a request waits in the slow lane before it proceeds anyway.
const PATIENCE: Duration = Duration::from_secs(2);
/// The maximum number of slow lanes. Beyond it, further peers share one.
const MAX_SLOW_LANES: usize = 10_000;
/// The maximum number of peers whose failures are counted.
const MAX_COUNTED_PEERS: usize = 50_000;

/// A peer at a source: failures at one source do not slow down another.
type Key = (Peer, Arc<str>);

/// Tracks failing peers and slows them down.
#[derive(Debug)]
pub struct Peers {
    failures: DefaultKeyedRateLimiter<Key>,
    slow: Mutex<HashMap<Key, Slow>>,
    overflow: Arc<Semaphore>,
}

#[derive(Debug)]
struct Slow {
    until: Instant,
    lane: Arc<Semaphore>,
}

/// The slow lane of a request's peer, if it has one.
#[derive(Debug, Clone, Default)]
pub struct SlowLane(Option<Arc<Semaphore>>);

/// A slot in a slow lane, held while a signature is verified.
#[derive(Debug)]
pub struct SlowSlot {
    _permit: Option<OwnedSemaphorePermit>,
}

impl SlowLane {
    /// Waits for a slot, at most for a moment: a valid signature among many invalid ones is
    /// delayed, never lost.
    pub async fn acquire(self) -> SlowSlot {
        let Some(lane) = self.0 else { return SlowSlot { _permit: None } };
        let slot = tokio::time::timeout(PATIENCE, lane.acquire_owned()).await;
        SlowSlot { _permit: slot.ok().and_then(Result::ok) }
    }
}

impl Default for Peers {
    fn default() -> Self {
        Self {
            failures: DefaultKeyedRateLimiter::keyed(Quota::per_minute(FAILURES_PER_MINUTE)),
            slow: Mutex::default(),
            overflow: Arc::new(Semaphore::new(SLOW_LANE_SLOTS)),
        }
    }
}

impl Peers {
    /// The slow lane of this peer.
    pub fn lane(&self, peer: Peer, source: &Arc<str>) -> SlowLane {
        let slow = self.slow();
        if slow.is_empty() {
            return SlowLane(None);
        }
        match slow.get(&(peer, Arc::clone(source))) {
            Some(slow) if slow.until > Instant::now() => SlowLane(Some(Arc::clone(&slow.lane))),
            None if slow.len() >= MAX_SLOW_LANES => SlowLane(Some(Arc::clone(&self.overflow))),
            Some(_) | None => SlowLane(None),
        }
    }

    /// Records that a request of this peer was not authentic, or that its body was incomplete.
    pub fn count_failure(&self, peer: Peer, source: &Arc<str>) {
        let key = (peer, Arc::clone(source));
        // Reported clients can be invented at no cost, so their number is limited.
        if peer.shared().is_some() && self.failures.len() >= MAX_COUNTED_PEERS {
            return;
        }
        if self.failures.check_key(&key).is_ok() {
            return;
        }
        let until = Instant::now() + PENALTY;
        let mut slow = self.slow();
        if let Some(known) = slow.get_mut(&key) {
            known.until = until;
        } else if slow.len() < MAX_SLOW_LANES {
            metrics::counter!("sealpost_peers_slowed_total").increment(1);
            slow.insert(key, Slow { until, lane: Arc::new(Semaphore::new(SLOW_LANE_SLOTS)) });
        }
    }

    /// Removes peers that have not failed for a while. To be called periodically.
    pub fn remove_inactive(&self) {
        let now = Instant::now();
        self.slow().retain(|_, slow| slow.until > now);
        self.failures.retain_recent();
        self.failures.shrink_to_fit();
    }

    fn slow(&self) -> MutexGuard<'_, HashMap<Key, Slow>> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Arc<str> {
        Arc::from("cards")
    }

    fn peer(last: u8) -> Peer {
        std::net::IpAddr::from([192, 0, 2, last]).into()
    }

    fn fail_often(peers: &Peers, peer: Peer) {
        for _ in 0..25 {
            peers.count_failure(peer, &source());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn failing_peer_is_slowed_down_and_others_are_not() {
        let peers = Peers::default();
        fail_often(&peers, peer(1));
        let began = Instant::now();
        let first = peers.lane(peer(1), &source()).acquire().await;
        let _second = peers.lane(peer(1), &source()).acquire().await;
        for (peer, source) in [(peer(2), source()), (peer(1), Arc::from("billing"))] {
            peers.lane(peer, &source).acquire().await;
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
        let mut third = tokio::task::JoinSet::new();
        third.spawn(peers.lane(peer(1), &source()).acquire());
        tokio::time::sleep(Duration::from_millis(500)).await;
        drop(first);
        third.join_next().await.unwrap().unwrap();
        assert_eq!(began.elapsed(), Duration::from_millis(500), "as soon as a slot is free");
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_request_proceeds_after_the_patience_ends() {
        let peers = Peers::default();
        fail_often(&peers, peer(1));
        let lane = || peers.lane(peer(1), &source());
        let _held = (lane().acquire().await, lane().acquire().await);
        let began = Instant::now();
        lane().acquire().await;
        assert_eq!(began.elapsed(), PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn failing_client_slows_down_no_other_behind_its_proxy() {
        let peers = Peers::default();
        let proxy = std::net::IpAddr::from([127, 0, 0, 1]);
        let (stranger, sender) =
            (Peer::behind(proxy, "203.0.113.66"), Peer::behind(proxy, "203.0.113.1"));
        fail_often(&peers, stranger);
        assert!(peers.lane(stranger, &source()).0.is_some());
        assert!(peers.lane(sender, &source()).0.is_none());
        assert!(peers.lane(proxy.into(), &source()).0.is_none());
    }
}
