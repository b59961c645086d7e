//! Retention: deletes expired rows in bounded steps.

use time::{Duration, OffsetDateTime};

use super::{Store, StoreError};

/// The most rows that one step removes.
const STEP: i64 = 5_000;

impl Store {
    /// Deletes up to a step of event keys that have expired; gives how many.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn forget_keys(&self, now: OffsetDateTime) -> Result<u64, StoreError> {
        let done = sqlx::query!(
            "DELETE FROM event_keys WHERE key IN
                (SELECT key FROM event_keys WHERE expires_at <= $1 LIMIT $2)",
            now,
            STEP,
        )
        .execute(&self.dispatch)
        .await?;
        Ok(done.rows_affected())
    }

    /// Deletes up to a step of transfers that were closed longer ago than keys are remembered;
    /// gives how many.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn forget_transfers(&self, now: OffsetDateTime) -> Result<u64, StoreError> {
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

    /// Deletes up to a step of the API's requests that have expired; gives how many.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn forget_requests(&self, now: OffsetDateTime) -> Result<u64, StoreError> {
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
