//! Deliveries to destinations, claimed under a lock per destination: gateways that claim at the
//! same moment may not both count what is at work, and both find room.

use std::time::Duration;

use time::OffsetDateTime;

use super::deliveries::{Leased, interval};
use super::lost::LOST;
use super::{Lease, Store, StoreError, Tx};

/// How many due deliveries of a destination are looked at for heads of lanes. A long lane whose
/// head is at work would otherwise be read from end to end for every one of its deliveries.
const NEAR: i64 = 1000;

/// How far a claim looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// At those of a destination that have been due longest.
    Near,
    /// At all that are due.
    Far,
}

/// What was claimed.
#[derive(Debug)]
pub struct Claimed {
    /// The deliveries.
    pub leases: Vec<Lease>,
    /// Whether more are due than were looked at.
    pub partly: bool,
}

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
        reach: Reach,
    ) -> Result<Claimed, StoreError> {
        let (handlers, rooms): (Vec<&str>, Vec<i32>) =
            destinations.iter().map(|(handler, room)| (handler.as_str(), *room)).unzip();
        // First a look, which is all that it costs where there is nothing to do.
        let wanted = sqlx::query!(
            r#"
            SELECT t.handler AS "handler!", t.room AS "room!",
                   (SELECT d.due_at FROM deliveries d
                     WHERE d.handler = t.handler AND d.handler LIKE 'to:%' AND d.state = 'ready'
                       AND d.due_at <= $3
                     ORDER BY d.due_at, d.id OFFSET $5 LIMIT 1) AS near
              FROM UNNEST($1::text[], $2::int[]) AS t (handler, room)
              LEFT JOIN destinations x ON x.handler = t.handler
             WHERE x.paused_at IS NULL AND x.disabled_at IS NULL
               AND (x.not_before IS NULL OR x.not_before <= $3)
               AND EXISTS (
                    SELECT 1 FROM deliveries d
                     WHERE d.handler = t.handler AND d.handler LIKE 'to:%' AND d.state = 'ready'
                       AND d.due_at <= $3 AND d.source = ANY($4)
                       AND d.source <> ALL (ARRAY(
                            SELECT name FROM holds
                             WHERE what = 'source' AND paused_at IS NOT NULL)))
            "#,
            &handlers as &[&str],
            &rooms,
            now,
            sources,
            NEAR,
        )
        .fetch_all(&self.dispatch)
        .await?;
        let partly = reach == Reach::Near && wanted.iter().any(|row| row.near.is_some());
        if wanted.is_empty() {
            return Ok(Claimed { leases: Vec::new(), partly });
        }
        let handlers: Vec<&str> = wanted.iter().map(|row| row.handler.as_str()).collect();
        let rooms: Vec<i32> = wanted.iter().map(|row| row.room).collect();
        let until: Vec<OffsetDateTime> = wanted
            .iter()
            .map(|row| if reach == Reach::Near { row.near.unwrap_or(now) } else { now })
            .collect();

        let mut tx = Tx::begin(&self.dispatch).await?;
        // By a statement of its own: the next one sees what the last holder has committed.
        let locked = sqlx::query_scalar!(
            r#"SELECT pg_try_advisory_xact_lock(hashtext('sealpost destination'), hashtext(handler))
                      AS "locked!"
                 FROM UNNEST($1::text[]) AS t (handler)"#,
            &handlers as &[&str],
        )
        .fetch_all(tx.connection())
        .await?;
        if !locked.contains(&true) {
            tx.rollback().await?;
            return Ok(Claimed { leases: Vec::new(), partly });
        }
        let rows = sqlx::query_as!(
            Leased,
            r#"
            WITH open AS MATERIALIZED (
                SELECT t.handler, t.until,
                       CASE WHEN x.opened_at IS NULL THEN t.room ELSE 1 END
                       - (SELECT count(*) FROM deliveries at_work
                           WHERE at_work.state = 'leased' AND at_work.handler = t.handler) AS room
                  FROM UNNEST($1::text[], $2::int[], $6::timestamptz[], $7::boolean[])
                       AS t (handler, room, until, locked)
                  LEFT JOIN destinations x ON x.handler = t.handler
                 WHERE t.locked AND x.paused_at IS NULL AND x.disabled_at IS NULL
                   AND (x.not_before IS NULL OR x.not_before <= $3)
            ), due AS MATERIALIZED (
                SELECT picked.id
                  FROM open
                 CROSS JOIN LATERAL (
                    SELECT d.id FROM deliveries d
                     WHERE d.handler = open.handler AND d.handler LIKE 'to:%'
                       AND d.state = 'ready' AND d.due_at <= open.until AND d.source = ANY($4)
                       AND d.source <> ALL (ARRAY(
                            SELECT name FROM holds
                             WHERE what = 'source' AND paused_at IS NOT NULL))
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
            RETURNING id, event_id, source, handler, attempts, created_at AS aged_from,
                      lease_token AS "token!"
            "#,
            &handlers as &[&str],
            &rooms,
            now,
            sources,
            interval(lease),
            &until,
            &locked,
        )
        .fetch_all(tx.connection())
        .await?;
        let mut leases: Vec<Lease> = rows.into_iter().map(|row| row.lease(false)).collect();
        leases.sort_unstable_by_key(|lease| lease.delivery);
        let leases = tx.commit(leases).await?.into_inner();
        Ok(Claimed { leases, partly })
    }

    /// Puts back what was on its way to a destination when its lease ran out, and notes the lost
    /// attempt. It is claimed again as all that is to that destination: an application that holds
    /// its answers must not be waited for alone. One that was tried `max_attempts` times is left to
    /// [`Store::claim_lost`]: it may be what ends the process. What is paused meanwhile is put back
    /// too: it waits then as all that is paused does. Gives how many were put back.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn put_back_lost(
        &self,
        sources: &[String],
        now: OffsetDateTime,
        max_attempts: u32,
    ) -> Result<u64, StoreError> {
        let put_back = sqlx::query!(
            "
            WITH lost AS (
                SELECT id, attempts FROM deliveries
                 WHERE state = 'leased' AND lease_expires_at < clock_timestamp()
                   AND source = ANY($1) AND handler LIKE 'to:%' AND attempts < $4
                   FOR UPDATE SKIP LOCKED
            ), noted AS (
                INSERT INTO attempts (delivery_id, number, started_at, finished_at, result, error)
                SELECT id, attempts, $2, $2, 'lost', $3 FROM lost
            )
            UPDATE deliveries d
               SET state = 'ready', lease_token = NULL, lease_expires_at = NULL, due_at = $2,
                   last_error = $3
              FROM lost WHERE d.id = lost.id
            ",
            sources,
            now,
            LOST,
            i32::try_from(max_attempts).unwrap_or(i32::MAX),
        )
        .execute(&self.dispatch)
        .await?;
        Ok(put_back.rows_affected())
    }
}
