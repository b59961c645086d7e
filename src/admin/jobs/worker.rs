//! Executes jobs.

use std::time::Duration;

use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};
use uuid::Uuid;

use super::{JobAction, Jobs, RejectedAction, ResendAction};
use crate::admin::dead_letters::BatchRequest;
use crate::admin::{BatchResult, DeadLetterAction};
use crate::store::{DeadLetterFilter, JobLease, JobProgress, JobRow, Order, Page, StoreError};

/// The maximum number of deliveries of one batch, which is one transaction.
pub const BATCH: u16 = 500;
/// After this time without a sign of life, another worker takes over the job.
pub(super) const LEASE: Duration = Duration::from_mins(1);
/// The polling interval for jobs without a notification.
const POLL: Duration = Duration::from_secs(1);
/// The maximum number of skipped items recorded with their reasons.
const SKIPPED_ITEMS: usize = 100;

/// Executes jobs, one batch at a time.
pub struct Worker {
    jobs: Jobs,
    /// The only job that it executes; `None` for any.
    only: Option<i64>,
    lease: Option<JobLease>,
}

#[derive(Debug)]
pub enum Step {
    /// There is no job to execute.
    Idle,
    /// A batch, committed.
    Did { job: i64, batch: BatchResult },
    /// The job's rate limit allows the next batch at this time.
    Paced(OffsetDateTime),
    /// The job has ended, or another worker has taken it over.
    Ended,
}

impl Jobs {
    /// A worker for any job.
    pub fn worker(&self) -> Worker {
        Worker { jobs: self.clone(), only: None, lease: None }
    }

    /// Executes jobs until `stop`, and finishes the current batch.
    pub async fn run(&self, stop: &CancellationToken) {
        let mut worker = self.worker();
        while !stop.is_cancelled() {
            let wait = match worker.step().await {
                Ok(Step::Did { .. } | Step::Ended) => continue,
                Ok(Step::Idle) => POLL,
                Ok(Step::Paced(until)) => {
                    // Meanwhile another job can run.
                    worker.release().await;
                    let wait = until - self.dead_letters.clock.now();
                    Duration::try_from(wait).unwrap_or_default().min(POLL)
                }
                Err(error) => {
                    warn!(error = &error as &dyn std::error::Error, "cannot run a job");
                    POLL
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.started.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        worker.release().await;
    }
}

impl Worker {
    pub(super) fn with_lease(jobs: Jobs, job: i64, token: Uuid) -> Self {
        Self { jobs, only: Some(job), lease: Some(JobLease { job, token }) }
    }

    /// Executes the next batch of its job, or takes a job. If the future is dropped, the batch is
    /// rolled back, and another worker can take the job once the lease has expired.
    ///
    /// # Errors
    /// The batch is rolled back, unless the commit failed. An error that would occur again ends the
    /// job as failed.
    pub async fn step(&mut self) -> Result<Step, StoreError> {
        let store = &self.jobs.dead_letters.store;
        let now = self.jobs.dead_letters.clock.now();
        let lease = if let Some(lease) = self.lease {
            lease
        } else {
            store.expire_plans(now).await?;
            let with_rejected = self.jobs.rejected_requests.is_some();
            let Some(lease) = store.claim_job(self.only, with_rejected, now, LEASE).await? else {
                return Ok(Step::Idle);
            };
            self.lease = Some(lease);
            lease
        };
        let worked = self.jobs.work(lease, now).await;
        match &worked {
            Ok(Step::Ended) => self.lease = None,
            Err(error @ (StoreError::Refused(_) | StoreError::Inconsistent { .. })) => {
                error!(job.id = lease.job, error = error as &dyn std::error::Error, "job failed");
                self.lease = None;
                store.fail_job(lease, &error.to_string(), now).await?;
            }
            _ => {}
        }
        worked
    }

    /// Releases its job, so that another worker can continue it at once.
    pub async fn release(&mut self) {
        let Some(lease) = self.lease.take() else { return };
        if let Err(error) = self.jobs.dead_letters.store.release_job(lease).await {
            warn!(
                error = &error as &dyn std::error::Error,
                "cannot release a job, its lease will expire"
            );
        }
    }
}

impl Jobs {
    async fn work(&self, lease: JobLease, now: OffsetDateTime) -> Result<Step, StoreError> {
        let store = &self.dead_letters.store;
        let Some(job) = store.job(lease.job, None).await? else { return Ok(Step::Ended) };
        if let Some(until) = job.next_at.filter(|until| *until > now) {
            return Ok(Step::Paced(until));
        }
        let action = match job.action {
            JobAction::Replay => DeadLetterAction::Replay,
            JobAction::Discard => DeadLetterAction::Discard,
            JobAction::Resend => {
                return self.work_on_events((lease, &job), ResendAction::Resend, now).await;
            }
            JobAction::RetryNow => {
                return self.work_on_events((lease, &job), ResendAction::RetryNow, now).await;
            }
            JobAction::ReprocessRejected => {
                return self.work_on_rejected((lease, &job), RejectedAction::Reprocess, now).await;
            }
            JobAction::DiscardRejected => {
                return self.work_on_rejected((lease, &job), RejectedAction::Discard, now).await;
            }
        };
        let filter: DeadLetterFilter = job.selected()?;
        // Before the transaction begins: it takes locks, and one connection is enough.
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
        let request = BatchRequest {
            action,
            force: job.force,
            by_id: filter.ids.is_some(),
            tenant: job.tenant.as_deref(),
            address: None,
            actor,
            reason: &job.reason,
            target: &job.target,
            job: Some(job.id),
            at: now,
        };
        let batch = self.dead_letters.apply(&mut tx, &ids, &request).await?;
        tx.record_job_progress(
            job.id,
            &JobProgress {
                after: last,
                after_event: None,
                resolved: count(&batch.resolved),
                created: count(&batch.created),
                skipped: count(&batch.refused),
                skipped_items: &skipped_items(&job, &batch),
                next_at: next_at(&job, count(&batch.resolved), now),
                lease: LEASE,
            },
        )
        .await?;
        let batch = tx.commit(batch).await?.into_inner();
        self.dead_letters.announce(&batch, action, actor).await;
        Ok(Step::Did { job: job.id, batch })
    }
}

/// The maximum size of the next batch, given the job's rate and cap.
pub(super) fn room(job: &JobRow, batch: i64) -> i64 {
    let rate = job.rate.map_or(i64::MAX, i64::from);
    let cap = job.cap.map_or(i64::MAX, |cap| cap - job.resolved);
    batch.min(rate).min(cap)
}

/// When the job's rate allows the next batch, after one of `resolved` items.
pub(super) fn next_at(job: &JobRow, resolved: i64, now: OffsetDateTime) -> Option<OffsetDateTime> {
    let rate = i64::from(job.rate?);
    let taken = time::Duration::microseconds(resolved.saturating_mul(1_000_000) / rate.max(1));
    now.checked_add(taken)
}

/// The skipped items of the job so far, with those of this batch.
pub(super) fn skipped_items(job: &JobRow, batch: &BatchResult) -> Vec<(i64, String)> {
    let before = job.skipped_items.iter().cloned();
    let skipped = batch.refused.iter().map(|(id, why)| (*id, why.to_string()));
    before.chain(skipped).take(SKIPPED_ITEMS).collect()
}

pub(super) fn count<T>(some: &[T]) -> i64 {
    i64::try_from(some.len()).unwrap_or(i64::MAX)
}
