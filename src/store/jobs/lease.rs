//! Executing a job: under a lease, batch by batch. A batch's effects and the job's progress are one
//! transaction, which begins by locking the job's row under the lease's token: a worker that has
//! lost the lease, or whose job was cancelled, does nothing.

use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use super::types::inconsistent;
use crate::store::deliveries::interval;
use crate::store::{Store, StoreError, Tx, bounded};

/// The right to work on a job, for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobLease {
    pub job: i64,
    /// Fencing token.
    pub token: Uuid,
}

/// The progress that a batch adds to a job.
#[derive(Debug)]
pub struct JobProgress<'a> {
    /// Everything up to this id is processed.
    pub after: i64,
    /// Everything up to this event is processed, for jobs on events.
    pub after_event: Option<Uuid>,
    /// How many items were replayed, resent, made due, accepted or discarded.
    pub resolved: i64,
    /// New deliveries or events.
    pub created: i64,
    /// How many items were skipped.
    pub skipped: i64,
    /// The first hundred skipped items of the job: id and reason.
    pub skipped_items: &'a [(i64, String)],
    /// When the rate allows the next batch.
    pub next_at: Option<OffsetDateTime>,
    /// The remaining duration of the lease from now on.
    pub lease: Duration,
}

impl Store {
    /// Leases a running job that is due and that no worker holds, or whose worker's lease expired;
    /// with `only`, no other job. `include_rejected` includes jobs on rejected requests.
    pub async fn claim_job(
        &self,
        only: Option<i64>,
        include_rejected: bool,
        now: OffsetDateTime,
        lease: Duration,
    ) -> Result<Option<JobLease>, StoreError> {
        let lease = sqlx::query_as!(
            JobLease,
            r#"
            UPDATE jobs SET lease_token = gen_random_uuid(),
                            lease_expires_at = clock_timestamp() + $3::interval
             WHERE id = (
                SELECT id FROM jobs
                 WHERE state = 'running' AND ($1::bigint IS NULL OR id = $1)
                   AND (lease_expires_at IS NULL OR lease_expires_at < clock_timestamp())
                   AND (next_at IS NULL OR next_at <= $2)
                   AND ($4 OR action NOT IN ('reprocess_rejected', 'discard_rejected'))
                 ORDER BY next_at NULLS FIRST, id LIMIT 1
                   FOR UPDATE SKIP LOCKED)
            RETURNING id AS job, lease_token AS "token!"
            "#,
            only,
            now,
            interval(lease),
            include_rejected,
        )
        .fetch_optional(&self.admin)
        .await?;
        Ok(lease)
    }

    /// Gives up the lease of a job.
    pub async fn release_job(&self, lease: JobLease) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE jobs SET lease_token = NULL, lease_expires_at = NULL
              WHERE id = $1 AND lease_token = $2",
            lease.job,
            lease.token,
        )
        .execute(&self.admin)
        .await?;
        Ok(())
    }

    /// Ends a job that cannot continue.
    pub async fn fail_job(
        &self,
        lease: JobLease,
        failure: &str,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE jobs SET state = 'failed', failure = $3, finished_at = $4, lease_token = NULL,
                             lease_expires_at = NULL
              WHERE id = $1 AND lease_token = $2 AND state = 'running'",
            lease.job,
            lease.token,
            bounded(failure),
            now,
        )
        .execute(&self.admin)
        .await?;
        Ok(())
    }
}

impl Tx<'_> {
    /// Locks a job that is still running under this lease; false otherwise.
    pub async fn lock_job(&mut self, lease: JobLease) -> Result<bool, StoreError> {
        let locked = sqlx::query_scalar!(
            r#"SELECT 1 AS "one!" FROM jobs
                WHERE id = $1 AND lease_token = $2 AND state = 'running' FOR UPDATE"#,
            lease.job,
            lease.token,
        )
        .fetch_optional(self.connection())
        .await?;
        Ok(locked.is_some())
    }

    /// Records the progress of a job. Its row must be locked: [`Tx::lock_job`].
    pub async fn record_job_progress(
        &mut self,
        job: i64,
        by: &JobProgress<'_>,
    ) -> Result<(), StoreError> {
        let skipped_items = serde_json::to_string(by.skipped_items)
            .map_err(|_| inconsistent(job, "skipped_items"))?;
        sqlx::query!(
            "UPDATE jobs
                SET after = $2, after_event = $9, resolved = resolved + $3, created = created + $4,
                    skipped = skipped + $5, skipped_items = $6, next_at = $7,
                    lease_expires_at = clock_timestamp() + $8::interval
              WHERE id = $1",
            job,
            by.after,
            by.resolved,
            by.created,
            by.skipped,
            skipped_items,
            by.next_at,
            interval(by.lease),
            by.after_event,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Ends a job that has processed everything. Its row must be locked: [`Tx::lock_job`].
    pub async fn finish_job(&mut self, job: i64, now: OffsetDateTime) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE jobs SET state = 'done', finished_at = $2, lease_token = NULL,
                             lease_expires_at = NULL
              WHERE id = $1",
            job,
            now,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
