//! Retention: deletes expired rows in bounded steps.

use time::{Duration, OffsetDateTime};
use tokio::time::Instant;

use super::{Store, StoreError};

/// The maximum number of rows that a statement deletes.
const STEP: i64 = 5_000;
/// How long expired keys are deleted at a time: they come as fast as events do.
const BUDGET: std::time::Duration = std::time::Duration::from_secs(10);

impl Store {
    /// Deletes expired event keys, and returns their number.
    pub async fn delete_expired_keys(&self, now: OffsetDateTime) -> Result<u64, StoreError> {
        let ends = Instant::now() + BUDGET;
        let mut deleted = 0;
        loop {
            let done = sqlx::query!(
                "DELETE FROM event_keys WHERE key IN
                    (SELECT key FROM event_keys WHERE expires_at <= $1
                      ORDER BY expires_at LIMIT $2)",
                now,
                STEP,
            )
            .execute(&self.dispatch)
            .await?;
            deleted += done.rows_affected();
            if done.rows_affected() < STEP.unsigned_abs() || Instant::now() >= ends {
                return Ok(deleted);
            }
        }
    }

    /// Deletes transfers that were closed longer ago than keys are remembered, and returns their
    /// number.
    pub async fn delete_closed_transfers(&self, now: OffsetDateTime) -> Result<u64, StoreError> {
        let before = now - self.key_retention.max(Duration::hours(1));
        let done = sqlx::query!(
            "DELETE FROM chunk_transfers WHERE id IN
                (SELECT id FROM chunk_transfers
                  WHERE state <> 'open' AND last_chunk_at <= $1 LIMIT $2)",
            before,
            STEP,
        )
        .execute(&self.dispatch)
        .await?;
        Ok(done.rows_affected())
    }

    /// Deletes expired idempotency keys of the admin API, and returns their number.
    pub async fn delete_expired_idempotency_keys(
        &self,
        now: OffsetDateTime,
    ) -> Result<u64, StoreError> {
        let done = sqlx::query!(
            "DELETE FROM idempotency_keys WHERE key IN
                (SELECT key FROM idempotency_keys WHERE expires_at <= $1 LIMIT $2)",
            now,
            STEP,
        )
        .execute(&self.dispatch)
        .await?;
        Ok(done.rows_affected())
    }
}
