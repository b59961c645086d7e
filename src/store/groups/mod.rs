//! Groups of dead letters: made in the background, counted down when one is resolved.

mod read;
mod update;

use time::OffsetDateTime;

use super::{Class, DeathReason};

/// A group of dead letters.
#[derive(Debug, Clone)]
pub struct GroupRow {
    /// The id.
    pub id: i64,
    /// The tenant of its events; empty if they were deleted before it was recorded.
    pub tenant: String,
    /// The source.
    pub source: String,
    /// The stored name of the handler.
    pub handler: String,
    /// The class of the failure.
    pub class: Class,
    /// Why they were dead-lettered.
    pub death_reason: DeathReason,
    /// The normalized error; empty if the errors vary too much to be grouped further.
    pub message: String,
    /// Number of open dead letters.
    pub open: i64,
    /// Total number of dead letters.
    pub total: i64,
    /// When the first was dead-lettered.
    pub first_at: OffsetDateTime,
    /// When the last was dead-lettered.
    pub last_at: OffsetDateTime,
    /// The latest delivery in it.
    pub sample: i64,
    /// The first line of the latest error, at most 300 characters.
    pub newest: Option<String>,
}

/// A filter for groups; all given fields must match.
#[derive(Debug, Clone, Default)]
pub struct GroupFilter {
    /// Only this tenant.
    pub tenant: Option<String>,
    /// Only this source.
    pub source: Option<String>,
    /// Only this handler.
    pub handler: Option<String>,
    /// Only this class.
    pub class: Option<Class>,
    /// Whether groups without open dead letters are included.
    pub resolved: bool,
}

/// A position in the list of groups, which is sorted by open dead letters, then by the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupPlace {
    /// Number of open dead letters.
    pub open: i64,
    /// When the last was dead-lettered.
    pub last_at: OffsetDateTime,
    /// The group.
    pub id: i64,
}

/// A dead letter that is not grouped yet.
#[derive(Debug)]
pub struct UngroupedDeadLetter {
    /// The delivery.
    pub id: i64,
    /// The tenant of its event; `None` if the event was deleted.
    pub tenant: Option<String>,
    /// The source.
    pub source: String,
    /// The stored name of the handler.
    pub handler: String,
    /// Why it was dead-lettered.
    pub death_reason: DeathReason,
    /// Its last error, at most 2000 characters.
    pub error: Option<String>,
    /// When it was dead-lettered.
    pub died_at: OffsetDateTime,
    /// Whether it is neither replayed nor discarded.
    pub open: bool,
}

/// Dead letters to add to a group.
#[derive(Debug, Clone)]
pub struct GroupUpdate {
    /// SHA-256 over what its dead letters have in common.
    pub fingerprint: [u8; 32],
    /// As in [`GroupRow`].
    pub tenant: String,
    /// As in [`GroupRow`].
    pub source: String,
    /// As in [`GroupRow`].
    pub handler: String,
    /// As in [`GroupRow`].
    pub class: Class,
    /// As in [`GroupRow`].
    pub death_reason: DeathReason,
    /// As in [`GroupRow`].
    pub message: String,
    /// How many of them are open.
    pub open: i64,
    /// The dead letters, and when they died.
    pub members: Vec<(i64, OffsetDateTime)>,
}
