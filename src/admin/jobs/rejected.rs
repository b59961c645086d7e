//! Jobs about rejected requests: planned with how many would be accepted now, and worked off in
//! small batches. Each request that is accepted is an event by itself, committed by ingest; the
//! job's progress follows. A worker that dies in between leaves requests whose event is there: the
//! next one finds that event, and no second one is made.

use time::Duration;

use super::worker::{count, next_at, refusals, room};
use super::{JobAction, JobDetail, Jobs, PLAN_LASTS, RejectedAction, SAMPLE, Step, Terms, written};
use crate::admin::{
    ActionResult, AdminError, Caller, Reason, Refused, RejectedRequests, Scope, Scopes,
};
use crate::store::{JobLease, JobProgress, JobRow, NewJob, RejectedRequestSelection, StoreError};

/// The most rejected requests of one batch.
const BATCH: i64 = 25;
/// How long a job waits when a request could not be recorded.
const BUSY: Duration = Duration::SECOND;

/// What is to be done about many rejected requests.
#[derive(Debug, Clone)]
pub struct RejectedBulkRequest {
    /// What.
    pub action: RejectedAction,
    /// About those of this source; `None` for all that the caller sees.
    pub source: Option<String>,
    /// The most that are resolved, the oldest first; `None` for all.
    pub cap: Option<u32>,
    /// The most that are resolved in a second; `None` for no limit.
    pub rate: Option<u32>,
    /// Why.
    pub reason: String,
}

impl Jobs {
    /// Plans a job about rejected requests: a dry run, which says how many match and, where they
    /// are to be verified, how many of those would be accepted now.
    ///
    /// # Errors
    /// As [`Jobs::plan`], with [`Scope::SecretsWrite`].
    pub async fn plan_rejected(
        &self,
        caller: &Caller,
        request: &RejectedBulkRequest,
    ) -> Result<JobDetail, AdminError> {
        caller.needs(Scope::SecretsWrite)?;
        let reason = Reason::new(&request.reason)?.get();
        let terms = Terms::new(request.cap, request.rate)?;
        let rejected_requests = self.rejected_requests()?;
        let selection = RejectedRequestSelection {
            tenant: caller.tenant().map(str::to_owned),
            source: request.source.clone(),
        };
        let (store, now) = (&self.desk.store, self.desk.clock.now());
        let (matched, up_to) = store.count_rejected(&selection).await?;
        if matched == 0 {
            return Err(AdminError::NotFound("matching rejected request".to_owned()));
        }
        let verifiable = match request.action {
            RejectedAction::Verify => {
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
            action: JobAction::Held(request.action).as_str(),
            selection: &written(&selection)?,
            target: &target,
            force: false,
            cap: terms.cap,
            rate: terms.rate,
            reason,
            matched,
            verifiable,
            up_to,
            sample: &sample,
            by: caller.actor(),
            at: now,
            expires_at: now + PLAN_LASTS,
        };
        self.planned(caller, &new).await
    }

    /// The service for rejected requests.
    pub(super) fn rejected_requests(&self) -> Result<&RejectedRequests, AdminError> {
        let none = || AdminError::Conflict("rejected requests are not available here".to_owned());
        self.rejected_requests.as_ref().ok_or_else(none)
    }

    /// Works on a job about rejected requests.
    pub(super) async fn work_on_rejected(
        &self,
        (lease, job): (JobLease, &JobRow),
        action: RejectedAction,
        now: time::OffsetDateTime,
    ) -> Result<Step, StoreError> {
        let (store, Some(rejected_requests)) = (&self.desk.store, &self.rejected_requests) else {
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
        // In the log before any of them is accepted.
        rejected_requests.note_batch(&mut tx, &caller, action, job, next.len()).await?;
        let batch = match action {
            RejectedAction::Discard => rejected_requests.discard_batch(&mut tx, &next).await?,
            RejectedAction::Verify => {
                // Letting them in takes a while: the job's row is not kept locked.
                tx.commit(()).await?;
                let batch = rejected_requests.verify_batch(&caller, &next).await?;
                tx = store.begin().await?;
                if !tx.lock_job(lease).await? {
                    return Ok(Step::Ended);
                }
                batch
            }
        };
        let dealt_with = count(&batch.resolved);
        let waits = batch.busy.is_some().then(|| now + BUSY);
        let batch_done = ActionResult {
            resolved: batch.resolved,
            created: batch.created,
            refused: batch.refused.into_iter().map(|(id, why)| (id, Refused::Held(why))).collect(),
        };
        let advance = JobProgress {
            after: batch.last.unwrap_or(job.after),
            resolved: dealt_with,
            created: count(&batch_done.created),
            refused: count(&batch_done.refused),
            refusals: &refusals(job, &batch_done)?,
            next_at: waits.max(next_at(job, dealt_with, now)),
            lease: super::worker::LEASE,
        };
        tx.record_job_progress(job.id, &advance).await?;
        tx.commit(()).await?;
        if let Some(until) = waits.filter(|_| batch_done.resolved.is_empty()) {
            return Ok(Step::Paced(until));
        }
        Ok(Step::Did { job: job.id, batch: batch_done })
    }
}
