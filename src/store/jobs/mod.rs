//! Jobs: what is to be done about many dead letters or rejected requests. Here they are planned,
//! looked at, started and cancelled; in `work` they are worked off.

mod work;

use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

pub use work::{JobLease, JobProgress};

use super::deliveries::interval;
use super::{Store, StoreError, Tx, bounded};

/// The most new deliveries of a job that are looked at for what became of them.
const FOLLOWED: i64 = 10_000;

/// A job as it is stored.
#[derive(Debug, Clone)]
pub struct JobRow {
    /// Its id.
    pub id: i64,
    /// The only tenant whose things it touches; `None` for all.
    pub tenant: Option<String>,
    /// `replay`, `discard`, `verify_held` or `discard_rejected`.
    pub action: String,
    /// Which: a [`DeadLetterFilter`](super::DeadLetterFilter) or a
    /// [`RejectedRequestSelection`](super::RejectedRequestSelection) as JSON.
    pub selection: String,
    /// Which, in words.
    pub target: String,
    /// Also what is done or resolved; only by id.
    pub force: bool,
    /// The most that it resolves; `None` for all.
    pub cap: Option<i64>,
    /// The most that it resolves in a second; `None` for no limit.
    pub rate: Option<i32>,
    /// Why, in the words of whoever planned it.
    pub reason: String,
    /// How many matched when it was planned.
    pub matched: i64,
    /// For `verify_held`: how many of those would have been accepted then.
    pub verifiable: Option<i64>,
    /// The highest id that matched then; of rejected requests, the highest number.
    pub up_to: i64,
    /// Some of those that matched.
    pub sample: Vec<i64>,
    /// Its state's stored word.
    pub state: String,
    /// When it was planned.
    pub planned_at: OffsetDateTime,
    /// Who planned it.
    pub planned_by: String,
    /// When it can no longer be started.
    pub expires_at: OffsetDateTime,
    /// When it was started.
    pub started_at: Option<OffsetDateTime>,
    /// Who started it.
    pub started_by: Option<String>,
    /// When it ended, however it did.
    pub finished_at: Option<OffsetDateTime>,
    /// Who cancelled it.
    pub cancelled_by: Option<String>,
    /// Why it cannot go on.
    pub failure: Option<String>,
    /// It has resolved everything up to this id.
    pub after: i64,
    /// Because of its rate: the next batch not before this time.
    pub next_at: Option<OffsetDateTime>,
    /// How many it has replayed or discarded.
    pub resolved: i64,
    /// How many new deliveries it has made.
    pub created: i64,
    /// About how many nothing was done.
    pub refused: i64,
    /// Why, for the first hundred of those: a JSON array of pairs.
    pub refusals: String,
}

/// A job that is to be planned.
#[derive(Debug)]
pub struct NewJob<'a> {
    /// As in [`JobRow`].
    pub tenant: Option<&'a str>,
    /// As in [`JobRow`].
    pub action: &'a str,
    /// As in [`JobRow`].
    pub selection: &'a str,
    /// As in [`JobRow`].
    pub target: &'a str,
    /// As in [`JobRow`].
    pub force: bool,
    /// As in [`JobRow`].
    pub cap: Option<i64>,
    /// As in [`JobRow`].
    pub rate: Option<i32>,
    /// As in [`JobRow`].
    pub reason: &'a str,
    /// As in [`JobRow`].
    pub matched: i64,
    /// As in [`JobRow`].
    pub verifiable: Option<i64>,
    /// As in [`JobRow`].
    pub up_to: i64,
    /// As in [`JobRow`].
    pub sample: &'a [i64],
    /// Who plans it.
    pub by: &'a str,
    /// Now.
    pub at: OffsetDateTime,
    /// When it can no longer be started.
    pub expires_at: OffsetDateTime,
}

/// What became of the new deliveries of a job, as far as they were looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JobOutcomes {
    /// They ended well.
    pub done: i64,
    /// They are dead letters again.
    pub dead: i64,
    /// They wait, or are at work.
    pub waiting: i64,
}

impl JobOutcomes {
    /// How many were looked at; no more than ten thousand are.
    pub fn followed(&self) -> i64 {
        self.done + self.dead + self.waiting
    }
}

impl Store {
    /// One job; `None` when there is none, or it is not this tenant's.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn job(&self, id: i64, tenant: Option<&str>) -> Result<Option<JobRow>, StoreError> {
        let row = sqlx::query_as!(
            JobRow,
            "SELECT id, tenant, action, selection, target, force, cap, rate, reason, matched,
                    verifiable, up_to, sample, state, planned_at, planned_by, expires_at, started_at, started_by,
                    finished_at, cancelled_by, failure, after, next_at, resolved, created,
                    refused, refusals
               FROM jobs WHERE id = $1 AND ($2::text IS NULL OR tenant = $2)",
            id,
            tenant,
        )
        .fetch_optional(&self.operator)
        .await?;
        Ok(row)
    }

    /// Up to `limit` jobs with an id below `before`, the newest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn jobs(
        &self,
        tenant: Option<&str>,
        before: i64,
        limit: i64,
    ) -> Result<Vec<JobRow>, StoreError> {
        let rows = sqlx::query_as!(
            JobRow,
            "SELECT id, tenant, action, selection, target, force, cap, rate, reason, matched,
                    verifiable, up_to, sample, state, planned_at, planned_by, expires_at, started_at, started_by,
                    finished_at, cancelled_by, failure, after, next_at, resolved, created,
                    refused, refusals
               FROM jobs WHERE id < $2 AND ($1::text IS NULL OR tenant = $1)
              ORDER BY id DESC LIMIT $3",
            tenant,
            before,
            limit,
        )
        .fetch_all(&self.operator)
        .await?;
        Ok(rows)
    }

    /// Ends the plans that were not started in time.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn expire_plans(&self, now: OffsetDateTime) -> Result<u64, StoreError> {
        let done = sqlx::query!(
            "UPDATE jobs SET state = 'expired', finished_at = expires_at
              WHERE state = 'planned' AND expires_at <= $1",
            now,
        )
        .execute(&self.operator)
        .await?;
        Ok(done.rows_affected())
    }

    /// What became of the new deliveries of a job: of the first ten thousand.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn job_outcomes(&self, id: i64) -> Result<JobOutcomes, StoreError> {
        let delivery_outcomes = sqlx::query_as!(
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
            FOLLOWED,
        )
        .fetch_one(&self.operator)
        .await?;
        Ok(delivery_outcomes)
    }
}

impl Tx<'_> {
    /// Writes a plan down; gives its id.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn plan_job(&mut self, new: &NewJob<'_>) -> Result<i64, StoreError> {
        let id = sqlx::query_scalar!(
            "INSERT INTO jobs (tenant, action, selection, target, force, cap, rate, reason, matched,
                               up_to, sample, state, planned_at, planned_by, expires_at,
                               verifiable)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'planned', $12, $13, $14, $15)
             RETURNING id",
            new.tenant,
            new.action,
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
        )
        .fetch_one(self.connection())
        .await?;
        Ok(id)
    }

    /// Starts a plan that is not too old; gives whether there was one to start. With `lease`, whose
    /// token that is works on it from the beginning.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
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

    /// Cancels a job that has not ended: what it has done is done, and nothing more is. Waits for
    /// the batch that is under way. Gives whether there was one to cancel.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
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

    /// Cancels every job that a user has planned or started, since they may do it no longer.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
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
