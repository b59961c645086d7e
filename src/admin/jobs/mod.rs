//! Jobs: replaying or discarding many dead letters, verifying or discarding many rejected requests.
//!
//! - A *plan* says what would be done: how many match, and some of them. It is a [`Job`] that has
//!   not begun, and cannot be started any more after [`PLAN_LASTS`].
//! - Started, it is worked off in batches by a [`Worker`]: of whichever gateway takes it, or of the
//!   command line that started it. A lease with a token says whose it is.
//! - What is frozen in the plan: which match by age, and the highest id. A replay that dies again
//!   is no business of the job that made it.
//!
//! That a job is planned, started and cancelled is in the audit log. Each batch about dead letters
//! is one transaction: its effects, the job's progress and its line in the audit log; for rejected
//! requests see `rejected_requests`. When the worker dies between two batches, another goes on
//! behind the last one; when it dies within one, that batch has not happened. Either way nothing is
//! replayed twice.

mod action;
mod job;
mod rejected;
mod worker;

use std::sync::Arc;

use time::Duration;
use tokio::sync::Notify;

pub use action::{JobAction, RejectedAction};
use job::written;
pub use job::{Job, JobDetail, JobState};
pub use rejected::RejectedBulkRequest;
pub use worker::{BATCH, Step, Worker};

use super::{Action, AdminError, Caller, DeadLetters, Reason, RejectedRequests, Scope, Selection};
use crate::store::{
    Alert, AuditEntry, DeadLetter, DeadLetterFilter, JobOutcomes, NewJob, Order, Page, Severity,
};

/// How long a plan can be started.
pub const PLAN_LASTS: Duration = Duration::minutes(15);
/// How many of those that match a plan shows.
pub const SAMPLE: u16 = 10;
/// The most deliveries that are named one by one.
const MOST_IDS: usize = 10_000;
/// Beyond so many, users are told that a user does it.
const TOLD_BEYOND: u64 = 100;

/// What is to be done about many dead letters.
#[derive(Debug, Clone)]
pub struct BulkRequest {
    /// What.
    pub action: Action,
    /// About which.
    pub selection: Selection,
    /// The most that are resolved, the oldest first; `None` for all.
    pub cap: Option<u32>,
    /// The most that are resolved in a second; `None` for no limit.
    pub rate: Option<u32>,
    /// Why.
    pub reason: String,
    /// Also what is done or resolved; only for deliveries that are named.
    pub force: bool,
}

/// What a job would be about.
#[derive(Debug, Clone)]
pub struct BulkPreview {
    /// How many match.
    pub matched: u64,
    /// Some of them, the oldest first.
    pub sample: Vec<DeadLetter>,
}

/// What a request means at a moment.
struct Meant {
    filter: DeadLetterFilter,
    matched: i64,
    up_to: i64,
    ids: Vec<i64>,
}

/// The jobs, for those who plan, start, watch and cancel them.
#[derive(Clone)]
pub struct Jobs {
    desk: DeadLetters,
    /// The service for rejected requests; jobs about those wait for a user who has it.
    rejected_requests: Option<RejectedRequests>,
    /// Rings when a job was started here.
    hint: Arc<Notify>,
}

/// How much a job may do, and how fast, as it is stored.
#[derive(Debug, Clone, Copy)]
struct Terms {
    cap: Option<i64>,
    rate: Option<i32>,
}

impl Terms {
    fn new(cap: Option<u32>, rate: Option<u32>) -> Result<Self, AdminError> {
        if cap == Some(0) || rate == Some(0) {
            return Err(AdminError::Invalid("cap and rate must be at least 1".to_owned()));
        }
        let rate = rate.map(|rate| i32::try_from(rate).unwrap_or(i32::MAX));
        Ok(Self { cap: cap.map(i64::from), rate })
    }
}

impl Jobs {
    /// The jobs that are about `desk`.
    pub fn new(desk: DeadLetters) -> Self {
        Self { desk, rejected_requests: None, hint: Arc::default() }
    }

    /// The same, for rejected requests too.
    #[must_use]
    pub fn with_rejected_requests(self, rejected_requests: RejectedRequests) -> Self {
        Self { rejected_requests: Some(rejected_requests), ..self }
    }

    /// What a job would be about now. Nothing is written: a dry run is no act.
    ///
    /// # Errors
    /// As [`Jobs::plan`].
    pub async fn preview(
        &self,
        caller: &Caller,
        request: &BulkRequest,
    ) -> Result<BulkPreview, AdminError> {
        let resolve_filter = self.resolve_filter(caller, request).await?;
        let sample = self.letters(caller, resolve_filter.ids).await?;
        Ok(BulkPreview { matched: resolve_filter.matched.unsigned_abs(), sample })
    }

    /// Plans a job. Nothing is done until it is started; that it was planned is in the audit log.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when nothing matches; [`AdminError::Invalid`] without a
    /// reason, with a cap or rate of nothing, or with too many ids; [`AdminError::Denied`]
    /// without [`Scope::EventsReplay`]; [`AdminError::Store`].
    pub async fn plan(
        &self,
        caller: &Caller,
        request: &BulkRequest,
    ) -> Result<JobDetail, AdminError> {
        let Meant { filter, matched, up_to, ids } = self.resolve_filter(caller, request).await?;
        let reason = Reason::new(&request.reason)?.get();
        let (now, named) = (self.desk.clock.now(), matches!(request.selection, Selection::Ids(_)));
        let (action, target) = (request.action.as_str(), request.selection.to_string());
        let terms = Terms::new(request.cap, request.rate)?;
        let new = NewJob {
            tenant: filter.tenant.as_deref(),
            action,
            selection: &written(&filter)?,
            target: &target,
            force: request.force && named,
            cap: terms.cap,
            rate: terms.rate,
            reason,
            matched,
            verifiable: None,
            up_to,
            sample: &ids,
            by: caller.actor(),
            at: now,
            expires_at: now + PLAN_LASTS,
        };
        self.planned(caller, &new).await
    }

    /// Writes a plan down, with its line in the audit log, and shows it.
    async fn planned(&self, caller: &Caller, new: &NewJob<'_>) -> Result<JobDetail, AdminError> {
        let mut tx = self.desk.store.begin().await?;
        let id = tx.plan_job(new).await?;
        let entry = AuditEntry {
            at: new.at,
            actor: caller.actor(),
            action: "plan job",
            target: &format!("job {id}: {} {}", new.action, new.target),
            reason: new.reason,
            count: new.matched.unsigned_abs(),
        };
        tx.audit_with(&entry, caller.audit_more()).await?;
        tx.commit(()).await?;
        self.detail(caller, id).await
    }

    /// What a request means now, if it is valid.
    async fn resolve_filter(
        &self,
        caller: &Caller,
        request: &BulkRequest,
    ) -> Result<Meant, AdminError> {
        caller.needs(Scope::EventsReplay)?;
        Reason::new(&request.reason)?;
        Terms::new(request.cap, request.rate)?;
        if let Selection::Ids(ids) = &request.selection
            && ids.len() > MOST_IDS
        {
            let text = format!("at most {MOST_IDS} ids are allowed");
            return Err(AdminError::Invalid(text));
        }
        let store = &self.desk.store;
        let mut filter = self.desk.resolve_filter(caller, &request.selection).await?;
        filter.resolved = false;
        let (matched, up_to) = store.count_dead_letters(&filter).await?;
        if matched == 0 {
            return Err(AdminError::NotFound("matching dead letter".to_owned()));
        }
        let page = Page {
            after: i64::MIN,
            before: up_to.saturating_add(1),
            order: Order::Up,
            limit: i64::from(SAMPLE),
        };
        let ids = store.find_dead_letters(&filter, page).await?;
        Ok(Meant { filter, matched, up_to, ids })
    }

    /// Starts a plan; a gateway works it off.
    ///
    /// # Errors
    /// [`AdminError::NotFound`]; [`AdminError::Conflict`] when it was started, cancelled or
    /// is too old; [`AdminError::Denied`] without [`Scope::EventsReplay`];
    /// [`AdminError::Store`].
    pub async fn start(&self, caller: &Caller, id: i64) -> Result<Job, AdminError> {
        let started = self.begin(caller, id, None).await?;
        self.hint.notify_one();
        Ok(started)
    }

    /// Starts a plan, and gives the worker that alone works it off.
    ///
    /// # Errors
    /// As [`Jobs::start`].
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
        let plan = self.of(caller, id).await?;
        let mut tx = self.desk.store.begin().await?;
        let lease = here.map(|token| (token, worker::LEASE));
        if !tx.start_job(id, caller.actor(), self.desk.clock.now(), lease).await? {
            let state = self.job(caller, id).await?.state;
            let text = format!("cannot start the job: it is {state}");
            return Err(AdminError::Conflict(text));
        }
        let most = plan.cap.map_or(plan.matched, |cap| plan.matched.min(cap));
        if most > TOLD_BEYOND {
            let action = plan.action.verb();
            tx.alert(&Alert {
                kind: plan.action.alert(),
                key: &id.to_string(),
                severity: Severity::Warning,
                source: "",
                text: &format!(
                    "{} started job {id}: {action} up to {most}, {}: {}",
                    caller.actor(),
                    plan.target,
                    plan.reason
                ),
                passing: true,
            })
            .await?;
        }
        let entry = AuditEntry {
            at: self.desk.clock.now(),
            actor: caller.actor(),
            action: "start job",
            target: &format!("job {id}: {} {}", plan.action.as_str(), plan.target),
            reason: &plan.reason,
            count: most,
        };
        tx.audit_with(&entry, caller.audit_more()).await?;
        tx.commit(()).await?;
        self.job(caller, id).await
    }

    /// Cancels a job, or a plan: what it has done is done, and after the present batch nothing
    /// more is.
    ///
    /// # Errors
    /// [`AdminError::NotFound`]; [`AdminError::Conflict`] when it has ended;
    /// [`AdminError::Invalid`] without a reason; [`AdminError::Denied`] without
    /// [`Scope::EventsReplay`]; [`AdminError::Store`].
    pub async fn cancel(&self, caller: &Caller, id: i64, reason: &str) -> Result<Job, AdminError> {
        let job = self.of(caller, id).await?;
        let reason = Reason::new(reason)?.get();
        let now = self.desk.clock.now();
        let mut tx = self.desk.store.begin().await?;
        if !tx.cancel_job(id, caller.actor(), now).await? {
            let text = format!("cannot cancel the job: it is {}", job.state);
            return Err(AdminError::Conflict(text));
        }
        let entry = AuditEntry {
            at: now,
            actor: caller.actor(),
            action: "cancel job",
            target: &format!("job {id}: {} {}", job.action.verb(), job.target),
            reason,
            count: 1,
        };
        tx.audit_with(&entry, caller.audit_more()).await?;
        tx.commit(()).await?;
        self.job(caller, id).await
    }

    /// One job: its progress, some of what it is about, and what became of what it made.
    ///
    /// # Errors
    /// [`AdminError::NotFound`]; [`AdminError::Denied`] without [`Scope::EventsRead`];
    /// [`AdminError::Store`].
    pub async fn show(&self, caller: &Caller, id: i64) -> Result<JobDetail, AdminError> {
        caller.needs(Scope::EventsRead)?;
        self.detail(caller, id).await
    }

    /// Up to `limit` jobs with a lower id than `before`, the newest first.
    ///
    /// # Errors
    /// [`AdminError::Denied`] without [`Scope::EventsRead`]; [`AdminError::Store`].
    pub async fn list(
        &self,
        caller: &Caller,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Job>, AdminError> {
        caller.needs(Scope::EventsRead)?;
        let (before, limit) = (before.unwrap_or(i64::MAX), i64::from(limit.clamp(1, 1000)));
        let rows = self.desk.store.jobs(caller.tenant(), before, limit).await?;
        let now = self.desk.clock.now();
        Ok(rows.into_iter().map(|row| Job::of(row, now)).collect::<Result<_, _>>()?)
    }

    /// A job that the caller may start and cancel.
    async fn of(&self, caller: &Caller, id: i64) -> Result<Job, AdminError> {
        if !caller.may(Scope::SecretsWrite) {
            caller.needs(Scope::EventsReplay)?;
        }
        match self.job(caller, id).await {
            Ok(job) => {
                caller.needs(job.action.scope())?;
                Ok(job)
            }
            // Who may start no other job is not told which there are.
            Err(AdminError::NotFound(what)) => {
                caller.needs(Scope::EventsReplay)?;
                Err(AdminError::NotFound(what))
            }
            Err(error) => Err(error),
        }
    }

    async fn job(&self, caller: &Caller, id: i64) -> Result<Job, AdminError> {
        let row = self.desk.store.job(id, caller.tenant()).await?;
        let row = row.ok_or_else(|| AdminError::NotFound(format!("job {id}")))?;
        Ok(Job::of(row, self.desk.clock.now())?)
    }

    async fn detail(&self, caller: &Caller, id: i64) -> Result<JobDetail, AdminError> {
        let job = self.job(caller, id).await?;
        if job.action.is_about_rejected() {
            let rejected_requests = if caller.may(Scope::SecretsWrite) {
                self.desk.store.rejected_by_number(&job.sample).await?
            } else {
                Vec::new()
            };
            let delivery_outcomes = JobOutcomes::default();
            return Ok(JobDetail { job, sample: Vec::new(), rejected_requests, delivery_outcomes });
        }
        let sample = self.letters(caller, job.sample.clone()).await?;
        let delivery_outcomes = self.desk.store.job_outcomes(id).await?;
        Ok(JobDetail { job, sample, rejected_requests: Vec::new(), delivery_outcomes })
    }

    /// These dead letters, the oldest first, as far as the caller may see them.
    async fn letters(&self, caller: &Caller, ids: Vec<i64>) -> Result<Vec<DeadLetter>, AdminError> {
        if !caller.may(Scope::EventsRead) {
            return Ok(Vec::new());
        }
        let paging = super::Paging::first(u32::from(SAMPLE));
        let mut letters = self.desk.list(caller, &Selection::Ids(ids), paging).await?.letters;
        letters.reverse();
        Ok(letters)
    }
}
