//! Records the results of attempts. A lock, a deadlock or a brief outage of the database is not the
//! handler's failure: writes are retried while the lease lasts.

use time::OffsetDateTime;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::backoff::DeliveryRetries;
use super::runner::Runner;
use super::{DispatchProblem, SETTLE_TIMEOUT, in_time};
use crate::store::{EffectError, Effects, Lease, Outcome, StoreError};

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
            let permit = self.connections.acquire(&lease.handler).await;
            let settling = self.store.settle_done(lease, started_at, self.clock.now(), effects);
            let settled = in_time(SETTLE_TIMEOUT, settling).await;
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
            drop(permit);
            if !retries.should_retry(&error).await {
                return Err(error.into());
            }
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
