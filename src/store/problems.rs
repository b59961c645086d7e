//! What is wrong that rows can tell: open dead letters, destinations that do not get their events,
//! a database that only reads, a transaction that stays open. Every query reads a bounded number of
//! rows, or one row per group of dead letters.

use time::OffsetDateTime;

use super::{DeathReason, Store, StoreError};

/// How many waiting deliveries of a destination, and how many dead letters that are in no group
/// yet, are counted at most.
const COUNTED: i64 = 1_000;

/// Open dead letters of one source, handler and reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenDeadLetterCounts {
    /// The source.
    pub source: String,
    /// The handler's stored name.
    pub handler: String,
    /// Why they are dead.
    pub death_reason: DeathReason,
    /// How many are neither replayed nor discarded.
    pub open: i64,
    /// When the last of them died.
    pub last_at: OffsetDateTime,
}

/// A destination that is blocked, fails or rejects; or one that deliveries wait for although it
/// is not configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailingDestination {
    /// The stored handler name.
    pub handler: String,
    /// Since when an operator has paused it.
    pub paused_at: Option<OffsetDateTime>,
    /// Since when it is disabled.
    pub disabled_at: Option<OffsetDateTime>,
    /// Failures in a row.
    pub failures: i32,
    /// Since when it fails.
    pub failing_since: Option<OffsetDateTime>,
    /// Nothing is sent before.
    pub not_before: Option<OffsetDateTime>,
    /// Since when it rejects more than a third of the events.
    pub rejecting_since: Option<OffsetDateTime>,
    /// When it last failed or rejected an event.
    pub last_failed_at: Option<OffsetDateTime>,
    /// How many of its deliveries wait; at most 1,000 are counted.
    pub waiting: i64,
}

/// The state of the database itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatabaseState {
    /// What time it is by its clock.
    pub now: OffsetDateTime,
    /// Nothing can be written: a standby, or a server that was told to refuse writes.
    pub only_reads: bool,
}

/// The transaction that has been open the longest and holds something back.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenTransaction {
    /// For how long, in seconds, at least.
    pub seconds: f64,
    /// The server process that has it; `None` where we are not allowed to see it.
    pub pid: Option<i32>,
}

impl Store {
    /// Open dead letters by source, handler and reason. Those that are in no group yet are counted
    /// too, up to a bound.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; [`StoreError::Inconsistent`].
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
        .fetch_all(&self.operator)
        .await?;
        let counts = rows.into_iter().map(|row| {
            let death_reason =
                row.death_reason.parse::<DeathReason>().map_err(|_| StoreError::Inconsistent {
                    table: "deliveries",
                    column: "death_reason",
                    row: format!("{} {}", row.source, row.handler),
                })?;
            let (source, handler) = (row.source, row.handler);
            let (open, last_at) = (row.open, row.last_at);
            Ok(OpenDeadLetterCounts { source, handler, death_reason, open, last_at })
        });
        counts.collect()
    }

    /// Every destination that does not get its events as it should, and every one that deliveries
    /// wait for although it is not among the `configured`, by stored handler name.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn failing_destinations(
        &self,
        configured: &[String],
        now: OffsetDateTime,
    ) -> Result<Vec<FailingDestination>, StoreError> {
        // Which handlers have deliveries that wait is read from the index, one step a handler.
        let troubled = sqlx::query_as!(
            FailingDestination,
            r#"
            WITH RECURSIVE waiting AS (
                (SELECT handler FROM deliveries WHERE state = 'ready' AND handler LIKE 'to:%'
                  ORDER BY handler LIMIT 1)
                UNION ALL
                SELECT (SELECT d.handler FROM deliveries d
                         WHERE d.state = 'ready' AND d.handler LIKE 'to:%'
                           AND d.handler > waiting.handler
                         ORDER BY d.handler LIMIT 1)
                  FROM waiting WHERE waiting.handler IS NOT NULL
            ), troubled AS (
                SELECT handler FROM destinations
                 WHERE handler = ANY($1)
                   AND (paused_at IS NOT NULL OR disabled_at IS NOT NULL OR failures > 0
                        OR rejections > 0 OR not_before > $2)
                 UNION
                SELECT handler FROM waiting
                 WHERE handler IS NOT NULL AND handler <> ALL($1)
            )
            SELECT t.handler AS "handler!", x.paused_at AS "paused_at?",
                   x.disabled_at AS "disabled_at?", COALESCE(x.failures, 0) AS "failures!",
                   x.failing_since AS "failing_since?", x.not_before AS "not_before?",
                   x.rejecting_since AS "rejecting_since?",
                   x.last_failed_at AS "last_failed_at?",
                   (SELECT count(*) FROM (SELECT FROM deliveries d
                                           WHERE d.handler = t.handler AND d.state = 'ready'
                                             AND d.handler LIKE 'to:%' LIMIT $3) AS counted)
                   AS "waiting!"
              FROM troubled t LEFT JOIN destinations x ON x.handler = t.handler
             ORDER BY t.handler
            "#,
            configured,
            now,
            COUNTED,
        )
        .fetch_all(&self.operator)
        .await?;
        Ok(troubled)
    }

    /// What time it is at the database, and whether it can be written to.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn database_state(&self) -> Result<DatabaseState, StoreError> {
        // By both pools: sessions can be left over from before a server became a standby, or was
        // told to refuse writes.
        let mut state = None;
        for pool in [&self.operator, &self.dispatch] {
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

    /// The transaction that has been open the longest, where it holds something back: rows that
    /// nobody needs stay, and the stream does not go on. Other users' sessions are only seen by a
    /// role with `pg_read_all_stats`; without it, one that has written is noticed by what of ours
    /// has to wait for it. `now` is this gateway's time, by which rows of ours are dated.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn oldest_transaction(
        &self,
        now: OffsetDateTime,
    ) -> Result<Option<OpenTransaction>, StoreError> {
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
                SELECT NULL, $1 - (SELECT received_at FROM events, bounds
                                    WHERE xact >= low AND xact < high ORDER BY xact LIMIT 1)
                 UNION ALL
                SELECT NULL, $1 - (SELECT finished_at FROM attempts, bounds
                                    WHERE xact >= low AND xact < high ORDER BY xact LIMIT 1)
            )
            SELECT extract(epoch FROM age)::float8 AS "seconds!", pid AS "pid?"
              FROM held WHERE age IS NOT NULL
             ORDER BY age DESC, pid LIMIT 1
            "#,
            now,
        )
        .fetch_optional(&self.operator)
        .await?;
        Ok(row)
    }
}
