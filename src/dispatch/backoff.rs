//! Retries of database calls for a delivery.

use std::time::Duration;

use tokio::time::Instant;

use crate::store::StoreError;

/// The first backoff; it doubles.
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
/// The maximum backoff.
const MAX_BACKOFF: Duration = Duration::from_secs(1);

/// Retries with exponential backoff until a deadline. Unlike
/// [`IngestRetries`](crate::store::IngestRetries), also after a commit of unknown outcome: the lease
/// tells whether it happened.
pub(super) struct DeliveryRetries {
    until: Instant,
    backoff: Duration,
    failed: u32,
}

impl DeliveryRetries {
    pub(super) fn until(until: Instant) -> Self {
        Self { until, backoff: FIRST_BACKOFF, failed: 0 }
    }

    /// The number of failed tries.
    pub(super) fn failed(&self) -> u32 {
        self.failed
    }

    /// Records a failed try. Waits and returns true if it is worth another one.
    pub(super) async fn should_retry(&mut self, error: &StoreError) -> bool {
        self.failed += 1;
        if !error.is_temporary() || Instant::now() + self.backoff >= self.until {
            return false;
        }
        tokio::time::sleep(self.backoff).await;
        self.backoff = (self.backoff * 2).min(MAX_BACKOFF);
        true
    }
}
