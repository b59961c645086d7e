//! Rate and concurrency limits for unauthenticated requests on the admin listener, to protect the
//! database. Nothing here queries the database.

use std::num::NonZeroU32;
use std::time::Duration;

use actix_web::dev::ServiceRequest;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::client_limit::ClientLimit;
use super::denial::Denial;
use super::session::SIGN_IN;
use crate::ingest::Peer;

/// Requests per client address and minute, also as a burst.
const PER_MINUTE: NonZeroU32 = NonZeroU32::MIN.saturating_add(59);
/// Concurrent requests: fewer than the database connections of the admin listener.
const PERMITS: usize = 2;
/// Concurrent requests waiting for an issuer; they hold no database connection.
const ISSUER_PERMITS: usize = 8;
/// How long a request waits for a permit.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct PreAuthThrottle {
    peers: ClientLimit,
    permits: Semaphore,
    issuer: Semaphore,
}

impl PreAuthThrottle {
    pub(super) fn new() -> Self {
        Self {
            peers: ClientLimit::per_minute(PER_MINUTE),
            permits: Semaphore::new(PERMITS),
            issuer: Semaphore::new(ISSUER_PERMITS),
        }
    }

    pub(super) fn count(&self, peer: Peer) -> Result<(), Denial> {
        // Rounded up, so that a retry after this time succeeds.
        self.peers.check(peer).map_err(|wait| Denial::TooMany { after: wait.as_secs() + 1 })
    }

    /// Waits for a permit; it is released on drop.
    pub(super) async fn acquire(&self, path: &str) -> Result<SemaphorePermit<'_>, Denial> {
        let permits = if path.starts_with("/oidc/") { &self.issuer } else { &self.permits };
        let permit = tokio::time::timeout(PATIENCE, permits.acquire()).await;
        permit.ok().and_then(Result::ok).ok_or(Denial::TooMany { after: 1 })
    }

    pub(super) fn remove_inactive(&self) {
        self.peers.remove_inactive();
    }
}

/// Whether a public path queries the database; the sign-in form and assets do not.
pub(super) fn queries_database(request: &ServiceRequest) -> bool {
    let path = request.path();
    let is_static = path.starts_with("/assets/") || (path == SIGN_IN && request.method().is_safe());
    !is_static
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn concurrency_is_limited_separately_for_issuers() {
        let throttle = PreAuthThrottle::new();
        let (first, _second) =
            (throttle.acquire(SIGN_IN).await.unwrap(), throttle.acquire("/setup").await);
        assert_eq!(throttle.acquire(SIGN_IN).await.err(), Some(Denial::TooMany { after: 1 }));
        assert!(throttle.acquire("/oidc/start").await.is_ok());
        drop(first);
        assert!(throttle.acquire(SIGN_IN).await.is_ok());
    }

    #[test]
    fn clients_are_rate_limited_separately() {
        let throttle = PreAuthThrottle::new();
        let peer = |last| Peer::from(std::net::IpAddr::from([192, 0, 2, last]));
        let counted = (0..100).filter(|_| throttle.count(peer(1)).is_ok()).count();
        assert!((60..=62).contains(&counted), "{counted}");
        assert!(matches!(throttle.count(peer(1)), Err(Denial::TooMany { after }) if after > 0));
        assert!(throttle.count(peer(2)).is_ok());
    }
}
