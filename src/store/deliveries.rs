//! Deliveries: claimed under a lease that is committed before work begins, settled by consuming
//! the lease.

use std::time::Duration;

use sqlx::postgres::types::PgInterval;
use time::OffsetDateTime;
use uuid::Uuid;

use super::destinations::TO;
use super::{DeathReason, EffectError, Effects, EventId, Outcome, Store, StoreError, Tx, bounded};

/// The right to work on a delivery, for a while.
#[derive(Debug, Clone)]
pub struct Lease {
    /// The delivery.
    pub delivery: i64,
    /// Its event.
    pub event: EventId,
    /// The event's source.
    pub source: String,
    /// The handler's stored name.
    pub handler: String,
    /// Which attempt this is, from 1; counted already.
    pub attempt: u32,
    /// Since when its age counts: when it was created, or when its source or handler was last
    /// resumed, if that is later.
    pub aged_from: OffsetDateTime,
    /// Whether an earlier lease ran out with no result: the event may have killed its gateway.
    pub suspect: bool,
    /// The fencing token: only its holder may settle.
    pub(super) token: Uuid,
}

/// What is to become of a delivery whose attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Due again at this time.
    Retry(OffsetDateTime),
    /// Due again at this time, and the attempt does not count: its destination is held back.
    Hold(OffsetDateTime),
    /// A dead letter.
    Bury(DeathReason),
}

impl Lease {
    /// Whether the delivery is to a destination.
    pub fn is_to_destination(&self) -> bool {
        self.handler.starts_with(TO)
    }
}

/// The row of a delivery that was just claimed.
pub(super) struct Leased {
    pub(super) id: i64,
    pub(super) event_id: Uuid,
    pub(super) source: String,
    pub(super) handler: String,
    pub(super) attempts: i32,
    pub(super) aged_from: OffsetDateTime,
    pub(super) token: Uuid,
}

impl Leased {
    pub(super) fn lease(self, suspect: bool) -> Lease {
        Lease {
            delivery: self.id,
            event: EventId(self.event_id),
            source: self.source,
            handler: self.handler,
            attempt: self.attempts.unsigned_abs(),
            aged_from: self.aged_from,
            suspect,
            token: self.token,
        }
    }
}

impl Store {
    /// Takes up to `per_source` due deliveries of each source, heads of their lanes only, and
    /// counts the attempt. Those to destinations are claimed by [`Store::claim_to`]. A head waits
    /// while another of its lane is at work: a replay, or what was committed late, may come to
    /// stand before it. Committed when it returns: a crash after this is a lost attempt, not a
    /// lost delivery. What is paused is left where it is. Lease deadlines are by the database's clock, which all gateways share.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn claim_ready(
        &self,
        sources: &[String],
        now: OffsetDateTime,
        per_source: i64,
        lease: Duration,
    ) -> Result<Vec<Lease>, StoreError> {
        let rows = sqlx::query_as!(
            Leased,
            r#"
            WITH due AS MATERIALIZED (
                SELECT picked.id
                  FROM (SELECT source FROM UNNEST($1::text[]) AS u (source)
                         WHERE source <> ALL (ARRAY(SELECT name FROM holds
                                               WHERE what = 'source' AND paused_at IS NOT NULL))
                        OFFSET 0) AS s
                 CROSS JOIN LATERAL (
                    SELECT d.id FROM deliveries d
                     WHERE d.source = s.source AND d.state = 'ready' AND d.due_at <= $2
                       AND d.handler NOT LIKE 'to:%'
                       AND d.handler <> ALL (ARRAY(
                            SELECT name FROM holds
                             WHERE what = 'handler' AND paused_at IS NOT NULL))
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
                     LIMIT $3
                       FOR UPDATE SKIP LOCKED
                 ) AS picked
            )
            UPDATE deliveries
               SET state = 'leased', attempts = attempts + 1, lease_token = gen_random_uuid(),
                   lease_expires_at = clock_timestamp() + $4
             WHERE id IN (SELECT id FROM due)
            RETURNING id, event_id, source, handler, attempts,
                      GREATEST(created_at, (
                        SELECT max(h.resumed_at) FROM holds h
                         WHERE (h.what = 'source' AND h.name = deliveries.source)
                            OR (h.what = 'handler' AND h.name = deliveries.handler)))
                      AS "aged_from!",
                      lease_token AS "token!"
            "#,
            sources,
            now,
            per_source,
            interval(lease),
        )
        .fetch_all(&self.dispatch)
        .await?;
        let mut leases: Vec<Lease> = rows.into_iter().map(|row| row.lease(false)).collect();
        leases.sort_unstable_by_key(|lease| lease.delivery);
        Ok(leases)
    }

    /// Settles a delivery as done: applies the effects, records the attempt and consumes the
    /// lease, in one transaction.
    ///
    /// # Errors
    /// An [`EffectError`] leaves the lease as it is, and nothing written.
    /// [`StoreError::LeaseLost`] when somebody else has taken the delivery over: the effects are
    /// rolled back, and theirs count.
    pub async fn settle_done(
        &self,
        lease: &Lease,
        started_at: OffsetDateTime,
        now: OffsetDateTime,
        effects: &Effects,
    ) -> Result<Outcome, EffectError> {
        let mut tx = Tx::begin(&self.dispatch).await?;
        let outcome = effects.apply(&mut tx).await?;
        let settled = sqlx::query!(
            r#"
            WITH settled AS (
                UPDATE deliveries
                   SET state = 'done', outcome = $3, finished_at = $4, lease_token = NULL,
                       lease_expires_at = NULL
                 WHERE id = $1 AND state = 'leased' AND lease_token = $2
                RETURNING id, attempts
            )
            INSERT INTO attempts (delivery_id, number, started_at, finished_at, result)
            SELECT id, attempts, $5, $4, 'done' FROM settled
            "#,
            lease.delivery,
            lease.token,
            outcome.as_str(),
            now,
            started_at,
        )
        .execute(tx.connection())
        .await?;
        if settled.rows_affected() != 1 {
            tx.rollback().await?;
            return Err(StoreError::LeaseLost(lease.delivery).into());
        }
        Ok(tx.commit(outcome).await?.into_inner())
    }

    /// Settles a delivery whose attempt failed: due again, or dead, which people are told.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`]; [`StoreError::Unavailable`].
    pub async fn settle_failed(
        &self,
        lease: &Lease,
        started_at: OffsetDateTime,
        now: OffsetDateTime,
        verdict: Verdict,
        error: &str,
    ) -> Result<(), StoreError> {
        let error = bounded(error);
        let (state, result, due_at, reason) = match verdict {
            Verdict::Retry(at) => ("ready", "retry", Some(at), None),
            Verdict::Hold(at) => ("ready", "held", Some(at), None),
            Verdict::Bury(reason) => ("dead", "dead", None, Some(reason.as_str())),
        };
        let mut tx = Tx::begin(&self.dispatch).await?;
        let settled = sqlx::query!(
            r#"
            WITH settled AS (
                UPDATE deliveries
                   SET state = $3, due_at = COALESCE($4, due_at), death_reason = $5,
                       finished_at = CASE WHEN $3 = 'dead' THEN $6::timestamptz END,
                       last_error = $7, lease_token = NULL, lease_expires_at = NULL
                 WHERE id = $1 AND state = 'leased' AND lease_token = $2
                RETURNING id, attempts
            )
            INSERT INTO attempts (delivery_id, number, started_at, finished_at, result, error)
            SELECT id, attempts, $8, $6, $9, $7 FROM settled
            "#,
            lease.delivery,
            lease.token,
            state,
            due_at,
            reason,
            now,
            error,
            started_at,
            result,
        )
        .execute(tx.connection())
        .await?;
        if settled.rows_affected() != 1 {
            tx.rollback().await?;
            return Err(StoreError::LeaseLost(lease.delivery));
        }
        if let Verdict::Bury(reason) = verdict {
            tx.alert_of_death(&lease.source, &lease.handler, reason, &error).await?;
        }
        tx.commit(()).await?;
        Ok(())
    }
}

impl Tx<'_> {
    /// Makes due now what waits at a source because of `awaited`, in the very words of the
    /// [`EffectError::NotYet`]; gives how many.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn release(
        &mut self,
        source: &str,
        awaited: &str,
        now: OffsetDateTime,
    ) -> Result<u64, StoreError> {
        let done = sqlx::query!(
            "UPDATE deliveries SET due_at = $3
              WHERE source = $1 AND state = 'ready' AND due_at > $3 AND last_error = $2",
            source,
            awaited,
            now,
        )
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected())
    }
}

pub(super) fn interval(duration: Duration) -> PgInterval {
    let microseconds = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    PgInterval { months: 0, days: 0, microseconds }
}
