//! Chunks: kept until their transfer is whole, then one event; or closed with a reason.
//!
//! Everything about one subject (repository and path) happens one after the other, under an
//! advisory lock that the transaction holds: two gateways that receive the two last chunks at the
//! same instant make one event. The database joins and decodes the whole: a transfer of 64 MiB
//! never passes through the gateway's memory.

use std::time::Duration;

use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{
    Committed, DeathReason, EventId, GATE, KeyDigest, Plan, Store, StoreError, Tx, bounded,
};
use crate::gate::{Chunk, EventKey, Manifest, Quarantine, Strength};

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
    /// The time.
    pub now: OffsetDateTime,
    /// What is to be done about the whole event.
    pub plan: &'a Plan,
}

/// How much one source may have waiting.
#[derive(Debug, Clone, Copy)]
pub struct ChunkQuota {
    /// The most open transfers.
    pub transfers: i64,
    /// The most bytes of base64 text in open transfers.
    pub bytes: i64,
}

/// What became of a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Added {
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
    /// It does not go with what was there before, or comes after its transfer was closed. Nothing
    /// was written: it is for the caller to keep it aside.
    Conflict(Quarantine, String),
    /// The source has as much waiting as it may. Nothing was written.
    Full,
}

struct Transfer {
    id: i64,
    manifest: Vec<u8>,
    state: String,
    event: EventId,
}

impl Store {
    /// Keeps a chunk; makes the event when it is the last one.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub async fn add_chunk(
        &self,
        new: &NewChunk<'_>,
        quota: ChunkQuota,
    ) -> Result<Committed<Added>, StoreError> {
        let keeping = async {
            let mut tx = Tx::begin(&self.ingest).await?;
            lock_subject(tx.connection(), new).await?;
            let (transfer, opened) = open(tx.connection(), new).await?;
            if let Some(answer) = objection(&transfer, new) {
                return finish(tx, answer).await.map(Step::Answered);
            }
            if opened {
                supersede(tx.connection(), new, transfer.id).await?;
            }
            if is_full(tx.connection(), new, quota).await? {
                return finish(tx, Added::Full).await.map(Step::Answered);
            }
            if !keep(tx.connection(), &transfer, new.chunk).await? {
                let answer = repeated(tx.connection(), &transfer, new.chunk).await?;
                return finish(tx, answer).await.map(Step::Answered);
            }
            let (have, received) = count(tx.connection(), &transfer, new).await?;
            let total = new.chunk.manifest.total;
            if have < total {
                let kept = Added::Kept { event: transfer.event, have, total };
                return tx.commit(kept).await.map(Step::Answered);
            }
            Ok(Step::Last { tx, transfer, received })
        };
        let step = tokio::time::timeout(self.commit_deadline, keeping)
            .await
            .unwrap_or_else(|_| Err(StoreError::timed_out()))?;
        match step {
            Step::Answered(answer) => Ok(answer),
            Step::Last { tx, transfer, received } => {
                tokio::time::timeout(WHOLE_DEADLINE, self.complete(tx, &transfer, received, new))
                    .await
                    .unwrap_or_else(|_| Err(StoreError::timed_out()))
            }
        }
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
                    id, key, tenant, source, provider, kind, action, strength, late, secret,
                    received_at, occurred_at, headers, envelope, body)
                SELECT event_id, $2, tenant, source, provider, kind, action, strength, false,
                       secret, $4, sent_at, '{}', envelope, ''
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
                "transfer {} had {} of {} chunks when it was given up",
                row.transfer_id, row.have, row.total
            ),
        )
        .execute(tx.connection())
        .await?;
        Ok(tx.commit(Some(EventId(row.event_id))).await?.into_inner())
    }

    async fn complete(
        &self,
        mut tx: Tx<'static>,
        transfer: &Transfer,
        received: i64,
        new: &NewChunk<'_>,
    ) -> Result<Committed<Added>, StoreError> {
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
                Some((Quarantine::SizeMismatch, format!("{size} bytes, not {}", manifest.size)))
            } else if sha256 != manifest.sha256 {
                Some((Quarantine::DigestMismatch, digests(&sha256, &manifest.sha256)))
            } else {
                None
            }
        } else {
            keep_joined_text(connection, transfer, new).await?;
            Some((
                Quarantine::SizeMismatch,
                format!("{received} characters of base64, not {promised}"),
            ))
        };
        let (plan, state, answer) = match flaw {
            None => (new.plan.clone(), "whole", Added::Whole(transfer.event)),
            Some((reason, detail)) => (
                Plan::Quarantine { reason: DeathReason::Quarantined(reason), detail },
                "quarantined",
                Added::Broken(transfer.event, reason),
            ),
        };
        plan_whole(connection, transfer, new, &plan, self.key_retention).await?;
        close(connection, &[transfer.id], state).await?;
        tx.commit(answer).await
    }
}

enum Step {
    Answered(Committed<Added>),
    Last { tx: Tx<'static>, transfer: Transfer, received: i64 },
}

/// Ends a transaction that has nothing to write; the answer speaks of what was committed before.
async fn finish(tx: Tx<'static>, answer: Added) -> Result<Committed<Added>, StoreError> {
    tx.rollback().await?;
    Ok(Committed::by_statement(answer))
}

async fn lock_subject(connection: &mut PgConnection, new: &NewChunk<'_>) -> Result<(), StoreError> {
    let digest = subject_digest(&new.chunk.manifest);
    let number = digest.first_chunk::<8>().map_or(0, |bytes| i64::from_be_bytes(*bytes));
    sqlx::query!("SELECT pg_advisory_xact_lock($1)", number).execute(connection).await?;
    Ok(())
}

/// Finds the transfer, or opens it; gives also whether this chunk opened it.
async fn open(
    connection: &mut PgConnection,
    new: &NewChunk<'_>,
) -> Result<(Transfer, bool), StoreError> {
    let manifest = &new.chunk.manifest;
    let key = transfer_key(manifest);
    let opened = sqlx::query!(
        r#"
        INSERT INTO chunk_transfers (
            tenant, source, provider, action, strength, secret, key, subject, transfer_id,
            manifest, kind, envelope, total, sent_at, opened_at, last_chunk_at, state, event_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15, 'open', $16)
        ON CONFLICT (source, key) DO NOTHING
        "#,
        new.tenant,
        new.source,
        new.provider,
        new.action,
        new.strength.as_str(),
        new.secret,
        &key[..],
        &subject_digest(manifest)[..],
        manifest.transfer_id,
        &manifest.digest()[..],
        manifest.kind,
        &manifest.envelope[..],
        i32::try_from(manifest.total).unwrap_or(i32::MAX),
        manifest.sent_at,
        new.now,
        EventId::new(new.now).0,
    )
    .execute(&mut *connection)
    .await?;
    let row = sqlx::query!(
        "SELECT id, manifest, state, event_id FROM chunk_transfers
          WHERE source = $1 AND key = $2 FOR UPDATE",
        new.source,
        &key[..],
    )
    .fetch_one(connection)
    .await?;
    let transfer = Transfer {
        id: row.id,
        manifest: row.manifest,
        state: row.state,
        event: EventId(row.event_id),
    };
    Ok((transfer, opened.rows_affected() == 1))
}

/// Why the chunk cannot be a part of the transfer, if it cannot.
fn objection(transfer: &Transfer, new: &NewChunk<'_>) -> Option<Added> {
    if transfer.manifest != new.chunk.manifest.digest() {
        let what = "action, path, sha, size, total or another frozen field differs from the \
                    transfer's first chunk";
        return Some(Added::Conflict(Quarantine::ChunkMixed, what.into()));
    }
    match transfer.state.as_str() {
        "open" => None,
        "superseded" => {
            let what = "a newer transfer of the same file came in between";
            Some(Added::Conflict(Quarantine::ChunkSuperseded, what.into()))
        }
        "expired" => {
            let what = "the transfer was given up before this chunk came";
            Some(Added::Conflict(Quarantine::ChunkExpired, what.into()))
        }
        _ => Some(Added::Repeated(transfer.event)),
    }
}

/// Closes older incomplete transfers of the same subject: the sender begins anew after a failure.
async fn supersede(
    connection: &mut PgConnection,
    new: &NewChunk<'_>,
    transfer: i64,
) -> Result<(), StoreError> {
    let older = sqlx::query_scalar!(
        "SELECT id FROM chunk_transfers
          WHERE source = $1 AND subject = $2 AND state = 'open' AND id <> $3 AND sent_at <= $4
            FOR UPDATE",
        new.source,
        &subject_digest(&new.chunk.manifest)[..],
        transfer,
        new.chunk.manifest.sent_at,
    )
    .fetch_all(&mut *connection)
    .await?;
    close(connection, &older, "superseded").await
}

async fn is_full(
    connection: &mut PgConnection,
    new: &NewChunk<'_>,
    quota: ChunkQuota,
) -> Result<bool, StoreError> {
    let waiting = sqlx::query!(
        r#"SELECT count(*) AS "transfers!", COALESCE(sum(received), 0)::bigint AS "bytes!"
             FROM chunk_transfers WHERE source = $1 AND state = 'open'"#,
        new.source,
    )
    .fetch_one(connection)
    .await?;
    let size = i64::try_from(new.chunk.content.len()).unwrap_or(i64::MAX);
    Ok(waiting.transfers > quota.transfers || waiting.bytes.saturating_add(size) > quota.bytes)
}

/// Whether the chunk was new.
async fn keep(
    connection: &mut PgConnection,
    transfer: &Transfer,
    chunk: &Chunk,
) -> Result<bool, StoreError> {
    let kept = sqlx::query!(
        "INSERT INTO chunk_buffer (transfer, index, digest, content) VALUES ($1, $2, $3, $4)
         ON CONFLICT (transfer, index) DO NOTHING",
        transfer.id,
        i32::try_from(chunk.index).unwrap_or(i32::MAX),
        &chunk.digest()[..],
        &chunk.content[..],
    )
    .execute(connection)
    .await?;
    Ok(kept.rows_affected() == 1)
}

async fn repeated(
    connection: &mut PgConnection,
    transfer: &Transfer,
    chunk: &Chunk,
) -> Result<Added, StoreError> {
    let digest = sqlx::query_scalar!(
        "SELECT digest FROM chunk_buffer WHERE transfer = $1 AND index = $2",
        transfer.id,
        i32::try_from(chunk.index).unwrap_or(i32::MAX),
    )
    .fetch_one(connection)
    .await?;
    if digest == chunk.digest() {
        return Ok(Added::Repeated(transfer.event));
    }
    let what = format!("chunk {} was received before with other content", chunk.index);
    Ok(Added::Conflict(Quarantine::ChunkMixed, what))
}

async fn count(
    connection: &mut PgConnection,
    transfer: &Transfer,
    new: &NewChunk<'_>,
) -> Result<(u32, i64), StoreError> {
    let row = sqlx::query!(
        "UPDATE chunk_transfers SET have = have + 1, received = received + $2, last_chunk_at = $3
          WHERE id = $1 RETURNING have, received",
        transfer.id,
        i64::try_from(new.chunk.content.len()).unwrap_or(i64::MAX),
        new.now,
    )
    .fetch_one(connection)
    .await?;
    Ok((row.have.unsigned_abs(), row.received))
}

/// Makes the event: joins the slices, decodes them once, and measures what came out. Cannot fail
/// for the content: every slice was checked when it came, and the joined length is right.
async fn join(
    connection: &mut PgConnection,
    transfer: &Transfer,
    new: &NewChunk<'_>,
) -> Result<(i64, Vec<u8>), StoreError> {
    let key = event_key(new);
    let row = sqlx::query!(
        r#"
        INSERT INTO events (
            id, key, tenant, source, provider, kind, action, strength, late, secret,
            received_at, occurred_at, headers, envelope, body)
        SELECT t.event_id, $2, t.tenant, t.source, t.provider, t.kind, t.action, t.strength, false,
               t.secret, $3, t.sent_at, '{}', t.envelope,
               (SELECT decode(convert_from(string_agg(content, ''::bytea ORDER BY index), 'UTF8'),
                              'base64')
                  FROM chunk_buffer WHERE transfer = t.id)
          FROM chunk_transfers t WHERE t.id = $1
        RETURNING octet_length(body)::bigint AS "size!", sha256(body) AS "sha256!"
        "#,
        transfer.id,
        key.as_bytes(),
        new.now,
    )
    .fetch_one(connection)
    .await?;
    Ok((row.size, row.sha256))
}

/// Makes the event of a whole whose text is not as long as promised: what came is kept undecoded.
async fn keep_joined_text(
    connection: &mut PgConnection,
    transfer: &Transfer,
    new: &NewChunk<'_>,
) -> Result<(), StoreError> {
    let key = event_key(new);
    sqlx::query!(
        r#"
        INSERT INTO events (
            id, key, tenant, source, provider, kind, action, strength, late, secret,
            received_at, occurred_at, headers, envelope, body)
        SELECT t.event_id, $2, t.tenant, t.source, t.provider, t.kind, t.action, t.strength, false,
               t.secret, $3, t.sent_at, '{}', t.envelope,
               (SELECT string_agg(content, ''::bytea ORDER BY index)
                  FROM chunk_buffer WHERE transfer = t.id)
          FROM chunk_transfers t WHERE t.id = $1
        "#,
        transfer.id,
        key.as_bytes(),
        new.now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn plan_whole(
    connection: &mut PgConnection,
    transfer: &Transfer,
    new: &NewChunk<'_>,
    plan: &Plan,
    key_retention: time::Duration,
) -> Result<(), StoreError> {
    let lane = new.chunk.manifest.lane();
    let key = event_key(new);
    let (handlers, blocks, reason, error): (Vec<&str>, _, _, _) = match plan {
        Plan::Deliver { handlers, lane_blocks } => (handlers.clone(), *lane_blocks, None, None),
        Plan::Quarantine { reason, detail } => {
            (vec![GATE], false, Some(reason.as_str()), Some(bounded(detail)))
        }
    };
    sqlx::query!(
        r#"
        WITH known AS (
            INSERT INTO event_keys (key, event_id, last_seen_at, expires_at)
            VALUES ($1, $2, $3, $4) ON CONFLICT (key) DO NOTHING
        )
        INSERT INTO deliveries (
            event_id, source, handler, triggered_by, lane, lane_blocks, state, created_at, due_at,
            finished_at, death_reason, last_error)
        SELECT $2, $5, handler, 'arrival', $6, $7,
               CASE WHEN $8::text IS NULL THEN 'ready' ELSE 'dead' END, $3, $3,
               CASE WHEN $8::text IS NOT NULL THEN $3 END, $8, $9
          FROM UNNEST($10::text[]) AS h (handler)
        "#,
        key.as_bytes(),
        transfer.event.0,
        new.now,
        new.now + key_retention,
        new.source,
        lane.as_str(),
        blocks,
        reason as Option<&str>,
        error as Option<String>,
        &handlers as &[&str],
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn close(
    connection: &mut PgConnection,
    transfers: &[i64],
    state: &str,
) -> Result<(), StoreError> {
    if transfers.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "WITH gone AS (DELETE FROM chunk_buffer WHERE transfer = ANY($1))
         UPDATE chunk_transfers SET state = $2 WHERE id = ANY($1)",
        transfers,
        state,
    )
    .execute(connection)
    .await?;
    Ok(())
}

fn event_key(new: &NewChunk<'_>) -> KeyDigest {
    let key = EventKey::Signed(transfer_key(&new.chunk.manifest).to_vec());
    KeyDigest::of(new.tenant, new.source, &key)
}

/// The sender's transfer id within the first part of the subject (the repository): two
/// repositories may use the same id.
fn transfer_key(manifest: &Manifest) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(manifest.subject.first().map_or("", String::as_str));
    hash.update([0]);
    hash.update(&manifest.transfer_id);
    hash.finalize().into()
}

fn subject_digest(manifest: &Manifest) -> [u8; 32] {
    Sha256::digest(manifest.lane().as_str()).into()
}

fn digests(found: &[u8], promised: &[u8]) -> String {
    format!("SHA-256 {}, not {}", hex::encode(found), hex::encode(promised))
}
