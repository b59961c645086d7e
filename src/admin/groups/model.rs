//! Groups of dead letters: what the API answers, `--format json` prints and the console shows.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

pub use crate::store::Class;
use crate::store::{DeathReason, GroupRow};

/// A group of dead letters with the same source, handler, reason and message, ignoring variable
/// parts of the message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Group {
    /// The id.
    pub id: i64,
    /// The tenant of its events; empty if they were deleted before it was recorded.
    pub tenant: String,
    /// The source.
    pub source: String,
    /// The name of the handler.
    pub handler: String,
    /// The class of the failure.
    pub class: Class,
    /// Why they were dead-lettered.
    pub death_reason: DeathReason,
    /// The title: the latest message, or a description of the reason without a message or without
    /// the scope `payload:read`.
    pub title: String,
    /// The first line of the latest error; null without an error or without the scope
    /// `payload:read`.
    pub message: Option<String>,
    /// Whether its messages vary too much to be grouped further.
    pub is_various: bool,
    /// Number of open dead letters.
    pub open: u64,
    /// Total number of dead letters.
    pub total: u64,
    /// When the first was dead-lettered.
    #[serde(with = "time::serde::rfc3339")]
    pub first_at: OffsetDateTime,
    /// When the last was dead-lettered.
    #[serde(with = "time::serde::rfc3339")]
    pub last_at: OffsetDateTime,
    /// The latest delivery in it.
    pub sample: i64,
    /// Dead letters in each of the last 24 hours, the current hour last.
    pub trend: Vec<u64>,
}

impl Group {
    /// The group with its trend; its message only if `payload`.
    pub(super) fn new(row: GroupRow, trend: Vec<u64>, payload: bool) -> Self {
        let message = row.newest.filter(|text| payload && !text.trim().is_empty());
        let title = message.clone().unwrap_or_else(|| row.death_reason.text().to_owned());
        Self {
            id: row.id,
            title,
            message,
            is_various: row.message.is_empty(),
            tenant: row.tenant,
            source: row.source,
            handler: row.handler,
            class: row.class,
            death_reason: row.death_reason,
            open: row.open.unsigned_abs(),
            total: row.total.unsigned_abs(),
            first_at: row.first_at,
            last_at: row.last_at,
            sample: row.sample,
            trend,
        }
    }
}
