//! Chunks: stored until their transfer is complete, then joined into one event, or closed with a
//! reason.
//!
//! Operations on one subject (repository and path) are serialized by an advisory lock that the
//! transaction holds: two gateways that receive the last two chunks at the same moment create one
//! event. The database joins and decodes the payload, so a transfer of 64 MiB never passes through
//! the gateway's memory.

mod statements;

use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;

use self::statements::{
    Transfer, check_transfer, close, count, digests, is_full, join, keep, keep_joined_text,
    lock_subject, open, plan_whole, repeated, supersede,
};
use super::{
    Committed, Counter, DeathReason, EventId, IngestRetries, KeyDigest, Plan, QUARANTINE, Store,
    StoreError, Tx,
};
use crate::verify::{Chunk, EventKey, Quarantine, Strength};

/// The timeout for joining, decoding and writing a complete payload. Senders wait for 30 s.
const COMPLETE_TIMEOUT: Duration = Duration::from_secs(25);

/// A chunk that was validated on its own, with metadata of its request.
#[derive(Debug)]
pub struct NewChunk<'a> {
    pub chunk: &'a Chunk,
    pub tenant: &'a str,
    pub source: &'a str,
    pub provider: &'a str,
    /// The action in the path.
    pub action: Option<&'a str>,
    pub strength: Strength,
    /// The fingerprint of the secret that verified it.
    pub secret: String,
    /// The stored headers and request metadata.
    pub headers: Vec<(String, String)>,
    pub now: OffsetDateTime,
    /// For the complete event.
    pub plan: &'a Plan,
}

/// Limits on open transfers.
#[derive(Debug, Clone, Copy)]
pub struct ChunkQuota {
    pub source: OpenTransferLimit,
    /// Of one repository: lower, so that none can use up the quota of its source.
    pub owner: OpenTransferLimit,
}

/// A limit on open transfers.
#[derive(Debug, Clone, Copy)]
pub struct OpenTransferLimit {
    pub transfers: i64,
    /// The most bytes of base64 text in open transfers.
    pub bytes: i64,
}

/// The outcome of a chunk that is or was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChunkOutcome {
    /// Stored; more chunks are missing.
    Kept {
        /// The id of the future event.
        event: EventId,
        /// Chunks received.
        have: u32,
        /// The total number of chunks.
        total: u32,
    },
    /// The last chunk: the payload is now an event.
    Whole(EventId),
    /// The last chunk, but the payload does not match the manifest: a dead letter.
    Broken(EventId, Quarantine),
    /// A duplicate of a stored chunk.
    Repeated(EventId),
}

/// Why a chunk was not stored. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChunkRejected {
    /// It contradicts earlier chunks, or arrived after its transfer was closed: the caller
    /// quarantines it.
    Conflict(Quarantine, String),
    /// The quota of the source or of the repository is used up.
    Full,
}

/// The result of adding a chunk.
#[derive(Debug, Clone)]
pub enum ChunkAnswer {
    Kept(Committed<ChunkOutcome>),
    ChunkRejected(ChunkRejected),
}

impl Store {
    /// Stores a chunk, and creates the event with the last one. Temporary errors are retried within
    /// the commit deadline.
    pub async fn add_chunk(
        &self,
        new: &NewChunk<'_>,
        quota: ChunkQuota,
    ) -> Result<ChunkAnswer, StoreError> {
        let deadline = Instant::now() + self.commit_deadline;
        let mut retry = IngestRetries::until(deadline);
        loop {
            match self.add_chunk_once(new, quota, deadline).await {
                Err(error) if retry.should_retry(&error).await => {}
                done => return self.one_by_one.record(done),
            }
        }
    }

    async fn add_chunk_once(
        &self,
        new: &NewChunk<'_>,
        quota: ChunkQuota,
        deadline: Instant,
    ) -> Result<ChunkAnswer, StoreError> {
        let keeping = tokio::time::timeout_at(deadline, self.keep_chunk(new, quota));
        match keeping.await.unwrap_or(Err(StoreError::CommitUnknown(None)))? {
            Step::Done(result) => Ok(result),
            Step::Last { tx, transfer, received } => {
                let completing = self.complete(tx, &transfer, received, new);
                let completed = tokio::time::timeout(COMPLETE_TIMEOUT, completing).await;
                completed.unwrap_or(Err(StoreError::CommitUnknown(None))).map(ChunkAnswer::Kept)
            }
        }
    }

    async fn keep_chunk(&self, new: &NewChunk<'_>, quota: ChunkQuota) -> Result<Step, StoreError> {
        let mut tx = Tx::begin(&self.ingest).await?;
        lock_subject(tx.connection(), new).await?;
        let (transfer, opened) = open(tx.connection(), new).await?;
        if let Some(result) = check_transfer(&transfer, new) {
            return finish(tx, result).await;
        }
        if opened {
            supersede(tx.connection(), new, transfer.id).await?;
        }
        if is_full(tx.connection(), new, quota).await? {
            return finish(tx, Err(ChunkRejected::Full)).await;
        }
        if !keep(tx.connection(), &transfer, new.chunk).await? {
            let result = repeated(tx.connection(), &transfer, new.chunk).await?;
            return finish(tx, result).await;
        }
        let (have, received) = count(tx.connection(), &transfer, new).await?;
        let total = new.chunk.manifest.total;
        if have < total {
            return finish(tx, Ok(ChunkOutcome::Kept { event: transfer.event, have, total })).await;
        }
        Ok(Step::Last { tx, transfer, received })
    }

    /// Expires one transfer, by the time since its last or its first chunk. The rest becomes a dead
    /// letter, so that operators notice. Returns the event; `None` if nothing has expired.
    pub async fn expire_transfer(
        &self,
        now: OffsetDateTime,
        idle: time::Duration,
        total: time::Duration,
    ) -> Result<Option<EventId>, StoreError> {
        let mut tx = Tx::begin(&self.dispatch).await?;
        let row = sqlx::query!(
            r#"
            UPDATE chunk_transfers SET state = 'expired' WHERE id = (
                SELECT id FROM chunk_transfers
                 WHERE state = 'open' AND (last_chunk_at <= $1 OR opened_at <= $2)
                 ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
            RETURNING id, source, tenant, transfer_id, have, total, event_id
            "#,
            now - idle,
            now - total,
        )
        .fetch_optional(tx.connection())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let key = KeyDigest::of(
            &row.tenant,
            &row.source,
            &EventKey::Signed(format!("expired transfer {}", row.id).into_bytes()),
        );
        sqlx::query!(
            r#"
            WITH gone AS (DELETE FROM chunk_buffer WHERE transfer = $1),
            known AS (
                INSERT INTO event_keys (key, event_id, last_seen_at, expires_at)
                VALUES ($2, $3, $4, $5)
            ), stored AS (
                INSERT INTO events (
                    id, key, tenant, source, provider, event_type, action, strength, late, secret,
                    received_at, occurred_at, headers, envelope, body)
                SELECT event_id, $2, tenant, source, provider, event_type, action, strength, false,
                       secret, $4, sent_at, headers, envelope, ''
                  FROM chunk_transfers WHERE id = $1
            )
            INSERT INTO deliveries (
                event_id, source, handler, triggered_by, lane_blocks, state, created_at, due_at,
                finished_at, death_reason, last_error)
            VALUES ($3, $6, $7, 'arrival', false, 'dead', $4, $4, $4, $8, $9)
            "#,
            row.id,
            key.as_uuid(),
            row.event_id,
            now,
            now + self.key_retention,
            row.source,
            QUARANTINE,
            DeathReason::Quarantined(Quarantine::ChunkExpired).as_str(),
            format!(
                "transfer {} expired with {} of {} chunks",
                row.transfer_id, row.have, row.total
            ),
        )
        .execute(tx.connection())
        .await?;
        tx.add_to_counter(&row.source, Counter::Expired, 1, now).await?;
        Ok(tx.commit(Some(EventId(row.event_id))).await?.into_inner())
    }

    async fn complete(
        &self,
        mut tx: Tx<'static>,
        transfer: &Transfer,
        received: i64,
        new: &NewChunk<'_>,
    ) -> Result<Committed<ChunkOutcome>, StoreError> {
        let manifest = &new.chunk.manifest;
        let connection = tx.connection();
        let limit = format!("{}ms", COMPLETE_TIMEOUT.as_millis());
        sqlx::query_scalar!("SELECT set_config('statement_timeout', $1, true)", limit)
            .fetch_one(&mut *connection)
            .await?;
        let expected = i64::try_from(manifest.encoded_len()).unwrap_or(i64::MAX);
        let problem = if received == expected {
            let (size, sha256) = join(connection, transfer, new).await?;
            if size != i64::try_from(manifest.size).unwrap_or(i64::MAX) {
                Some((
                    Quarantine::SizeMismatch,
                    format!("{size} bytes, expected {}", manifest.size),
                ))
            } else if sha256 != manifest.sha256 {
                Some((Quarantine::DigestMismatch, digests(&sha256, &manifest.sha256)))
            } else {
                None
            }
        } else {
            keep_joined_text(connection, transfer, new).await?;
            Some((
                Quarantine::SizeMismatch,
                format!("{received} characters of base64, expected {expected}"),
            ))
        };
        let (plan, state, result) = match problem {
            None => (new.plan.clone(), "whole", ChunkOutcome::Whole(transfer.event)),
            Some((reason, detail)) => (
                Plan::Quarantine { reason: DeathReason::Quarantined(reason), detail },
                "quarantined",
                ChunkOutcome::Broken(transfer.event, reason),
            ),
        };
        plan_whole(connection, transfer, new, &plan, self.key_retention).await?;
        close(connection, &[transfer.id], state).await?;
        tx.commit(result).await
    }
}

enum Step {
    Done(ChunkAnswer),
    Last { tx: Tx<'static>, transfer: Transfer, received: i64 },
}

/// Ends the transaction: commits a stored or known chunk, and rolls back otherwise.
async fn finish(
    tx: Tx<'static>,
    result: Result<ChunkOutcome, ChunkRejected>,
) -> Result<Step, StoreError> {
    Ok(Step::Done(match result {
        Ok(kept) => ChunkAnswer::Kept(tx.commit(kept).await?),
        Err(rejected) => {
            tx.rollback().await?;
            ChunkAnswer::ChunkRejected(rejected)
        }
    }))
}
