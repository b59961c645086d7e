//! The backlog: due deliveries that are not in flight, per source. It is read from the queues, a
//! bounded number of rows of each. Parked deliveries are not next in their lanes and do not count.

use std::time::Duration;

use time::OffsetDateTime;

use super::deliveries::interval;
use super::{Store, StoreError};

/// The maximum number of deliveries scanned per source and handler, the longest due first.
pub const MAX_SCANNED: i64 = 200;

/// The backlog of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backlog {
    pub source: String,
    /// When the oldest delivery became due.
    pub oldest: Option<OffsetDateTime>,
    /// Stuck deliveries: due before the given time, first of their lane, not paused since, and not
    /// for a blocked destination. At most [`MAX_SCANNED`] are found per source and handler.
    pub stuck: i64,
    /// When the oldest stuck delivery became due.
    pub stuck_since: Option<OffsetDateTime>,
}

impl Store {
    /// The backlog of these sources and destinations. A delivery is stuck if it has been due for
    /// `stuck_after` and could run, or if its lease expired as long ago.
    pub async fn backlogs(
        &self,
        sources: &[String],
        destinations: &[String],
        now: OffsetDateTime,
        stuck_after: Duration,
    ) -> Result<Vec<Backlog>, StoreError> {
        let backlogs = sqlx::query_as!(
            Backlog,
            r#"
            WITH due AS MATERIALIZED (
                SELECT d.source, d.handler, d.lane, d.lane_position, d.id, d.due_at,
                       EXISTS (SELECT 1 FROM destinations x
                                WHERE x.name = d.destination
                                  AND (x.paused_at IS NOT NULL OR x.disabled_at IS NOT NULL
                                       OR x.opened_at IS NOT NULL OR x.not_before > $3)) AS held
                  FROM queues AS q
                 CROSS JOIN LATERAL (
                    SELECT * FROM deliveries d
                     WHERE d.source = q.source AND d.handler = q.handler
                       AND d.state = 'ready' AND d.parked IS NULL AND d.due_at <= $3
                     ORDER BY d.due_at, d.id LIMIT $5) AS d
                 WHERE q.destination = ANY($2)
                    OR (q.destination IS NULL AND q.source = ANY($1))
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
                         WHERE x.name = d.destination
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
            MAX_SCANNED,
        )
        .fetch_all(&self.admin)
        .await?;
        Ok(backlogs)
    }
}
