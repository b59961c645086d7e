//! What anybody may ask of the operator listener before they are somebody, and that it costs the
//! database little: so many requests of one peer, and so few at work at a time. Nothing here asks
//! the database.

use std::num::NonZeroU32;
use std::time::Duration;

use actix_web::dev::ServiceRequest;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::denial::Denial;
use super::session::SIGN_IN;
use super::shares::Shares;
use crate::ingest::Peer;

/// Requests of one peer in a minute, all of which may come at once.
const PER_MINUTE: NonZeroU32 = NonZeroU32::MIN.saturating_add(59);
/// How many are at work at a time: fewer than there are connections for operators.
const SEATS: usize = 2;
/// How many wait for an issuer at a time: they hold no connection meanwhile.
const ISSUER_SEATS: usize = 8;
/// How long a request waits for its turn.
const PATIENCE: Duration = Duration::from_secs(2);

/// Bounds what costs something and is open to anybody.
#[derive(Debug)]
pub(super) struct PreAuthThrottle {
    peers: Shares,
    seats: Semaphore,
    issuer: Semaphore,
}

impl PreAuthThrottle {
    pub(super) fn new() -> Self {
        Self {
            peers: Shares::per_minute(PER_MINUTE),
            seats: Semaphore::new(SEATS),
            issuer: Semaphore::new(ISSUER_SEATS),
        }
    }

    /// Counts a request of a peer.
    pub(super) fn count(&self, peer: Peer) -> Result<(), Denial> {
        // Rounded up: whoever waits so long is let in.
        self.peers.check(peer).map_err(|wait| Denial::TooMany { after: wait.as_secs() + 1 })
    }

    /// Waits for a turn, which lasts as long as what is given.
    pub(super) async fn turn(&self, path: &str) -> Result<SemaphorePermit<'_>, Denial> {
        let seats = if path.starts_with("/oidc/") { &self.issuer } else { &self.seats };
        let turn = tokio::time::timeout(PATIENCE, seats.acquire()).await;
        turn.ok().and_then(Result::ok).ok_or(Denial::TooMany { after: 1 })
    }

    /// Forgets peers that have behaved for a while.
    pub(super) fn tidy(&self) {
        self.peers.tidy();
    }
}

/// Whether an open path asks the database; the form to sign in with and what belongs to pages do
/// not.
pub(super) fn costs(request: &ServiceRequest) -> bool {
    let path = request.path();
    let still = path.starts_with("/assets/") || (path == SIGN_IN && request.method().is_safe());
    !still
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn few_are_at_work_at_a_time_and_whoever_waits_for_an_issuer_is_in_nobodys_way() {
        let porch = PreAuthThrottle::new();
        let (first, _second) = (porch.turn(SIGN_IN).await.unwrap(), porch.turn("/setup").await);
        assert_eq!(porch.turn(SIGN_IN).await.err(), Some(Denial::TooMany { after: 1 }));
        assert!(porch.turn("/oidc/start").await.is_ok());
        drop(first);
        assert!(porch.turn(SIGN_IN).await.is_ok());
    }

    #[test]
    fn one_peer_may_ask_so_often_and_another_is_not_held_up_by_it() {
        let porch = PreAuthThrottle::new();
        let peer = |last| Peer::from(std::net::IpAddr::from([192, 0, 2, last]));
        let counted = (0..100).filter(|_| porch.count(peer(1)).is_ok()).count();
        assert!((60..=62).contains(&counted), "{counted}");
        assert!(matches!(porch.count(peer(1)), Err(Denial::TooMany { after }) if after > 0));
        assert!(porch.count(peer(2)).is_ok());
    }
}
