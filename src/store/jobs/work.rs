//! Working a job off: under a lease, batch by batch. A batch's effects and the job's progress are one
//! transaction, which begins by locking the job's row under the lease's token: whoever has lost the
//! lease, or works on what was cancelled, does nothing.

use std::time::Duration;

use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use uuid::Uuid;

use super::JobRow;
use crate::store::deliveries::interval;
use crate::store::{Store, StoreError, Tx, bounded};

/// The right to work on a job, for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobLease {
    /// The job.
    pub job: i64,
    /// The fencing token.
    pub token: Uuid,
}

/// By how much a batch has brought a job on.
#[derive(Debug)]
pub struct JobProgress<'a> {
    /// Everything up to this id is resolved.
    pub after: i64,
    /// How many were replayed or discarded.
    pub resolved: i64,
    /// How many new deliveries were made.
    pub created: i64,
    /// About how many nothing was done.
    pub refused: i64,
    /// As in [`JobRow`].
    pub refusals: &'a str,
    /// The next batch not before this time.
    pub next_at: Option<OffsetDateTime>,
    /// How long the lease lasts from now on.
    pub lease: Duration,
}

impl JobRow {
    /// What its selection says.
    ///
    /// # Errors
    /// [`StoreError::Inconsistent`].
    pub fn selected<T: DeserializeOwned>(&self) -> Result<T, StoreError> {
        serde_json::from_str(&self.selection).map_err(|_| self.inconsistent("selection"))
    }

    /// About which nothing was done, and why, as far as it was recorded.
    ///
    /// # Errors
    /// [`StoreError::Inconsistent`].
    pub fn refusals(&self) -> Result<Vec<(i64, String)>, StoreError> {
        serde_json::from_str(&self.refusals).map_err(|_| self.inconsistent("refusals"))
    }

    /// What is to be said when a column holds what nobody can have written there.
    pub fn inconsistent(&self, column: &'static str) -> StoreError {
        StoreError::Inconsistent { table: "jobs", column, row: self.id.to_string() }
    }
}

impl Store {
    /// Takes a running job that nobody works on, or whose worker is gone, and that is due; with
    /// `only`, this one or none. Jobs about rejected requests only where `held` is true.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn claim_job(
        &self,
        only: Option<i64>,
        held: bool,
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
                   AND ($4 OR action IN ('replay', 'discard'))
                 ORDER BY next_at NULLS FIRST, id LIMIT 1
                   FOR UPDATE SKIP LOCKED)
            RETURNING id AS job, lease_token AS "token!"
            "#,
            only,
            now,
            interval(lease),
            held,
        )
        .fetch_optional(&self.operator)
        .await?;
        Ok(lease)
    }

    /// Lets another work on a job.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn release_job(&self, lease: JobLease) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE jobs SET lease_token = NULL, lease_expires_at = NULL
              WHERE id = $1 AND lease_token = $2",
            lease.job,
            lease.token,
        )
        .execute(&self.operator)
        .await?;
        Ok(())
    }

    /// Ends a job that cannot go on.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
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
        .execute(&self.operator)
        .await?;
        Ok(())
    }
}

impl Tx<'_> {
    /// Locks a job that still runs under this lease; false when it does not.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn lock_job(&mut self, lease: JobLease) -> Result<bool, StoreError> {
        let held = sqlx::query_scalar!(
            r#"SELECT 1 AS "one!" FROM jobs
                WHERE id = $1 AND lease_token = $2 AND state = 'running' FOR UPDATE"#,
            lease.job,
            lease.token,
        )
        .fetch_optional(self.connection())
        .await?;
        Ok(held.is_some())
    }

    /// Notes how far a job has come. Its row must be locked: [`Tx::lock_job`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn record_job_progress(
        &mut self,
        job: i64,
        by: &JobProgress<'_>,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE jobs
                SET after = $2, resolved = resolved + $3, created = created + $4,
                    refused = refused + $5, refusals = $6, next_at = $7,
                    lease_expires_at = clock_timestamp() + $8::interval
              WHERE id = $1",
            job,
            by.after,
            by.resolved,
            by.created,
            by.refused,
            by.refusals,
            by.next_at,
            interval(by.lease),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Ends a job that has done everything. Its row must be locked: [`Tx::lock_job`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
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
