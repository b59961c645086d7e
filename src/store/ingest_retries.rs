//! Retries of transient database errors while a sender waits for its response.

use std::time::Duration;

use tokio::time::Instant;

use super::{Store, StoreError};

/// The upper bound of the first pause. It doubles up to [`LONGEST`].
const FIRST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(200);

/// Retries with short, jittered backoff until a deadline, and only if nothing was stored. Dispatch has
/// its own: it waits longer, and a lease tells it whether a commit of unknown outcome happened.
#[derive(Debug)]
pub struct IngestRetries {
    ends: Instant,
    pause: Duration,
}

impl IngestRetries {
    pub fn until(ends: Instant) -> Self {
        Self { ends, pause: FIRST }
    }

    /// Whether to retry after this error. Waits first, with jitter, so that transactions that
    /// collided do not collide again.
    pub async fn should_retry(&mut self, error: &StoreError) -> bool {
        let pause = self.pause.mul_f64(rand::random_range(0.5..1.0));
        if !error.is_transient() || Instant::now() + pause >= self.ends {
            return false;
        }
        self.pause = (self.pause * 2).min(LONGEST);
        let kind = error.kind().as_str();
        metrics::counter!("sealpost_database_retries_total", "kind" => kind).increment(1);
        tracing::debug!(error = error as &dyn std::error::Error, "retrying");
        tokio::time::sleep(pause).await;
        true
    }
}

impl Store {
    /// Records something in a transaction of its own. Temporary errors are retried within the
    /// commit deadline.
    ///
    /// # Errors
    /// [`StoreError::CommitUnknown`] if the deadline passes during an attempt: it may be stored.
    pub(super) async fn record_alone<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let deadline = Instant::now() + self.commit_deadline;
        let mut retry = IngestRetries::until(deadline);
        loop {
            let recorded = tokio::time::timeout_at(deadline, attempt()).await;
            match recorded.unwrap_or(Err(StoreError::CommitUnknown(None))) {
                Err(error) if retry.should_retry(&error).await => {}
                done => return self.one_by_one.record(done),
            }
        }
    }
}
