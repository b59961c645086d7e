//! Deliveries: processed under a lease that is committed before the work begins, and settled by
//! consuming the lease. They are claimed in `claim`, `claim_destinations` and `recovery`.

use std::time::Duration;

use sqlx::postgres::types::PgInterval;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    AttemptResult, DeathReason, DeliveryState, EventId, HandlerName, Store, StoreError, Tx, bounded,
};

/// The right to process a delivery, for a limited time.
#[derive(Debug, Clone)]
pub struct Lease {
    pub delivery: i64,
    pub event: EventId,
    pub source: String,
    /// The handler's stored name.
    pub handler: String,
    /// From 1; already counted.
    pub attempt: u32,
    /// Whether an earlier lease expired without a result: the event may have crashed its gateway.
    pub isolated: bool,
    /// Fencing token: only its holder may settle.
    pub(super) token: Uuid,
}

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureOutcome {
    Retry(OffsetDateTime),
    /// Retried at this time, or when it was due before, without counting the attempt: its
    /// destination is blocked.
    Defer(Option<OffsetDateTime>),
    DeadLetter(DeathReason),
}

/// A failed attempt.
#[derive(Debug, Clone, Copy)]
pub struct Failed<'a> {
    /// For users.
    pub error: &'a str,
    /// The name of what it waits for: see [`Tx::make_awaiting_due`].
    pub awaiting: Option<&'a str>,
}

/// A summary of earlier attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PastAttempts {
    /// Attempts that do not count: the destination was blocked, or the gateway stopped.
    pub uncounted: u32,
    /// The age: the sum of the times between attempts, each limited to the maximum delay of the
    /// policy, since beyond that no gateway was there to try.
    pub age: Duration,
}

impl Lease {
    /// The name of the destination, if the handler is one.
    pub fn destination(&self) -> Option<&str> {
        HandlerName::parse(&self.handler).destination()
    }
}

/// The row of a claimed delivery.
pub(super) struct Leased {
    pub(super) id: i64,
    pub(super) event_id: Uuid,
    pub(super) source: String,
    pub(super) handler: String,
    pub(super) attempts: i32,
    pub(super) token: Uuid,
}

impl Leased {
    pub(super) fn lease(self, isolated: bool) -> Lease {
        Lease {
            delivery: self.id,
            event: EventId(self.event_id),
            source: self.source,
            handler: self.handler,
            attempt: self.attempts.unsigned_abs(),
            isolated,
            token: self.token,
        }
    }
}

impl Store {
    /// Settles a failed attempt: the delivery is due again, or a dead letter with an alert.
    pub async fn settle_failed(
        &self,
        lease: &Lease,
        started_at: OffsetDateTime,
        now: OffsetDateTime,
        outcome: FailureOutcome,
        failed: Failed<'_>,
    ) -> Result<(), StoreError> {
        let (now, error) = (now.max(started_at), bounded(failed.error));
        let (state, result, due_at, reason) = match outcome {
            FailureOutcome::Retry(at) => {
                (DeliveryState::Ready, AttemptResult::Retry, Some(at), None)
            }
            FailureOutcome::Defer(at) => (DeliveryState::Ready, AttemptResult::Deferred, at, None),
            FailureOutcome::DeadLetter(reason) => {
                (DeliveryState::Dead, AttemptResult::Dead, None, Some(reason.as_str()))
            }
        };
        let mut tx = Tx::begin(&self.dispatch).await?;
        let settled = sqlx::query!(
            r#"
            WITH settled AS (
                UPDATE deliveries
                   SET state = $3, due_at = COALESCE($4, due_at), death_reason = $5,
                       finished_at = CASE WHEN $3 = 'dead' THEN $6::timestamptz END,
                       last_error = $7, lease_token = NULL, lease_expires_at = NULL, parked = NULL,
                       awaiting = $10
                 WHERE id = $1 AND state = 'leased' AND lease_token = $2
                RETURNING id, attempts, source, handler, lane,
                          COALESCE(lane_position, id) AS position, lane_blocks
            ), following AS (
                SELECT next.id
                  FROM settled CROSS JOIN LATERAL (
                    SELECT m.id FROM lane_members m
                     WHERE m.lane = settled.lane AND m.source = settled.source
                       AND m.handler = settled.handler
                       AND (m.position, m.id) > (settled.position, settled.id)
                     ORDER BY m.position, m.id LIMIT 1) AS next
                 WHERE $3 = 'dead' AND NOT settled.lane_blocks
            ), unparked AS (
                UPDATE deliveries SET parked = NULL, due_at = GREATEST(due_at, $6)
                 WHERE id = ANY (ARRAY(SELECT id FROM following)) AND state = 'ready'
                   AND COALESCE(parked, '') = 'behind'
            )
            INSERT INTO attempts (delivery_id, number, started_at, finished_at, result, error)
            SELECT id, attempts, $8, $6, $9, $7 FROM settled
            "#,
            lease.delivery,
            lease.token,
            state.as_str(),
            due_at,
            reason,
            now,
            error,
            started_at,
            result.as_str(),
            failed.awaiting,
        )
        .execute(tx.connection())
        .await?;
        if settled.rows_affected() != 1 {
            tx.rollback().await?;
            return Err(StoreError::LeaseLost(lease.delivery));
        }
        if let FailureOutcome::DeadLetter(reason) = outcome {
            let (queue, event) = ((&*lease.source, &*lease.handler), Some(lease.event));
            tx.alert_dead_letter(queue, reason, &error, event).await?;
        }
        tx.commit(()).await?;
        Ok(())
    }
}

impl Store {
    /// Releases a delivery as if it had not been claimed: nothing was tried, or the result could
    /// not be recorded, and neither is the delivery's fault.
    pub async fn release_lease(
        &self,
        lease: &Lease,
        due_at: OffsetDateTime,
        why: &str,
    ) -> Result<(), StoreError> {
        let done = sqlx::query!(
            "UPDATE deliveries
                SET state = 'ready', attempts = attempts - 1, due_at = $3, last_error = $4,
                    lease_token = NULL, lease_expires_at = NULL, parked = NULL
              WHERE id = $1 AND state = 'leased' AND lease_token = $2",
            lease.delivery,
            lease.token,
            due_at,
            bounded(why),
        )
        .execute(&self.dispatch)
        .await?;
        if done.rows_affected() == 1 { Ok(()) } else { Err(StoreError::LeaseLost(lease.delivery)) }
    }

    /// Extends leases to `lease` from now, by the database's clock. Lost leases and locked rows are
    /// skipped.
    pub async fn renew(&self, leases: &[Lease], lease: Duration) -> Result<(), StoreError> {
        let ids: Vec<i64> = leases.iter().map(|lease| lease.delivery).collect();
        let tokens: Vec<Uuid> = leases.iter().map(|lease| lease.token).collect();
        sqlx::query!(
            "UPDATE deliveries SET lease_expires_at = clock_timestamp() + $3
              WHERE id IN (
                SELECT d.id FROM deliveries d
                  JOIN UNNEST($1::bigint[], $2::uuid[]) AS held (id, token)
                    ON d.id = held.id AND d.lease_token = held.token
                 WHERE d.state = 'leased'
                   FOR UPDATE OF d SKIP LOCKED)",
            &ids,
            &tokens,
            interval(lease),
        )
        .execute(&self.claim)
        .await?;
        Ok(())
    }

    /// Whether this lease was consumed by its own holder: for callers that do not know whether a
    /// commit happened.
    pub async fn is_settled(&self, lease: &Lease) -> Result<bool, StoreError> {
        let settled = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT 1 FROM attempts
                               WHERE delivery_id = $1 AND number = $2 AND result <> 'lost')
                      AS "settled!""#,
            lease.delivery,
            i32::try_from(lease.attempt).unwrap_or(i32::MAX),
        )
        .fetch_one(&self.dispatch)
        .await?;
        Ok(settled)
    }

    /// Summarizes the attempts before this one, which began at `started_at`. Each time between two
    /// attempts counts for at most `longest`.
    pub async fn past_attempts(
        &self,
        lease: &Lease,
        started_at: OffsetDateTime,
        longest: Duration,
    ) -> Result<PastAttempts, StoreError> {
        let row = sqlx::query!(
            r#"
            SELECT count(*) FILTER (WHERE result IN ('deferred', 'lost')) AS "uncounted!",
                   COALESCE(sum(LEAST(GREATEST(pause, 0), $3)), 0)::float8 AS "age!"
              FROM (SELECT result,
                           extract(epoch FROM COALESCE(lead(started_at) OVER (ORDER BY number), $2)
                                              - started_at)::float8 AS pause
                      FROM attempts WHERE delivery_id = $1) AS a
            "#,
            lease.delivery,
            started_at,
            longest.as_secs_f64(),
        )
        .fetch_one(&self.dispatch)
        .await?;
        Ok(PastAttempts {
            uncounted: u32::try_from(row.uncounted).unwrap_or(u32::MAX),
            age: Duration::try_from_secs_f64(row.age).unwrap_or(Duration::MAX),
        })
    }
}

impl Tx<'_> {
    /// Makes deliveries of a source that wait for `awaited` due now, and returns their number.
    pub async fn make_awaiting_due(
        &mut self,
        source: &str,
        awaited: &str,
        now: OffsetDateTime,
    ) -> Result<u64, StoreError> {
        let done = sqlx::query!(
            "UPDATE deliveries SET due_at = $3
              WHERE source = $1 AND state = 'ready' AND due_at > $3 AND awaiting = $2",
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
