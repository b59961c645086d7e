//! Deliveries whose lease expired without a result. They are isolated and run one at a time: their
//! event may have crashed the process.
//!
//! Which delivery crashed a process is unknown. So a lost attempt does not count, unless the
//! delivery ran in isolation.

use std::time::Duration;

use time::OffsetDateTime;

use super::deliveries::{Leased, interval};
use super::{DeathReason, Lease, Queue, Store, StoreError, Tx};

const LOST: &str = "lease expired without a result: the gateway stopped, or the handler exceeded \
                    its deadline";
/// The maximum number of leases recovered at a time.
const BATCH: i64 = 500;

/// The result of a recovery.
#[derive(Debug, Default)]
pub struct RecoveredLeases {
    /// How many will be retried in isolation.
    pub isolated: u64,
    /// The queues of deliveries that were dead-lettered.
    pub dead: Vec<Queue>,
}

impl Store {
    /// Recovers expired leases: records the lost attempts and isolates the deliveries. A delivery
    /// with `max_lost` lost attempts, the last one in isolation, is dead-lettered: it would crash
    /// the process every time. The deliveries `own` are in flight in this process and are skipped.
    pub async fn recover_expired_leases(
        &self,
        sources: &[String],
        own: &[i64],
        now: OffsetDateTime,
        max_lost: u32,
    ) -> Result<RecoveredLeases, StoreError> {
        let mut tx = Tx::begin(&self.claim).await?;
        let rows = sqlx::query!(
            r#"
            WITH lost AS MATERIALIZED (
                SELECT d.id, d.attempts, d.parked FROM deliveries d
                 WHERE d.state = 'leased' AND d.lease_expires_at < clock_timestamp()
                   AND d.source = ANY($1) AND d.id <> ALL ($2)
                 LIMIT $6 FOR UPDATE SKIP LOCKED
            ), judged AS MATERIALIZED (
                SELECT lost.*,
                       COALESCE(parked = 'isolated', false)
                       AND 1 + (SELECT count(*) FROM attempts before
                                 WHERE before.delivery_id = lost.id
                                   AND before.result = 'lost') >= $4 AS is_dead
                  FROM lost
            ), noted AS (
                INSERT INTO attempts (delivery_id, number, started_at, finished_at, result, error)
                SELECT id, attempts, $3, $3, 'lost', $5 FROM judged
            )
            UPDATE deliveries d
               SET state = CASE WHEN is_dead THEN 'dead' ELSE 'ready' END,
                   parked = CASE WHEN is_dead THEN NULL ELSE 'isolated' END,
                   due_at = CASE WHEN is_dead THEN d.due_at ELSE $3 END,
                   finished_at = CASE WHEN is_dead THEN $3 END,
                   death_reason = CASE WHEN is_dead THEN $7 END,
                   lease_token = NULL, lease_expires_at = NULL, last_error = $5
              FROM judged WHERE d.id = judged.id
            RETURNING d.id, d.source, d.handler, judged.is_dead AS "is_dead!"
            "#,
            sources,
            own,
            now,
            i64::from(max_lost),
            LOST,
            BATCH,
            DeathReason::LeaseLost.as_str(),
        )
        .fetch_all(tx.connection())
        .await?;
        let total = rows.len() as u64;
        let mut dead: Vec<(i64, Queue)> = rows
            .into_iter()
            .filter(|row| row.is_dead)
            .map(|row| (row.id, Queue { source: row.source, handler: row.handler }))
            .collect();
        // In a common order, since each locks the row of its alert.
        dead.sort_unstable_by(|a, b| a.1.cmp(&b.1));
        for (_, queue) in &dead {
            let queue = (&*queue.source, &*queue.handler);
            tx.alert_dead_letter(queue, DeathReason::LeaseLost, LOST, None).await?;
        }
        let (ids, dead_queues): (Vec<i64>, Vec<Queue>) = dead.into_iter().unzip();
        if !ids.is_empty() {
            tx.unpark_next(&ids, now).await?;
        }
        let isolated = total - dead_queues.len() as u64;
        Ok(tx.commit(RecoveredLeases { isolated, dead: dead_queues }).await?.into_inner())
    }

    /// Claims one isolated delivery, if there is one, and counts the attempt. Deliveries of other
    /// handlers than `last` come first. Blocked destinations and paused sources or handlers are
    /// skipped.
    pub async fn claim_isolated(
        &self,
        sources: &[String],
        last: &str,
        now: OffsetDateTime,
        lease: Duration,
    ) -> Result<Option<Lease>, StoreError> {
        let row = sqlx::query_as!(
            Leased,
            r#"
            WITH isolated AS MATERIALIZED (
                SELECT d.id FROM deliveries d
                 WHERE d.state = 'ready' AND d.parked = 'isolated' AND d.due_at <= $3
                   AND d.source = ANY($1)
                   AND d.source <> ALL (ARRAY(SELECT name FROM pauses
                                               WHERE what = 'source' AND paused_at IS NOT NULL))
                   AND d.handler <> ALL (ARRAY(SELECT name FROM pauses
                                                WHERE what = 'handler' AND paused_at IS NOT NULL))
                   AND NOT EXISTS (
                        SELECT 1 FROM destinations x
                         WHERE x.name = d.destination
                           AND (x.paused_at IS NOT NULL OR x.disabled_at IS NOT NULL
                                OR x.not_before > $3))
                   AND NOT EXISTS (
                        SELECT 1 FROM deliveries running
                         WHERE running.source = d.source AND running.handler = d.handler
                           AND running.lane = d.lane AND running.state = 'leased')
                 ORDER BY d.handler = $2, d.id LIMIT 1
                   FOR UPDATE SKIP LOCKED
            )
            UPDATE deliveries d
               SET state = 'leased', attempts = d.attempts + 1, lease_token = gen_random_uuid(),
                   lease_expires_at = clock_timestamp() + $4
              FROM isolated WHERE d.id = isolated.id
            RETURNING d.id, d.event_id, d.source, d.handler, d.attempts,
                      d.lease_token AS "token!"
            "#,
            sources,
            last,
            now,
            interval(lease),
        )
        .fetch_optional(&self.claim)
        .await?;
        Ok(row.map(|row| row.lease(true)))
    }
}
