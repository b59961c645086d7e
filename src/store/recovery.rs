//! Deliveries whose lease expired without a result. They are isolated: their event may have ended
//! the process, and so they are run one at a time.
//!
//! Of what was in flight when a process ended nobody knows which did it. So the loss costs a
//! delivery nothing, unless it was run in isolation: then it was the only one.

use std::time::Duration;

use time::OffsetDateTime;

use super::deliveries::{Leased, interval};
use super::{DeathReason, Lease, Queue, Store, StoreError, Tx};

const LOST: &str = "lease expired without a result: the gateway stopped, or the handler exceeded \
                    its deadline";
/// How many leases are taken from their holders at a time.
const AT_A_TIME: i64 = 500;

/// What became of deliveries whose lease expired.
#[derive(Debug, Default)]
pub struct RecoveredLeases {
    /// How many are to be run again, one at a time.
    pub isolated: u64,
    /// Those that became dead letters: every time that they were run alone, the lease expired.
    pub buried: Vec<Queue>,
}

impl Store {
    /// Ends expired leases, and notes the lost attempts: their deliveries are isolated. One
    /// that was lost `most` times, and the last time in isolation, becomes a dead letter: a
    /// delivery that ends its process every time must come to an end. What this process holds,
    /// `held`, is left alone: it is here.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn recover_expired_leases(
        &self,
        sources: &[String],
        held: &[i64],
        now: OffsetDateTime,
        most: u32,
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
            held,
            now,
            i64::from(most),
            LOST,
            AT_A_TIME,
            DeathReason::LeaseLost.as_str(),
        )
        .fetch_all(tx.connection())
        .await?;
        let all = rows.len() as u64;
        let mut dead: Vec<(i64, Queue)> = rows
            .into_iter()
            .filter(|row| row.is_dead)
            .map(|row| (row.id, Queue { source: row.source, handler: row.handler }))
            .collect();
        // In one order, whoever buries: each locks the row of its alert.
        dead.sort_unstable_by(|a, b| a.1.cmp(&b.1));
        for (_, queue) in &dead {
            tx.alert_of_death(&queue.source, &queue.handler, DeathReason::LeaseLost, LOST).await?;
        }
        let (ids, buried): (Vec<i64>, Vec<Queue>) = dead.into_iter().unzip();
        if !ids.is_empty() {
            tx.unpark_next(&ids, now).await?;
        }
        let isolated = all - buried.len() as u64;
        Ok(tx.commit(RecoveredLeases { isolated, buried }).await?.into_inner())
    }

    /// Takes one isolated delivery, if there is one, and counts the attempt; those of another
    /// handler than `last` first. What is to a destination that is blocked, or of a source or
    /// handler that is paused, is left where it is.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
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
                         WHERE x.handler = d.handler
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
