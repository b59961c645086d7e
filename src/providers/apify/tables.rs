//! The register of runs: every statement on `apify_runs`.

use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::Purpose;
use super::lifecycle::{State, Status};
use super::token::Claims;
use crate::store::{EventId, StoreError, Tx};

/// A run that is about to be started.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// The source at which its webhooks will arrive.
    pub source: String,
    /// The application's own id of the run.
    pub run_key: Uuid,
    /// What it is for.
    pub purpose: Purpose,
    /// The Discord guild that it is started for.
    pub guild_id: String,
    /// The actor, as its id or its name.
    pub actor_id: Option<String>,
    /// Apify's id of the run, where it is known already.
    pub actor_run_id: Option<String>,
    /// When.
    pub initiated_at: OffsetDateTime,
}

/// What became of an attempt to register a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// It is registered now.
    Registered,
    /// It was, with the same purpose and guild.
    Known,
    /// Its key, or its id at Apify, belongs to another run.
    Taken,
}

/// Enters a run before it is started.
///
/// # Errors
/// A [`StoreError`].
pub async fn register(tx: &mut Tx<'_>, run: &NewRun) -> Result<Registration, StoreError> {
    let inserted = sqlx::query!(
        "INSERT INTO apify_runs
            (source, run_key, purpose, guild_id, actor_id, actor_run_id, status, initiated_at)
         VALUES ($1, $2, $3, $4, $5, $6, 'initiated', $7)
         ON CONFLICT DO NOTHING",
        run.source,
        run.run_key,
        run.purpose.as_str(),
        run.guild_id,
        run.actor_id,
        run.actor_run_id,
        run.initiated_at,
    )
    .execute(tx.connection())
    .await?;
    if inserted.rows_affected() == 1 {
        return Ok(Registration::Registered);
    }
    let known = sqlx::query_scalar!(
        r#"SELECT EXISTS (
             SELECT FROM apify_runs
              WHERE source = $1 AND run_key = $2 AND purpose = $3 AND guild_id = $4
                AND ($5::text IS NULL OR actor_run_id IS NOT DISTINCT FROM $5)
           ) AS "known!""#,
        run.source,
        run.run_key,
        run.purpose.as_str(),
        run.guild_id,
        run.actor_run_id,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(if known { Registration::Known } else { Registration::Taken })
}

/// Whether the run that verified `claims` name is still awaited, no longer than `dispatch_ttl`
/// after it was started.
///
/// # Errors
/// A [`StoreError`].
pub async fn awaits(
    connection: &mut PgConnection,
    source: &str,
    claims: &[u8],
    dispatch_ttl: Duration,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let Some(claims) = Claims::read(claims) else { return Ok(false) };
    let Some(purpose) = Purpose::of_claim(&claims.purpose) else { return Ok(false) };
    let awaited = sqlx::query_scalar!(
        r#"SELECT EXISTS (
             SELECT FROM apify_runs
              WHERE source = $1 AND run_key = $2 AND purpose = $3 AND guild_id = $4
                AND status = 'initiated' AND GREATEST(initiated_at, resurrected_at) >= $5
           ) AS "awaited!""#,
        source,
        claims.run_key,
        purpose.as_str(),
        claims.guild_id,
        now - dispatch_ttl,
    )
    .fetch_one(connection)
    .await?;
    Ok(awaited)
}

/// Gives up the runs of a source of which nothing was heard for `dispatch_ttl`; says how many.
///
/// # Errors
/// A [`StoreError`].
pub async fn expire(
    tx: &mut Tx<'_>,
    source: &str,
    now: OffsetDateTime,
    dispatch_ttl: Duration,
) -> Result<u64, StoreError> {
    let expired = sqlx::query!(
        "UPDATE apify_runs SET status = 'expired', finished_at = $2
          WHERE source = $1 AND status = 'initiated'
            AND GREATEST(initiated_at, resurrected_at) < $3",
        source,
        now,
        now - dispatch_ttl,
    )
    .execute(tx.connection())
    .await?;
    Ok(expired.rows_affected())
}

/// A registered run, its row locked.
pub(super) struct Run {
    pub(super) key: Uuid,
    pub(super) purpose: String,
    pub(super) guild_id: String,
    pub(super) actor_id: Option<String>,
    pub(super) actor_run_id: Option<String>,
    pub(super) state: State,
}

struct Row {
    run_key: Uuid,
    purpose: String,
    guild_id: String,
    actor_id: Option<String>,
    actor_run_id: Option<String>,
    status: String,
    late: bool,
    resurrected_at: Option<OffsetDateTime>,
    finished_at: Option<OffsetDateTime>,
}

/// The run with this key, locked.
pub(super) async fn lock_by_key(
    tx: &mut Tx<'_>,
    source: &str,
    run_key: Uuid,
) -> Result<Option<Run>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT run_key, purpose, guild_id, actor_id, actor_run_id, status, late, resurrected_at,
                finished_at
           FROM apify_runs WHERE source = $1 AND run_key = $2 FOR UPDATE",
        source,
        run_key,
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(Row::read).transpose()
}

/// The run that Apify knows by this id, locked.
pub(super) async fn lock_by_actor_run(
    tx: &mut Tx<'_>,
    source: &str,
    actor_run_id: &str,
) -> Result<Option<Run>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT run_key, purpose, guild_id, actor_id, actor_run_id, status, late, resurrected_at,
                finished_at
           FROM apify_runs WHERE source = $1 AND actor_run_id = $2 FOR UPDATE",
        source,
        actor_run_id,
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(Row::read).transpose()
}

/// Whether another run than `run_key` is known to Apify by this id.
pub(super) async fn is_taken(
    tx: &mut Tx<'_>,
    source: &str,
    run_key: Uuid,
    actor_run_id: &str,
) -> Result<bool, StoreError> {
    let taken = sqlx::query_scalar!(
        r#"SELECT EXISTS (
             SELECT FROM apify_runs WHERE source = $1 AND actor_run_id = $2 AND run_key <> $3
           ) AS "taken!""#,
        source,
        actor_run_id,
        run_key,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(taken)
}

/// Writes what is known of a locked run now.
pub(super) async fn update(
    tx: &mut Tx<'_>,
    source: &str,
    run: &Run,
    event: EventId,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE apify_runs
            SET actor_id = $3, actor_run_id = $4, status = $5, late = $6, resurrected_at = $7,
                finished_at = $8, event_id = $9
          WHERE source = $1 AND run_key = $2",
        source,
        run.key,
        run.actor_id,
        run.actor_run_id,
        run.state.status.as_str(),
        run.state.late,
        run.state.resurrected_at,
        run.state.finished_at,
        event.0,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

impl Row {
    fn read(self) -> Result<Run, StoreError> {
        let status = Status::read(&self.status).ok_or_else(|| StoreError::Inconsistent {
            table: "apify_runs",
            column: "status",
            row: self.run_key.to_string(),
        })?;
        let Self { late, resurrected_at, finished_at, .. } = self;
        Ok(Run {
            key: self.run_key,
            purpose: self.purpose,
            guild_id: self.guild_id,
            actor_id: self.actor_id,
            actor_run_id: self.actor_run_id,
            state: State { status, late, resurrected_at, finished_at },
        })
    }
}
