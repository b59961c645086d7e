//! What waits: deliveries that are due and not worked on, per source. Read from the queues, a
//! bounded number of rows of each; what is parked there is not next in its lane.

use std::time::Duration;

use time::OffsetDateTime;

use super::deliveries::interval;
use super::{Store, StoreError};

/// How many deliveries of each source and handler are looked at: those that have been due the
/// longest.
pub const LOOKED_AT: i64 = 200;

/// What waits of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backlog {
    /// The source.
    pub source: String,
    /// Since when the delivery that waits longest has been due.
    pub oldest: Option<OffsetDateTime>,
    /// How many are stuck: due before the given time, first of their lane, not paused since, and
    /// not for a destination that is blocked. At most [`LOOKED_AT`] are found for each place to
    /// go to.
    pub stuck: i64,
    /// Since when the first of those has been due.
    pub stuck_since: Option<OffsetDateTime>,
}

impl Store {
    /// What waits now of these sources, and for these destinations, by their stored handler names.
    /// What has been due for `stuck_after`, and could be worked on, is stuck; so is what is held by
    /// a lease that ran out as long ago.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn waiting(
        &self,
        sources: &[String],
        destinations: &[String],
        now: OffsetDateTime,
        stuck_after: Duration,
    ) -> Result<Vec<Backlog>, StoreError> {
        let waiting = sqlx::query_as!(
            Backlog,
            r#"
            WITH due AS MATERIALIZED (
                SELECT d.source, d.handler, d.lane, d.lane_position, d.id, d.due_at,
                       EXISTS (SELECT 1 FROM destinations x
                                WHERE x.handler = d.handler
                                  AND (x.paused_at IS NOT NULL OR x.disabled_at IS NOT NULL
                                       OR x.opened_at IS NOT NULL OR x.not_before > $3)) AS held
                  FROM queues AS q
                 CROSS JOIN LATERAL (
                    SELECT * FROM deliveries d
                     WHERE d.source = q.source AND d.handler = q.handler
                       AND d.state = 'ready' AND d.parked IS NULL AND d.due_at <= $3
                     ORDER BY d.due_at, d.id LIMIT $5) AS d
                 WHERE q.handler = ANY($2)
                    OR (q.handler NOT LIKE 'to:%' AND q.source = ANY($1))
                 UNION ALL
                (SELECT d.source, d.handler, d.lane, d.lane_position, d.id, d.due_at, false
                   FROM deliveries d
                  WHERE d.state = 'ready' AND d.parked = 'isolated' AND d.source = ANY($1)
                    AND d.due_at <= $3
                  LIMIT $5)
            ), judged AS (
                SELECT source, due_at,
                       NOT held AND due_at <= $3 - $4::interval
                       AND NOT EXISTS (
                            SELECT 1 FROM pauses h
                             WHERE ((h.what = 'source' AND h.name = due.source)
                                    OR (h.what = 'handler' AND h.name = due.handler))
                               AND (h.paused_at IS NOT NULL
                                    OR h.resumed_at > $3 - $4::interval))
                       AND (lane IS NULL OR NOT EXISTS (
                            SELECT 1 FROM lane_members ahead
                             WHERE ahead.lane = due.lane AND ahead.source = due.source
                               AND ahead.handler = due.handler
                               AND (ahead.position, ahead.id)
                                   < (COALESCE(due.lane_position, due.id), due.id))) AS stuck
                  FROM due
                 UNION ALL
                SELECT d.source, d.lease_expires_at, true
                  FROM deliveries d
                 WHERE d.state = 'leased' AND d.source = ANY($1)
                   AND d.lease_expires_at < clock_timestamp() - $4::interval
                   AND NOT EXISTS (
                        SELECT 1 FROM destinations x
                         WHERE x.handler = d.handler
                           AND (x.paused_at IS NOT NULL OR x.disabled_at IS NOT NULL
                                OR x.opened_at IS NOT NULL OR x.not_before > $3))
            )
            SELECT source AS "source!", min(due_at) AS oldest,
                   count(*) FILTER (WHERE stuck) AS "stuck!",
                   min(due_at) FILTER (WHERE stuck) AS stuck_since
              FROM judged GROUP BY source ORDER BY source
            "#,
            sources,
            destinations,
            now,
            interval(stuck_after),
            LOOKED_AT,
        )
        .fetch_all(&self.operator)
        .await?;
        Ok(waiting)
    }
}
