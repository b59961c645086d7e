//! Problems visible in tables: open dead letters, failing destinations, a read-only database, a
//! long transaction. Every query reads a bounded number of rows, or one row per group of dead
//! letters.

use time::OffsetDateTime;

use super::words::word;
use super::{DeathReason, QUARANTINE, Store, StoreError};

/// The maximum number of waiting deliveries of a destination, and of ungrouped dead letters, that
/// are counted.
const COUNTED: i64 = 1_000;

/// Open dead letters of one source, handler and reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenDeadLetterCounts {
    pub source: String,
    /// The handler's stored name.
    pub handler: String,
    pub death_reason: DeathReason,
    pub open: i64,
    pub last_at: OffsetDateTime,
}

/// A destination that is blocked, fails or rejects events, or one that is not configured but has
/// waiting deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailingDestination {
    pub name: String,
    pub paused_at: Option<OffsetDateTime>,
    pub disabled_at: Option<OffsetDateTime>,
    /// Consecutive failures.
    pub failures: i32,
    pub failing_since: Option<OffsetDateTime>,
    /// Nothing is sent before this time.
    pub not_before: Option<OffsetDateTime>,
    /// Since when it rejects more than a third of the events.
    pub rejecting_since: Option<OffsetDateTime>,
    /// When it last failed or rejected an event.
    pub last_failed_at: Option<OffsetDateTime>,
    /// Waiting deliveries; at most 1,000 are counted.
    pub waiting: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatabaseState {
    pub now: OffsetDateTime,
    /// A standby, or a server that rejects writes.
    pub only_reads: bool,
}

/// The oldest transaction that blocks something.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenTransaction {
    /// Its age in seconds; a lower bound.
    pub seconds: f64,
    /// `None` if our role may not see it.
    pub pid: Option<i32>,
}

/// Open dead letters of one source that are past a given age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpiringDeadLetters {
    pub source: String,
    /// At most 1,000 of each group are counted.
    pub count: i64,
    /// When the first of them died.
    pub since: OffsetDateTime,
}

impl Store {
    /// The open dead letters that died before the times given for their source: the first time is
    /// for dead letters of handlers, the second for quarantined requests.
    pub async fn expiring_dead_letters(
        &self,
        sources: &[(&str, OffsetDateTime, OffsetDateTime)],
    ) -> Result<Vec<ExpiringDeadLetters>, StoreError> {
        let names: Vec<&str> = sources.iter().map(|(name, ..)| *name).collect();
        let dead: Vec<OffsetDateTime> = sources.iter().map(|(_, dead, _)| *dead).collect();
        let quarantined: Vec<OffsetDateTime> = sources.iter().map(|(.., at)| *at).collect();
        // The oldest of each group: a group that has none of that age is not read at all.
        let expiring = sqlx::query_as!(
            ExpiringDeadLetters,
            r#"
            SELECT g.source AS "source!", count(*) AS "count!", min(d.finished_at) AS "since!"
              FROM (SELECT source, dead, quarantined
                      FROM UNNEST($1::text[], $2::timestamptz[], $3::timestamptz[])
                           AS r (source, dead, quarantined)) AS r
              JOIN dead_letter_groups g ON g.source = r.source AND g.open > 0
             CROSS JOIN LATERAL (
                    SELECT CASE WHEN g.handler = $4 THEN r.quarantined ELSE r.dead END AS before
                   ) AS age
             CROSS JOIN LATERAL (
                    SELECT finished_at FROM deliveries
                     WHERE state = 'dead' AND resolution IS NULL AND group_id = g.id
                       AND g.first_at <= age.before
                     ORDER BY id LIMIT $5) AS d
             WHERE d.finished_at <= age.before
             GROUP BY g.source ORDER BY g.source
            "#,
            &names as &[&str],
            &dead,
            &quarantined,
            QUARANTINE,
            COUNTED,
        )
        .fetch_all(&self.admin)
        .await?;
        Ok(expiring)
    }

    /// Open dead letters by source, handler and reason. Ungrouped ones are counted too, up to a
    /// limit.
    pub async fn open_dead_letter_counts(&self) -> Result<Vec<OpenDeadLetterCounts>, StoreError> {
        let rows = sqlx::query!(
            r#"
            SELECT source AS "source!", handler AS "handler!", death_reason AS "death_reason!",
                   sum(open)::bigint AS "open!", max(last_at) AS "last_at!"
              FROM (
                SELECT source, handler, death_reason, open, last_at FROM dead_letter_groups
                 WHERE open > 0
                 UNION ALL
                SELECT source, handler, death_reason, count(*), max(finished_at)
                  FROM (SELECT source, handler, death_reason, finished_at FROM deliveries
                         WHERE state = 'dead' AND group_id IS NULL AND resolution IS NULL
                         ORDER BY id LIMIT $1) AS fresh
                 GROUP BY source, handler, death_reason
              ) AS deaths
             GROUP BY source, handler, death_reason ORDER BY source, handler, death_reason
            "#,
            COUNTED,
        )
        .fetch_all(&self.admin)
        .await?;
        let counts = rows.into_iter().map(|row| {
            let place = format_args!("{} {}", row.source, row.handler);
            let death_reason = word(&row.death_reason, "deliveries", "death_reason", place)?;
            let (source, handler) = (row.source, row.handler);
            let (open, last_at) = (row.open, row.last_at);
            Ok(OpenDeadLetterCounts { source, handler, death_reason, open, last_at })
        });
        counts.collect()
    }

    /// All destinations with problems, and all that are not `configured` but have waiting
    /// deliveries, by name.
    pub async fn failing_destinations(
        &self,
        configured: &[String],
        now: OffsetDateTime,
    ) -> Result<Vec<FailingDestination>, StoreError> {
        // The destinations with waiting deliveries are read one step per destination.
        let failing = sqlx::query_as!(
            FailingDestination,
            r#"
            WITH RECURSIVE waiting AS (
                (SELECT destination AS name FROM deliveries
                  WHERE state = 'ready' AND destination IS NOT NULL
                  ORDER BY destination LIMIT 1)
                UNION ALL
                SELECT (SELECT d.destination FROM deliveries d
                         WHERE d.state = 'ready' AND d.destination > waiting.name
                         ORDER BY d.destination LIMIT 1)
                  FROM waiting WHERE waiting.name IS NOT NULL
            ), troubled AS (
                SELECT name FROM destinations
                 WHERE name = ANY($1)
                   AND (paused_at IS NOT NULL OR disabled_at IS NOT NULL OR failures > 0
                        OR rejections > 0 OR not_before > $2)
                 UNION
                SELECT name FROM waiting
                 WHERE name IS NOT NULL AND name <> ALL($1)
            )
            SELECT t.name AS "name!", x.paused_at AS "paused_at?",
                   x.disabled_at AS "disabled_at?", COALESCE(x.failures, 0) AS "failures!",
                   x.failing_since AS "failing_since?", x.not_before AS "not_before?",
                   x.rejecting_since AS "rejecting_since?",
                   x.last_failed_at AS "last_failed_at?",
                   (SELECT count(*) FROM (SELECT FROM deliveries d
                                           WHERE d.destination = t.name AND d.state = 'ready'
                                           LIMIT $3) AS counted)
                   AS "waiting!"
              FROM troubled t LEFT JOIN destinations x ON x.name = t.name
             ORDER BY t.name
            "#,
            configured,
            now,
            COUNTED,
        )
        .fetch_all(&self.admin)
        .await?;
        Ok(failing)
    }

    /// The time of the database, and whether it accepts writes.
    pub async fn database_state(&self) -> Result<DatabaseState, StoreError> {
        // By both pools: sessions can be left over from before a failover or a switch to read-only.
        let mut state = None;
        for pool in [&self.admin, &self.dispatch] {
            let row = sqlx::query!(
                r#"SELECT clock_timestamp() AS "now!",
                          pg_is_in_recovery()
                          OR current_setting('transaction_read_only')::boolean AS "only_reads!""#,
            )
            .fetch_one(pool)
            .await?;
            let before = state.is_some_and(|state: DatabaseState| state.only_reads);
            state = Some(DatabaseState { now: row.now, only_reads: before || row.only_reads });
        }
        state.ok_or_else(StoreError::timed_out)
    }

    /// The oldest transaction, if it blocks something: dead rows stay, and the stream stalls. Other
    /// users' sessions are only visible to a role with `pg_read_all_stats`; without it, a
    /// transaction is detected by our own rows that wait for it. `now` is this gateway's time,
    /// which dates our rows.
    pub async fn oldest_transaction(
        &self,
        now: OffsetDateTime,
    ) -> Result<Option<OpenTransaction>, StoreError> {
        // Bounds by subqueries: with a join, the whole index would be read.
        let row = sqlx::query_as!(
            OpenTransaction,
            r#"
            WITH bounds AS MATERIALIZED (
                SELECT pg_snapshot_xmin(pg_current_snapshot()) AS low,
                       pg_snapshot_xmax(pg_current_snapshot()) AS high
            ), held AS (
                SELECT pid, clock_timestamp() - xact_start AS age FROM pg_stat_activity
                 WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'
                   AND (backend_xid IS NOT NULL
                        OR (backend_xmin IS NOT NULL AND datname = current_database()))
                 UNION ALL
                SELECT NULL, clock_timestamp() - prepared FROM pg_prepared_xacts
                 UNION ALL
                SELECT NULL, $1 - (SELECT received_at FROM events
                                    WHERE xact >= (SELECT low FROM bounds)
                                      AND xact < (SELECT high FROM bounds)
                                    ORDER BY xact LIMIT 1)
                 UNION ALL
                SELECT NULL, $1 - (SELECT finished_at FROM attempts
                                    WHERE xact >= (SELECT low FROM bounds)
                                      AND xact < (SELECT high FROM bounds)
                                    ORDER BY xact LIMIT 1)
            )
            SELECT extract(epoch FROM age)::float8 AS "seconds!", pid AS "pid?"
              FROM held WHERE age IS NOT NULL
             ORDER BY age DESC, pid LIMIT 1
            "#,
            now,
        )
        .fetch_optional(&self.admin)
        .await?;
        Ok(row)
    }
}
