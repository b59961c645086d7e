//! A rate limit for each peer of the operator listener.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock;
use governor::{DefaultKeyedRateLimiter, Quota};

use crate::ingest::Peer;

/// How many times what one client may is allowed to all together that one address names.
const TOGETHER: NonZeroU32 = NonZeroU32::new(10).unwrap();
/// The most clients that are only named and counted by themselves.
const MAX_NAMED: usize = 10_000;

/// Counts requests by peer. A client that an address only names has what any peer has, and shares
/// more than that with everybody whom that address names: one of them cannot use up the others'
/// share, and whoever makes clients up does not get on.
#[derive(Debug)]
pub(super) struct Shares {
    each: DefaultKeyedRateLimiter<Peer>,
    together: DefaultKeyedRateLimiter<Peer>,
}

impl Shares {
    /// So many in a minute, all of which may come at once.
    pub(super) fn per_minute(most: NonZeroU32) -> Self {
        let limiter = |most| DefaultKeyedRateLimiter::keyed(Quota::per_minute(most));
        Self { each: limiter(most), together: limiter(most.saturating_mul(TOGETHER)) }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// How long to wait.
    pub(super) fn check(&self, peer: Peer) -> Result<(), Duration> {
        let shared = peer.shared();
        if shared.is_none() || self.each.len() < MAX_NAMED {
            count(&self.each, peer)?;
        }
        shared.map_or(Ok(()), |shared| count(&self.together, shared))
    }

    /// Forgets peers that have behaved for a while.
    pub(super) fn tidy(&self) {
        for limiter in [&self.each, &self.together] {
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

    fn allowed(shares: &Shares, peers: impl Iterator<Item = Peer>) -> usize {
        peers.filter(|peer| shares.check(*peer).is_ok()).count()
    }

    #[test]
    fn one_client_behind_a_proxy_leaves_the_others_their_share() {
        let shares = Shares::per_minute(NonZeroU32::new(6).unwrap());
        let behind = |name: String| Peer::behind(IpAddr::from([127, 0, 0, 1]), &name);
        let stranger = std::iter::repeat_with(|| behind("203.0.113.66".into())).take(1_000);
        assert_eq!(allowed(&shares, stranger), 6);
        let other = std::iter::repeat_with(|| behind("203.0.113.1".into())).take(6);
        assert_eq!(allowed(&shares, other), 6);
        let made_up = (0..1_000).map(|n| behind(n.to_string()));
        let made_up = allowed(&shares, made_up);
        assert!((48..=50).contains(&made_up), "60 together, and what a moment gives back");
        let elsewhere = std::iter::repeat_n(IpAddr::from([127, 0, 0, 2]).into(), 10);
        assert_eq!(allowed(&shares, elsewhere), 6);
    }
}
