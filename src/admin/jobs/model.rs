//! Jobs as users see them: in the API, on the command line and in the console.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::RejectedAction;
use crate::admin::input::{self, Count};
use crate::admin::{DeadLetterAction, Delivery, EventSummary, Reason, RejectedRequest, Selection};
use crate::store::JobRow;
pub use crate::store::{JobAction, JobOutcomes, JobState};

/// A job. A job that has not started is a plan.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// The id.
    pub id: i64,
    /// The tenant it is limited to; null for all tenants.
    pub tenant: Option<String>,
    /// The action.
    pub action: JobAction,
    /// The selection, in words.
    pub target: String,
    /// The state.
    pub state: JobState,
    /// Number of matches at planning time; a lower bound if `counted_to` is given.
    pub matched: u64,
    /// Where counting stopped, as the time of arrival of an event; null if all matches were counted.
    #[serde(with = "time::serde::rfc3339::option")]
    pub counted_to: Option<OffsetDateTime>,
    /// Number of matches that passed verification at planning time; null unless it reprocesses
    /// rejected requests.
    pub verifiable: Option<u64>,
    /// Number of items it will process; a lower bound if `matched` is one and there is no cap.
    pub goal: u64,
    /// Maximum number of items; null for all.
    pub cap: Option<u64>,
    /// Maximum number of items per second; null for no limit.
    pub rate: Option<u32>,
    /// The reason given when it was planned.
    pub reason: String,
    /// When it was planned.
    #[serde(with = "time::serde::rfc3339")]
    pub planned_at: OffsetDateTime,
    /// Who planned it.
    pub planned_by: String,
    /// When the plan expires.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
    /// When it was started.
    #[serde(with = "time::serde::rfc3339::option")]
    pub started_at: Option<OffsetDateTime>,
    /// Who started it.
    pub started_by: Option<String>,
    /// When it ended, in any way.
    #[serde(with = "time::serde::rfc3339::option")]
    pub finished_at: Option<OffsetDateTime>,
    /// Who cancelled it.
    pub cancelled_by: Option<String>,
    /// Why it failed.
    pub failure: Option<String>,
    /// Number of items replayed, resent, made due, accepted or discarded.
    pub resolved: u64,
    /// Number of new deliveries; for rejected requests, number of new events.
    pub created: u64,
    /// Number of items skipped.
    pub skipped: u64,
    /// The first hundred skipped items with the reason.
    pub skipped_items: Vec<SkippedItem>,
}

/// A skipped delivery or rejected request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = JobSkippedItem)]
pub struct SkippedItem {
    /// The delivery; null for jobs on rejected requests.
    pub delivery: Option<i64>,
    /// The number of the rejected request; null for jobs on deliveries.
    pub rejected_request: Option<i64>,
    /// Why it was skipped.
    pub why: String,
}

/// A job with a sample and its outcome.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct JobDetail {
    /// The job.
    pub job: Job,
    /// A sample of the dead letters matched at planning time, in their current state, oldest first;
    /// empty without the scope `events:read`.
    pub sample: Vec<Delivery>,
    /// A sample of the events of a job on events, in their current state, oldest first; empty without
    /// the scope `events:read`.
    pub events: Vec<EventSummary>,
    /// A sample of the rejected requests; empty without the scope `secrets:write`.
    pub rejected_requests: Vec<RejectedRequest>,
    /// The outcome of the new deliveries.
    pub delivery_outcomes: JobOutcomes,
}

/// What a job on dead letters or events would process now.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = JobPreview)]
pub struct BulkPreview {
    /// Number of matches; a lower bound if `counted_to` is given.
    pub matched: u64,
    /// Where counting stopped, as the time of arrival of an event; null if all matches were counted.
    #[serde(with = "time::serde::rfc3339::option")]
    pub counted_to: Option<OffsetDateTime>,
    /// A sample of the dead letters, oldest first; empty without the scope `events:read`.
    pub sample: Vec<Delivery>,
    /// A sample of the events, oldest first; empty without the scope `events:read`.
    pub events: Vec<EventSummary>,
}

/// A bulk action on dead letters.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewJob)]
pub struct BulkRequest {
    /// The action.
    pub action: DeadLetterAction,
    /// The dead letters.
    pub selection: Selection,
    /// Maximum number to process, oldest first; all by default.
    #[serde(default, deserialize_with = "input::count")]
    #[schema(value_type = Option<Count>)]
    pub cap: Option<u32>,
    /// Maximum number to process per second; unlimited by default.
    #[serde(default, deserialize_with = "input::count")]
    #[schema(value_type = Option<Count>)]
    pub rate: Option<u32>,
    /// The reason, for the audit log.
    #[serde(deserialize_with = "input::reason")]
    #[schema(value_type = Reason)]
    pub reason: String,
    /// Also process completed and already resolved deliveries; only for deliveries listed by id.
    #[serde(default)]
    pub force: bool,
}

/// A bulk action on rejected requests.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewRejectedRequestsJob)]
pub struct RejectedBulkRequest {
    /// The action.
    pub action: RejectedAction,
    /// Filter by source; all visible sources by default.
    #[serde(default, deserialize_with = "input::name")]
    #[schema(value_type = Option<String>, pattern = "^[!-~]{1,100}$")]
    pub source: Option<String>,
    /// Maximum number to process, oldest first; all by default.
    #[serde(default, deserialize_with = "input::count")]
    #[schema(value_type = Option<Count>)]
    pub cap: Option<u32>,
    /// Maximum number to process per second; unlimited by default.
    #[serde(default, deserialize_with = "input::count")]
    #[schema(value_type = Option<Count>)]
    pub rate: Option<u32>,
    /// The reason, for the audit log.
    #[serde(deserialize_with = "input::reason")]
    #[schema(value_type = Reason)]
    pub reason: String,
}

impl Job {
    /// The job as it is at `now`: an expired plan counts as expired before its row is updated.
    pub(super) fn new(row: JobRow, now: OffsetDateTime) -> Self {
        let is_rejected = row.action.is_about_rejected();
        let skipped_items = row.skipped_items.into_iter().map(|(id, why)| SkippedItem {
            delivery: Some(id).filter(|_| !is_rejected),
            rejected_request: Some(id).filter(|_| is_rejected),
            why,
        });
        let (matched, cap) = (row.matched.unsigned_abs(), row.cap.map(i64::unsigned_abs));
        Self {
            id: row.id,
            tenant: row.tenant,
            action: row.action,
            target: row.target,
            state: match row.state {
                JobState::Planned if row.expires_at <= now => JobState::Expired,
                state => state,
            },
            matched,
            counted_to: row.counted_to,
            verifiable: row.verifiable.map(i64::unsigned_abs),
            goal: match cap {
                Some(cap) if row.counted_to.is_some() => cap,
                Some(cap) => cap.min(matched),
                None => matched,
            },
            cap,
            rate: row.rate.map(i32::unsigned_abs),
            reason: row.reason,
            planned_at: row.planned_at,
            planned_by: row.planned_by,
            expires_at: row.expires_at,
            started_at: row.started_at,
            started_by: row.started_by,
            finished_at: row.finished_at,
            cancelled_by: row.cancelled_by,
            failure: row.failure,
            resolved: row.resolved.unsigned_abs(),
            created: row.created.unsigned_abs(),
            skipped: row.skipped.unsigned_abs(),
            skipped_items: skipped_items.collect(),
        }
    }

    /// Whether it has stopped processing.
    pub fn has_ended(&self) -> bool {
        !matches!(self.state, JobState::Planned | JobState::Running)
    }
}

impl JobDetail {
    /// The job without samples and outcomes.
    pub(super) fn of(job: Job) -> Self {
        let (sample, events, rejected_requests) = (Vec::new(), Vec::new(), Vec::new());
        let delivery_outcomes = JobOutcomes::default();
        Self { job, sample, events, rejected_requests, delivery_outcomes }
    }
}

impl SkippedItem {
    /// The delivery, or the number of the rejected request.
    pub fn id(&self) -> i64 {
        self.delivery.or(self.rejected_request).unwrap_or_default()
    }
}
