//! The rate limit per client of the admin listener.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock;
use governor::{DefaultKeyedRateLimiter, Quota};

use crate::ingest::Peer;

/// The combined limit of all clients named by one address, as a multiple of the limit per client.
const COMBINED: NonZeroU32 = NonZeroU32::new(10).unwrap();
/// The maximum number of named clients with their own counter.
const MAX_NAMED: usize = 10_000;

/// Counts requests per client. A client that is only named by an unlisted proxy has its own limit
/// and shares a combined one with the other clients of that address: one client cannot exhaust the
/// others' share, and inventing client names gains nothing.
#[derive(Debug)]
pub(super) struct ClientLimit {
    per_client: DefaultKeyedRateLimiter<Peer>,
    per_address: DefaultKeyedRateLimiter<Peer>,
}

impl ClientLimit {
    /// Creates it with a limit per minute, also as a burst.
    pub(super) fn per_minute(most: NonZeroU32) -> Self {
        let limiter = |most| DefaultKeyedRateLimiter::keyed(Quota::per_minute(most));
        Self { per_client: limiter(most), per_address: limiter(most.saturating_mul(COMBINED)) }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// The time to wait.
    pub(super) fn check(&self, peer: Peer) -> Result<(), Duration> {
        let shared = peer.shared();
        if shared.is_none() || self.per_client.len() < MAX_NAMED {
            count(&self.per_client, peer)?;
        }
        shared.map_or(Ok(()), |shared| count(&self.per_address, shared))
    }

    pub(super) fn remove_inactive(&self) {
        for limiter in [&self.per_client, &self.per_address] {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

fn count(limiter: &DefaultKeyedRateLimiter<Peer>, peer: Peer) -> Result<(), Duration> {
    limiter.check_key(&peer).map_err(|until| until.wait_time_from(limiter.clock().now()))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn allowed(limit: &ClientLimit, peers: impl Iterator<Item = Peer>) -> usize {
        peers.filter(|peer| limit.check(*peer).is_ok()).count()
    }

    #[test]
    fn clients_behind_a_proxy_have_separate_limits() {
        let limit = ClientLimit::per_minute(NonZeroU32::new(6).unwrap());
        let behind = |name: String| Peer::behind(IpAddr::from([127, 0, 0, 1]), &name);
        let stranger = std::iter::repeat_with(|| behind("203.0.113.66".into())).take(1_000);
        assert_eq!(allowed(&limit, stranger), 6);
        let other = std::iter::repeat_with(|| behind("203.0.113.1".into())).take(6);
        assert_eq!(allowed(&limit, other), 6);
        let made_up = (0..1_000).map(|n| behind(n.to_string()));
        let made_up = allowed(&limit, made_up);
        assert!((48..=50).contains(&made_up), "60 in total, minus replenishment");
        let elsewhere = std::iter::repeat_n(IpAddr::from([127, 0, 0, 2]).into(), 10);
        assert_eq!(allowed(&limit, elsewhere), 6);
    }
}
