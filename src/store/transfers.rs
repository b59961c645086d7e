//! Transfers: payloads received in chunks.

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;
use uuid::Uuid;

use super::words::word;
use super::{EventId, Store, StoreError};

/// A transfer, without the list of its chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferRow {
    pub id: i64,
    pub tenant: String,
    pub source: String,
    pub event_type: String,
    /// The sender's id of the transfer.
    pub transfer_id: String,
    /// Chunks received.
    pub have: u32,
    /// The total number of chunks.
    pub total: u32,
    /// Bytes of base64 text received.
    pub received: u64,
    pub opened_at: OffsetDateTime,
    pub last_chunk_at: OffsetDateTime,
    pub state: TransferState,
    /// The id of the complete event, assigned in advance.
    pub event: EventId,
}

/// The state of a transfer.
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
pub enum TransferState {
    /// It waits for chunks.
    Open,
    /// It is complete and became an event.
    Whole,
    /// It is complete, and its event was quarantined.
    Quarantined,
    /// A newer transfer of the same payload replaced it.
    Superseded,
    /// It was not completed in time.
    Expired,
}

impl TransferState {
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Open transfers of one source that have used more than half of their time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateTransfers {
    pub source: String,
    pub count: i64,
    /// When the oldest of them last received a chunk.
    pub since: OffsetDateTime,
}

/// The columns of a transfer.
struct Row {
    id: i64,
    tenant: String,
    source: String,
    event_type: String,
    transfer_id: String,
    have: i32,
    total: i32,
    received: i64,
    opened_at: OffsetDateTime,
    last_chunk_at: OffsetDateTime,
    state: String,
    event_id: Uuid,
}

impl TryFrom<Row> for TransferRow {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            tenant: row.tenant,
            source: row.source,
            event_type: row.event_type,
            transfer_id: row.transfer_id,
            have: row.have.unsigned_abs(),
            total: row.total.unsigned_abs(),
            received: row.received.unsigned_abs(),
            opened_at: row.opened_at,
            last_chunk_at: row.last_chunk_at,
            state: word(&row.state, "chunk_transfers", "state", row.id)?,
            event: EventId(row.event_id),
        })
    }
}

impl Store {
    /// Open transfers with an id below `before`, newest first.
    pub async fn open_transfers(
        &self,
        tenant: Option<&str>,
        before: i64,
        limit: i64,
    ) -> Result<Vec<TransferRow>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            "SELECT id, tenant, source, event_type, transfer_id, have, total, received, opened_at,
                    last_chunk_at, state, event_id
               FROM chunk_transfers
              WHERE state = 'open' AND ($1::text IS NULL OR tenant = $1) AND id < $2
              ORDER BY id DESC LIMIT $3",
            tenant,
            before,
            limit,
        )
        .fetch_all(&self.admin)
        .await?;
        rows.into_iter().map(TransferRow::try_from).collect()
    }

    /// The most recently closed transfers, by the time of their last chunk.
    pub async fn closed_transfers(
        &self,
        tenant: Option<&str>,
        limit: i64,
    ) -> Result<Vec<TransferRow>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            "SELECT id, tenant, source, event_type, transfer_id, have, total, received, opened_at,
                    last_chunk_at, state, event_id
               FROM chunk_transfers
              WHERE state <> 'open' AND ($1::text IS NULL OR tenant = $1)
              ORDER BY last_chunk_at DESC LIMIT $2",
            tenant,
            limit,
        )
        .fetch_all(&self.admin)
        .await?;
        rows.into_iter().map(TransferRow::try_from).collect()
    }

    /// The transfer with this id, or the one that became this event.
    pub async fn transfer(
        &self,
        id: Option<i64>,
        event: Option<EventId>,
    ) -> Result<Option<TransferRow>, StoreError> {
        let row = sqlx::query_as!(
            Row,
            "SELECT id, tenant, source, event_type, transfer_id, have, total, received, opened_at,
                    last_chunk_at, state, event_id
               FROM chunk_transfers WHERE id = $1 OR event_id = $2 LIMIT 1",
            id,
            event.map(|event| event.0),
        )
        .fetch_optional(&self.admin)
        .await?;
        row.map(TransferRow::try_from).transpose()
    }

    /// The sender's envelope of a transfer: its JSON without content and chunk number.
    pub async fn transfer_envelope(&self, id: i64) -> Result<Option<Vec<u8>>, StoreError> {
        let envelope =
            sqlx::query_scalar!("SELECT envelope FROM chunk_transfers WHERE id = $1", id)
                .fetch_optional(&self.admin)
                .await?;
        Ok(envelope)
    }

    /// Other transfers of the same payload, newest first. A newer one supersedes open ones.
    pub async fn transfers_of_same_payload(
        &self,
        id: i64,
        limit: i64,
    ) -> Result<Vec<TransferRow>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            "SELECT other.id, other.tenant, other.source, other.event_type, other.transfer_id,
                    other.have, other.total, other.received, other.opened_at,
                    other.last_chunk_at, other.state, other.event_id
               FROM chunk_transfers own
               JOIN chunk_transfers other ON other.source = own.source
                                         AND other.subject = own.subject AND other.id <> own.id
              WHERE own.id = $1
              ORDER BY other.sent_at DESC LIMIT $2",
            id,
            limit,
        )
        .fetch_all(&self.admin)
        .await?;
        rows.into_iter().map(TransferRow::try_from).collect()
    }

    /// The indexes of the received chunks of these transfers, in order. Chunks of closed transfers
    /// are deleted.
    pub async fn received_chunks(&self, transfers: &[i64]) -> Result<Vec<(i64, u32)>, StoreError> {
        let rows = sqlx::query!(
            "SELECT transfer, index FROM chunk_buffer WHERE transfer = ANY($1)
              ORDER BY transfer, index",
            transfers,
        )
        .fetch_all(&self.admin)
        .await?;
        Ok(rows.into_iter().map(|row| (row.transfer, row.index.unsigned_abs())).collect())
    }

    /// Open transfers that have waited for more than half of `idle`, or in all for more than half
    /// of `total`, by source.
    pub async fn late_transfers(
        &self,
        now: OffsetDateTime,
        idle: Duration,
        total: Duration,
    ) -> Result<Vec<LateTransfers>, StoreError> {
        let (idle_since, open_since) = (now - idle / 2_i32, now - total / 2_i32);
        let late = sqlx::query_as!(
            LateTransfers,
            r#"SELECT source, count(*) AS "count!", min(last_chunk_at) AS "since!"
                 FROM chunk_transfers
                WHERE state = 'open' AND (last_chunk_at < $1 OR opened_at < $2)
                GROUP BY source ORDER BY source"#,
            idle_since,
            open_since,
        )
        .fetch_all(&self.admin)
        .await?;
        Ok(late)
    }
}
