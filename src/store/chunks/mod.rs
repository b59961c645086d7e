//! Chunks: kept until their transfer is whole, then one event; or closed with a reason.
//!
//! Everything about one subject (repository and path) happens one after the other, under an
//! advisory lock of its source that the transaction holds: two gateways that receive the two last chunks at the
//! same instant make one event. The database joins and decodes the whole: a transfer of 64 MiB
//! never passes through the gateway's memory.

mod statements;

use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;

use self::statements::{
    Transfer, close, count, digests, is_full, join, keep, keep_joined_text, lock_subject,
    objection, open, plan_whole, repeated, supersede,
};
use super::{
    Committed, Counter, DeathReason, EventId, GATE, KeyDigest, Plan, RetryUntil, Store, StoreError,
    Tx,
};
use crate::verify::{Chunk, EventKey, Quarantine, Strength};

/// The longest time that joining, decoding and writing a whole may take. Its senders wait 30 s.
const WHOLE_DEADLINE: Duration = Duration::from_secs(25);

/// A chunk that was checked on its own, and what is known about its request.
#[derive(Debug)]
pub struct NewChunk<'a> {
    /// The chunk.
    pub chunk: &'a Chunk,
    /// To whom the source belongs.
    pub tenant: &'a str,
    /// The source.
    pub source: &'a str,
    /// What kind of sender it is.
    pub provider: &'a str,
    /// The action in the path.
    pub action: Option<&'a str>,
    /// How much the request's proof says.
    pub strength: Strength,
    /// The fingerprint of the secret that verified it.
    pub secret: String,
    /// The headers that are kept, and what came along.
    pub headers: Vec<(String, String)>,
    /// The time.
    pub now: OffsetDateTime,
    /// What is to be done about the whole event.
    pub plan: &'a Plan,
}

/// How much may wait.
#[derive(Debug, Clone, Copy)]
pub struct ChunkQuota {
    /// Of one source.
    pub source: Open,
    /// Of one repository of it: less, so that none uses up what all of them have.
    pub owner: Open,
}

/// The most that may be open.
#[derive(Debug, Clone, Copy)]
pub struct Open {
    /// The most open transfers.
    pub transfers: i64,
    /// The most bytes of base64 text in open transfers.
    pub bytes: i64,
}

/// What became of a chunk that is kept, now or before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChunkOutcome {
    /// Kept; the rest has yet to come.
    Kept {
        /// The id that the whole event will have.
        event: EventId,
        /// How many chunks are there.
        have: u32,
        /// Of how many.
        total: u32,
    },
    /// It was the last one: the whole is an event now.
    Whole(EventId),
    /// It was the last one, but the whole is not what the sender promised: a dead letter.
    Broken(EventId, Quarantine),
    /// The same chunk was there before.
    Repeated(EventId),
}

/// Why a chunk is not kept. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChunkRejected {
    /// It does not go with what was there before, or comes after its transfer was closed: it is
    /// for the caller to keep it aside.
    Conflict(Quarantine, String),
    /// The source has as much waiting as it may, or the repository its share.
    Full,
}

/// The answer to a chunk.
#[derive(Debug, Clone)]
pub enum ChunkAnswer {
    /// It is kept.
    Kept(Committed<ChunkOutcome>),
    /// It is not.
    ChunkRejected(ChunkRejected),
}

impl Store {
    /// Keeps a chunk; makes the event when it is the last one. What the database refuses for the
    /// moment is tried again, as long as a commit may take.
    ///
    /// # Errors
    /// As [`GroupWriter::record`](super::GroupWriter::record).
    pub async fn add_chunk(
        &self,
        new: &NewChunk<'_>,
        quota: ChunkQuota,
    ) -> Result<ChunkAnswer, StoreError> {
        let ends = Instant::now() + self.commit_deadline;
        let mut again = RetryUntil::until(ends);
        loop {
            match self.add_chunk_once(new, quota, ends).await {
                Err(error) if again.after(&error).await => {}
                done => return self.one_by_one.note(done),
            }
        }
    }

    async fn add_chunk_once(
        &self,
        new: &NewChunk<'_>,
        quota: ChunkQuota,
        ends: Instant,
    ) -> Result<ChunkAnswer, StoreError> {
        let keeping = tokio::time::timeout_at(ends, self.keep_chunk(new, quota));
        match keeping.await.unwrap_or(Err(StoreError::CommitUnknown(None)))? {
            Step::Answered(answer) => Ok(answer),
            Step::Last { tx, transfer, received } => {
                let completing = self.complete(tx, &transfer, received, new);
                let completed = tokio::time::timeout(WHOLE_DEADLINE, completing).await;
                completed.unwrap_or(Err(StoreError::CommitUnknown(None))).map(ChunkAnswer::Kept)
            }
        }
    }

    async fn keep_chunk(&self, new: &NewChunk<'_>, quota: ChunkQuota) -> Result<Step, StoreError> {
        let mut tx = Tx::begin(&self.ingest).await?;
        lock_subject(tx.connection(), new).await?;
        let (transfer, opened) = open(tx.connection(), new).await?;
        if let Some(answer) = objection(&transfer, new) {
            return finish(tx, answer).await;
        }
        if opened {
            supersede(tx.connection(), new, transfer.id).await?;
        }
        if is_full(tx.connection(), new, quota).await? {
            return finish(tx, Err(ChunkRejected::Full)).await;
        }
        if !keep(tx.connection(), &transfer, new.chunk).await? {
            let answer = repeated(tx.connection(), &transfer, new.chunk).await?;
            return finish(tx, answer).await;
        }
        let (have, received) = count(tx.connection(), &transfer, new).await?;
        let total = new.chunk.manifest.total;
        if have < total {
            return finish(tx, Ok(ChunkOutcome::Kept { event: transfer.event, have, total })).await;
        }
        Ok(Step::Last { tx, transfer, received })
    }

    /// Closes one transfer that has waited too long: since its last chunk, or since its first.
    /// What is left of it is a dead letter, so that an operator sees what never came. Gives the
    /// event, or `None` when nothing has expired.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
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
            key.as_bytes(),
            row.event_id,
            now,
            now + self.key_retention,
            row.source,
            GATE,
            DeathReason::Quarantined(Quarantine::ChunkExpired).as_str(),
            format!(
                "transfer {} expired with {} of {} chunks",
                row.transfer_id, row.have, row.total
            ),
        )
        .execute(tx.connection())
        .await?;
        tx.tally(&row.source, Counter::Expired, 1, now).await?;
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
        let limit = format!("{}ms", WHOLE_DEADLINE.as_millis());
        sqlx::query_scalar!("SELECT set_config('statement_timeout', $1, true)", limit)
            .fetch_one(&mut *connection)
            .await?;
        let promised = i64::try_from(manifest.encoded_len()).unwrap_or(i64::MAX);
        let flaw = if received == promised {
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
                format!("{received} characters of base64, expected {promised}"),
            ))
        };
        let (plan, state, answer) = match flaw {
            None => (new.plan.clone(), "whole", ChunkOutcome::Whole(transfer.event)),
            Some((reason, detail)) => (
                Plan::Quarantine { reason: DeathReason::Quarantined(reason), detail },
                "quarantined",
                ChunkOutcome::Broken(transfer.event, reason),
            ),
        };
        plan_whole(connection, transfer, new, &plan, self.key_retention).await?;
        close(connection, &[transfer.id], state).await?;
        tx.commit(answer).await
    }
}

enum Step {
    Answered(ChunkAnswer),
    Last { tx: Tx<'static>, transfer: Transfer, received: i64 },
}

/// Ends the transaction: what is kept is committed, or was found as somebody else has committed
/// it; the rest leaves nothing behind.
async fn finish(
    tx: Tx<'static>,
    answer: Result<ChunkOutcome, ChunkRejected>,
) -> Result<Step, StoreError> {
    Ok(Step::Answered(match answer {
        Ok(kept) => ChunkAnswer::Kept(tx.commit(kept).await?),
        Err(not_kept) => {
            tx.rollback().await?;
            ChunkAnswer::ChunkRejected(not_kept)
        }
    }))
}
