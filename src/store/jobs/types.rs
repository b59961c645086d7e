//! A job as it is stored.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::store::StoreError;

/// The action of a job, on dead letters, events or rejected requests.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    ToSchema,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::Display,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum JobAction {
    /// Replays dead letters.
    Replay,
    /// Discards dead letters.
    Discard,
    /// Delivers events again, or for the first time.
    Resend,
    /// Makes waiting deliveries due.
    RetryNow,
    /// Reprocesses rejected requests.
    ReprocessRejected,
    /// Deletes rejected requests.
    DiscardRejected,
}

/// The state of a job.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    ToSchema,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::Display,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum JobState {
    /// It has not started, and can be started.
    Planned,
    /// It is running.
    Running,
    /// It has processed everything, or as much as its limit allows.
    Done,
    /// A user stopped it.
    Cancelled,
    /// It cannot continue.
    Failed,
    /// It was not started in time.
    Expired,
}

/// A job as it is stored.
#[derive(Debug, Clone)]
pub struct JobRow {
    pub id: i64,
    /// The tenant it is limited to; `None` for all.
    pub tenant: Option<String>,
    pub action: JobAction,
    /// A [`DeadLetterFilter`](crate::store::DeadLetterFilter), a
    /// [`ResendFilter`](crate::store::ResendFilter) or a
    /// [`RejectedRequestSelection`](crate::store::RejectedRequestSelection) as JSON.
    pub selection: String,
    /// The selection, in words.
    pub target: String,
    /// Whether it also processes completed and resolved deliveries; only by id.
    pub force: bool,
    /// The maximum number of items; `None` for all.
    pub cap: Option<i64>,
    /// The maximum number of items per second; `None` for no limit.
    pub rate: Option<i32>,
    pub reason: String,
    /// The number of matches at planning time, as far as they were counted.
    pub matched: i64,
    /// When the last event was received up to which they were counted; `None` if all were.
    pub counted_to: Option<OffsetDateTime>,
    /// For `reprocess_rejected`: how many of those would have been accepted then.
    pub verifiable: Option<i64>,
    /// The highest id that matched then; for rejected requests, the highest number.
    pub up_to: i64,
    /// Some of those that matched.
    pub sample: Vec<i64>,
    /// Some of the events, for jobs on events.
    pub sample_events: Vec<Uuid>,
    pub state: JobState,
    pub planned_at: OffsetDateTime,
    pub planned_by: String,
    pub expires_at: OffsetDateTime,
    pub started_at: Option<OffsetDateTime>,
    pub started_by: Option<String>,
    pub finished_at: Option<OffsetDateTime>,
    pub cancelled_by: Option<String>,
    pub failure: Option<String>,
    /// Everything up to this id is processed.
    pub after: i64,
    /// Everything up to this event is processed, for jobs on events.
    pub after_event: Option<Uuid>,
    /// When its rate allows the next batch.
    pub next_at: Option<OffsetDateTime>,
    /// How many items it has processed.
    pub resolved: i64,
    pub created: i64,
    /// How many items it skipped.
    pub skipped: i64,
    /// The first hundred skipped items: id and reason.
    pub skipped_items: Vec<(i64, String)>,
}

/// A job to be planned.
#[derive(Debug)]
pub struct NewJob<'a> {
    pub tenant: Option<&'a str>,
    pub action: JobAction,
    pub selection: &'a str,
    pub target: &'a str,
    pub force: bool,
    pub cap: Option<i64>,
    pub rate: Option<i32>,
    pub reason: &'a str,
    pub matched: i64,
    pub counted_to: Option<OffsetDateTime>,
    pub verifiable: Option<i64>,
    pub up_to: i64,
    pub sample: &'a [i64],
    pub sample_events: &'a [Uuid],
    pub by: &'a str,
    pub at: OffsetDateTime,
    pub expires_at: OffsetDateTime,
}

/// The outcome of the first ten thousand new deliveries of a job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobOutcomes {
    /// Completed.
    pub done: i64,
    /// Dead-lettered again.
    pub dead: i64,
    /// Waiting or in flight.
    pub waiting: i64,
}

impl JobAction {
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl JobState {
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl JobRow {
    /// Reads its selection.
    pub fn selected<T: DeserializeOwned>(&self) -> Result<T, StoreError> {
        serde_json::from_str(&self.selection).map_err(|_| inconsistent(self.id, "selection"))
    }
}

impl JobOutcomes {
    /// The number of deliveries counted; at most ten thousand.
    pub fn counted(&self) -> i64 {
        self.done + self.dead + self.waiting
    }
}

/// The error for a column with content that no gateway has written there.
pub(super) fn inconsistent(job: i64, column: &'static str) -> StoreError {
    StoreError::Inconsistent { table: "jobs", column, row: job.to_string() }
}
