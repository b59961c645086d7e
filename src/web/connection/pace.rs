//! The minimum transfer rate of a client.

use std::num::NonZeroU64;
use std::time::Duration;

use tokio::time::Instant;

#[derive(Debug, Clone, Copy)]
pub(super) struct Slowest {
    /// Bytes per second.
    pub(super) rate: NonZeroU64,
    /// How far a client may fall behind the rate; also the longest time without any bytes.
    pub(super) stall: Duration,
}

/// How far a client is behind the minimum rate. Only time spent waiting for the client counts.
#[derive(Debug, Default)]
pub(super) struct Pace {
    behind: Duration,
    waiting_since: Option<Instant>,
}

impl Pace {
    /// Starts waiting for the client, unless already waiting.
    pub(super) fn wait(&mut self, now: Instant) {
        self.waiting_since.get_or_insert(now);
    }

    pub(super) fn stop(&mut self, now: Instant) {
        if let Some(since) = self.waiting_since.take() {
            self.behind += now.saturating_duration_since(since);
        }
    }

    /// The client has moved `bytes`.
    pub(super) fn moved(&mut self, now: Instant, bytes: usize, slowest: Slowest) {
        self.stop(now);
        self.earn(bytes, slowest);
    }

    /// The client has moved `bytes` without a wait.
    pub(super) fn earn(&mut self, bytes: usize, slowest: Slowest) {
        if self.behind.is_zero() {
            return;
        }
        let nanos = u128::from(bytes as u64) * 1_000_000_000 / u128::from(slowest.rate.get());
        let earned = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.behind = self.behind.saturating_sub(earned);
    }

    /// Since when the gateway waits for the client.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        self.waiting_since
    }

    /// When the client becomes too slow if it moves nothing until then.
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
    fn stalled_clients_are_late_after_the_limit() {
        let begin = Instant::now();
        let mut pace = Pace::default();
        assert_eq!(pace.late_at(SLOWEST), None, "not waiting");
        pace.wait(begin);
        pace.wait(begin + seconds(3));
        assert_eq!(pace.late_at(SLOWEST), Some(begin + seconds(10)));
    }

    #[test]
    fn only_clients_below_the_minimum_rate_are_late() {
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
    fn fast_transfer_earns_no_extra_pause() {
        let begin = Instant::now();
        let mut pace = Pace::default();
        pace.wait(begin);
        pace.moved(begin + seconds(1), 32 * 1024 * 1024, SLOWEST);
        pace.wait(begin + seconds(1));
        assert_eq!(pace.late_at(SLOWEST), Some(begin + seconds(11)));
    }

    #[test]
    fn time_not_spent_waiting_does_not_count() {
        let begin = Instant::now();
        let mut pace = Pace::default();
        pace.wait(begin);
        pace.stop(begin + seconds(4));
        assert_eq!(pace.late_at(SLOWEST), None);
        pace.wait(begin + seconds(100));
        assert_eq!(pace.late_at(SLOWEST), Some(begin + seconds(106)), "4 of the 10 are spent");
    }
}
