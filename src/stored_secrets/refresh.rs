//! How often something is read again for requests that may need what is new.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::SecretsUnavailable;

/// The time between two readings. Anybody can send a signature that is wrong.
const INTERVAL: Duration = Duration::from_millis(250);

type Outcome = Result<(), SecretsUnavailable>;

/// One reading after the other, each for all that wait for it.
#[derive(Debug, Default)]
pub(super) struct Refreshes(Mutex<Option<Last>>);

#[derive(Debug, Clone, Copy)]
struct Last {
    began: Instant,
    outcome: Outcome,
}

impl Refreshes {
    /// The outcome of a reading that began after the call.
    pub(super) async fn run<F: Future<Output = Outcome>>(
        &self,
        read: impl FnOnce() -> F,
    ) -> Outcome {
        let called = Instant::now();
        let mut last = self.0.lock().await;
        if let Some(last) = *last {
            if last.began >= called {
                return last.outcome;
            }
            tokio::time::sleep_until(last.began + INTERVAL).await;
        }
        let began = Instant::now();
        let outcome = read().await;
        *last = Some(Last { began, outcome });
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn callers_share_a_reading_that_began_after_them() {
        let (refreshes, readings) = (Refreshes::default(), AtomicU32::new(0));
        let read = || async {
            readings.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok(())
        };
        let begun = Instant::now();
        refreshes.run(read).await.unwrap();
        assert!(join_all((0..1000).map(|_| refreshes.run(read))).await.iter().all(Result::is_ok));
        assert_eq!(readings.load(Ordering::Relaxed), 2);
        assert_eq!(begun.elapsed(), INTERVAL + Duration::from_millis(100));
    }
}
