//! Deliveries to destinations, claimed under a lock per destination: gateways that claim at the
//! same moment may not both count what is at work, and both find room.

use std::time::Duration;

use time::OffsetDateTime;

use super::deliveries::interval;
use super::{EventId, Lease, Store, StoreError, Tx};

impl Store {
    /// Takes due deliveries of destinations that are not held back, heads of their lanes only, and
    /// counts the attempt; as [`Store::claim_ready`]. Of every destination no more are at work at
    /// a time, over all gateways, than its number says; of one whose breaker is open, one.
    ///
    /// A destination for which another gateway claims at this moment is left out.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn claim_to(
        &self,
        destinations: &[(String, i32)],
        sources: &[String],
        now: OffsetDateTime,
        lease: Duration,
    ) -> Result<Vec<Lease>, StoreError> {
        let (handlers, limits): (Vec<&str>, Vec<i32>) =
            destinations.iter().map(|(handler, limit)| (handler.as_str(), *limit)).unzip();
        let mut tx = Tx::begin(&self.dispatch).await?;
        // Of those with work only, and before the work is looked at: the next statement sees what
        // whoever held the lock before has committed.
        let locked = sqlx::query!(
            r#"
            WITH wanted AS MATERIALIZED (
                SELECT t.handler, t.room
                  FROM UNNEST($1::text[], $2::int[]) AS t (handler, room)
                 WHERE EXISTS (
                    SELECT 1 FROM deliveries d
                     WHERE d.handler = t.handler AND d.handler LIKE 'to:%' AND d.state = 'ready'
                       AND d.due_at <= $3 AND d.source = ANY($4))
            )
            SELECT handler AS "handler!", room AS "room!" FROM wanted
             WHERE pg_try_advisory_xact_lock(hashtext('sealpost destination'), hashtext(handler))
            "#,
            &handlers as &[&str],
            &limits,
            now,
            sources,
        )
        .fetch_all(tx.connection())
        .await?;
        if locked.is_empty() {
            tx.rollback().await?;
            return Ok(Vec::new());
        }
        let (handlers, limits): (Vec<String>, Vec<i32>) =
            locked.into_iter().map(|row| (row.handler, row.room)).unzip();
        let rows = sqlx::query!(
            r#"
            WITH open AS MATERIALIZED (
                SELECT t.handler,
                       CASE WHEN x.opened_at IS NULL THEN t.room ELSE 1 END
                       - (SELECT count(*) FROM deliveries at_work
                           WHERE at_work.state = 'leased' AND at_work.handler = t.handler) AS room
                  FROM UNNEST($1::text[], $2::int[]) AS t (handler, room)
                  LEFT JOIN destinations x ON x.handler = t.handler
                 WHERE x.paused_at IS NULL AND x.disabled_at IS NULL
                   AND (x.not_before IS NULL OR x.not_before <= $3)
            ), due AS MATERIALIZED (
                SELECT picked.id
                  FROM open
                 CROSS JOIN LATERAL (
                    SELECT d.id FROM deliveries d
                     WHERE d.handler = open.handler AND d.handler LIKE 'to:%'
                       AND d.state = 'ready' AND d.due_at <= $3 AND d.source = ANY($4)
                       AND (d.lane IS NULL OR NOT EXISTS (
                            SELECT 1 FROM deliveries running
                             WHERE running.source = d.source AND running.handler = d.handler
                               AND running.lane = d.lane AND running.state = 'leased'))
                       AND (d.lane IS NULL OR NOT EXISTS (
                            SELECT 1 FROM deliveries ahead
                             WHERE ahead.source = d.source AND ahead.handler = d.handler
                               AND ahead.lane = d.lane
                               AND (COALESCE(ahead.lane_position, ahead.id), ahead.id)
                                   < (COALESCE(d.lane_position, d.id), d.id)
                               AND (ahead.state IN ('ready', 'leased')
                                    OR (ahead.state = 'dead' AND ahead.lane_blocks
                                        AND ahead.resolution IS NULL))))
                     ORDER BY d.due_at, d.id
                     LIMIT open.room
                       FOR UPDATE SKIP LOCKED
                 ) AS picked
                 WHERE open.room > 0
            )
            UPDATE deliveries
               SET state = 'leased', attempts = attempts + 1, lease_token = gen_random_uuid(),
                   lease_expires_at = clock_timestamp() + $5
             WHERE id IN (SELECT id FROM due)
            RETURNING id, event_id, source, handler, attempts, created_at, lease_token AS "token!"
            "#,
            &handlers,
            &limits,
            now,
            sources,
            interval(lease),
        )
        .fetch_all(tx.connection())
        .await?;
        let leases = rows.into_iter().map(|row| Lease {
            delivery: row.id,
            event: EventId(row.event_id),
            source: row.source,
            handler: row.handler,
            attempt: row.attempts.unsigned_abs(),
            created_at: row.created_at,
            suspect: false,
            token: row.token,
        });
        let mut leases: Vec<Lease> = leases.collect();
        leases.sort_unstable_by_key(|lease| lease.delivery);
        Ok(tx.commit(leases).await?.into_inner())
    }
}
