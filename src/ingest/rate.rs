//! How many authentic requests a source may send, and how long those beyond it wait.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// A rate limit that makes senders wait before it refuses them: many senders await each answer
/// before they send the next request, so that waiting slows them down, while a refusal would be a
/// failure. Turns are given in order of arrival.
#[derive(Debug)]
pub struct Rate {
    began: Instant,
    /// Nanoseconds for one request.
    every: u64,
    /// Nanoseconds that may be used up at once.
    burst: u64,
    /// The longest wait, in nanoseconds.
    patience: u64,
    /// When everything that was accepted so far is paid for, in nanoseconds since `began`.
    paid: AtomicU64,
}

impl Rate {
    /// `per_second` on average, `burst` at once; beyond it requests wait for at most `patience`.
    pub fn new(per_second: NonZeroU32, burst: NonZeroU32, patience: Duration) -> Self {
        let every = 1_000_000_000 / u64::from(per_second.get());
        Self {
            began: Instant::now(),
            every,
            burst: every.saturating_mul(u64::from(burst.get())),
            patience: nanoseconds(patience),
            paid: AtomicU64::new(0),
        }
    }

    /// Takes the next turn; gives how long to wait for it.
    ///
    /// # Errors
    /// After how long to retry, when the wait would be too long. No turn is taken then.
    pub fn turn(&self) -> Result<Duration, Duration> {
        self.reserve(nanoseconds(self.began.elapsed()))
    }

    fn reserve(&self, now: u64) -> Result<Duration, Duration> {
        let after = |paid: u64| paid.max(now).saturating_add(self.every);
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
    fn beyond_its_burst_each_waits_for_the_one_before_and_nobody_for_too_long() {
        let rate = rate(4, 2, 1);
        let waits: Vec<Result<u128, u128>> = (0..8)
            .map(|_| rate.reserve(0).map(|wait| wait.as_millis()).map_err(|wait| wait.as_millis()))
            .collect();
        let expected = [Ok(0), Ok(0), Ok(250), Ok(500), Ok(750), Ok(1_000), Err(250), Err(250)];
        assert_eq!(waits, expected, "a refusal takes no turn");
        assert_eq!(rate.reserve(SECOND / 4), Ok(Duration::from_secs(1)), "as it was told");
        assert_eq!(rate.reserve(60 * SECOND), Ok(Duration::ZERO));
        assert_eq!(rate.reserve(60 * SECOND), Ok(Duration::ZERO), "the burst is there again");
        assert_eq!(rate.reserve(60 * SECOND), Ok(Duration::from_millis(250)), "and no more");
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_that_awaits_each_answer_is_slowed_down_and_never_refused() {
        let rate = rate(10, 5, 2);
        let began = Instant::now();
        for _ in 0..105 {
            tokio::time::sleep(rate.turn().unwrap()).await;
        }
        assert_eq!(began.elapsed().as_secs(), 10);
    }
}
