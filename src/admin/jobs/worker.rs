//! Working jobs off.

use std::time::Duration;

use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};
use uuid::Uuid;

use super::{JobAction, Jobs};
use crate::admin::ActionResult;
use crate::admin::dead_letters::ActionRequest;
use crate::store::{DeadLetterFilter, JobLease, JobProgress, JobRow, Order, Page, StoreError};

/// The most deliveries of one batch, which is one transaction.
pub const BATCH: u16 = 500;
/// How long a worker may be silent before another takes its job over.
pub(super) const LEASE: Duration = Duration::from_mins(1);
/// How often to look for jobs without a hint.
const POLL: Duration = Duration::from_secs(1);
/// How many refusals are kept with their reasons.
const REFUSALS: usize = 100;

/// Works jobs off, one batch at a time.
pub struct Worker {
    jobs: Jobs,
    /// The only job that it works on; `None` for any.
    only: Option<i64>,
    rejected_requests: Option<JobLease>,
}

/// What a worker did.
#[derive(Debug)]
pub enum Step {
    /// There is no job to work on.
    Idle,
    /// A batch, committed.
    Did {
        /// The job.
        job: i64,
        /// What was done.
        batch: ActionResult,
    },
    /// Nothing: the job's rate allows the next batch at this time.
    Paced(OffsetDateTime),
    /// The job has ended, or another works on it now.
    Ended,
}

impl Jobs {
    /// A worker for any job.
    pub fn worker(&self) -> Worker {
        Worker { jobs: self.clone(), only: None, rejected_requests: None }
    }

    /// Works jobs off until `stop`, then finishes the batch that is under way.
    pub async fn run(&self, stop: &CancellationToken) {
        let mut worker = self.worker();
        while !stop.is_cancelled() {
            let wait = match worker.step().await {
                Ok(Step::Did { .. } | Step::Ended) => continue,
                Ok(Step::Idle) => POLL,
                Ok(Step::Paced(until)) => {
                    // Meanwhile another job has its turn.
                    worker.release().await;
                    let wait = until - self.desk.clock.now();
                    Duration::try_from(wait).unwrap_or_default().min(POLL)
                }
                Err(error) => {
                    warn!(error = &error as &dyn std::error::Error, "cannot run a job");
                    POLL
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.hint.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        worker.release().await;
    }
}

impl Worker {
    pub(super) fn with_lease(jobs: Jobs, job: i64, token: Uuid) -> Self {
        Self { jobs, only: Some(job), rejected_requests: Some(JobLease { job, token }) }
    }

    /// Does the next batch of its job, or takes a job. Dropped in the middle, that batch has not
    /// happened, and the job is free for another once the lease has expired.
    ///
    /// # Errors
    /// [`StoreError`]: this batch has not happened, unless it was the commit that failed. What
    /// will fail again ends the job as failed.
    pub async fn step(&mut self) -> Result<Step, StoreError> {
        let store = &self.jobs.desk.store;
        let now = self.jobs.desk.clock.now();
        let lease = if let Some(lease) = self.rejected_requests {
            lease
        } else {
            store.expire_plans(now).await?;
            let rejected_requests = self.jobs.rejected_requests.is_some();
            let Some(lease) = store.claim_job(self.only, rejected_requests, now, LEASE).await?
            else {
                return Ok(Step::Idle);
            };
            self.rejected_requests = Some(lease);
            lease
        };
        let worked = self.jobs.work(lease, now).await;
        match &worked {
            Ok(Step::Ended) => self.rejected_requests = None,
            Err(error @ (StoreError::Refused(_) | StoreError::Inconsistent { .. })) => {
                error!(job.id = lease.job, error = error as &dyn std::error::Error, "job failed");
                self.rejected_requests = None;
                store.fail_job(lease, &error.to_string(), now).await?;
            }
            _ => {}
        }
        worked
    }

    /// Lets another go on with its job at once.
    pub async fn release(&mut self) {
        let Some(lease) = self.rejected_requests.take() else { return };
        if let Err(error) = self.jobs.desk.store.release_job(lease).await {
            warn!(
                error = &error as &dyn std::error::Error,
                "cannot release a job, its lease will expire"
            );
        }
    }
}

impl Jobs {
    async fn work(&self, lease: JobLease, now: OffsetDateTime) -> Result<Step, StoreError> {
        let store = &self.desk.store;
        let Some(job) = store.job(lease.job, None).await? else { return Ok(Step::Ended) };
        if let Some(until) = job.next_at.filter(|until| *until > now) {
            return Ok(Step::Paced(until));
        }
        let action = JobAction::of(&job.action).ok_or_else(|| job.inconsistent("action"))?;
        let action = match action {
            JobAction::Letters(action) => action,
            JobAction::Held(action) => {
                return self.work_on_rejected((lease, &job), action, now).await;
            }
        };
        let filter: DeadLetterFilter = job.selected()?;
        // Found before the transaction begins: it holds locks, and one connection is enough.
        let page = Page {
            after: job.after,
            before: job.up_to.saturating_add(1),
            order: Order::Up,
            limit: room(&job, i64::from(BATCH)),
        };
        let ids =
            if page.limit > 0 { store.find_dead_letters(&filter, page).await? } else { Vec::new() };
        let mut tx = store.begin().await?;
        if !tx.lock_job(lease).await? {
            return Ok(Step::Ended);
        }
        let Some(last) = ids.last().copied() else {
            tx.finish_job(job.id, now).await?;
            tx.commit(()).await?;
            return Ok(Step::Ended);
        };
        let actor = job.started_by.as_deref().unwrap_or(&job.planned_by);
        let orders = ActionRequest {
            action,
            force: job.force,
            named: filter.ids.is_some(),
            tenant: job.tenant.as_deref(),
            address: None,
            actor,
            reason: &job.reason,
            target: &job.target,
            job: Some(job.id),
            at: now,
        };
        let batch = self.desk.apply(&mut tx, &ids, &orders).await?;
        tx.record_job_progress(
            job.id,
            &JobProgress {
                after: last,
                resolved: count(&batch.resolved),
                created: count(&batch.created),
                refused: count(&batch.refused),
                refusals: &refusals(&job, &batch)?,
                next_at: next_at(&job, count(&batch.resolved), now),
                lease: LEASE,
            },
        )
        .await?;
        let batch = tx.commit(batch).await?.into_inner();
        self.desk.tell(&batch, action, actor).await;
        Ok(Step::Did { job: job.id, batch })
    }
}

/// How many the next batch may have: no more than a second's worth, and none beyond the cap.
pub(super) fn room(job: &JobRow, batch: i64) -> i64 {
    let rate = job.rate.map_or(i64::MAX, i64::from);
    let cap = job.cap.map_or(i64::MAX, |cap| cap - job.resolved);
    batch.min(rate).min(cap)
}

/// When so many have used up what the rate allows.
pub(super) fn next_at(job: &JobRow, resolved: i64, now: OffsetDateTime) -> Option<OffsetDateTime> {
    let rate = i64::from(job.rate?);
    let taken = time::Duration::microseconds(resolved.saturating_mul(1_000_000) / rate.max(1));
    now.checked_add(taken)
}

pub(super) fn refusals(job: &JobRow, batch: &ActionResult) -> Result<String, StoreError> {
    let mut known: Vec<(i64, String)> = job.refusals()?;
    let room = REFUSALS.saturating_sub(known.len());
    known.extend(batch.refused.iter().take(room).map(|(id, why)| (*id, why.to_string())));
    serde_json::to_string(&known).map_err(|_| job.inconsistent("refusals"))
}

pub(super) fn count<T>(some: &[T]) -> i64 {
    i64::try_from(some.len()).unwrap_or(i64::MAX)
}
