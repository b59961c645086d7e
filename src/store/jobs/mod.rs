//! Jobs: bulk actions on dead letters, events or rejected requests. Here they are planned, listed,
//! started and cancelled; in `lease` they are executed.

mod lease;
mod types;

use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

pub use lease::{JobLease, JobProgress};
use types::inconsistent;
pub use types::{JobAction, JobOutcomes, JobRow, JobState, NewJob};

use super::deliveries::interval;
use super::words::word;
use super::{Store, StoreError, Tx, bounded};

/// How many new deliveries of a job are counted by their outcome.
const COUNTED: i64 = 10_000;

impl Store {
    /// A job; `None` when there is none, or it belongs to another tenant.
    pub async fn job(&self, id: i64, tenant: Option<&str>) -> Result<Option<JobRow>, StoreError> {
        Ok(self.job_rows(tenant, (id, id.saturating_add(1)), 1).await?.pop())
    }

    /// Up to `limit` jobs with an id below `before`, newest first.
    pub async fn jobs(
        &self,
        tenant: Option<&str>,
        before: i64,
        limit: i64,
    ) -> Result<Vec<JobRow>, StoreError> {
        self.job_rows(tenant, (i64::MIN, before), limit).await
    }

    /// Up to `limit` jobs with an id from `from` and below `before`, newest first.
    async fn job_rows(
        &self,
        tenant: Option<&str>,
        (from, before): (i64, i64),
        limit: i64,
    ) -> Result<Vec<JobRow>, StoreError> {
        let rows = sqlx::query!(
            "SELECT id, tenant, action, selection, target, force, cap, rate, reason, matched,
                    counted_to, verifiable, up_to, sample, sample_events, state, planned_at, planned_by, expires_at,
                    started_at, started_by, finished_at, cancelled_by, failure, after, after_event,
                    next_at, resolved, created, skipped, skipped_items
               FROM jobs WHERE id >= $2 AND id < $3 AND ($1::text IS NULL OR tenant = $1)
              ORDER BY id DESC LIMIT $4",
            tenant,
            from,
            before,
            limit,
        )
        .fetch_all(&self.admin)
        .await?;
        let rows = rows.into_iter().map(|row| {
            Ok(JobRow {
                id: row.id,
                tenant: row.tenant,
                action: word(&row.action, "jobs", "action", row.id)?,
                selection: row.selection,
                target: row.target,
                force: row.force,
                cap: row.cap,
                rate: row.rate,
                reason: row.reason,
                matched: row.matched,
                counted_to: row.counted_to,
                verifiable: row.verifiable,
                up_to: row.up_to,
                sample: row.sample,
                sample_events: row.sample_events,
                state: word(&row.state, "jobs", "state", row.id)?,
                planned_at: row.planned_at,
                planned_by: row.planned_by,
                expires_at: row.expires_at,
                started_at: row.started_at,
                started_by: row.started_by,
                finished_at: row.finished_at,
                cancelled_by: row.cancelled_by,
                failure: row.failure,
                after: row.after,
                after_event: row.after_event,
                next_at: row.next_at,
                resolved: row.resolved,
                created: row.created,
                skipped: row.skipped,
                skipped_items: serde_json::from_str(&row.skipped_items)
                    .map_err(|_| inconsistent(row.id, "skipped_items"))?,
            })
        });
        rows.collect()
    }

    /// Expires the plans that were not started in time.
    pub async fn expire_plans(&self, now: OffsetDateTime) -> Result<u64, StoreError> {
        let done = sqlx::query!(
            "UPDATE jobs SET state = 'expired', finished_at = expires_at
              WHERE state = 'planned' AND expires_at <= $1",
            now,
        )
        .execute(&self.admin)
        .await?;
        Ok(done.rows_affected())
    }

    /// The outcome of the first ten thousand new deliveries of a job.
    pub async fn job_outcomes(&self, id: i64) -> Result<JobOutcomes, StoreError> {
        let outcomes = sqlx::query_as!(
            JobOutcomes,
            r#"
            SELECT count(*) FILTER (WHERE d.state = 'done') AS "done!",
                   count(*) FILTER (WHERE d.state = 'dead') AS "dead!",
                   count(*) FILTER (WHERE d.state IN ('ready', 'leased')) AS "waiting!"
              FROM (SELECT replay_id FROM operator_actions
                     WHERE job_id = $1 AND replay_id IS NOT NULL ORDER BY id LIMIT $2) AS a
              JOIN deliveries d ON d.id = a.replay_id
            "#,
            id,
            COUNTED,
        )
        .fetch_one(&self.admin)
        .await?;
        Ok(outcomes)
    }
}

impl Tx<'_> {
    /// Records a plan and returns its id.
    pub async fn plan_job(&mut self, new: &NewJob<'_>) -> Result<i64, StoreError> {
        let id = sqlx::query_scalar!(
            "INSERT INTO jobs (tenant, action, selection, target, force, cap, rate, reason, matched,
                               up_to, sample, state, planned_at, planned_by, expires_at,
                               verifiable, counted_to, sample_events)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'planned', $12, $13, $14, $15,
                     $16, $17)
             RETURNING id",
            new.tenant,
            new.action.as_str(),
            new.selection,
            bounded(new.target),
            new.force,
            new.cap,
            new.rate,
            bounded(new.reason),
            new.matched,
            new.up_to,
            new.sample,
            new.at,
            bounded(new.by),
            new.expires_at,
            new.verifiable,
            new.counted_to,
            new.sample_events,
        )
        .fetch_one(self.connection())
        .await?;
        Ok(id)
    }

    /// Starts a plan that has not expired; false when there is none. With `lease`, only the holder of
    /// that token works on it.
    pub async fn start_job(
        &mut self,
        id: i64,
        by: &str,
        now: OffsetDateTime,
        lease: Option<(Uuid, Duration)>,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query!(
            "UPDATE jobs
                SET state = 'running', started_at = $2, started_by = $3, lease_token = $4,
                    lease_expires_at = clock_timestamp() + $5::interval
              WHERE id = $1 AND state = 'planned' AND expires_at > $2",
            id,
            now,
            bounded(by),
            lease.map(|lease| lease.0),
            lease.map(|lease| interval(lease.1)),
        )
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Cancels a job that has not ended; false when there is none. Waits for the current batch, and
    /// undoes nothing.
    pub async fn cancel_job(
        &mut self,
        id: i64,
        by: &str,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query!(
            "UPDATE jobs
                SET state = 'cancelled', finished_at = $2, cancelled_by = $3, lease_token = NULL,
                    lease_expires_at = NULL
              WHERE id = $1 AND (state = 'running' OR (state = 'planned' AND expires_at > $2))",
            id,
            now,
            bounded(by),
        )
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Cancels every job that a user has planned or started, because their permission was withdrawn.
    pub async fn cancel_jobs_of(
        &mut self,
        actor: &str,
        by: &str,
        now: OffsetDateTime,
    ) -> Result<u64, StoreError> {
        let done = sqlx::query!(
            "UPDATE jobs
                SET state = 'cancelled', finished_at = $2, cancelled_by = $3, lease_token = NULL,
                    lease_expires_at = NULL
              WHERE state IN ('running', 'planned') AND COALESCE(started_by, planned_by) = $1",
            bounded(actor),
            now,
            bounded(by),
        )
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected())
    }
}
