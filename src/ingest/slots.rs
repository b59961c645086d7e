//! Slots for bodies that are read and not stored: each needs little memory, but time to read and to
//! hash. A peer can use only a part of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Peer;

/// The number of slots.
const SLOTS: usize = 16;
/// The maximum number per peer.
const SLOTS_PER_PEER: usize = 4;

#[derive(Debug, Clone)]
pub struct Slots {
    all: Arc<Semaphore>,
    peers: Arc<Mutex<HashMap<Peer, Arc<Semaphore>>>>,
}

/// A slot; released when dropped.
#[derive(Debug)]
pub struct Slot {
    _shared: OwnedSemaphorePermit,
    _peer: Option<OwnedSemaphorePermit>,
}

impl Default for Slots {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(SLOTS)), peers: Arc::default() }
    }
}

impl Slots {
    /// Waits for a slot. `None` only when the gateway stops.
    pub async fn take(&self, peer: Option<Peer>) -> Option<Slot> {
        let peer_permit = match peer {
            // The peer's slot first, so that nobody waits for it while holding a shared one.
            Some(peer) => Some(self.of_peer(peer).acquire_owned().await.ok()?),
            None => None,
        };
        let shared_permit = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Slot { _shared: shared_permit, _peer: peer_permit })
    }

    fn of_peer(&self, peer: Peer) -> Arc<Semaphore> {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        // Every holder and every waiter keeps a clone of the semaphore.
        peers.retain(|known, slots| *known == peer || Arc::strong_count(slots) > 1);
        Arc::clone(peers.entry(peer).or_insert_with(|| Arc::new(Semaphore::new(SLOTS_PER_PEER))))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use futures_util::FutureExt;

    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "the type that `take` expects")]
    fn peer(last: u8) -> Option<Peer> {
        Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)).into())
    }

    #[tokio::test]
    async fn peer_cannot_use_the_slots_of_others() {
        let slots = Slots::default();
        let mut held = Vec::new();
        for _ in 0..SLOTS_PER_PEER {
            held.push(slots.take(peer(1)).now_or_never().expect("a slot"));
        }
        assert!(slots.take(peer(1)).now_or_never().is_none());
        for other in 2..=4 {
            for _ in 0..SLOTS_PER_PEER {
                held.push(slots.take(peer(other)).now_or_never().expect("a slot"));
            }
        }
        assert!(slots.take(peer(5)).now_or_never().is_none(), "all are taken");
        held.pop();
        assert!(slots.take(peer(5)).now_or_never().is_some());
    }

    #[tokio::test]
    async fn peers_without_slots_are_removed() {
        let slots = Slots::default();
        for last in 0..200 {
            drop(slots.take(peer(last)).await);
        }
        assert_eq!(slots.peers.lock().unwrap().len(), 1);
    }
}
