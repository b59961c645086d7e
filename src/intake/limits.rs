//! Limits on what a stranger can make us spend. They throttle cost, never authentication: senders
//! share addresses, and anybody can make a large sender's servers send junk. A peer that fails
//! too often therefore goes to a slow lane, in which a good signature is still accepted.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use governor::{DefaultKeyedRateLimiter, Quota};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Failures that one peer may have at one source in a minute.
const FAILURES_PER_MINUTE: NonZeroU32 = NonZeroU32::new(20).unwrap();
/// How long a peer stays in the slow lane after its last failure.
const PENALTY: Duration = Duration::from_mins(1);
/// How many requests of one peer the slow lane lets through at a time.
const SLOW_LANE: usize = 2;
/// The most peers that are remembered. Beyond it, newcomers share one slow lane.
const MAX_PEERS: usize = 10_000;

/// Bytes of bodies that are being received, over all requests.
#[derive(Debug, Clone)]
pub struct ByteBudget {
    used: Arc<AtomicUsize>,
    limit: usize,
}

/// Bytes taken from the budget; given back when dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: ByteBudget,
    bytes: usize,
}

impl ByteBudget {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { used: Arc::default(), limit }
    }

    /// An empty reservation, which grows as bytes really arrive: a request that only announces a
    /// large body costs nothing yet.
    pub fn open(&self) -> Reservation {
        Reservation { budget: self.clone(), bytes: 0 }
    }
}

impl Reservation {
    /// Takes `bytes` more; false when the budget does not have them.
    #[must_use]
    pub fn grow(&mut self, bytes: usize) -> bool {
        let used = self.budget.used.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        self.bytes += bytes;
        used <= self.budget.limit
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A peer as limits see it: one IPv4 address, or one IPv6 network of 56 bits, within which
/// addresses cost nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Peer(IpAddr);

impl From<IpAddr> for Peer {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(IpAddr::V4(v4)),
            IpAddr::V6(v6) => {
                let network = u128::from(v6) & !((1 << 72) - 1);
                Self(IpAddr::V6(Ipv6Addr::from(network)))
            }
        }
    }
}

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

/// Leave to go on.
#[derive(Debug)]
pub enum Pass {
    /// Not limited.
    Free,
    /// In the slow lane, while this is held.
    Slow(OwnedSemaphorePermit),
}

/// The slow lane is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many failures from this peer, and its slow lane is full")]
pub struct LaneFull;

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
    /// Asks for leave to spend work on a request.
    ///
    /// # Errors
    /// [`LaneFull`].
    pub fn enter(&self, peer: Peer, source: &Arc<str>) -> Result<Pass, LaneFull> {
        let slow = self.slow.lock().unwrap_or_else(PoisonError::into_inner);
        if slow.is_empty() {
            return Ok(Pass::Free);
        }
        let lane = match slow.get(&(peer, Arc::clone(source))) {
            Some(slow) if slow.until > Instant::now() => Arc::clone(&slow.lane),
            None if slow.len() >= MAX_PEERS => Arc::clone(&self.overflow),
            Some(_) | None => return Ok(Pass::Free),
        };
        drop(slow);
        lane.try_acquire_owned().map(Pass::Slow).map_err(|_| LaneFull)
    }

    /// Notes that a request of this peer was not authentic.
    pub fn failed(&self, peer: Peer, source: &Arc<str>) {
        let key = (peer, Arc::clone(source));
        if self.failures.check_key(&key).is_ok() {
            return;
        }
        let until = Instant::now() + PENALTY;
        let mut slow = self.slow.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = slow.get_mut(&key) {
            known.until = until;
        } else if slow.len() < MAX_PEERS {
            slow.insert(key, Slow { until, lane: Arc::new(Semaphore::new(SLOW_LANE)) });
        }
    }

    /// Forgets peers that have behaved for a while. To be called now and then.
    pub fn forget(&self) {
        let now = Instant::now();
        self.slow.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, slow| slow.until > now);
        self.failures.retain_recent();
        self.failures.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Arc<str> {
        Arc::from("cards")
    }

    fn peer(text: &str) -> Peer {
        text.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn a_peer_that_keeps_failing_is_let_through_two_at_a_time() {
        let peers = Peers::default();
        let (bad, good) = (peer("192.0.2.1"), peer("192.0.2.2"));
        for _ in 0..25 {
            peers.failed(bad, &source());
        }
        let first = peers.enter(bad, &source()).unwrap();
        assert!(matches!(first, Pass::Slow(_)));
        let _second = peers.enter(bad, &source()).unwrap();
        assert!(matches!(peers.enter(bad, &source()), Err(LaneFull)));
        assert!(matches!(peers.enter(good, &source()), Ok(Pass::Free)));
        assert!(matches!(peers.enter(bad, &Arc::from("billing")), Ok(Pass::Free)));
        drop(first);
        assert!(peers.enter(bad, &source()).is_ok(), "a place in the lane is given back");
    }

    #[test]
    fn addresses_within_one_ipv6_site_are_one_peer() {
        assert_eq!(peer("2001:db8:0:12::1"), peer("2001:db8:0:ff::2"));
        assert_ne!(peer("2001:db8:0:100::1"), peer("2001:db8:0:200::1"));
        assert_eq!(peer("::ffff:192.0.2.1"), peer("192.0.2.1"));
    }

    #[test]
    fn the_budget_gives_back_what_was_taken_even_beyond_its_limit() {
        let budget = ByteBudget::new(100);
        let mut first = budget.open();
        assert!(first.grow(60));
        let mut second = budget.open();
        assert!(!second.grow(60));
        drop(second);
        assert!(first.grow(40));
        drop(first);
        assert!(budget.open().grow(100));
    }
}
