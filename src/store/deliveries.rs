//! Deliveries: processed under a lease that is committed before the work begins, and settled by
//! consuming the lease. They are claimed in `claim`, `claim_destinations` and `recovery`.

use std::time::Duration;

use sqlx::postgres::types::PgInterval;
use time::OffsetDateTime;
use uuid::Uuid;

use super::destinations::TO;
use super::{
    AttemptResult, DeathReason, DeliveryState, EffectError, Effects, EventId, Outcome, Store,
    StoreError, Tx, bounded,
};

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
    /// Whether an earlier lease expired with no result: the event may have killed its gateway.
    pub isolated: bool,
    /// The fencing token: only its holder may settle.
    pub(super) token: Uuid,
}

/// What is to become of a delivery whose attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureOutcome {
    /// Due again at this time.
    Retry(OffsetDateTime),
    /// Due again at this time, or when it was due before, and the attempt does not count: its
    /// destination is blocked.
    Defer(Option<OffsetDateTime>),
    /// A dead letter.
    DeadLetter(DeathReason),
}

/// How an attempt failed.
#[derive(Debug, Clone, Copy)]
pub struct Failed<'a> {
    /// What went wrong, for users.
    pub error: &'a str,
    /// What it waits for, as whoever will bring it names it: see [`Tx::release`].
    pub awaiting: Option<&'a str>,
}

/// What earlier attempts of a delivery come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PastAttempts {
    /// How many do not count: its destination was blocked, or its gateway was gone.
    pub uncounted: u32,
    /// How long it has been tried. A pause between two attempts counts for no more than the
    /// longest that a policy asks for: beyond that nobody was there to try.
    pub age: Duration,
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
    /// Settles a delivery as done: applies the effects, records the attempt and consumes the
    /// lease, in one transaction.
    ///
    /// # Errors
    /// An [`EffectError`] leaves the lease as it is, and nothing written.
    /// [`StoreError::LeaseLost`] when another gateway has recovered the delivery: the effects are
    /// rolled back, and theirs count.
    pub async fn settle_done(
        &self,
        lease: &Lease,
        started_at: OffsetDateTime,
        now: OffsetDateTime,
        effects: &Effects,
    ) -> Result<Outcome, EffectError> {
        // A clock that was set back meanwhile makes no attempt end before it began.
        let now = now.max(started_at);
        let mut tx = Tx::begin(&self.dispatch).await?;
        let outcome = effects.apply(&mut tx).await?;
        let settled = sqlx::query!(
            r#"
            WITH settled AS (
                UPDATE deliveries
                   SET state = 'done', outcome = $3, finished_at = $4, lease_token = NULL,
                       lease_expires_at = NULL, parked = NULL, awaiting = NULL
                 WHERE id = $1 AND state = 'leased' AND lease_token = $2
                RETURNING id, attempts, source, handler, lane,
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

    /// Settles a delivery whose attempt failed: due again, or dead, which users are told.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`]; [`StoreError::Unavailable`].
    pub async fn settle_failed(
        &self,
        lease: &Lease,
        started_at: OffsetDateTime,
        now: OffsetDateTime,
        verdict: FailureOutcome,
        failed: Failed<'_>,
    ) -> Result<(), StoreError> {
        let (now, error) = (now.max(started_at), bounded(failed.error));
        let (state, result, due_at, reason) = match verdict {
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
        if let FailureOutcome::DeadLetter(reason) = verdict {
            tx.alert_of_death(&lease.source, &lease.handler, reason, &error).await?;
        }
        tx.commit(()).await?;
        Ok(())
    }
}

impl Store {
    /// Gives a delivery back as if it had not been claimed: nothing was tried, or what was tried
    /// could not be written, and neither is the delivery's fault. It is due again at `due_at`.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`]; [`StoreError::Unavailable`].
    pub async fn give_back(
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

    /// Makes leases last for `lease` from now, by the database's clock. Those that are lost, or
    /// whose rows are locked at the moment, are left as they are.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn renew(&self, leases: &[Lease], lease: Duration) -> Result<(), StoreError> {
        let ids: Vec<i64> = leases.iter().map(|held| held.delivery).collect();
        let tokens: Vec<Uuid> = leases.iter().map(|held| held.token).collect();
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

    /// Whether this lease was consumed by its own holder: for who cannot know whether a commit has
    /// happened.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
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

    /// What the attempts before this one, which began at `started_at`, come to. No more than
    /// `longest` is counted of the time between two attempts.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn past(
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
    /// Makes due now what waits at a source for `awaited`; gives how many.
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
