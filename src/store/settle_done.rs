//! Settles deliveries as done: alone, or those of one handler together, by one commit for all of
//! them.

use std::collections::HashSet;

use time::OffsetDateTime;
use uuid::Uuid;

use super::{EffectError, Effects, Lease, Outcome, Store, StoreError, Tx};

/// A delivery that its handler has completed.
#[derive(Clone)]
pub struct Completed {
    pub lease: Lease,
    pub started_at: OffsetDateTime,
    /// They [can be shared](Effects::can_share).
    pub effects: Effects,
}

impl Store {
    /// Settles a delivery as done: applies the effects, records the attempt and consumes the lease,
    /// in one transaction.
    ///
    /// # Errors
    /// On an [`EffectError`] nothing is written, and the lease remains. [`StoreError::LeaseLost`]
    /// means that another gateway has recovered the delivery: the effects are rolled back.
    pub async fn settle_done(
        &self,
        lease: &Lease,
        started_at: OffsetDateTime,
        now: OffsetDateTime,
        effects: &Effects,
    ) -> Result<Outcome, EffectError> {
        let mut tx = Tx::begin(&self.dispatch).await?;
        let outcome = effects.apply(&mut tx).await?;
        if tx.settle_all(&[(lease, started_at, outcome)], now).await?.is_empty() {
            tx.rollback().await?;
            return Err(StoreError::LeaseLost(lease.delivery).into());
        }
        Ok(tx.commit(outcome).await?.into_inner())
    }

    /// Settles deliveries as done, as [`Store::settle_done`] does with one. Returns the outcome of
    /// each, in their order; `None` where the lease was lost.
    ///
    /// # Errors
    /// Nothing is settled, or, with [`StoreError::CommitUnknown`], perhaps all.
    pub async fn settle_together(
        &self,
        completed: &[&Completed],
        now: OffsetDateTime,
    ) -> Result<Vec<Option<Outcome>>, EffectError> {
        let mut tx = Tx::begin(&self.dispatch).await?;
        let mut shared: Vec<(&str, Outcome)> = Vec::new();
        let mut done = Vec::with_capacity(completed.len());
        for Completed { lease, started_at, effects } in completed {
            let name = effects.shared();
            let applied = shared.iter().find(|(known, _)| Some(*known) == name);
            let outcome = match applied {
                Some((_, outcome)) => *outcome,
                None => effects.apply(&mut tx).await?,
            };
            if let (Some(name), None) = (name, applied) {
                shared.push((name, outcome));
            }
            done.push((lease, *started_at, outcome));
        }
        let settled = tx.settle_all(&done, now).await?;
        let of_each = done
            .into_iter()
            .map(|(lease, _, outcome)| settled.contains(&lease.delivery).then_some(outcome))
            .collect();
        Ok(tx.commit(of_each).await?.into_inner())
    }
}

impl Tx<'_> {
    /// Consumes the leases and records the attempts. Returns the deliveries whose lease was held.
    async fn settle_all(
        &mut self,
        done: &[(&Lease, OffsetDateTime, Outcome)],
        now: OffsetDateTime,
    ) -> Result<HashSet<i64>, StoreError> {
        let ids: Vec<i64> = done.iter().map(|(lease, ..)| lease.delivery).collect();
        let tokens: Vec<Uuid> = done.iter().map(|(lease, ..)| lease.token).collect();
        let started: Vec<OffsetDateTime> =
            done.iter().map(|(_, started_at, _)| *started_at).collect();
        let outcomes: Vec<&str> = done.iter().map(|(.., outcome)| outcome.as_str()).collect();
        // Rows are locked in the order of their ids, by every group. The clock may have been set
        // back: an attempt never ends before it began.
        let settled = sqlx::query_scalar!(
            r#"
            WITH held AS MATERIALIZED (
                SELECT d.id
                  FROM deliveries d
                 WHERE d.id = ANY ($1::bigint[]) AND COALESCE(d.state, '') = 'leased'
                   AND d.lease_token = ($2::uuid[])[array_position($1, d.id)]
                 ORDER BY d.id
                   FOR UPDATE
            ), settled AS (
                UPDATE deliveries
                   SET state = 'done', outcome = ($3::text[])[array_position($1, id)],
                       finished_at = GREATEST($4, ($5::timestamptz[])[array_position($1, id)]),
                       lease_token = NULL, lease_expires_at = NULL, parked = NULL, awaiting = NULL
                 WHERE id = ANY (ARRAY(SELECT id FROM held))
                RETURNING id, attempts, source, handler, lane, finished_at,
                          COALESCE(lane_position, id) AS position
            ), following AS (
                SELECT next.id
                  FROM settled CROSS JOIN LATERAL (
                    SELECT m.id FROM lane_members m
                     WHERE m.lane = settled.lane AND m.source = settled.source
                       AND m.handler = settled.handler
                       AND (m.position, m.id) > (settled.position, settled.id)
                     ORDER BY m.position, m.id LIMIT 1) AS next
            ), unparked AS (
                UPDATE deliveries SET parked = NULL, due_at = GREATEST(due_at, $4)
                 WHERE id = ANY (ARRAY(SELECT id FROM following)) AND state = 'ready'
                   AND COALESCE(parked, '') = 'behind'
            )
            INSERT INTO attempts (delivery_id, number, started_at, finished_at, result)
            SELECT id, attempts, ($5::timestamptz[])[array_position($1, id)], finished_at, 'done'
              FROM settled
            RETURNING delivery_id
            "#,
            &ids,
            &tokens,
            &outcomes as &[&str],
            now,
            &started,
        )
        .fetch_all(self.connection())
        .await?;
        Ok(settled.into_iter().collect())
    }
}
