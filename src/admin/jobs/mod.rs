//! Jobs: bulk actions on dead letters, events or rejected requests.
//!
//! - A *plan* is a dry run: how many match, and some of them. It is a [`Job`] that has not started,
//!   and expires after [`PLAN_LASTS`].
//! - A started job is executed in batches by a [`Worker`]: of any gateway, or of the command line
//!   that started it. A lease with a token shows which worker has it.
//! - The plan fixes what the job processes: matches by age, and the highest id. So a replay that
//!   fails again is not processed by the job that made it.
//!
//! Planning, starting and cancelling a job are in the audit log. Each batch of dead letters is one
//! transaction: its effects, the job's progress and its audit entry; for events see `resend`, for
//! rejected requests `rejected`. If the worker fails between two batches, another continues after the last one; if it
//! fails within a batch, that batch is rolled back. Nothing is replayed twice.

mod action;
mod model;
mod rejected;
mod resend;
mod selection;
mod worker;

use std::sync::Arc;

use time::Duration;
use tokio::sync::Notify;

pub use action::RejectedAction;
pub use model::{
    BulkPreview, BulkRequest, Job, JobAction, JobDetail, JobOutcomes, JobState,
    RejectedBulkRequest, SkippedItem,
};
pub use resend::{EventSelection, ResendAction, ResendRequest, ResendState};
use selection::to_json;
pub use worker::{BATCH, Step, Worker};

use super::change::{Audited, AuditedChange};
use super::{
    AdminError, Caller, DeadLetters, Delivery, EventSummary, Reason, RejectedRequests, Scope,
    Selection,
};
use crate::store::{
    Alert, DeadLetterFilter, EventId, JobRow, NewJob, Order, Page, Severity, StoreError,
};

/// How long a plan can be started.
pub const PLAN_LASTS: Duration = Duration::minutes(15);
/// The number of matches that a plan shows.
pub const SAMPLE: u16 = 10;
/// The maximum number of deliveries listed by id.
const MAX_IDS: usize = 10_000;
/// A job on more items raises an alert.
const ALERT_BEYOND: u64 = 100;

/// The dead letters that a request selects now.
struct Resolved {
    filter: DeadLetterFilter,
    matched: i64,
    up_to: i64,
    ids: Vec<i64>,
}

#[derive(Clone)]
pub struct Jobs {
    dead_letters: DeadLetters,
    /// Without it, jobs on rejected requests are left to other processes.
    rejected_requests: Option<RejectedRequests>,
    /// Notified when a job is started here.
    started: Arc<Notify>,
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    cap: Option<i64>,
    rate: Option<i32>,
}

impl Limits {
    fn new(cap: Option<u32>, rate: Option<u32>) -> Result<Self, AdminError> {
        if cap == Some(0) || rate == Some(0) {
            return Err(AdminError::Invalid("cap and rate must be at least 1".to_owned()));
        }
        let rate = rate.map(|rate| i32::try_from(rate).unwrap_or(i32::MAX));
        Ok(Self { cap: cap.map(i64::from), rate })
    }
}

impl Jobs {
    pub fn new(dead_letters: DeadLetters) -> Self {
        Self { dead_letters, rejected_requests: None, started: Arc::default() }
    }

    #[must_use]
    pub fn with_rejected_requests(self, rejected_requests: RejectedRequests) -> Self {
        Self { rejected_requests: Some(rejected_requests), ..self }
    }

    /// What a job would process now. Nothing is recorded.
    pub async fn preview(
        &self,
        caller: &Caller,
        request: &BulkRequest,
    ) -> Result<BulkPreview, AdminError> {
        let resolved = self.resolve(caller, request).await?;
        let sample = self.sample(caller, resolved.ids).await?;
        let matched = resolved.matched.unsigned_abs();
        Ok(BulkPreview { matched, counted_to: None, sample, events: Vec::new() })
    }

    /// Plans a job. Nothing is changed until it is started.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when nothing matches; [`AdminError::Invalid`] without a reason,
    /// with a cap or rate of zero, or with too many ids.
    pub async fn plan(
        &self,
        caller: &Caller,
        request: &BulkRequest,
    ) -> Result<JobDetail, AdminError> {
        let Resolved { filter, matched, up_to, ids } = self.resolve(caller, request).await?;
        let reason = Reason::new(&request.reason)?;
        let reason = reason.as_str();
        let now = self.dead_letters.clock.now();
        let by_id = matches!(request.selection, Selection::Ids(_));
        let limits = Limits::new(request.cap, request.rate)?;
        let new = NewJob {
            tenant: filter.tenant.as_deref(),
            action: request.action.into(),
            selection: &to_json(&filter)?,
            target: &request.selection.to_string(),
            force: request.force && by_id,
            cap: limits.cap,
            rate: limits.rate,
            reason,
            matched,
            counted_to: None,
            verifiable: None,
            up_to,
            sample: &ids,
            sample_events: &[],
            by: caller.actor(),
            at: now,
            expires_at: now + PLAN_LASTS,
        };
        self.record_plan(caller, &new).await
    }

    /// Records a plan with its audit entry.
    async fn record_plan(
        &self,
        caller: &Caller,
        new: &NewJob<'_>,
    ) -> Result<JobDetail, AdminError> {
        let mut change = self.change(caller).await?;
        let id = change.tx.plan_job(new).await?;
        let audited = Audited {
            action: "plan",
            target: &format!("job {id}: {} {}", new.action, new.target),
            reason: new.reason,
            count: new.matched.unsigned_abs(),
        };
        change.commit(audited).await?;
        self.detail(caller, id).await
    }

    async fn change<'c>(&'c self, caller: &'c Caller) -> Result<AuditedChange<'c>, StoreError> {
        AuditedChange::begin(&self.dead_letters.store, &self.dead_letters.clock, caller).await
    }

    /// Checks a request, and finds what it selects now.
    async fn resolve(
        &self,
        caller: &Caller,
        request: &BulkRequest,
    ) -> Result<Resolved, AdminError> {
        caller.needs(Scope::EventsReplay)?;
        Reason::new(&request.reason)?;
        Limits::new(request.cap, request.rate)?;
        if let Selection::Ids(ids) = &request.selection
            && ids.len() > MAX_IDS
        {
            let text = format!("at most {MAX_IDS} ids are allowed");
            return Err(AdminError::Invalid(text));
        }
        let store = &self.dead_letters.store;
        let mut filter = self.dead_letters.resolve_filter(caller, &request.selection).await?;
        filter.resolved = false;
        let (matched, up_to) = store.count_dead_letters(&filter).await?;
        if matched == 0 {
            return Err(AdminError::NotFound("matching dead letter".to_owned()));
        }
        let page = Page {
            after: i64::MIN,
            before: up_to.saturating_add(1),
            order: Order::Up,
            limit: i64::from(request.cap.unwrap_or(u32::MAX).min(u32::from(SAMPLE))),
        };
        let ids = store.find_dead_letters(&filter, page).await?;
        Ok(Resolved { filter, matched, up_to, ids })
    }

    /// Starts a plan; a gateway executes it.
    ///
    /// # Errors
    /// [`AdminError::Conflict`] when it was started or cancelled, or has expired.
    pub async fn start(&self, caller: &Caller, id: i64) -> Result<Job, AdminError> {
        let started = self.begin(caller, id, None).await?;
        self.started.notify_one();
        Ok(started)
    }

    /// Starts a plan, and returns the only worker that executes it.
    pub async fn start_here(&self, caller: &Caller, id: i64) -> Result<Worker, AdminError> {
        let token = uuid::Uuid::new_v4();
        self.begin(caller, id, Some(token)).await?;
        Ok(Worker::with_lease(self.clone(), id, token))
    }

    async fn begin(
        &self,
        caller: &Caller,
        id: i64,
        here: Option<uuid::Uuid>,
    ) -> Result<Job, AdminError> {
        let plan = self.permitted(caller, id).await?;
        let mut change = self.change(caller).await?;
        let lease = here.map(|token| (token, worker::LEASE));
        if !change.tx.start_job(id, caller.actor(), change.at, lease).await? {
            let state = self.job(caller, id).await?.state;
            let text = format!("cannot start the job: it is {state}");
            return Err(AdminError::Conflict(text));
        }
        let most = plan.goal;
        if most > ALERT_BEYOND || plan.counted_to.is_some() {
            let action = plan.action.verb();
            let is_open = plan.counted_to.is_some() && plan.cap.is_none();
            let bound = if is_open { "at least" } else { "up to" };
            let alert = Alert {
                alert_type: plan.action.alert(),
                key: &id.to_string(),
                severity: Severity::Warning,
                source: "",
                event: None,
                text: &format!(
                    "{} started job {id}: {action} {bound} {most}, {}: {}",
                    caller.actor(),
                    plan.target,
                    plan.reason
                ),
                passing: true,
            };
            change.tx.alert(&alert).await?;
        }
        let audited = Audited {
            action: "start",
            target: &format!("job {id}: {} {}", plan.action.as_str(), plan.target),
            reason: &plan.reason,
            count: most,
        };
        change.commit(audited).await?;
        self.job(caller, id).await
    }

    /// Cancels a job or a plan, after the current batch. Completed work is not undone.
    ///
    /// # Errors
    /// [`AdminError::Conflict`] when it has ended.
    pub async fn cancel(
        &self,
        caller: &Caller,
        id: i64,
        reason: &Reason,
    ) -> Result<Job, AdminError> {
        let job = self.permitted(caller, id).await?;
        let mut change = self.change(caller).await?;
        if !change.tx.cancel_job(id, caller.actor(), change.at).await? {
            let text = format!("cannot cancel the job: it is {}", job.state);
            return Err(AdminError::Conflict(text));
        }
        let target = format!("job {id}: {} {}", job.action.verb(), job.target);
        change.commit(Audited { action: "cancel", target: &target, reason, count: 1 }).await?;
        self.job(caller, id).await
    }

    /// A job with a sample and its outcome.
    pub async fn show(&self, caller: &Caller, id: i64) -> Result<JobDetail, AdminError> {
        caller.needs(Scope::EventsRead)?;
        self.detail(caller, id).await
    }

    /// Up to `limit` jobs with a lower id than `before`, newest first.
    pub async fn list(
        &self,
        caller: &Caller,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Job>, AdminError> {
        caller.needs(Scope::EventsRead)?;
        let (before, limit) = (before.unwrap_or(i64::MAX), i64::from(limit.clamp(1, 1000)));
        let rows = self.dead_letters.store.jobs(caller.tenant(), before, limit).await?;
        let now = self.dead_letters.clock.now();
        Ok(rows.into_iter().map(|row| Job::new(row, now)).collect())
    }

    /// A job that the caller may start and cancel.
    async fn permitted(&self, caller: &Caller, id: i64) -> Result<Job, AdminError> {
        if !caller.may(Scope::SecretsWrite) {
            caller.needs(Scope::EventsReplay)?;
        }
        match self.job(caller, id).await {
            Ok(job) => {
                caller.needs(job.action.scope())?;
                Ok(job)
            }
            // A caller who may start no job on dead letters does not learn which jobs exist.
            Err(AdminError::NotFound(what)) => {
                caller.needs(Scope::EventsReplay)?;
                Err(AdminError::NotFound(what))
            }
            Err(error) => Err(error),
        }
    }

    async fn job(&self, caller: &Caller, id: i64) -> Result<Job, AdminError> {
        Ok(Job::new(self.row(caller, id).await?, self.dead_letters.clock.now()))
    }

    async fn row(&self, caller: &Caller, id: i64) -> Result<JobRow, AdminError> {
        let row = self.dead_letters.store.job(id, caller.tenant()).await?;
        row.ok_or_else(|| AdminError::NotFound(format!("job {id}")))
    }

    async fn detail(&self, caller: &Caller, id: i64) -> Result<JobDetail, AdminError> {
        let row = self.row(caller, id).await?;
        let ids = row.sample.clone();
        let events: Vec<EventId> = row.sample_events.iter().copied().map(EventId).collect();
        let job = Job::new(row, self.dead_letters.clock.now());
        let store = &self.dead_letters.store;
        let mut detail = JobDetail::of(job);
        if detail.job.action.is_about_rejected() {
            if caller.may(Scope::SecretsWrite) {
                detail.rejected_requests = store.rejected_by_number(&ids).await?;
            }
            return Ok(detail);
        }
        if events.is_empty() {
            detail.sample = self.sample(caller, ids).await?;
        } else {
            detail.events = self.sample_of_events(caller, &events).await?;
        }
        detail.delivery_outcomes = store.job_outcomes(id).await?;
        Ok(detail)
    }

    /// These events, oldest first, if the caller may see them.
    async fn sample_of_events(
        &self,
        caller: &Caller,
        events: &[EventId],
    ) -> Result<Vec<EventSummary>, StoreError> {
        if !caller.may(Scope::EventsRead) {
            return Ok(Vec::new());
        }
        let mut events = self.dead_letters.store.event_summaries(events, caller.tenant()).await?;
        events.reverse();
        Ok(events)
    }

    /// These dead letters, oldest first, if the caller may see them.
    async fn sample(&self, caller: &Caller, ids: Vec<i64>) -> Result<Vec<Delivery>, AdminError> {
        if !caller.may(Scope::EventsRead) {
            return Ok(Vec::new());
        }
        let paging = super::Paging::first(u32::from(SAMPLE));
        let page = self.dead_letters.list(caller, &Selection::Ids(ids), paging).await?;
        Ok(page.items.into_iter().rev().collect())
    }
}
