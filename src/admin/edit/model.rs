//! Edits of dead letters: what the API answers and `--format json` prints.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::store::EventId;

/// The preview of an edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EditPreview {
    /// The dead letter.
    pub delivery: i64,
    /// Its event.
    pub event: EventId,
    /// The handlers that would receive the edited event.
    pub handlers: Vec<String>,
    /// The unified diff; JSON is indented first. Untrusted data.
    pub diff: String,
    /// Whether the diff is truncated.
    pub is_partial: bool,
}

/// The result of an edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Edited {
    /// The new event.
    pub event: EventId,
    /// Its deliveries.
    pub created: Vec<i64>,
}
