//! The statements on Apify's tables: runs here, starting them in `start`, their results in
//! `results`, erasing them in `erasure`.

mod erasure;
mod results;
mod start;

use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::lifecycle::{State, Status};
use super::token::Claims;
use super::{Platform, Purpose};
use crate::store::{EventId, StoreError, Tx};

pub(super) use erasure::ApifyRows;
pub(super) use results::{
    PostStatus, Verification, insert_metrics, mark_posts, record_items, settle_verification,
    verification,
};
pub use start::{
    Budget, Details, Insertion, NewRun, NewVerification, Registration, count_run, insert_run,
    register,
};

/// Whether the run named by verified `claims` is still expected, at most `dispatch_ttl` after its
/// start.
pub async fn is_expected(
    connection: &mut PgConnection,
    source: &str,
    claims: &[u8],
    dispatch_ttl: Duration,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let Some(claims) = Claims::read(claims) else { return Ok(false) };
    let Some(purpose) = Purpose::of_claim(&claims.purpose) else { return Ok(false) };
    let expected = sqlx::query_scalar!(
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
    Ok(expected)
}

/// Expires the runs of a source that have sent nothing for `dispatch_ttl`, with their posts, and
/// overdue verifications. Returns the number of runs.
pub async fn expire(
    tx: &mut Tx<'_>,
    source: &str,
    now: OffsetDateTime,
    dispatch_ttl: Duration,
) -> Result<u64, StoreError> {
    let expired = sqlx::query_scalar!(
        r#"WITH gone AS (
             UPDATE apify_runs SET status = 'expired', finished_at = $2
              WHERE source = $1 AND status = 'initiated'
                AND GREATEST(initiated_at, resurrected_at) < $3
             RETURNING run_key),
           posts AS (
             UPDATE apify_posts SET status = 'failed', changed_at = $2, event_id = NULL
              WHERE source = $1 AND status = 'pending'
                AND run_key IN (SELECT run_key FROM gone)),
           codes AS (
             UPDATE apify_verifications SET result = 'expired', checked_at = $2
              WHERE source = $1 AND result = 'pending' AND expires_at < $2)
           SELECT count(*) AS "gone!" FROM gone"#,
        source,
        now,
        now - dispatch_ttl,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(u64::try_from(expired).unwrap_or(0))
}

/// A registered run, its row locked.
pub(super) struct Run {
    pub(super) key: Uuid,
    pub(super) purpose: String,
    pub(super) guild_id: String,
    pub(super) actor_id: Option<String>,
    pub(super) actor_run_id: Option<String>,
    pub(super) platform: Option<Platform>,
    pub(super) state: State,
}

struct Row {
    run_key: Uuid,
    purpose: String,
    guild_id: String,
    actor_id: Option<String>,
    actor_run_id: Option<String>,
    platform: Option<String>,
    status: String,
    late: bool,
    resurrected_at: Option<OffsetDateTime>,
    finished_at: Option<OffsetDateTime>,
}

/// Locks the run with this key.
pub(super) async fn lock_by_key(
    tx: &mut Tx<'_>,
    source: &str,
    run_key: Uuid,
) -> Result<Option<Run>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT run_key, purpose, guild_id, actor_id, actor_run_id, platform, status, late,
                resurrected_at, finished_at
           FROM apify_runs WHERE source = $1 AND run_key = $2 FOR UPDATE",
        source,
        run_key,
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(Row::read).transpose()
}

/// Locks the run with this Apify id.
pub(super) async fn lock_by_actor_run(
    tx: &mut Tx<'_>,
    source: &str,
    actor_run_id: &str,
) -> Result<Option<Run>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT run_key, purpose, guild_id, actor_id, actor_run_id, platform, status, late,
                resurrected_at, finished_at
           FROM apify_runs WHERE source = $1 AND actor_run_id = $2 FOR UPDATE",
        source,
        actor_run_id,
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(Row::read).transpose()
}

/// Whether Apify's id belongs to a run other than `run_key`.
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

/// Writes the state of a locked run.
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
            platform: self.platform.as_deref().and_then(Platform::read),
            state: State { status, late, resurrected_at, finished_at },
        })
    }
}
