//! Claims ready deliveries. The lease is committed before the work begins.

use std::time::Duration;

use time::OffsetDateTime;

use super::deliveries::{Leased, interval};
use super::{Lease, Queue, Store, StoreError};

/// The result of a claim.
#[derive(Debug)]
pub struct Claimed {
    pub leases: Vec<Lease>,
    /// Whether the scan stopped at its limit.
    pub truncated: bool,
}

impl Store {
    /// Claims up to `most` due deliveries of a queue, only heads of their lanes, and counts the
    /// attempt. It scans `window` deliveries, beginning with those due at `oldest`. Queues of
    /// destinations are claimed by [`Store::claim_for_destination`]. A head waits while another
    /// delivery of its lane is in flight: a replay or a late commit may have been inserted before
    /// it. Committed on return: after a crash the attempt is lost, not the delivery. Lease
    /// deadlines use the database's clock, which all gateways share.
    pub async fn claim(
        &self,
        queue: &Queue,
        oldest: OffsetDateTime,
        now: OffsetDateTime,
        (most, window): (i64, i64),
        lease: Duration,
    ) -> Result<Claimed, StoreError> {
        // Row by row, and only as many as needed: the planner's own choice would be a join that
        // reads whole lanes or the whole table if there is a backlog. `COALESCE` keeps it from
        // using the queue's index for a row known by its id.
        let rows = sqlx::query!(
            r#"
            WITH looked AS MATERIALIZED (
                SELECT d.id, d.lane, COALESCE(d.lane_position, d.id) AS position
                  FROM deliveries d
                 WHERE d.source = $1 AND d.handler = $2 AND d.state = 'ready' AND d.parked IS NULL
                   AND d.due_at >= $3 AND d.due_at <= $4
                 ORDER BY d.due_at, d.id LIMIT $6
            ), picked AS MATERIALIZED (
                SELECT d.id
                  FROM looked
                  LEFT JOIN LATERAL (
                    SELECT 1 AS there FROM deliveries running
                     WHERE running.source = $1 AND running.handler = $2
                       AND running.lane = looked.lane AND running.state = 'leased'
                     LIMIT 1) AS running ON true
                  LEFT JOIN LATERAL (
                    SELECT 1 AS there FROM lane_members ahead
                     WHERE ahead.lane = looked.lane AND ahead.source = $1 AND ahead.handler = $2
                       AND (ahead.position, ahead.id) < (looked.position, looked.id)
                     ORDER BY ahead.position DESC, ahead.id DESC LIMIT 1) AS ahead ON true
                 CROSS JOIN LATERAL (
                    SELECT d.id FROM deliveries d
                     WHERE d.id = looked.id AND d.state = 'ready' AND COALESCE(d.parked, '') = ''
                       AND running.there IS NULL AND ahead.there IS NULL
                       FOR UPDATE SKIP LOCKED) AS d
                 LIMIT $5
            ), leased AS (
                UPDATE deliveries
                   SET state = 'leased', attempts = attempts + 1, lease_token = gen_random_uuid(),
                       lease_expires_at = clock_timestamp() + $7
                 WHERE id = ANY (ARRAY(SELECT id FROM picked))
                RETURNING id, event_id, attempts, lease_token
            )
            SELECT (SELECT count(*) FROM looked) AS "looked!", leased.id AS "id?",
                   leased.event_id AS "event_id?", leased.attempts AS "attempts?",
                   leased.lease_token AS "token?"
              FROM (SELECT) AS one LEFT JOIN leased ON true
             ORDER BY leased.id
            "#,
            queue.source,
            queue.handler,
            oldest,
            now,
            most,
            window,
            interval(lease),
        )
        .fetch_all(&self.claim)
        .await?;
        let looked = rows.first().map_or(0, |row| row.looked);
        let leases: Vec<Lease> = rows
            .into_iter()
            .filter_map(|row| {
                let leased = Leased {
                    id: row.id?,
                    event_id: row.event_id?,
                    source: queue.source.clone(),
                    handler: queue.handler.clone(),
                    attempts: row.attempts?,
                    token: row.token?,
                };
                Some(leased.lease(false))
            })
            .collect();
        Ok(Claimed { leases, truncated: looked >= window })
    }
}
