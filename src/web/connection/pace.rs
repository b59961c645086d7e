//! A minimum rate at which bytes move between a peer and us.

use std::num::NonZeroU64;
use std::time::Duration;

use tokio::time::Instant;

/// The slowest peer that is served.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slowest {
    /// How many bytes a second it moves at least.
    pub(super) rate: NonZeroU64,
    /// How far it may fall behind that rate; also the longest it may move nothing at all.
    pub(super) stall: Duration,
}

/// How far a peer is behind the minimum rate. Only the time in which we wait for it counts: what
/// takes time on our side is not held against it.
#[derive(Debug, Default)]
pub(super) struct Pace {
    behind: Duration,
    waiting_since: Option<Instant>,
}

impl Pace {
    /// We begin to wait for the peer, unless we wait already.
    pub(super) fn wait(&mut self, now: Instant) {
        self.waiting_since.get_or_insert(now);
    }

    /// We wait no longer.
    pub(super) fn stop(&mut self, now: Instant) {
        if let Some(since) = self.waiting_since.take() {
            self.behind += now.saturating_duration_since(since);
        }
    }

    /// The peer has moved `bytes`.
    pub(super) fn moved(&mut self, now: Instant, bytes: usize, slowest: Slowest) {
        self.stop(now);
        let nanos = u128::from(bytes as u64) * 1_000_000_000 / u128::from(slowest.rate.get());
        let earned = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.behind = self.behind.saturating_sub(earned);
    }

    /// Since when we wait for the peer.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        self.waiting_since
    }

    /// When the peer will be too slow, if it moves nothing until then.
    pub(super) fn late_at(&self, slowest: Slowest) -> Option<Instant> {
        Some(self.waiting_since? + slowest.stall.saturating_sub(self.behind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOWEST: Slowest =
        Slowest { rate: NonZeroU64::new(1024).unwrap(), stall: Duration::from_secs(10) };

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_peer_that_moves_nothing_is_late_after_the_stall() {
        let begin = Instant::now();
        let mut pace = Pace::default();
        assert_eq!(pace.late_at(SLOWEST), None, "nobody waits");
        pace.wait(begin);
        pace.wait(begin + seconds(3));
        assert_eq!(pace.late_at(SLOWEST), Some(begin + seconds(10)));
    }

    #[test]
    fn a_peer_at_the_minimum_rate_is_never_late_and_one_below_it_is() {
        let begin = Instant::now();
        for (bytes, late) in [(1024, false), (2048, false), (512, true)] {
            let mut pace = Pace::default();
            let mut was_late = false;
            for second in 0..60 {
                let (from, to) = (begin + seconds(second), begin + seconds(second + 1));
                pace.wait(from);
                was_late |= pace.late_at(SLOWEST).unwrap() < to;
                pace.moved(to, bytes, SLOWEST);
            }
            assert_eq!(was_late, late, "{bytes} bytes a second");
        }
    }

    #[test]
    fn a_peer_that_was_quick_may_not_rest_the_longer_for_it() {
        let begin = Instant::now();
        let mut pace = Pace::default();
        pace.wait(begin);
        pace.moved(begin + seconds(1), 32 * 1024 * 1024, SLOWEST);
        pace.wait(begin + seconds(1));
        assert_eq!(pace.late_at(SLOWEST), Some(begin + seconds(11)));
    }

    #[test]
    fn time_in_which_nobody_waits_for_the_peer_does_not_count() {
        let begin = Instant::now();
        let mut pace = Pace::default();
        pace.wait(begin);
        pace.stop(begin + seconds(4));
        assert_eq!(pace.late_at(SLOWEST), None);
        pace.wait(begin + seconds(100));
        assert_eq!(pace.late_at(SLOWEST), Some(begin + seconds(106)), "4 of the 10 are spent");
    }
}
