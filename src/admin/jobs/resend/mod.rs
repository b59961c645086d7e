//! Jobs on the deliveries of events: they deliver events again, or for the first time to a handler
//! that had none, or make waiting deliveries due.
//!
//! The events are read in the order of arrival, as many at a time as a batch may take. The plan
//! includes events up to the newest one at that time. Whether an event is resent is decided when
//! its batch is executed, with its rows locked. A batch is one transaction, as for dead letters.

mod decide;
mod model;

use std::collections::BTreeSet;

use tracing::info;
use uuid::Uuid;

use decide::{Decision, Rule};
use model::StoredSelection;
pub use model::{EventSelection, ResendAction, ResendRequest, ResendState};

use super::worker::{self, count, next_at, room, skipped_items};
use super::{BulkPreview, JobDetail, Jobs, Limits, PLAN_LASTS, SAMPLE, Step, to_json};
use crate::admin::{AdminError, BatchResult, Caller, Reason, Scope, wake_gateways};
use crate::near_names;
use crate::store::{
    AuditEntry, AuditMore, EventId, HandlerName, JobLease, JobProgress, JobRow, NewJob, NewResend,
    OperatorAction, ResendFilter, ResendLimits, Resolution, StoreError, Tx,
};

/// What a plan reads at a time.
const COUNTED_AT_A_TIME: ResendLimits = ResendLimits { scanned: 10_000, matching: 2_000 };
/// How many events a plan reads to count the matches.
const COUNTED: i64 = 50_000;
/// How many matching events a plan reads with their deliveries.
const COUNTED_MATCHING: usize = 10_000;
/// What a batch reads.
const BATCH: ResendLimits = ResendLimits { scanned: 5_000, matching: 500 };

/// What a plan found.
struct Counted {
    filter: ResendFilter,
    matched: u64,
    /// The first events that match.
    sample: Vec<EventId>,
    /// The last event that was counted; `None` if all were.
    to: Option<EventId>,
}

/// What a batch did.
#[derive(Default)]
struct Done {
    batch: BatchResult,
    after: Option<EventId>,
}

impl Jobs {
    /// What a job on events would process now. Nothing is recorded.
    ///
    /// # Errors
    /// As [`Jobs::plan_resend`].
    pub async fn preview_resend(
        &self,
        caller: &Caller,
        request: &ResendRequest,
    ) -> Result<BulkPreview, AdminError> {
        let counted = self.count_events(caller, request).await?;
        Ok(BulkPreview {
            matched: counted.matched,
            counted_to: counted.to.map(EventId::assigned_at),
            sample: Vec::new(),
            events: self.sample_of_events(caller, &counted.sample).await?,
        })
    }

    /// Plans a job on events. Nothing is changed until it is started.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when nothing matches; [`AdminError::Invalid`] for a source or
    /// handler that is not configured, without a reason, or with a cap or rate of zero.
    pub async fn plan_resend(
        &self,
        caller: &Caller,
        request: &ResendRequest,
    ) -> Result<JobDetail, AdminError> {
        let counted = self.count_events(caller, request).await?;
        let reason = Reason::new(&request.reason)?;
        let limits = Limits::new(request.cap, request.rate)?;
        let now = self.dead_letters.clock.now();
        let tenant = counted.filter.tenant.clone();
        let sample: Vec<Uuid> = counted.sample.iter().map(|event| event.0).collect();
        let selection = StoredSelection { events: counted.filter, state: request.selection.state };
        let new = NewJob {
            tenant: tenant.as_deref(),
            action: request.action.into(),
            selection: &to_json(&selection)?,
            target: &request.selection.to_string(),
            force: false,
            cap: limits.cap,
            rate: limits.rate,
            reason: reason.as_str(),
            matched: i64::try_from(counted.matched).unwrap_or(i64::MAX),
            counted_to: counted.to.map(EventId::assigned_at),
            verifiable: None,
            up_to: 0,
            sample: &[],
            sample_events: &sample,
            by: caller.actor(),
            at: now,
            expires_at: now + PLAN_LASTS,
        };
        self.record_plan(caller, &new).await
    }

    /// Checks a request, and counts what it selects now, as far as the bounds allow.
    async fn count_events(
        &self,
        caller: &Caller,
        request: &ResendRequest,
    ) -> Result<Counted, AdminError> {
        caller.needs(Scope::EventsReplay)?;
        Reason::new(&request.reason)?;
        Limits::new(request.cap, request.rate)?;
        let selection = &request.selection;
        self.check_names(caller, selection)?;
        if request.action == ResendAction::RetryNow && selection.state != ResendState::Any {
            let text = "state: `retry_now` takes waiting deliveries only, leave it out";
            return Err(AdminError::Invalid(text.to_owned()));
        }
        if selection.state == ResendState::Missing && selection.handler.is_none() {
            let text = "handler: the state `missing` requires the handler that has no delivery";
            return Err(AdminError::Invalid(text.to_owned()));
        }
        let (store, now) = (&self.dead_letters.store, self.dead_letters.clock.now());
        let nothing = || AdminError::NotFound("matching delivery or event".to_owned());
        let filter = selection.filter(caller.tenant()).until_newest(store).await?;
        let filter = filter.ok_or_else(nothing)?;
        let rule = self.rule(request.action, selection.state, filter.handler.as_deref());
        let (mut matched, mut sample) = (0, Vec::new());
        let (mut to, mut scanned, mut matching) = (None, 0, 0);
        loop {
            let limits = COUNTED_AT_A_TIME;
            let page = store.find_events_to_resend(&filter, to, limits, now).await?;
            for (event, decisions) in rule.decide_all(&page) {
                matched += decisions.len() as u64;
                if sample.len() < usize::from(SAMPLE) {
                    sample.push(event.event);
                }
            }
            to = page.reached;
            (scanned, matching) = (scanned + limits.scanned, matching + page.events.len());
            if to.is_none() || scanned >= COUNTED || matching >= COUNTED_MATCHING {
                break;
            }
        }
        if matched == 0 && to.is_none() {
            return Err(nothing());
        }
        Ok(Counted { filter, matched, sample, to })
    }

    /// Whether the source and the handler are configured, for this caller.
    fn check_names(&self, caller: &Caller, selection: &EventSelection) -> Result<(), AdminError> {
        let mut sources = self.dead_letters.routing.visible_to(caller.tenant());
        if let Some(name) = &selection.source {
            if !sources.contains_key(name.as_str()) {
                return Err(unknown("source", name, sources.into_keys()));
            }
            sources.retain(|source, _| source == name);
        }
        let Some(handler) = &selection.handler else { return Ok(()) };
        let mut known: BTreeSet<&str> =
            sources.values().flat_map(|route| route.handlers.iter().copied()).collect();
        if known.contains(handler.as_str()) {
            return Ok(());
        }
        let destination = |handler| HandlerName::parse(handler).destination();
        if let Some(name) = destination(handler) {
            return Err(unknown("destination", name, known.into_iter().filter_map(destination)));
        }
        known.retain(|known| destination(known).is_none());
        Err(unknown("handler", handler, known))
    }

    fn rule<'a>(
        &'a self,
        action: ResendAction,
        state: ResendState,
        handler: Option<&'a str>,
    ) -> Rule<'a> {
        Rule { action, state, handler, routing: &self.dead_letters.routing }
    }

    /// Executes the next batch of a job on events.
    pub(super) async fn work_on_events(
        &self,
        (lease, job): (JobLease, &JobRow),
        action: ResendAction,
        now: time::OffsetDateTime,
    ) -> Result<Step, StoreError> {
        let store = &self.dead_letters.store;
        let selection: StoredSelection = job.selected()?;
        let mut tx = store.begin().await?;
        if !tx.lock_job(lease).await? {
            return Ok(Step::Ended);
        }
        let room = usize::try_from(room(job, BATCH.matching)).unwrap_or_default();
        let done = if room > 0 {
            self.resend_batch(&mut tx, (job, &selection), action, room, now).await?
        } else {
            None
        };
        let Some(Done { batch, after }) = done else {
            tx.finish_job(job.id, now).await?;
            tx.commit(()).await?;
            return Ok(Step::Ended);
        };
        let resolved = count(&batch.resolved);
        let progress = JobProgress {
            after: job.after,
            after_event: after.map(|event| event.0),
            resolved,
            created: count(&batch.created),
            skipped: count(&batch.refused),
            skipped_items: &skipped_items(job, &batch),
            next_at: next_at(job, resolved, now),
            lease: worker::LEASE,
        };
        tx.record_job_progress(job.id, &progress).await?;
        let batch = tx.commit(batch).await?.into_inner();
        if !batch.resolved.is_empty() {
            let count = batch.resolved.len();
            info!(job.id, action = action.as_str(), count, "job on events: batch done");
            wake_gateways(store).await;
        }
        Ok(Step::Did { job: job.id, batch })
    }

    /// Applies the action to the next events, until `room` deliveries are reached; `None` at the
    /// end. An event is never divided, so they may be a few more.
    async fn resend_batch(
        &self,
        tx: &mut Tx<'_>,
        (job, selection): (&JobRow, &StoredSelection),
        action: ResendAction,
        room: usize,
        now: time::OffsetDateTime,
    ) -> Result<Option<Done>, StoreError> {
        let filter = &selection.events;
        let rule = self.rule(action, selection.state, filter.handler.as_deref());
        let before = job.after_event.map(EventId);
        let page = tx.find_events_to_resend(filter, before, BATCH, now).await?;
        let (mut events, mut deliveries) = (Vec::new(), Vec::new());
        for (event, decisions) in rule.decide_all(&page) {
            if deliveries.len() >= room {
                break;
            }
            events.push(event.event);
            deliveries.extend(decisions.iter().map(Decision::delivery));
        }
        let Some(last) = events.last().copied() else {
            let after = page.reached;
            return Ok(after.map(|_| Done { after, ..Done::default() }));
        };
        let after = match page.reached {
            Some(reached) if deliveries.len() < room => reached,
            _ => last,
        };
        let known: Vec<i64> = deliveries.into_iter().flatten().collect();
        let locked = tx.lock_events_to_resend(&events, &known).await?;
        // Again, now that nobody else can change them.
        let page = tx.find_events_to_resend(filter, before, BATCH, now).await?;
        let decisions = rule.decide_all(&page).filter(|(event, _)| locked.contains(&event.event));
        let decisions = decisions.flat_map(|(_, decisions)| decisions);
        let batch = apply(tx, decisions, (job, action), now).await?;
        Ok(Some(Done { batch, after: Some(after) }))
    }
}

/// Applies decisions, up to the cap of the job, and records who did it.
async fn apply(
    tx: &mut Tx<'_>,
    decisions: impl Iterator<Item = Decision>,
    (job, action): (&JobRow, ResendAction),
    at: time::OffsetDateTime,
) -> Result<BatchResult, StoreError> {
    let left = job.cap.map_or(usize::MAX, |cap| usize::try_from(cap - job.resolved).unwrap_or(0));
    let mut batch = BatchResult::default();
    let (mut new, mut resolved, mut waiting) = (Vec::<NewResend>::new(), Vec::new(), Vec::new());
    for decision in decisions {
        if new.len() + waiting.len() >= left {
            break;
        }
        match decision {
            Decision::Resend { new: delivery, resolves } => {
                resolved.extend(delivery.previous.filter(|_| resolves));
                new.push(delivery);
            }
            Decision::Retry(delivery) => waiting.push(delivery),
            Decision::Skip(delivery, why) => batch.refused.push((delivery, why)),
        }
    }
    if new.is_empty() && waiting.is_empty() {
        return Ok(batch);
    }
    let actor = job.started_by.as_deref().unwrap_or(&job.planned_by);
    let (word, reason) = (action.done_as(), job.reason.as_str());
    let recorded = OperatorAction { at, actor, action: word, reason, job: Some(job.id) };
    match action {
        ResendAction::Resend => {
            batch.created = tx.insert_resends(&new, at).await?;
            tx.resolve(&resolved, Resolution::Replayed, at).await?;
            batch.resolved.clone_from(&batch.created);
            tx.record_action(recorded, &[], &batch.created).await?;
        }
        ResendAction::RetryNow => {
            batch.resolved = tx.make_due(&waiting, at).await?;
            tx.record_action(recorded, &batch.resolved, &[]).await?;
        }
    }
    let count = batch.resolved.len() as u64;
    let entry = AuditEntry { at, actor, action: word, target: &job.target, reason, count };
    let more = AuditMore { tenant: job.tenant.as_deref(), ..AuditMore::default() };
    tx.audit_with(&entry, more).await?;
    Ok(batch)
}

/// The error for a name that is not configured, with similar ones, or all that there are.
fn unknown<'a>(kind: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> AdminError {
    let described = near_names::described(kind, name, known.into_iter().collect());
    AdminError::Invalid(format!("{described} is not configured"))
}
