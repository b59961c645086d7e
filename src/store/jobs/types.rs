//! A job as it is stored.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::store::StoreError;

/// The action of a job, on dead letters or rejected requests.
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
    /// The id.
    pub id: i64,
    /// The tenant it is limited to; `None` for all.
    pub tenant: Option<String>,
    /// The action.
    pub action: JobAction,
    /// A [`DeadLetterFilter`](crate::store::DeadLetterFilter) or a
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
    /// The reason given when it was planned.
    pub reason: String,
    /// The number of matches at planning time.
    pub matched: i64,
    /// For `reprocess_rejected`: how many of those would have been accepted then.
    pub verifiable: Option<i64>,
    /// The highest id that matched then; for rejected requests, the highest number.
    pub up_to: i64,
    /// Some of those that matched.
    pub sample: Vec<i64>,
    /// The state.
    pub state: JobState,
    /// When it was planned.
    pub planned_at: OffsetDateTime,
    /// Who planned it.
    pub planned_by: String,
    /// When the plan expires.
    pub expires_at: OffsetDateTime,
    /// When it was started.
    pub started_at: Option<OffsetDateTime>,
    /// Who started it.
    pub started_by: Option<String>,
    /// When it ended, in any way.
    pub finished_at: Option<OffsetDateTime>,
    /// Who cancelled it.
    pub cancelled_by: Option<String>,
    /// Why it failed.
    pub failure: Option<String>,
    /// It has processed everything up to this id.
    pub after: i64,
    /// When its rate allows the next batch.
    pub next_at: Option<OffsetDateTime>,
    /// How many items it has processed.
    pub resolved: i64,
    /// How many new deliveries it has made.
    pub created: i64,
    /// How many items it skipped.
    pub skipped: i64,
    /// The first hundred skipped items: id and reason.
    pub skipped_items: Vec<(i64, String)>,
}

/// A job to be planned.
#[derive(Debug)]
pub struct NewJob<'a> {
    /// As in [`JobRow`].
    pub tenant: Option<&'a str>,
    /// As in [`JobRow`].
    pub action: JobAction,
    /// As in [`JobRow`].
    pub selection: &'a str,
    /// As in [`JobRow`].
    pub target: &'a str,
    /// As in [`JobRow`].
    pub force: bool,
    /// As in [`JobRow`].
    pub cap: Option<i64>,
    /// As in [`JobRow`].
    pub rate: Option<i32>,
    /// As in [`JobRow`].
    pub reason: &'a str,
    /// As in [`JobRow`].
    pub matched: i64,
    /// As in [`JobRow`].
    pub verifiable: Option<i64>,
    /// As in [`JobRow`].
    pub up_to: i64,
    /// As in [`JobRow`].
    pub sample: &'a [i64],
    /// Who plans it.
    pub by: &'a str,
    /// Now.
    pub at: OffsetDateTime,
    /// When the plan expires.
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
    /// The stored word.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl JobState {
    /// The stored word.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl JobRow {
    /// Reads its selection.
    ///
    /// # Errors
    /// [`StoreError::Inconsistent`].
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
