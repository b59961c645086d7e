//! The statements that store a chunk, one function each.

use sha2::{Digest, Sha256};
use sqlx::PgConnection;

use super::{ChunkOutcome, ChunkQuota, ChunkRejected, NewChunk, OpenTransferLimit};
use crate::store::events::headers_to_json;
use crate::store::{EventId, KeyDigest, Plan, QUARANTINE, StoreError, bounded};
use crate::verify::{Chunk, EventKey, Manifest, Quarantine};

/// A transfer's row, locked.
pub(super) struct Transfer {
    pub(super) id: i64,
    pub(super) manifest: Vec<u8>,
    pub(super) state: String,
    pub(super) event: EventId,
}

pub(super) async fn lock_subject(
    connection: &mut PgConnection,
    new: &NewChunk<'_>,
) -> Result<(), StoreError> {
    let number = lock_number(new.tenant, new.source, &new.chunk.manifest);
    sqlx::query!("SELECT pg_advisory_xact_lock($1)", number).execute(connection).await?;
    Ok(())
}

/// Scoped by source, so that equal subjects of different sources do not wait for each other.
fn lock_number(tenant: &str, source: &str, manifest: &Manifest) -> i64 {
    let mut hash = Sha256::new();
    for part in [tenant, source] {
        hash.update(part);
        hash.update([0]);
    }
    hash.update(subject_digest(manifest));
    let digest: [u8; 32] = hash.finalize().into();
    digest.first_chunk().map_or(0, |bytes| i64::from_be_bytes(*bytes))
}

/// Finds or opens the transfer; returns also whether this chunk opened it.
pub(super) async fn open(
    connection: &mut PgConnection,
    new: &NewChunk<'_>,
) -> Result<(Transfer, bool), StoreError> {
    let manifest = &new.chunk.manifest;
    let key = transfer_key(manifest);
    let opened = sqlx::query!(
        r#"
        INSERT INTO chunk_transfers (
            tenant, source, provider, action, strength, secret, key, subject, owner, transfer_id,
            manifest, event_type, envelope, total, sent_at, opened_at, last_chunk_at, state,
            event_id, headers)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $17, $9, $10, $11, $12, $13, $14, $15, $15, 'open',
                $16, $18)
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
        manifest.event_type,
        &manifest.envelope[..],
        i32::try_from(manifest.total).unwrap_or(i32::MAX),
        manifest.sent_at,
        new.now,
        EventId::new(new.now).0,
        &owner_digest(manifest)[..],
        &headers_to_json(&new.headers)[..],
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

/// The outcome of a chunk that is not stored: it contradicts the transfer, or the payload is
/// already complete.
pub(super) fn check_transfer(
    transfer: &Transfer,
    new: &NewChunk<'_>,
) -> Option<Result<ChunkOutcome, ChunkRejected>> {
    let conflict =
        |reason, detail: &str| Some(Err(ChunkRejected::Conflict(reason, detail.to_owned())));
    if transfer.manifest != new.chunk.manifest.digest() {
        let detail = "action, path, sha, size, total or another frozen field differs from the \
                    transfer's first chunk";
        return conflict(Quarantine::ChunkMixed, detail);
    }
    match transfer.state.as_str() {
        "open" => None,
        "superseded" => {
            let detail = "a newer transfer of the same file arrived";
            conflict(Quarantine::ChunkSuperseded, detail)
        }
        "expired" => {
            let detail = "the transfer expired before this chunk arrived";
            conflict(Quarantine::ChunkExpired, detail)
        }
        _ => Some(Ok(ChunkOutcome::Repeated(transfer.event))),
    }
}

/// Closes older incomplete transfers of the same subject: the sender starts over after a failure.
pub(super) async fn supersede(
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

/// Whether the quota of the source or of the repository is used up.
pub(super) async fn is_full(
    connection: &mut PgConnection,
    new: &NewChunk<'_>,
    quota: ChunkQuota,
) -> Result<bool, StoreError> {
    let waiting = sqlx::query!(
        r#"SELECT count(*) AS "transfers!", COALESCE(sum(received), 0)::bigint AS "bytes!",
                  count(*) FILTER (WHERE owner = $2) AS "own_transfers!",
                  COALESCE(sum(received) FILTER (WHERE owner = $2), 0)::bigint AS "own_bytes!"
             FROM chunk_transfers WHERE source = $1 AND state = 'open'"#,
        new.source,
        &owner_digest(&new.chunk.manifest)[..],
    )
    .fetch_one(connection)
    .await?;
    let size = i64::try_from(new.chunk.content.len()).unwrap_or(i64::MAX);
    let exceeds = |open: i64, bytes: i64, limit: OpenTransferLimit| {
        open > limit.transfers || bytes.saturating_add(size) > limit.bytes
    };
    Ok(exceeds(waiting.transfers, waiting.bytes, quota.source)
        || exceeds(waiting.own_transfers, waiting.own_bytes, quota.owner))
}

/// Stores the chunk; false if it was stored before.
pub(super) async fn keep(
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

pub(super) async fn repeated(
    connection: &mut PgConnection,
    transfer: &Transfer,
    chunk: &Chunk,
) -> Result<Result<ChunkOutcome, ChunkRejected>, StoreError> {
    let digest = sqlx::query_scalar!(
        "SELECT digest FROM chunk_buffer WHERE transfer = $1 AND index = $2",
        transfer.id,
        i32::try_from(chunk.index).unwrap_or(i32::MAX),
    )
    .fetch_one(connection)
    .await?;
    if digest == chunk.digest() {
        return Ok(Ok(ChunkOutcome::Repeated(transfer.event)));
    }
    let detail = format!("chunk {} was already received with different content", chunk.index);
    Ok(Err(ChunkRejected::Conflict(Quarantine::ChunkMixed, detail)))
}

pub(super) async fn count(
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

/// Creates the event: joins and decodes the slices, and returns size and digest of the result. The
/// content cannot cause an error: every slice was validated when it arrived, and the joined length
/// is correct.
pub(super) async fn join(
    connection: &mut PgConnection,
    transfer: &Transfer,
    new: &NewChunk<'_>,
) -> Result<(i64, Vec<u8>), StoreError> {
    let key = event_key(new);
    let lane = new.chunk.manifest.lane();
    let row = sqlx::query!(
        r#"
        INSERT INTO events (
            id, key, tenant, source, provider, event_type, action, strength, late, secret,
            received_at, occurred_at, headers, envelope, body, lane)
        SELECT t.event_id, $2, t.tenant, t.source, t.provider, t.event_type, t.action, t.strength,
               false, t.secret, $3, t.sent_at, t.headers, t.envelope,
               (SELECT decode(convert_from(string_agg(content, ''::bytea ORDER BY index), 'UTF8'),
                              'base64')
                  FROM chunk_buffer WHERE transfer = t.id), $4
          FROM chunk_transfers t WHERE t.id = $1
        RETURNING octet_length(body)::bigint AS "size!", sha256(body) AS "sha256!"
        "#,
        transfer.id,
        key.as_uuid(),
        new.now,
        lane.as_str(),
    )
    .fetch_one(connection)
    .await?;
    Ok((row.size, row.sha256))
}

/// Creates the event of a complete payload whose text has an unexpected length; it is stored
/// without decoding.
pub(super) async fn keep_joined_text(
    connection: &mut PgConnection,
    transfer: &Transfer,
    new: &NewChunk<'_>,
) -> Result<(), StoreError> {
    let key = event_key(new);
    sqlx::query!(
        r#"
        INSERT INTO events (
            id, key, tenant, source, provider, event_type, action, strength, late, secret,
            received_at, occurred_at, headers, envelope, body)
        SELECT t.event_id, $2, t.tenant, t.source, t.provider, t.event_type, t.action, t.strength,
               false, t.secret, $3, t.sent_at, t.headers, t.envelope,
               (SELECT string_agg(content, ''::bytea ORDER BY index)
                  FROM chunk_buffer WHERE transfer = t.id)
          FROM chunk_transfers t WHERE t.id = $1
        "#,
        transfer.id,
        key.as_uuid(),
        new.now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn plan_whole(
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
            (vec![QUARANTINE], false, Some(reason.as_str()), Some(bounded(detail)))
        }
    };
    sqlx::query!(
        r#"
        WITH known AS (
            INSERT INTO event_keys (key, event_id, last_seen_at, expires_at)
            VALUES ($1, $2, $3, $4) ON CONFLICT (key) DO NOTHING
        )
        INSERT INTO deliveries (
            event_id, source, handler, destination, triggered_by, lane, lane_blocks, state,
            created_at, due_at, finished_at, death_reason, last_error)
        SELECT $2, $5, handler, destination_of(handler), 'arrival', $6, $7,
               CASE WHEN $8::text IS NULL THEN 'ready' ELSE 'dead' END, $3, $3,
               CASE WHEN $8::text IS NOT NULL THEN $3 END, $8, $9
          FROM UNNEST($10::text[]) AS h (handler)
        "#,
        key.as_uuid(),
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

pub(super) async fn close(
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

/// The sender's transfer id, scoped by the first part of the subject (the repository): two
/// repositories may use the same id.
fn transfer_key(manifest: &Manifest) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(manifest.subject.first().map_or("", String::as_str));
    hash.update([0]);
    hash.update(&manifest.transfer_id);
    hash.finalize().into()
}

/// The digest of the first part of the subject: the repository.
fn owner_digest(manifest: &Manifest) -> [u8; 32] {
    Sha256::digest(manifest.subject.first().map_or("", String::as_str)).into()
}

fn subject_digest(manifest: &Manifest) -> [u8; 32] {
    Sha256::digest(manifest.lane().as_str()).into()
}

pub(super) fn digests(found: &[u8], expected: &[u8]) -> String {
    format!("SHA-256 {}, not {}", hex::encode(found), hex::encode(expected))
}
