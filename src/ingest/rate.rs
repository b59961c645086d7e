//! Rate limit for authentic requests.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// A rate limit that delays senders before it rejects requests. Many senders await each response
/// before the next request, so a delay slows them down, while a rejection would be a failure.
/// Requests are served in order of arrival.
#[derive(Debug)]
pub struct Rate {
    began: Instant,
    /// The interval between requests, in nanoseconds.
    interval: u64,
    /// The burst, in nanoseconds.
    burst: u64,
    /// The maximum wait, in nanoseconds.
    patience: u64,
    /// The theoretical arrival time of the next request, in nanoseconds since `began`.
    paid: AtomicU64,
}

impl Rate {
    /// Allows `per_second` requests on average and `burst` at once; further ones wait for at most
    /// `patience`.
    pub fn new(per_second: NonZeroU32, burst: NonZeroU32, patience: Duration) -> Self {
        let interval = 1_000_000_000 / u64::from(per_second.get());
        Self {
            began: Instant::now(),
            interval,
            burst: interval.saturating_mul(u64::from(burst.get())),
            patience: nanoseconds(patience),
            paid: AtomicU64::new(0),
        }
    }

    /// Reserves the next request, and returns how long to wait before it.
    ///
    /// # Errors
    /// After how long to retry, if the wait would be too long. Nothing is reserved then.
    pub fn acquire(&self) -> Result<Duration, Duration> {
        self.reserve(nanoseconds(self.began.elapsed()))
    }

    fn reserve(&self, now: u64) -> Result<Duration, Duration> {
        let after = |paid: u64| paid.max(now).saturating_add(self.interval);
        let wait = |paid: u64| after(paid).saturating_sub(self.burst).saturating_sub(now);
        let taken = self.paid.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |paid| {
            (wait(paid) <= self.patience).then(|| after(paid))
        });
        match taken {
            Ok(before) => Ok(Duration::from_nanos(wait(before))),
            Err(paid) => Err(Duration::from_nanos(wait(paid) - self.patience)),
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn rate(per_second: u32, burst: u32, patience: u64) -> Rate {
        let count = |count| NonZeroU32::new(count).unwrap();
        Rate::new(count(per_second), count(burst), Duration::from_secs(patience))
    }

    #[test]
    fn requests_beyond_the_burst_wait_within_bounds() {
        let rate = rate(4, 2, 1);
        let waits: Vec<Result<u128, u128>> = (0..8)
            .map(|_| rate.reserve(0).map(|wait| wait.as_millis()).map_err(|wait| wait.as_millis()))
            .collect();
        let expected = [Ok(0), Ok(0), Ok(250), Ok(500), Ok(750), Ok(1_000), Err(250), Err(250)];
        assert_eq!(waits, expected, "a rejection reserves nothing");
        assert_eq!(
            rate.reserve(SECOND / 4),
            Ok(Duration::from_secs(1)),
            "after the returned delay"
        );
        assert_eq!(rate.reserve(60 * SECOND), Ok(Duration::ZERO));
        assert_eq!(rate.reserve(60 * SECOND), Ok(Duration::ZERO), "the burst is available again");
        assert_eq!(
            rate.reserve(60 * SECOND),
            Ok(Duration::from_millis(250)),
            "but no more than the burst"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn sequential_sender_is_delayed_and_never_rejected() {
        let rate = rate(10, 5, 2);
        let began = Instant::now();
        for _ in 0..105 {
            tokio::time::sleep(rate.acquire().unwrap()).await;
        }
        assert_eq!(began.elapsed().as_secs(), 10);
    }
}
