//! The statements on `bot_events` and `bot_health`.

use async_trait::async_trait;
use time::OffsetDateTime;

use super::payload::Heartbeat;
use crate::store::{DerivedRows, RowsErased, StoreError, StoredEvent, Tx};

/// Inserts a callback; returns whether it is new.
pub(super) async fn insert_event(
    tx: &mut Tx<'_>,
    event: &StoredEvent,
    guild: Option<&str>,
    service: Option<&str>,
) -> Result<bool, StoreError> {
    let inserted = sqlx::query!(
        "INSERT INTO bot_events (event_id, source, guild_id, service, kind, body, received_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (event_id) DO NOTHING",
        event.id.0,
        event.source,
        guild,
        service,
        event.event_type,
        &event.body[..],
        event.received_at,
    )
    .execute(tx.connection())
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Writes a heartbeat unless a newer one is stored; returns whether it was written.
pub(super) async fn upsert_health(
    tx: &mut Tx<'_>,
    event: &StoredEvent,
    heartbeat: &Heartbeat,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let written = sqlx::query!(
        "INSERT INTO bot_health
            (source, status, shard_count, guild_count, memory_bytes, uptime_seconds,
             last_heartbeat_at, event_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (source) DO UPDATE
            SET status = excluded.status, shard_count = excluded.shard_count,
                guild_count = excluded.guild_count, memory_bytes = excluded.memory_bytes,
                uptime_seconds = excluded.uptime_seconds,
                last_heartbeat_at = excluded.last_heartbeat_at, missing_since = NULL,
                event_id = excluded.event_id
          WHERE bot_health.last_heartbeat_at < excluded.last_heartbeat_at",
        event.source,
        heartbeat.status.as_str(),
        heartbeat.shard_count,
        heartbeat.guild_count,
        heartbeat.memory_bytes,
        heartbeat.uptime_seconds,
        at,
        event.id.0,
    )
    .execute(tx.connection())
    .await?;
    Ok(written.rows_affected() == 1)
}

/// Marks the bot as missing if its last heartbeat is older than `since`. Returns the time of that
/// heartbeat, the first time only.
pub(super) async fn mark_missing(
    tx: &mut Tx<'_>,
    source: &str,
    now: OffsetDateTime,
    since: OffsetDateTime,
) -> Result<Option<OffsetDateTime>, StoreError> {
    let last = sqlx::query_scalar!(
        "UPDATE bot_health SET missing_since = $2
          WHERE source = $1 AND missing_since IS NULL AND last_heartbeat_at < $3
         RETURNING last_heartbeat_at",
        source,
        now,
        since,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(last)
}

/// Locks the bot's row and returns whether the bot is marked as missing.
pub(super) async fn is_missing(tx: &mut Tx<'_>, source: &str) -> Result<bool, StoreError> {
    let since = sqlx::query_scalar!(
        "SELECT missing_since FROM bot_health WHERE source = $1 FOR UPDATE",
        source,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(since.flatten().is_some())
}

/// What is erased of the bot's tables.
pub(super) struct BotRows;

#[async_trait]
impl DerivedRows for BotRows {
    async fn erase_event(
        &self,
        tx: &mut Tx<'_>,
        event: &StoredEvent,
        _now: OffsetDateTime,
    ) -> Result<RowsErased, StoreError> {
        let erased = sqlx::query_scalar!(
            r#"WITH events AS (DELETE FROM bot_events WHERE event_id = $1 RETURNING 1),
                    health AS (DELETE FROM bot_health WHERE event_id = $1 RETURNING 1)
               SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM health) AS "erased!""#,
            event.id.0,
        )
        .fetch_one(tx.connection())
        .await?;
        Ok(RowsErased::rows(erased.unsigned_abs()))
    }

    async fn erase_source(
        &self,
        tx: &mut Tx<'_>,
        source: &str,
        _now: OffsetDateTime,
    ) -> Result<RowsErased, StoreError> {
        let erased = sqlx::query_scalar!(
            r#"WITH events AS (DELETE FROM bot_events WHERE source = $1 RETURNING 1),
                    health AS (DELETE FROM bot_health WHERE source = $1 RETURNING 1)
               SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM health) AS "erased!""#,
            source,
        )
        .fetch_one(tx.connection())
        .await?;
        Ok(RowsErased::rows(erased.unsigned_abs()))
    }
}
