//! Records the results of attempts. A lock, a deadlock or a brief outage of the database is not the
//! handler's failure: writes are retried while the lease lasts.

use time::OffsetDateTime;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::backoff::DeliveryRetries;
use super::runner::Runner;
use super::together::{Next, Waiting, fail};
use super::{DispatchProblem, SETTLE_TIMEOUT, in_time};
use crate::store::{Completed, EffectError, Effects, ErrorKind, Lease, Outcome, StoreError};

/// For how many lease durations releasing a delivery is retried.
const MAX_RELEASE_LEASES: u32 = 10;

impl Runner {
    /// Applies effects and settles a delivery as done.
    pub(super) async fn settle_done(
        &self,
        lease: &Lease,
        (started_at, until): (OffsetDateTime, Instant),
        effects: &Effects,
    ) -> Result<Outcome, EffectError> {
        let mut retries = DeliveryRetries::until(until);
        loop {
            let settled = self.settle_once(lease, started_at, effects).await;
            let error = match settled {
                Err(EffectError::Store(error)) => error,
                other => {
                    self.record_settlement(lease, None);
                    return other;
                }
            };
            if matches!(error, StoreError::LeaseLost(_)) && retries.failed() > 0 {
                // An earlier try may have committed without an answer.
                if in_time(SETTLE_TIMEOUT, self.store.is_settled(lease)).await? {
                    self.record_settlement(lease, None);
                    return Ok(Outcome::Handled);
                }
            }
            self.record_settlement(lease, Some(&error));
            if !retries.should_retry(&error).await {
                return Err(error.into());
            }
        }
    }

    async fn settle_once(
        &self,
        lease: &Lease,
        started_at: OffsetDateTime,
        effects: &Effects,
    ) -> Result<Outcome, EffectError> {
        if effects.can_share() {
            let (lease, effects) = (lease.clone(), effects.clone());
            return self.settle_with_others(Completed { lease, started_at, effects }).await;
        }
        let permit = self.connections.acquire(&lease.handler).await;
        let settling = self.store.settle_done(lease, started_at, self.clock.now(), effects);
        let settled = in_time(SETTLE_TIMEOUT, settling).await;
        drop(permit);
        settled
    }

    async fn settle_with_others(&self, completed: Completed) -> Result<Outcome, EffectError> {
        let handler = completed.lease.handler.clone();
        let mut ticket = self.settlements.add(&handler, completed);
        loop {
            match self.settlements.next(&handler, &self.connections, &mut ticket).await {
                Next::Result(settled) => return settled,
                Next::Make(group, connection) => {
                    self.settle_all(group).await;
                    drop(connection);
                }
            }
        }
    }

    /// Settles a group by one commit; one by one if the database rejects it because of one of them.
    async fn settle_all(&self, group: Vec<Waiting<Completed, Outcome, EffectError>>) {
        let completed: Vec<&Completed> = group.iter().map(|waiting| &waiting.call).collect();
        let settling = self.store.settle_together(&completed, self.clock.now());
        match in_time(SETTLE_TIMEOUT, settling).await {
            Ok(outcomes) => {
                for (waiting, outcome) in group.into_iter().zip(outcomes) {
                    let lost = StoreError::LeaseLost(waiting.call.lease.delivery);
                    waiting.answer(outcome.ok_or(lost.into()));
                }
            }
            Err(error) if group.len() > 1 && is_of_one(&error) => {
                for waiting in group {
                    Box::pin(self.settle_all(vec![waiting])).await;
                }
            }
            Err(error) => fail(group, error),
        }
    }

    /// Records whether results of this handler can be recorded.
    pub(super) fn record_settlement(&self, lease: &Lease, error: Option<&StoreError>) {
        let temporary = error.is_some_and(StoreError::is_temporary);
        if temporary {
            let handler = lease.handler.clone();
            metrics::counter!("sealpost_settlement_retries_total", "handler" => handler)
                .increment(1);
        }
        if !self.connections.record(&lease.handler, temporary, self.clock.now()) {
            return;
        }
        match error {
            Some(error) if temporary => warn!(
                error = error as &dyn std::error::Error,
                "cannot record this handler's results; retrying"
            ),
            _ => info!("this handler's results can be recorded again"),
        }
    }

    /// Releases a delivery without counting the attempt: nothing was tried, or the result could not
    /// be recorded, for reasons that are not its own.
    pub(super) async fn release(&self, lease: &Lease, why: &StoreError) {
        let text = format!("not attempted, or result not recorded: {why}");
        let mut retries = DeliveryRetries::until(Instant::now() + self.lease * MAX_RELEASE_LEASES);
        loop {
            let permit = self.connections.acquire(&lease.handler).await;
            let due_at = self.clock.now() + self.retry.release_delay((self.jitter)());
            let releasing = self.store.release_lease(lease, due_at, &text);
            let result = in_time(SETTLE_TIMEOUT, releasing).await;
            drop(permit);
            match result {
                Ok(()) => {
                    warn!(
                        error = why as &dyn std::error::Error,
                        "lease released after a database error, attempt not counted"
                    );
                    self.count(lease, "released", None);
                    return;
                }
                Err(error) if retries.should_retry(&error).await => {}
                Err(StoreError::LeaseLost(_)) => return self.discard_late(lease),
                Err(error) => {
                    error!(
                        error = &error as &dyn std::error::Error,
                        "cannot settle the delivery; its lease will expire"
                    );
                    self.count(lease, "unsettled", None);
                    return;
                }
            }
        }
    }

    pub(super) fn discard_late(&self, lease: &Lease) {
        warn!("lease lost, result discarded");
        self.count(lease, "late", None);
    }

    /// The handlers whose results cannot be recorded.
    pub(super) fn problems(&self) -> Vec<DispatchProblem> {
        let failing = self.connections.failing(self.clock.now()).into_iter();
        failing.map(|(handler, since)| DispatchProblem { source: None, handler, since }).collect()
    }

    pub(super) fn measure(&self) {
        let failing = self.connections.failing(self.clock.now());
        for queue in self.table.queues() {
            let is_failing = failing.iter().any(|(handler, _)| *handler == queue.handler);
            metrics::gauge!("sealpost_settlements_failing", "handler" => queue.handler)
                .set(if is_failing { 1.0 } else { 0.0 });
        }
    }
}

/// Whether one delivery of a group may be the reason: a lock on its row, or a write that fails.
fn is_of_one(error: &EffectError) -> bool {
    match error {
        EffectError::Rejected { .. } | EffectError::NotYet { .. } => true,
        EffectError::Store(error) => {
            matches!(error, StoreError::Refused(_))
                || matches!(error.kind(), ErrorKind::LockTimeout | ErrorKind::Deadlock)
        }
    }
}
