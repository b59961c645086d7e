//! The representation of a job.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::admin::{self, JobDetail};
use crate::web::api::deliveries::Delivery;
use crate::web::api::rejected_requests::RejectedRequest;
use crate::web::api::words::word;
use crate::web::denial::Denial;

/// A job. A job that has not started is a plan.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web::api) struct Job {
    id: i64,
    /// The tenant it is limited to; null for all tenants.
    tenant: Option<String>,
    action: Action,
    /// The selection, in words.
    target: String,
    state: State,
    /// Number of matches at planning time.
    matched: u64,
    /// Number of matches that passed verification at planning time; null unless it reprocesses
    /// rejected requests.
    verifiable: Option<u64>,
    /// Number of items it will process.
    goal: u64,
    /// Maximum number of items; null for all.
    cap: Option<u64>,
    /// Maximum number of items per second; null for no limit.
    rate: Option<u32>,
    /// The reason given when it was planned.
    reason: String,
    #[serde(with = "time::serde::rfc3339")]
    planned_at: OffsetDateTime,
    planned_by: String,
    /// When the plan expires.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    started_at: Option<OffsetDateTime>,
    started_by: Option<String>,
    /// When it ended, in any way.
    #[serde(with = "time::serde::rfc3339::option")]
    finished_at: Option<OffsetDateTime>,
    cancelled_by: Option<String>,
    /// Why it failed.
    failure: Option<String>,
    /// Number of items replayed, accepted or discarded.
    resolved: u64,
    /// Number of new deliveries; for rejected requests, number of new events.
    created: u64,
    /// Number of items skipped.
    refused: u64,
    /// The first hundred skipped items with the reason.
    refusals: Vec<Refusal>,
}

/// The action of a job, on dead letters or rejected requests.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = JobAction)]
enum Action {
    Replay,
    Discard,
    VerifyHeld,
    DiscardHeld,
}

/// The state of a job.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = JobState)]
enum State {
    Planned,
    Running,
    Done,
    Cancelled,
    Failed,
    Expired,
}

/// A skipped delivery or rejected request.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobRefusal)]
struct Refusal {
    /// The delivery; null for jobs on rejected requests.
    delivery: Option<i64>,
    /// The number of the rejected request; null for jobs on deliveries.
    rejected_requests: Option<i64>,
    why: String,
}

/// A job with a sample and its outcome.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobDetail)]
pub(in crate::web::api) struct Detail {
    job: Job,
    /// A sample of the dead letters matched at planning time, in their current state, oldest first;
    /// empty without the scope `events:read`.
    sample: Vec<Delivery>,
    /// A sample of the rejected requests; empty without the scope `secrets:write`.
    rejected_requests: Vec<RejectedRequest>,
    delivery_outcomes: Fates,
}

/// The outcome of the first ten thousand new deliveries of a job.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobOutcomes)]
struct Fates {
    /// Completed.
    done: i64,
    /// Dead-lettered again.
    dead: i64,
    /// Waiting or in flight.
    waiting: i64,
}

impl Job {
    pub(super) fn new(job: admin::Job) -> Result<Self, Denial> {
        let refusals = job.refusals.iter();
        let rejected_requests = job.action.is_about_rejected();
        let refusal = |(id, why): &(i64, String)| Refusal {
            delivery: Some(*id).filter(|_| !rejected_requests),
            rejected_requests: Some(*id).filter(|_| rejected_requests),
            why: why.clone(),
        };
        Ok(Self {
            id: job.id,
            action: word(job.action.as_str())?,
            state: word(job.state.as_str())?,
            goal: job.goal(),
            refusals: refusals.map(refusal).collect(),
            tenant: job.tenant,
            target: job.target,
            matched: job.matched,
            verifiable: job.verifiable,
            cap: job.cap,
            rate: job.rate,
            reason: job.reason,
            planned_at: job.planned_at,
            planned_by: job.planned_by,
            expires_at: job.expires_at,
            started_at: job.started_at,
            started_by: job.started_by,
            finished_at: job.finished_at,
            cancelled_by: job.cancelled_by,
            failure: job.failure,
            resolved: job.resolved,
            created: job.created,
            refused: job.refused,
        })
    }
}

impl Detail {
    pub(in crate::web::api) fn new(detail: JobDetail) -> Result<Self, Denial> {
        let delivery_outcomes = detail.delivery_outcomes;
        Ok(Self {
            job: Job::new(detail.job)?,
            sample: detail.sample.into_iter().map(Delivery::new).collect::<Result<_, _>>()?,
            rejected_requests: detail
                .rejected_requests
                .into_iter()
                .map(RejectedRequest::new)
                .collect(),
            delivery_outcomes: Fates {
                done: delivery_outcomes.done,
                dead: delivery_outcomes.dead,
                waiting: delivery_outcomes.waiting,
            },
        })
    }
}
