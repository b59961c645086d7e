//! Transfers, as the API, the command line and the console show them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

pub use crate::store::TransferState;
use crate::store::{EventId, TransferRow};

/// A transfer: a payload received in chunks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Transfer {
    /// The id.
    pub id: i64,
    /// The tenant of its source.
    pub tenant: String,
    /// The source.
    pub source: String,
    /// The event type of the whole.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The sender's id of the transfer.
    pub transfer_id: String,
    /// Number of chunks received.
    pub have: u32,
    /// Total number of chunks.
    pub total: u32,
    /// The indexes of the received chunks, from 0; empty for a closed transfer.
    pub received_chunks: Vec<u32>,
    /// Bytes of base64 text received.
    pub received_bytes: u64,
    /// When the first chunk arrived.
    #[serde(with = "time::serde::rfc3339")]
    pub opened_at: OffsetDateTime,
    /// When the last new chunk arrived.
    #[serde(with = "time::serde::rfc3339")]
    pub last_chunk_at: OffsetDateTime,
    /// The state.
    pub state: TransferState,
    /// The id of the complete event, assigned in advance.
    pub event: EventId,
    /// Seconds until it expires without another chunk; null once it is closed.
    pub idle_left_seconds: Option<f64>,
    /// Seconds until it expires in any case; null once it is closed.
    pub total_left_seconds: Option<f64>,
}

/// A transfer with its envelope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TransferDetail {
    /// The transfer.
    pub transfer: Transfer,
    /// The envelope of the sender, with the path for example: any untrusted JSON, never render it.
    /// Null without the scope `payload:read`.
    pub envelope: Option<Value>,
    /// Other transfers of the same payload, newest first, at most twenty. A newer transfer
    /// supersedes open ones.
    pub others: Vec<Transfer>,
}

impl TransferDetail {
    /// Whether the envelope is left out, because the caller may not read payloads.
    pub fn hides_payload(&self) -> bool {
        self.envelope.is_none()
    }
}

impl Transfer {
    /// When it expires unless another chunk arrives; `None` once it is closed.
    pub fn time_left(&self) -> Option<Duration> {
        let idle = Duration::seconds_f64(self.idle_left_seconds?);
        Some(idle.min(self.total_time_left()?))
    }

    /// When it expires in any case; `None` once it is closed.
    pub fn total_time_left(&self) -> Option<Duration> {
        self.total_left_seconds.map(Duration::seconds_f64)
    }

    /// A transfer with its received chunks and, while it is open, the time left: until it expires
    /// without another chunk, and in any case.
    pub(super) fn new(
        row: TransferRow,
        received_chunks: Vec<u32>,
        left: Option<(Duration, Duration)>,
    ) -> Self {
        Self {
            id: row.id,
            tenant: row.tenant,
            source: row.source,
            event_type: row.event_type,
            transfer_id: row.transfer_id,
            have: row.have,
            total: row.total,
            received_chunks,
            received_bytes: row.received,
            opened_at: row.opened_at,
            last_chunk_at: row.last_chunk_at,
            state: row.state,
            event: row.event,
            idle_left_seconds: left.map(|(idle, _)| idle.as_seconds_f64()),
            total_left_seconds: left.map(|(_, total)| total.as_seconds_f64()),
        }
    }
}

/// Without its received chunks and the time left.
impl From<TransferRow> for Transfer {
    fn from(row: TransferRow) -> Self {
        Self::new(row, Vec::new(), None)
    }
}
