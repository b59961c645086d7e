//! Deliveries whose lease ran out with no result.

use std::time::Duration;

use time::OffsetDateTime;

use super::deliveries::{Leased, interval};
use super::{DeathReason, Lease, Store, StoreError, Tallied, Tx};

pub(super) const LOST: &str = "the lease ran out with no result: the gateway that held it stopped, or the \
                    handler outlived its deadline";

impl Store {
    /// Whether a lease has run out on a delivery that is not held back or paused.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn any_lost(&self, sources: &[String]) -> Result<bool, StoreError> {
        let any = sqlx::query_scalar!(
            r#"SELECT EXISTS (
                SELECT 1 FROM deliveries d
                 WHERE state = 'leased' AND lease_expires_at < clock_timestamp()
                   AND source = ANY($1)
                   AND d.source <> ALL (ARRAY(SELECT name FROM holds
                                               WHERE what = 'source' AND paused_at IS NOT NULL))
                   AND d.handler <> ALL (ARRAY(SELECT name FROM holds
                                                WHERE what = 'handler' AND paused_at IS NOT NULL))
                   AND NOT EXISTS (
                        SELECT 1 FROM destinations x
                         WHERE x.handler = d.handler
                           AND (x.paused_at IS NOT NULL OR x.disabled_at IS NOT NULL
                                OR x.not_before > clock_timestamp()))) AS "any!""#,
            sources,
        )
        .fetch_one(&self.dispatch)
        .await?;
        Ok(any)
    }

    /// Takes one delivery whose lease ran out, if there is one, and notes the lost attempt.
    /// Those that have used up `max_attempts` become dead letters instead: a delivery that kills
    /// its gateway every time must come to an end. Gives also how many were buried. What is to a
    /// destination that is held back, or of a source or handler that is paused, is left where it is.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn claim_lost(
        &self,
        sources: &[String],
        now: OffsetDateTime,
        max_attempts: u32,
        lease: Duration,
    ) -> Result<(Option<Lease>, u64), StoreError> {
        let max_attempts = i64::from(max_attempts);
        let mut tx = Tx::begin(&self.dispatch).await?;
        let mut buried = sqlx::query!(
            "
            WITH lost AS (
                SELECT id, attempts FROM deliveries d
                 WHERE state = 'leased' AND lease_expires_at < clock_timestamp()
                   AND source = ANY($1)
                   AND d.source <> ALL (ARRAY(SELECT name FROM holds
                                               WHERE what = 'source' AND paused_at IS NOT NULL))
                   AND d.handler <> ALL (ARRAY(SELECT name FROM holds
                                                WHERE what = 'handler' AND paused_at IS NOT NULL))
                   AND attempts - (SELECT count(*) FROM attempts held
                                    WHERE held.delivery_id = d.id AND held.result = 'held') >= $3
                   FOR UPDATE SKIP LOCKED
            ), noted AS (
                INSERT INTO attempts (delivery_id, number, started_at, finished_at, result, error)
                SELECT id, attempts, $2, $2, 'lost', $4 FROM lost
            )
            UPDATE deliveries d
               SET state = 'dead', lease_token = NULL, lease_expires_at = NULL, finished_at = $2,
                   death_reason = 'exhausted', last_error = $4
              FROM lost WHERE d.id = lost.id
            RETURNING d.source, d.handler
            ",
            sources,
            now,
            max_attempts,
            LOST,
        )
        .fetch_all(tx.connection())
        .await?;
        let row = sqlx::query_as!(
            Leased,
            r#"
            WITH lost AS (
                SELECT id, attempts FROM deliveries d
                 WHERE state = 'leased' AND lease_expires_at < clock_timestamp()
                   AND source = ANY($1)
                   AND d.source <> ALL (ARRAY(SELECT name FROM holds
                                               WHERE what = 'source' AND paused_at IS NOT NULL))
                   AND d.handler <> ALL (ARRAY(SELECT name FROM holds
                                                WHERE what = 'handler' AND paused_at IS NOT NULL))
                   AND NOT EXISTS (
                        SELECT 1 FROM destinations x
                         WHERE x.handler = d.handler
                           AND (x.paused_at IS NOT NULL OR x.disabled_at IS NOT NULL
                                OR x.not_before > $2))
                 ORDER BY lease_expires_at LIMIT 1
                   FOR UPDATE SKIP LOCKED
            ), noted AS (
                INSERT INTO attempts (delivery_id, number, started_at, finished_at, result, error)
                SELECT id, attempts, $2, $2, 'lost', $4 FROM lost
            )
            UPDATE deliveries d
               SET attempts = d.attempts + 1, lease_token = gen_random_uuid(),
                   lease_expires_at = clock_timestamp() + $3, last_error = $4
              FROM lost WHERE d.id = lost.id
            RETURNING d.id, d.event_id, d.source, d.handler, d.attempts,
                      GREATEST(d.created_at, (
                        SELECT max(h.resumed_at) FROM holds h
                         WHERE (h.what = 'source' AND h.name = d.source)
                            OR (h.what = 'handler' AND h.name = d.handler)))
                      AS "aged_from!",
                      d.lease_token AS "token!"
            "#,
            sources,
            now,
            interval(lease),
            LOST,
        )
        .fetch_optional(tx.connection())
        .await?;
        let lease = row.map(|row| row.lease(true));
        // In one order, whoever buries: each locks the row of its alert.
        buried.sort_unstable_by(|a, b| (&a.source, &a.handler).cmp(&(&b.source, &b.handler)));
        for dead in &buried {
            tx.alert_of_death(&dead.source, &dead.handler, DeathReason::Exhausted, LOST).await?;
            self.tallies.of(&dead.source).count(Tallied::Dead);
        }
        Ok(tx.commit((lease, buried.len() as u64)).await?.into_inner())
    }
}
