//! Claims deliveries to destinations, under a lock per destination: two gateways that claim at the
//! same moment must not both count the deliveries in flight and both find room.

use std::time::Duration;

use time::OffsetDateTime;

use super::claim::Claimed;
use super::deliveries::{Leased, interval};
use super::{HandlerName, Lease, Store, StoreError, Tx};

impl Store {
    /// Claims due deliveries of a destination that is not blocked, as [`Store::claim`]. `sources`
    /// are the sources to claim from, each with the time since when its oldest delivery is due. At
    /// most `room` deliveries are in flight at a time over all gateways, or one while the breaker
    /// is open.
    ///
    /// Every second probe of an open breaker is a delivery that was tried before: a destination
    /// that fails every new event would otherwise never recover.
    ///
    /// Scans `window` deliveries of each source, or, if it is `None`, somewhat more than there is
    /// room for. Claims nothing while another gateway claims for the destination.
    pub async fn claim_for_destination(
        &self,
        destination: &str,
        (room, window): (i32, Option<i64>),
        sources: &[(&str, OffsetDateTime)],
        now: OffsetDateTime,
        lease: Duration,
    ) -> Result<Claimed, StoreError> {
        let handler = HandlerName::Destination(destination).to_string();
        let (names, oldest): (Vec<&str>, Vec<OffsetDateTime>) = sources.iter().copied().unzip();
        let mut tx = Tx::begin(&self.claim).await?;
        // A separate statement, so that the next one sees what the previous holder has committed.
        let locked = sqlx::query_scalar!(
            r#"SELECT pg_try_advisory_xact_lock(hashtext('sealpost destination'), hashtext($1))
                      AS "locked!""#,
            destination,
        )
        .fetch_one(tx.connection())
        .await?;
        if !locked {
            tx.rollback().await?;
            return Ok(Claimed { leases: Vec::new(), truncated: false });
        }
        let rows = sqlx::query!(
            r#"
            WITH may_send AS MATERIALIZED (
                SELECT CASE WHEN x.opened_at IS NULL THEN $2::int ELSE 1 END
                       - (SELECT count(*) FROM deliveries at_work
                           WHERE at_work.state = 'leased' AND at_work.destination = $8
                             AND at_work.lease_expires_at > clock_timestamp()) AS room,
                       x.opened_at IS NOT NULL AND x.openings % 2 = 1 AS tried_first
                  FROM (SELECT) AS one LEFT JOIN destinations x ON x.name = $8
                 WHERE x.paused_at IS NULL AND x.disabled_at IS NULL
                   AND (x.not_before IS NULL OR x.not_before <= $5)
            ), open AS MATERIALIZED (
                -- What was tried before may be behind many that were not.
                SELECT room, tried_first,
                       COALESCE($7, CASE WHEN tried_first THEN 200 ELSE room * 2 + 16 END)
                           AS most
                  FROM may_send
            ), looked AS MATERIALIZED (
                SELECT d.*
                  FROM open
                 CROSS JOIN UNNEST($3::text[], $4::timestamptz[]) AS s (source, oldest)
                 CROSS JOIN LATERAL (
                    SELECT d.id, d.source, d.lane, d.due_at, d.attempts,
                           COALESCE(d.lane_position, d.id) AS position
                      FROM deliveries d
                     WHERE d.source = s.source AND d.handler = $1 AND d.state = 'ready'
                       AND d.parked IS NULL AND d.due_at >= s.oldest AND d.due_at <= $5
                     ORDER BY d.due_at, d.id LIMIT GREATEST(open.most, 0)) AS d
                 WHERE open.room > 0
            ), turn AS MATERIALIZED (
                SELECT looked.* FROM looked CROSS JOIN open
                 ORDER BY open.tried_first AND looked.attempts = 0,
                          CASE WHEN open.tried_first THEN looked.attempts END,
                          looked.due_at, looked.id
            ), picked AS MATERIALIZED (
                SELECT d.id
                  FROM turn
                  LEFT JOIN LATERAL (
                    SELECT 1 AS there FROM deliveries running
                     WHERE running.source = turn.source AND running.handler = $1
                       AND running.lane = turn.lane AND running.state = 'leased'
                     LIMIT 1) AS running ON true
                  LEFT JOIN LATERAL (
                    SELECT 1 AS there FROM lane_members ahead
                     WHERE ahead.lane = turn.lane AND ahead.source = turn.source
                       AND ahead.handler = $1
                       AND (ahead.position, ahead.id) < (turn.position, turn.id)
                     ORDER BY ahead.position DESC, ahead.id DESC LIMIT 1) AS ahead ON true
                 CROSS JOIN LATERAL (
                    SELECT d.id FROM deliveries d
                     WHERE d.id = turn.id AND d.state = 'ready' AND COALESCE(d.parked, '') = ''
                       AND running.there IS NULL AND ahead.there IS NULL
                       FOR UPDATE SKIP LOCKED) AS d
                 LIMIT (SELECT GREATEST(room, 0) FROM open)
            ), leased AS (
                UPDATE deliveries
                   SET state = 'leased', attempts = attempts + 1, lease_token = gen_random_uuid(),
                       lease_expires_at = clock_timestamp() + $6
                 WHERE id = ANY (ARRAY(SELECT id FROM picked))
                RETURNING id, event_id, source, attempts, lease_token
            )
            SELECT COALESCE((SELECT room FROM open), 0) AS "room!",
                   COALESCE((SELECT max(n) FROM (
                        SELECT count(*) AS n FROM looked GROUP BY source) AS by_source)
                        >= (SELECT most FROM open), false) AS "truncated!",
                   leased.id AS "id?", leased.event_id AS "event_id?", leased.source AS "source?",
                   leased.attempts AS "attempts?", leased.lease_token AS "token?"
              FROM (SELECT) AS one LEFT JOIN leased ON true
             ORDER BY leased.id
            "#,
            handler,
            room,
            &names as &[&str],
            &oldest,
            now,
            interval(lease),
            window,
            destination,
        )
        .fetch_all(tx.connection())
        .await?;
        let (room, truncated) = rows.first().map_or((0, false), |row| (row.room, row.truncated));
        let leases: Vec<Lease> = rows
            .into_iter()
            .filter_map(|row| {
                let leased = Leased {
                    id: row.id?,
                    event_id: row.event_id?,
                    source: row.source?,
                    handler: handler.clone(),
                    attempts: row.attempts?,
                    token: row.token?,
                };
                Some(leased.lease(false))
            })
            .collect();
        let leases = tx.commit(leases).await?.into_inner();
        let taken = i64::try_from(leases.len()).unwrap_or(i64::MAX);
        Ok(Claimed { truncated: truncated && taken < room, leases })
    }
}
