//! A job, as users see it.

use std::fmt;

use time::OffsetDateTime;

use super::JobAction;
use crate::store::{DeadLetter, JobOutcomes, JobRow, RejectedRequest, StoreError};

/// A job. One that has not begun is a plan.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its id.
    pub id: i64,
    /// The only tenant whose things it touches; `None` for all.
    pub tenant: Option<String>,
    /// What it does.
    pub action: JobAction,
    /// To which dead letters or rejected requests, in words.
    pub target: String,
    /// The most that it deals with; `None` for all.
    pub cap: Option<u64>,
    /// The most that it deals with in a second; `None` for no limit.
    pub rate: Option<u32>,
    /// Why, in the words of whoever planned it.
    pub reason: String,
    /// How many matched when it was planned.
    pub matched: u64,
    /// Where rejected requests are to be verified: how many of those would have been accepted then.
    pub verifiable: Option<u64>,
    /// Some of those.
    pub sample: Vec<i64>,
    /// How it stands.
    pub state: JobState,
    /// When it was planned.
    pub planned_at: OffsetDateTime,
    /// Who planned it.
    pub planned_by: String,
    /// When it can no longer be started.
    pub expires_at: OffsetDateTime,
    /// When it was started.
    pub started_at: Option<OffsetDateTime>,
    /// Who started it.
    pub started_by: Option<String>,
    /// When it ended, however it did.
    pub finished_at: Option<OffsetDateTime>,
    /// Who cancelled it.
    pub cancelled_by: Option<String>,
    /// Why it cannot go on.
    pub failure: Option<String>,
    /// How many it has replayed, accepted or discarded.
    pub resolved: u64,
    /// How many new deliveries it has made, or new events.
    pub created: u64,
    /// About how many nothing was done.
    pub refused: u64,
    /// Why, for the first hundred of those.
    pub refusals: Vec<(i64, String)>,
}

/// A job, with what it is about and what came of it.
#[derive(Debug, Clone)]
pub struct JobDetail {
    /// The job.
    pub job: Job,
    /// Some of what matched when it was planned, as it stands now, the oldest first.
    pub sample: Vec<DeadLetter>,
    /// The same, where it is about rejected requests; none for who may not see those.
    pub rejected_requests: Vec<RejectedRequest>,
    /// What became of its new deliveries: of the first ten thousand.
    pub delivery_outcomes: JobOutcomes,
}

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// It has not begun, and can be started.
    Planned,
    /// It is worked off.
    Running,
    /// It has done everything, or as much as its cap allows.
    Done,
    /// A user stopped it.
    Cancelled,
    /// It cannot go on.
    Failed,
    /// It was not started in time.
    Expired,
}

impl Job {
    /// The job as it stands at `now`.
    ///
    /// # Errors
    /// [`StoreError::Inconsistent`].
    pub(super) fn of(row: JobRow, now: OffsetDateTime) -> Result<Self, StoreError> {
        let state = JobState::of(&row.state).ok_or_else(|| row.inconsistent("state"))?;
        let state = match state {
            JobState::Planned if row.expires_at <= now => JobState::Expired,
            state => state,
        };
        let action = JobAction::of(&row.action).ok_or_else(|| row.inconsistent("action"))?;
        let refusals = row.refusals()?;
        Ok(Self {
            id: row.id,
            tenant: row.tenant,
            action,
            target: row.target,
            cap: row.cap.map(i64::unsigned_abs),
            rate: row.rate.map(i32::unsigned_abs),
            reason: row.reason,
            matched: row.matched.unsigned_abs(),
            verifiable: row.verifiable.map(i64::unsigned_abs),
            sample: row.sample,
            state,
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
            refused: row.refused.unsigned_abs(),
            refusals,
        })
    }

    /// How many it will have resolved when it has done everything.
    pub fn goal(&self) -> u64 {
        self.cap.map_or(self.matched, |cap| cap.min(self.matched))
    }

    /// Whether nothing more will be done.
    pub fn has_ended(&self) -> bool {
        !matches!(self.state, JobState::Planned | JobState::Running)
    }
}

impl JobState {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::Planned, Self::Running, Self::Done, Self::Cancelled, Self::Failed, Self::Expired];

    /// The stored word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Running => "running",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }

    /// The state of this word; `None` when it is not in the closed list.
    fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a job is about, as it is stored. Empty it would be about everything, or fail only when the
/// job runs.
pub(super) fn written(selection: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(selection).map_err(|_| StoreError::Inconsistent {
        table: "jobs",
        column: "selection",
        row: "to be planned".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde::ser::{Error as _, Serialize, Serializer};

    use super::*;
    use crate::store::DeadLetterFilter;

    /// Cannot be recorded.
    struct Unwritable;

    impl Serialize for Unwritable {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(S::Error::custom("not this"))
        }
    }

    #[test]
    fn what_cannot_be_written_down_is_no_job_about_everything() {
        let error = written(&Unwritable).unwrap_err();
        assert!(
            matches!(error, StoreError::Inconsistent { table: "jobs", column: "selection", .. }),
            "{error:?}"
        );
        let source = Some("billing".to_owned());
        let filter = DeadLetterFilter { source, ..DeadLetterFilter::default() };
        assert!(written(&filter).unwrap().contains("billing"));
    }

    #[test]
    fn every_state_is_read_back_from_its_word() {
        for state in JobState::ALL {
            assert_eq!(JobState::of(state.as_str()), Some(state));
        }
    }
}
