//! Trying again what the database refused for the moment.

use std::time::Duration;

use tokio::time::Instant;

use super::StoreError;

/// The bound of the first pause; it doubles up to the longest.
const FIRST: Duration = Duration::from_millis(10);
/// The bound of every pause.
const LONGEST: Duration = Duration::from_millis(200);

/// Says whether to try again, until a deadline.
#[derive(Debug)]
pub struct RetryUntil {
    ends: Instant,
    pause: Duration,
}

impl RetryUntil {
    /// Tries that end in time for this.
    pub fn until(ends: Instant) -> Self {
        Self { ends, pause: FIRST }
    }

    /// Whether to try again after this error; waits before it says yes, so that those who collided
    /// do not collide again.
    pub async fn after(&mut self, error: &StoreError) -> bool {
        let pause = self.pause.mul_f64(rand::random_range(0.5..1.0));
        if !error.is_transient() || Instant::now() + pause >= self.ends {
            return false;
        }
        self.pause = (self.pause * 2).min(LONGEST);
        let trouble = error.trouble().as_str();
        metrics::counter!("sealpost_database_retries_total", "trouble" => trouble).increment(1);
        tracing::debug!(error = error as &dyn std::error::Error, "retrying");
        tokio::time::sleep(pause).await;
        true
    }
}
