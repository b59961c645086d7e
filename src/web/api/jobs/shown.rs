//! What is said of a job.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::admin::{self, JobDetail};
use crate::web::api::deliveries::Delivery;
use crate::web::api::rejected_requests::RejectedRequest;
use crate::web::api::words::word;
use crate::web::denial::Denial;

/// A job. One that has not begun is a plan.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web::api) struct Job {
    id: i64,
    /// The only tenant whose things it touches; null for all.
    tenant: Option<String>,
    action: Action,
    /// To which dead letters or held requests, in words.
    target: String,
    state: State,
    /// How many matched when it was planned.
    matched: u64,
    /// Where held requests are to be verified: how many of those would have been let in then; null
    /// for other jobs.
    verifiable: Option<u64>,
    /// How many it will have dealt with when it has done everything.
    goal: u64,
    /// The most that it deals with; null for all.
    cap: Option<u64>,
    /// The most that it deals with in a second; null for no limit.
    rate: Option<u32>,
    /// Why, in the words of whoever planned it.
    reason: String,
    #[serde(with = "time::serde::rfc3339")]
    planned_at: OffsetDateTime,
    planned_by: String,
    /// When it can no longer be started.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    started_at: Option<OffsetDateTime>,
    started_by: Option<String>,
    /// When it ended, however it did.
    #[serde(with = "time::serde::rfc3339::option")]
    finished_at: Option<OffsetDateTime>,
    cancelled_by: Option<String>,
    /// Why it cannot go on.
    failure: Option<String>,
    /// How many it has replayed, let in or discarded.
    resolved: u64,
    /// How many new deliveries it has made; where it lets held requests in, how many new events.
    created: u64,
    /// About how many nothing was done.
    refused: u64,
    /// Why, for the first hundred of those.
    refusals: Vec<Refusal>,
}

/// What a job does: to dead letters, or to held requests.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = JobAction)]
enum Action {
    Replay,
    Discard,
    VerifyHeld,
    DiscardHeld,
}

/// How a job stands.
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

/// Why nothing was done about a delivery or a held request.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobRefusal)]
struct Refusal {
    /// The delivery; null where it is about held requests.
    delivery: Option<i64>,
    /// The number of the held request; null where it is about deliveries.
    rejected_requests: Option<i64>,
    why: String,
}

/// A job, with what it is about and what came of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobDetail)]
pub(in crate::web::api) struct Detail {
    job: Job,
    /// Some of what matched when it was planned, as it stands now, the oldest first; none for who
    /// may not see events.
    sample: Vec<Delivery>,
    /// The same, where it is about held requests; none for callers without `secrets:write`.
    rejected_requests: Vec<RejectedRequest>,
    delivery_outcomes: Fates,
}

/// What became of the new deliveries of a job: of the first ten thousand.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobOutcomes)]
struct Fates {
    /// They ended well.
    done: i64,
    /// They are dead letters again.
    dead: i64,
    /// They wait, or are at work.
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
