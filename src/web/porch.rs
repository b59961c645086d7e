//! Rate and concurrency limits for unauthenticated requests on the admin listener, to protect the
//! database. Nothing here queries the database.

use std::num::NonZeroU32;
use std::time::Duration;

use actix_web::dev::ServiceRequest;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::denial::Denial;
use super::session::SIGN_IN;
use super::shares::Shares;
use crate::ingest::Peer;

/// Requests per client address and minute, also as a burst.
const PER_MINUTE: NonZeroU32 = NonZeroU32::MIN.saturating_add(59);
/// Concurrent requests: fewer than the database connections of the admin listener.
const SEATS: usize = 2;
/// Concurrent requests waiting for an issuer; they hold no database connection.
const ISSUER_SEATS: usize = 8;
/// How long a request waits for a permit.
const PATIENCE: Duration = Duration::from_secs(2);

/// The limits.
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

    /// Counts a request of a client address.
    pub(super) fn count(&self, peer: Peer) -> Result<(), Denial> {
        // Rounded up, so that a retry after this time succeeds.
        self.peers.check(peer).map_err(|wait| Denial::TooMany { after: wait.as_secs() + 1 })
    }

    /// Waits for a permit; it is released on drop.
    pub(super) async fn turn(&self, path: &str) -> Result<SemaphorePermit<'_>, Denial> {
        let seats = if path.starts_with("/oidc/") { &self.issuer } else { &self.seats };
        let turn = tokio::time::timeout(PATIENCE, seats.acquire()).await;
        turn.ok().and_then(Result::ok).ok_or(Denial::TooMany { after: 1 })
    }

    /// Removes idle client addresses.
    pub(super) fn tidy(&self) {
        self.peers.tidy();
    }
}

/// Whether a public path queries the database; the sign-in form and assets do not.
pub(super) fn costs(request: &ServiceRequest) -> bool {
    let path = request.path();
    let still = path.starts_with("/assets/") || (path == SIGN_IN && request.method().is_safe());
    !still
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn concurrency_is_limited_separately_for_issuers() {
        let porch = PreAuthThrottle::new();
        let (first, _second) = (porch.turn(SIGN_IN).await.unwrap(), porch.turn("/setup").await);
        assert_eq!(porch.turn(SIGN_IN).await.err(), Some(Denial::TooMany { after: 1 }));
        assert!(porch.turn("/oidc/start").await.is_ok());
        drop(first);
        assert!(porch.turn(SIGN_IN).await.is_ok());
    }

    #[test]
    fn clients_are_rate_limited_separately() {
        let porch = PreAuthThrottle::new();
        let peer = |last| Peer::from(std::net::IpAddr::from([192, 0, 2, last]));
        let counted = (0..100).filter(|_| porch.count(peer(1)).is_ok()).count();
        assert!((60..=62).contains(&counted), "{counted}");
        assert!(matches!(porch.count(peer(1)), Err(Denial::TooMany { after }) if after > 0));
        assert!(porch.count(peer(2)).is_ok());
    }
}
