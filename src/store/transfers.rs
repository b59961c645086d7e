//! Payloads that come in chunks, for those who watch them.

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{EventId, Store, StoreError};

/// A transfer, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferState {
    /// Its id.
    pub id: i64,
    /// To whom its source belongs.
    pub tenant: String,
    /// Its source.
    pub source: String,
    /// The event type of the whole.
    pub kind: String,
    /// The sender's id of the transfer.
    pub transfer_id: String,
    /// How many chunks have arrived.
    pub have: u32,
    /// Of how many.
    pub total: u32,
    /// Bytes of base64 text that have arrived.
    pub received: u64,
    /// When the first chunk arrived.
    pub opened_at: OffsetDateTime,
    /// When the last new chunk arrived.
    pub last_chunk_at: OffsetDateTime,
    /// `open`, or how it was closed: `whole`, `quarantined`, `superseded` or `expired`.
    pub state: String,
    /// The id that the whole event has, or will have.
    pub event: EventId,
}

/// Open transfers of one source that have used up more than half of their time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateTransfers {
    /// The source.
    pub source: String,
    /// How many.
    pub count: i64,
    /// When the last new chunk of the one that waits longest arrived.
    pub since: OffsetDateTime,
}

/// The row, as it is read.
struct Row {
    id: i64,
    tenant: String,
    source: String,
    kind: String,
    transfer_id: String,
    have: i32,
    total: i32,
    received: i64,
    opened_at: OffsetDateTime,
    last_chunk_at: OffsetDateTime,
    state: String,
    event_id: Uuid,
}

impl From<Row> for TransferState {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            tenant: row.tenant,
            source: row.source,
            kind: row.kind,
            transfer_id: row.transfer_id,
            have: row.have.unsigned_abs(),
            total: row.total.unsigned_abs(),
            received: row.received.unsigned_abs(),
            opened_at: row.opened_at,
            last_chunk_at: row.last_chunk_at,
            state: row.state,
            event: EventId(row.event_id),
        }
    }
}

impl Store {
    /// Open transfers, the newest first, with an id below `before`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn open_transfers(
        &self,
        tenant: Option<&str>,
        before: i64,
        limit: i64,
    ) -> Result<Vec<TransferState>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            "SELECT id, tenant, source, kind, transfer_id, have, total, received, opened_at,
                    last_chunk_at, state, event_id
               FROM chunk_transfers
              WHERE state = 'open' AND ($1::text IS NULL OR tenant = $1) AND id < $2
              ORDER BY id DESC LIMIT $3",
            tenant,
            before,
            limit,
        )
        .fetch_all(&self.operator)
        .await?;
        Ok(rows.into_iter().map(TransferState::from).collect())
    }

    /// The transfers that were closed last, by when their last chunk came.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn closed_transfers(
        &self,
        tenant: Option<&str>,
        limit: i64,
    ) -> Result<Vec<TransferState>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            "SELECT id, tenant, source, kind, transfer_id, have, total, received, opened_at,
                    last_chunk_at, state, event_id
               FROM chunk_transfers
              WHERE state <> 'open' AND ($1::text IS NULL OR tenant = $1)
              ORDER BY last_chunk_at DESC LIMIT $2",
            tenant,
            limit,
        )
        .fetch_all(&self.operator)
        .await?;
        Ok(rows.into_iter().map(TransferState::from).collect())
    }

    /// The transfer of this id, or the one that the event of this id came by.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn transfer(
        &self,
        id: Option<i64>,
        event: Option<EventId>,
    ) -> Result<Option<TransferState>, StoreError> {
        let row = sqlx::query_as!(
            Row,
            "SELECT id, tenant, source, kind, transfer_id, have, total, received, opened_at,
                    last_chunk_at, state, event_id
               FROM chunk_transfers WHERE id = $1 OR event_id = $2 LIMIT 1",
            id,
            event.map(|event| event.0),
        )
        .fetch_optional(&self.operator)
        .await?;
        Ok(row.map(TransferState::from))
    }

    /// What a transfer is of: its JSON without content and chunk number; none where it is not there.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn transfer_envelope(&self, id: i64) -> Result<Option<Vec<u8>>, StoreError> {
        let envelope =
            sqlx::query_scalar!("SELECT envelope FROM chunk_transfers WHERE id = $1", id)
                .fetch_optional(&self.operator)
                .await?;
        Ok(envelope)
    }

    /// Other transfers of the same thing, as they were sent, the newest first: a newer one
    /// supersedes those that are open.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn transfers_of_the_same(
        &self,
        id: i64,
        limit: i64,
    ) -> Result<Vec<TransferState>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            "SELECT other.id, other.tenant, other.source, other.kind, other.transfer_id, other.have,
                    other.total, other.received, other.opened_at, other.last_chunk_at, other.state,
                    other.event_id
               FROM chunk_transfers own
               JOIN chunk_transfers other ON other.source = own.source
                                         AND other.subject = own.subject AND other.id <> own.id
              WHERE own.id = $1
              ORDER BY other.sent_at DESC LIMIT $2",
            id,
            limit,
        )
        .fetch_all(&self.operator)
        .await?;
        Ok(rows.into_iter().map(TransferState::from).collect())
    }

    /// Which chunks of these transfers are there, in order. Those of closed ones are gone.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn chunks_there(&self, transfers: &[i64]) -> Result<Vec<(i64, u32)>, StoreError> {
        let rows = sqlx::query!(
            "SELECT transfer, index FROM chunk_buffer WHERE transfer = ANY($1)
              ORDER BY transfer, index",
            transfers,
        )
        .fetch_all(&self.operator)
        .await?;
        Ok(rows.into_iter().map(|row| (row.transfer, row.index.unsigned_abs())).collect())
    }

    /// Open transfers that have waited for more than half of `idle`, or in all for more than half
    /// of `total`, by source.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
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
        .fetch_all(&self.operator)
        .await?;
        Ok(late)
    }
}
