//! Places for bodies that are read and not kept: each costs no memory to speak of, but time to read
//! and to hash. A peer has a share of them, so that nobody takes them all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Peer;

/// How many such bodies are read at a time.
const PLACES: usize = 16;
/// How many of one peer.
const OF_A_PEER: usize = 4;

/// The places of one gateway.
#[derive(Debug, Clone)]
pub struct Places {
    all: Arc<Semaphore>,
    peers: Arc<Mutex<HashMap<Peer, Arc<Semaphore>>>>,
}

/// A place; given back when dropped.
#[derive(Debug)]
pub struct Place {
    _of_all: OwnedSemaphorePermit,
    _of_peer: Option<OwnedSemaphorePermit>,
}

impl Default for Places {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(PLACES)), peers: Arc::default() }
    }
}

impl Places {
    /// Waits for a place. `None` only where there are none any more, when the gateway ends.
    pub async fn take(&self, peer: Option<Peer>) -> Option<Place> {
        let of_peer = match peer {
            // First its own, so that nobody waits for a place of all while holding none.
            Some(peer) => Some(self.of(peer).acquire_owned().await.ok()?),
            None => None,
        };
        let of_all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Place { _of_all: of_all, _of_peer: of_peer })
    }

    fn of(&self, peer: Peer) -> Arc<Semaphore> {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever holds or waits for a place holds the semaphore, too.
        peers.retain(|known, places| *known == peer || Arc::strong_count(places) > 1);
        Arc::clone(peers.entry(peer).or_insert_with(|| Arc::new(Semaphore::new(OF_A_PEER))))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use futures_util::FutureExt;

    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "as the places take it")]
    fn peer(last: u8) -> Option<Peer> {
        Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)).into())
    }

    #[tokio::test]
    async fn a_peer_has_its_share_and_leaves_the_rest_to_others() {
        let places = Places::default();
        let mut held = Vec::new();
        for _ in 0..OF_A_PEER {
            held.push(places.take(peer(1)).now_or_never().expect("a place"));
        }
        assert!(places.take(peer(1)).now_or_never().is_none());
        for other in 2..=4 {
            for _ in 0..OF_A_PEER {
                held.push(places.take(peer(other)).now_or_never().expect("a place"));
            }
        }
        assert!(places.take(peer(5)).now_or_never().is_none(), "all are taken");
        held.pop();
        assert!(places.take(peer(5)).now_or_never().is_some());
    }

    #[tokio::test]
    async fn peers_that_hold_nothing_are_forgotten() {
        let places = Places::default();
        for last in 0..200 {
            drop(places.take(peer(last)).await);
        }
        assert_eq!(places.peers.lock().unwrap().len(), 1);
    }
}
