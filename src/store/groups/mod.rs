//! Groups of dead letters: made in the background, counted down when one is resolved.

mod read;
mod update;

use time::OffsetDateTime;

use super::{Class, DeathReason};

/// A group of dead letters.
#[derive(Debug, Clone)]
pub struct GroupRow {
    pub id: i64,
    /// The tenant of its events; empty if they were deleted before it was recorded.
    pub tenant: String,
    pub source: String,
    /// The stored name of the handler.
    pub handler: String,
    pub class: Class,
    pub death_reason: DeathReason,
    /// The normalized error; empty if the errors vary too much to be grouped further.
    pub message: String,
    pub open: i64,
    pub total: i64,
    /// When the first was dead-lettered.
    pub first_at: OffsetDateTime,
    pub last_at: OffsetDateTime,
    /// The latest delivery.
    pub sample: i64,
    /// The first line of the latest error, at most 300 characters.
    pub newest: Option<String>,
}

/// A filter for groups; all given fields must match.
#[derive(Debug, Clone, Default)]
pub struct GroupFilter {
    pub tenant: Option<String>,
    pub source: Option<String>,
    pub handler: Option<String>,
    pub class: Option<Class>,
    /// Whether groups without open dead letters are included.
    pub resolved: bool,
}

/// A position in the list of groups, which is sorted by open dead letters, then by the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupPosition {
    pub open: i64,
    pub last_at: OffsetDateTime,
    pub id: i64,
}

/// A dead letter that is not grouped yet.
#[derive(Debug)]
pub struct UngroupedDeadLetter {
    pub id: i64,
    /// The tenant of its event; `None` if the event was deleted.
    pub tenant: Option<String>,
    pub source: String,
    /// The stored name of the handler.
    pub handler: String,
    pub death_reason: DeathReason,
    /// Its last error, at most 2000 characters.
    pub error: Option<String>,
    pub died_at: OffsetDateTime,
    pub open: bool,
}

/// Dead letters to add to a group.
#[derive(Debug, Clone)]
pub struct GroupUpdate {
    /// SHA-256 over what its dead letters have in common.
    pub fingerprint: [u8; 32],
    pub tenant: String,
    pub source: String,
    pub handler: String,
    pub class: Class,
    pub death_reason: DeathReason,
    pub message: String,
    pub open: i64,
    /// The deliveries, and when they were dead-lettered.
    pub members: Vec<(i64, OffsetDateTime)>,
}
