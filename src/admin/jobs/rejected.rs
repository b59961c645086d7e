//! Jobs on rejected requests: planned with the number that would be accepted now, and executed in
//! small batches. Each accepted request is committed as an event by ingest, before the job's
//! progress is. If a worker fails in between, the next one finds that event as a duplicate, and
//! makes no second one.

use time::Duration;

use super::worker::{count, next_at, room, skipped_items};
use super::{
    JobDetail, Jobs, Limits, PLAN_LASTS, RejectedAction, RejectedBulkRequest, SAMPLE, Step, to_json,
};
use crate::admin::{
    AdminError, BatchResult, Caller, Reason, Refused, RejectedRequests, Scope, Scopes,
};
use crate::store::{JobLease, JobProgress, JobRow, NewJob, RejectedRequestSelection, StoreError};

/// The most rejected requests of one batch.
const BATCH: i64 = 25;
/// How long a job waits when a request could not be recorded.
const BUSY_DELAY: Duration = Duration::SECOND;

impl Jobs {
    /// Plans a job on rejected requests: a dry run that counts the matches and, for reprocessing,
    /// those that would be accepted now.
    ///
    /// # Errors
    /// As [`Jobs::plan`].
    pub async fn plan_rejected(
        &self,
        caller: &Caller,
        request: &RejectedBulkRequest,
    ) -> Result<JobDetail, AdminError> {
        caller.needs(Scope::SecretsWrite)?;
        let reason = Reason::new(&request.reason)?;
        let reason = reason.as_str();
        let limits = Limits::new(request.cap, request.rate)?;
        let rejected_requests = self.rejected_requests()?;
        let selection = RejectedRequestSelection {
            tenant: caller.tenant().map(str::to_owned),
            source: request.source.clone(),
        };
        let (store, now) = (&self.dead_letters.store, self.dead_letters.clock.now());
        let (matched, up_to) = store.count_rejected(&selection).await?;
        if matched == 0 {
            return Err(AdminError::NotFound("matching rejected request".to_owned()));
        }
        let verifiable = match request.action {
            RejectedAction::Reprocess => {
                Some(rejected_requests.verifiable(caller, &selection, up_to).await?)
            }
            RejectedAction::Discard => None,
        };
        let sample = store.find_rejected(&selection, (i64::MIN, up_to), i64::from(SAMPLE)).await?;
        let sample: Vec<i64> = sample.into_iter().map(|(number, _)| number).collect();
        let target = match &request.source {
            Some(source) => format!("rejected requests of source `{source}`"),
            None => "all rejected requests".to_owned(),
        };
        let new = NewJob {
            tenant: caller.tenant(),
            action: request.action.into(),
            selection: &to_json(&selection)?,
            target: &target,
            force: false,
            cap: limits.cap,
            rate: limits.rate,
            reason,
            matched,
            counted_to: None,
            verifiable,
            up_to,
            sample: &sample,
            sample_events: &[],
            by: caller.actor(),
            at: now,
            expires_at: now + PLAN_LASTS,
        };
        self.record_plan(caller, &new).await
    }

    pub(super) fn rejected_requests(&self) -> Result<&RejectedRequests, AdminError> {
        let none = || AdminError::Conflict("rejected requests are not available here".to_owned());
        self.rejected_requests.as_ref().ok_or_else(none)
    }

    /// Executes the next batch of a job on rejected requests.
    pub(super) async fn work_on_rejected(
        &self,
        (lease, job): (JobLease, &JobRow),
        action: RejectedAction,
        now: time::OffsetDateTime,
    ) -> Result<Step, StoreError> {
        let (store, Some(rejected_requests)) = (&self.dead_letters.store, &self.rejected_requests)
        else {
            return Ok(Step::Ended);
        };
        let selection: RejectedRequestSelection = job.selected()?;
        let limit = room(job, BATCH);
        let next = if limit > 0 {
            store.find_rejected(&selection, (job.after, job.up_to), limit).await?
        } else {
            Vec::new()
        };
        let mut tx = store.begin().await?;
        if !tx.lock_job(lease).await? {
            return Ok(Step::Ended);
        }
        if next.is_empty() {
            tx.finish_job(job.id, now).await?;
            tx.commit(()).await?;
            return Ok(Step::Ended);
        }
        let actor = job.started_by.as_deref().unwrap_or(&job.planned_by);
        let scopes = Scopes::from_iter([Scope::SecretsWrite]);
        let caller = Caller::new(actor, job.tenant.clone(), scopes);
        // In the audit log before any of them is accepted.
        rejected_requests.audit_batch(&mut tx, &caller, action, job, next.len()).await?;
        let batch = match action {
            RejectedAction::Discard => rejected_requests.discard_batch(&mut tx, &next).await?,
            RejectedAction::Reprocess => {
                // Accepting them takes a while, so the job's row is not kept locked.
                tx.commit(()).await?;
                let batch = rejected_requests.reprocess_batch(&caller, &next).await?;
                tx = store.begin().await?;
                if !tx.lock_job(lease).await? {
                    return Ok(Step::Ended);
                }
                batch
            }
        };
        let resolved = count(&batch.resolved);
        let waits = batch.busy.is_some().then(|| now + BUSY_DELAY);
        let batch_done = BatchResult {
            resolved: batch.resolved,
            created: batch.created,
            refused: (batch.skipped.into_iter())
                .map(|(number, why)| (number, Refused::RejectedRequest(why)))
                .collect(),
        };
        let progress = JobProgress {
            after: batch.last.unwrap_or(job.after),
            after_event: None,
            resolved,
            created: count(&batch_done.created),
            skipped: count(&batch_done.refused),
            skipped_items: &skipped_items(job, &batch_done),
            next_at: waits.max(next_at(job, resolved, now)),
            lease: super::worker::LEASE,
        };
        tx.record_job_progress(job.id, &progress).await?;
        tx.commit(()).await?;
        if let Some(until) = waits.filter(|_| batch_done.resolved.is_empty()) {
            return Ok(Step::Paced(until));
        }
        Ok(Step::Did { job: job.id, batch: batch_done })
    }
}
