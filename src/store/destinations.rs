//! The state of destinations (paused, disabled, circuit breaker), shared by all gateways.

use std::collections::BTreeMap;
use std::time::Duration;

use time::OffsetDateTime;

use super::breaker::Breaker;
use super::rejections::Rejections;
use super::{Counter, DeathReason, OperatorAction, Store, StoreError, Tx, bounded};

/// The error of deliveries of a deleted destination.
const DELETED: &str = "the destination is no longer configured, and was deleted";

/// The scope of a failure to send an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureScope {
    /// This event only: the destination is up and rejected it.
    Event,
    /// The destination: any other event would have failed too.
    Destination,
    /// The destination responded 410 (Gone).
    Gone,
}

/// A failure to send an event.
#[derive(Debug, Clone, Copy)]
pub struct DestinationFailure<'a> {
    pub scope: FailureScope,
    /// From `Retry-After`.
    pub retry_after: Option<Duration>,
    pub began: OffsetDateTime,
    pub now: OffsetDateTime,
    pub error: &'a str,
}

/// The health of a destination after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DestinationHealth {
    /// Whether its breaker is open or it is disabled.
    pub blocked: bool,
    /// Whether this failure blocked it.
    pub newly_blocked: bool,
}

/// A destination that is blocked now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationBlock {
    pub name: String,
    /// Whether a probe may be sent now: its breaker is open, and nothing else blocks it.
    pub may_probe: bool,
}

/// The state of a destination in the database.
#[derive(Debug, Clone)]
pub struct DestinationRow {
    pub name: String,
    pub paused_at: Option<OffsetDateTime>,
    pub paused_by: Option<String>,
    pub paused_reason: Option<String>,
    pub disabled_at: Option<OffsetDateTime>,
    pub disabled_reason: Option<String>,
    /// Consecutive failures.
    pub failures: i32,
    pub failing_since: Option<OffsetDateTime>,
    /// Since when its breaker is open.
    pub opened_at: Option<OffsetDateTime>,
    /// Nothing is sent before this time.
    pub not_before: Option<OffsetDateTime>,
    /// Since when it rejects more than a third of the events.
    pub rejecting_since: Option<OffsetDateTime>,
    pub last_failed_at: Option<OffsetDateTime>,
    pub last_error: Option<String>,
    pub ready: i64,
    /// When the oldest waiting delivery was created.
    pub oldest: Option<OffsetDateTime>,
    pub in_flight: i64,
    /// Open dead letters.
    pub dead: i64,
}

/// An operator's action on a destination.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::Display,
    strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum DestinationSwitch {
    Pause,
    /// Deliveries are sent again, and an open breaker is closed.
    Resume,
    /// As `Pause`, but meant to last.
    Disable,
    /// Deliveries are sent again, and an open breaker is closed.
    Enable,
}

impl DestinationSwitch {
    /// The word in the audit log.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl Store {
    /// Records a failure of a destination, and returns its health.
    pub async fn record_destination_failure(
        &self,
        name: &str,
        failure: &DestinationFailure<'_>,
    ) -> Result<DestinationHealth, StoreError> {
        let mut tx = Tx::begin(&self.dispatch).await?;
        sqlx::query!("INSERT INTO destinations (name) VALUES ($1) ON CONFLICT DO NOTHING", name)
            .execute(tx.connection())
            .await?;
        let row = sqlx::query!(
            "SELECT disabled_at, failures, failing_since, opened_at, openings, not_before,
                    rejections, rejecting_since
               FROM destinations WHERE name = $1 FOR UPDATE",
            name,
        )
        .fetch_one(tx.connection())
        .await?;
        let before = Breaker {
            failures: row.failures,
            opened_at: row.opened_at,
            openings: row.openings,
            not_before: row.not_before,
        };
        let after = match failure.scope {
            FailureScope::Event => before.responded(),
            FailureScope::Destination => {
                before.failed(failure.began, failure.now, failure.retry_after)
            }
            FailureScope::Gone => before,
        };
        let rejections_before = Rejections { score: row.rejections, since: row.rejecting_since };
        let rejections = match failure.scope {
            FailureScope::Event => rejections_before.rejected(failure.now),
            FailureScope::Destination | FailureScope::Gone => rejections_before,
        };
        let failing_since = (after.failures > 0).then(|| row.failing_since.unwrap_or(failure.now));
        let error = bounded(failure.error);
        let gone =
            (failure.scope == FailureScope::Gone).then_some("destination responded 410 (Gone)");
        sqlx::query!(
            "UPDATE destinations
                SET failures = $2, opened_at = $3, openings = $4, not_before = $5,
                    last_failed_at = $6, last_error = $7, failing_since = $9, rejections = $10,
                    rejecting_since = $11,
                    disabled_at = CASE WHEN $8::text IS NULL THEN disabled_at
                                       ELSE COALESCE(disabled_at, $6) END,
                    disabled_reason = COALESCE(disabled_reason, $8)
              WHERE name = $1",
            name,
            after.failures,
            after.opened_at,
            after.openings,
            after.not_before,
            failure.now,
            error,
            gone,
            failing_since,
            rejections.score,
            rejections.since,
        )
        .execute(tx.connection())
        .await?;
        let opened = |breaker: Breaker| breaker.opened_at.is_some();
        let disabled = row.disabled_at.is_some();
        let was_blocked = opened(before) || disabled;
        let blocked = opened(after) || disabled || gone.is_some();
        let health = DestinationHealth { blocked, newly_blocked: blocked && !was_blocked };
        Ok(tx.commit(health).await?.into_inner())
    }

    pub async fn blocked_destinations(
        &self,
        now: OffsetDateTime,
    ) -> Result<Vec<DestinationBlock>, StoreError> {
        let blocked = sqlx::query_as!(
            DestinationBlock,
            r#"SELECT name,
                      (paused_at IS NULL AND disabled_at IS NULL
                       AND COALESCE(not_before <= $1, true)) AS "may_probe!"
                 FROM destinations
                WHERE paused_at IS NOT NULL OR disabled_at IS NOT NULL OR opened_at IS NOT NULL
                   OR not_before > $1"#,
            now,
        )
        .fetch_all(&self.claim)
        .await?;
        Ok(blocked)
    }

    /// All destinations that have a row or deliveries, by name.
    pub async fn destinations(&self) -> Result<Vec<DestinationRow>, StoreError> {
        let states = sqlx::query_as!(
            DestinationRow,
            r#"
            WITH work AS (
                -- One part for each index.
                SELECT destination, count(*) FILTER (WHERE state = 'ready') AS ready,
                       min(created_at) FILTER (WHERE state = 'ready') AS oldest,
                       count(*) FILTER (WHERE state = 'leased') AS leased,
                       count(*) FILTER (WHERE state = 'dead') AS dead
                  FROM (SELECT destination, state, created_at FROM deliveries
                         WHERE state = 'ready' AND destination IS NOT NULL
                         UNION ALL
                        SELECT destination, state, created_at FROM deliveries
                         WHERE state = 'leased' AND destination IS NOT NULL
                         UNION ALL
                        SELECT destination, state, created_at FROM deliveries
                         WHERE state = 'dead' AND resolution IS NULL
                           AND destination IS NOT NULL) AS d
                 GROUP BY destination
            )
            SELECT COALESCE(x.name, w.destination) AS "name!", x.paused_at AS "paused_at?",
                   x.paused_by AS "paused_by?", x.paused_reason AS "paused_reason?",
                   x.disabled_at AS "disabled_at?", x.disabled_reason AS "disabled_reason?",
                   COALESCE(x.failures, 0) AS "failures!", x.failing_since AS "failing_since?",
                   x.opened_at AS "opened_at?", x.not_before AS "not_before?",
                   x.rejecting_since AS "rejecting_since?", x.last_failed_at AS "last_failed_at?",
                   x.last_error AS "last_error?", COALESCE(w.ready, 0) AS "ready!",
                   w.oldest AS "oldest?", COALESCE(w.leased, 0) AS "in_flight!",
                   COALESCE(w.dead, 0) AS "dead!"
              FROM destinations x FULL JOIN work w ON w.destination = x.name
             ORDER BY 1
            "#
        )
        .fetch_all(&self.admin)
        .await?;
        Ok(states)
    }
}

impl Tx<'_> {
    /// Records that a destination accepted an event. Returns since when its breaker was open, if
    /// this closes it. Writes nothing for a healthy destination.
    pub async fn record_destination_success(
        &mut self,
        name: &str,
    ) -> Result<Option<OffsetDateTime>, StoreError> {
        let opened_at = sqlx::query_scalar!(
            r#"
            WITH before AS (
                SELECT name, opened_at FROM destinations
                 WHERE name = $1 AND (failures > 0 OR rejections > 0)
                   FOR UPDATE
            )
            UPDATE destinations x
               SET failures = 0, failing_since = NULL, opened_at = NULL, openings = 0,
                   rejections = GREATEST(x.rejections - 1, 0),
                   rejecting_since = CASE WHEN x.rejections > 1 THEN x.rejecting_since END,
                   not_before = CASE WHEN before.opened_at IS NULL THEN x.not_before END
              FROM before WHERE x.name = before.name
            RETURNING before.opened_at AS "opened_at?"
            "#,
            name,
        )
        .fetch_optional(self.connection())
        .await?;
        Ok(opened_at.flatten())
    }

    /// Switches a destination for `by`; false if it was in that state already.
    pub async fn switch_destination(
        &mut self,
        name: &str,
        switch: DestinationSwitch,
        by: &str,
        reason: &str,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        sqlx::query!("INSERT INTO destinations (name) VALUES ($1) ON CONFLICT DO NOTHING", name)
            .execute(self.connection())
            .await?;
        let switched = sqlx::query!(
            "UPDATE destinations
                SET paused_at = CASE $2 WHEN 'pause' THEN $3 WHEN 'resume' THEN NULL
                                ELSE paused_at END,
                    paused_by = CASE $2 WHEN 'pause' THEN $5 WHEN 'resume' THEN NULL
                                ELSE paused_by END,
                    paused_reason = CASE $2 WHEN 'pause' THEN $4 WHEN 'resume' THEN NULL
                                    ELSE paused_reason END,
                    disabled_at = CASE $2 WHEN 'disable' THEN $3 WHEN 'enable' THEN NULL
                                  ELSE disabled_at END,
                    disabled_reason = CASE $2 WHEN 'disable' THEN $4 WHEN 'enable' THEN NULL
                                   ELSE disabled_reason END,
                    failures = CASE WHEN $2 IN ('resume', 'enable') THEN 0 ELSE failures END,
                    failing_since = CASE WHEN $2 IN ('resume', 'enable') THEN NULL
                                    ELSE failing_since END,
                    rejections = CASE WHEN $2 IN ('resume', 'enable') THEN 0
                                 ELSE rejections END,
                    rejecting_since = CASE WHEN $2 IN ('resume', 'enable') THEN NULL
                                      ELSE rejecting_since END,
                    openings = CASE WHEN $2 IN ('resume', 'enable') THEN 0 ELSE openings END,
                    opened_at = CASE WHEN $2 IN ('resume', 'enable') THEN NULL
                                ELSE opened_at END,
                    not_before = CASE WHEN $2 IN ('resume', 'enable') THEN NULL
                                 ELSE not_before END
              WHERE name = $1
                AND CASE $2 WHEN 'pause' THEN paused_at IS NULL
                            WHEN 'disable' THEN disabled_at IS NULL
                            WHEN 'resume' THEN paused_at IS NOT NULL OR failures > 0
                                               OR not_before IS NOT NULL OR rejections > 0
                            ELSE disabled_at IS NOT NULL OR failures > 0
                                 OR not_before IS NOT NULL OR rejections > 0 END",
            name,
            switch.as_str(),
            now,
            bounded(reason),
            bounded(by),
        )
        .execute(self.connection())
        .await?;
        Ok(switched.rows_affected() > 0)
    }

    /// Deletes a destination that is no longer configured. Its waiting deliveries become dead
    /// letters, which are counted and recorded as an action of the user. Returns their number.
    pub async fn delete_destination(
        &mut self,
        name: &str,
        action: OperatorAction<'_>,
    ) -> Result<u64, StoreError> {
        let dead = sqlx::query!(
            "UPDATE deliveries
                SET state = 'dead', finished_at = $2, death_reason = $3, parked = NULL,
                    awaiting = NULL, last_error = $4
              WHERE destination = $1 AND state = 'ready'
             RETURNING id, source",
            name,
            action.at,
            DeathReason::HandlerMissing.as_str(),
            DELETED,
        )
        .fetch_all(self.connection())
        .await?;
        let ids: Vec<i64> = dead.iter().map(|row| row.id).collect();
        self.record_action(action, &ids, &[]).await?;
        let mut sources: BTreeMap<&str, u64> = BTreeMap::new();
        for row in &dead {
            *sources.entry(&row.source).or_default() += 1;
        }
        for (source, count) in sources {
            self.add_to_counter(source, Counter::Dead, count, action.at).await?;
        }
        sqlx::query!("DELETE FROM destinations WHERE name = $1", name)
            .execute(self.connection())
            .await?;
        Ok(dead.len() as u64)
    }
}
