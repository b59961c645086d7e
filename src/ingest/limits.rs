//! A limit on the work that a peer can have done for signatures that do not hold. It throttles
//! cost, never authentication: senders share addresses, and anybody can make a large sender's
//! servers send junk. A peer that fails too often therefore has few of its requests verified at a
//! time. The others wait, for a moment, and none is refused for it.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::{DefaultKeyedRateLimiter, Quota};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::Peer;

/// Failures that one peer may have at one source in a minute.
const FAILURES_PER_MINUTE: NonZeroU32 = NonZeroU32::new(20).unwrap();
/// How long a peer stays in the slow lane after its last failure.
const PENALTY: Duration = Duration::from_mins(1);
/// How many requests of one peer in the slow lane are verified at a time.
const SLOW_LANE: usize = 2;
/// How long a request waits for its place in the slow lane; then it goes on without.
const PATIENCE: Duration = Duration::from_secs(2);
/// The most peers that are remembered. Beyond it, newcomers share one slow lane.
const MAX_PEERS: usize = 10_000;
/// The most peers whose failures are counted.
const MAX_COUNTED: usize = 50_000;

/// A peer at a source: a wrong secret at one source does not slow down another.
type Key = (Peer, Arc<str>);

/// Remembers which peers fail, and slows them down.
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

/// Where a request's signature is verified: in the slow lane of its peer, if it has one.
#[derive(Debug, Clone, Default)]
pub struct SlowLane(Option<Arc<Semaphore>>);

/// A place in a slow lane, where one is needed; held while a signature is verified.
#[derive(Debug)]
pub struct SlowPlace {
    _place: Option<OwnedSemaphorePermit>,
}

impl SlowLane {
    /// Waits for a place, for a moment. Whoever has waited for so long goes on without: the good
    /// signature among many bad ones is late, and not lost.
    pub async fn place(self) -> SlowPlace {
        let Some(lane) = self.0 else { return SlowPlace { _place: None } };
        let place = tokio::time::timeout(PATIENCE, lane.acquire_owned()).await;
        SlowPlace { _place: place.ok().and_then(Result::ok) }
    }
}

impl Default for Peers {
    fn default() -> Self {
        Self {
            failures: DefaultKeyedRateLimiter::keyed(Quota::per_minute(FAILURES_PER_MINUTE)),
            slow: Mutex::default(),
            overflow: Arc::new(Semaphore::new(SLOW_LANE)),
        }
    }
}

impl Peers {
    /// Where to verify a request of this peer.
    pub fn lane(&self, peer: Peer, source: &Arc<str>) -> SlowLane {
        let slow = self.slow();
        if slow.is_empty() {
            return SlowLane(None);
        }
        match slow.get(&(peer, Arc::clone(source))) {
            Some(slow) if slow.until > Instant::now() => SlowLane(Some(Arc::clone(&slow.lane))),
            None if slow.len() >= MAX_PEERS => SlowLane(Some(Arc::clone(&self.overflow))),
            Some(_) | None => SlowLane(None),
        }
    }

    /// Notes that a request of this peer was not authentic, or that its body did not come to an
    /// end.
    pub fn failed(&self, peer: Peer, source: &Arc<str>) {
        let key = (peer, Arc::clone(source));
        // A peer that was only named costs nothing to make up: such are not counted without end.
        if peer.shared().is_some() && self.failures.len() >= MAX_COUNTED {
            return;
        }
        if self.failures.check_key(&key).is_ok() {
            return;
        }
        let until = Instant::now() + PENALTY;
        let mut slow = self.slow();
        if let Some(known) = slow.get_mut(&key) {
            known.until = until;
        } else if slow.len() < MAX_PEERS {
            metrics::counter!("sealpost_peers_slowed_total").increment(1);
            slow.insert(key, Slow { until, lane: Arc::new(Semaphore::new(SLOW_LANE)) });
        }
    }

    /// Deletes peers that have behaved for a while. To be called now and then.
    pub fn forget(&self) {
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

    fn failing(peers: &Peers, peer: Peer) {
        for _ in 0..25 {
            peers.failed(peer, &source());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_keeps_failing_is_verified_two_at_a_time_and_others_at_once() {
        let peers = Peers::default();
        failing(&peers, peer(1));
        let began = Instant::now();
        let first = peers.lane(peer(1), &source()).place().await;
        let _second = peers.lane(peer(1), &source()).place().await;
        for (peer, source) in [(peer(2), source()), (peer(1), Arc::from("billing"))] {
            peers.lane(peer, &source).place().await;
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
        let mut third = tokio::task::JoinSet::new();
        third.spawn(peers.lane(peer(1), &source()).place());
        tokio::time::sleep(Duration::from_millis(500)).await;
        drop(first);
        third.join_next().await.unwrap().unwrap();
        assert_eq!(began.elapsed(), Duration::from_millis(500), "as soon as a place is free");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_waited_for_a_moment_goes_on_without_a_place() {
        let peers = Peers::default();
        failing(&peers, peer(1));
        let lane = || peers.lane(peer(1), &source());
        let _held = (lane().place().await, lane().place().await);
        let began = Instant::now();
        lane().place().await;
        assert_eq!(began.elapsed(), PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stranger_behind_a_proxy_slows_down_nobody_else_behind_it() {
        let peers = Peers::default();
        let proxy = std::net::IpAddr::from([127, 0, 0, 1]);
        let (stranger, sender) =
            (Peer::behind(proxy, "203.0.113.66"), Peer::behind(proxy, "203.0.113.1"));
        failing(&peers, stranger);
        assert!(peers.lane(stranger, &source()).0.is_some());
        assert!(peers.lane(sender, &source()).0.is_none());
        assert!(peers.lane(proxy.into(), &source()).0.is_none());
    }
}
