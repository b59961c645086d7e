//! Records the results of attempts. A lock, a deadlock or a database that is briefly unavailable is
//! not the handler's failure: writes are retried while the lease is held.

use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::run::Runner;
use super::{SETTLE_WITHIN, Trouble, in_time};
use crate::store::{EffectError, Effects, Lease, Outcome, StoreError};

/// The first wait before something is tried again; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// How many leases long it is tried to give a delivery back.
const GIVE_UP_AFTER: u32 = 10;

/// Tries at something that the database refuses for the moment.
pub(super) struct Tries {
    until: Instant,
    wait: Duration,
    made: u32,
}

impl Tries {
    /// Until then.
    pub(super) fn until(until: Instant) -> Self {
        Self { until, wait: FIRST_WAIT, made: 0 }
    }

    /// How many have failed.
    pub(super) fn made(&self) -> u32 {
        self.made
    }

    /// Waits a little after an error, and says whether to try again.
    pub(super) async fn again(&mut self, error: &StoreError) -> bool {
        self.made += 1;
        if !error.is_passing() || Instant::now() + self.wait >= self.until {
            return false;
        }
        tokio::time::sleep(self.wait).await;
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
        true
    }
}

impl Runner {
    /// Applies effects and settles a delivery as done.
    pub(super) async fn settle_done(
        &self,
        lease: &Lease,
        (started_at, until): (OffsetDateTime, Instant),
        effects: &Effects,
    ) -> Result<Outcome, EffectError> {
        let mut tries = Tries::until(until);
        loop {
            let turn = self.connections.turn(&lease.handler).await;
            let settling = self.store.settle_done(lease, started_at, self.clock.now(), effects);
            let settled = in_time(SETTLE_WITHIN, settling).await;
            let error = match settled {
                Err(EffectError::Store(error)) => error,
                other => {
                    self.note(lease, None);
                    return other;
                }
            };
            if matches!(error, StoreError::LeaseLost(_)) && tries.made() > 0 {
                // Perhaps an earlier try was committed, and its answer got lost.
                if in_time(SETTLE_WITHIN, self.store.is_settled(lease)).await? {
                    self.note(lease, None);
                    return Ok(Outcome::Handled);
                }
            }
            self.note(lease, Some(&error));
            drop(turn);
            if !tries.again(&error).await {
                return Err(error.into());
            }
        }
    }

    /// Notes whether what this handler comes to can be written.
    pub(super) fn note(&self, lease: &Lease, error: Option<&StoreError>) {
        let troubled = error.is_some_and(StoreError::is_passing);
        if troubled {
            let handler = lease.handler.clone();
            metrics::counter!("sealpost_settlement_retries_total", "handler" => handler)
                .increment(1);
        }
        if !self.connections.note(&lease.handler, troubled, self.clock.now()) {
            return;
        }
        match error {
            Some(error) if troubled => warn!(
                error = error as &dyn std::error::Error,
                "cannot record this handler's results; retrying"
            ),
            _ => info!("this handler's results can be recorded again"),
        }
    }

    /// Gives a delivery back: nothing was tried, or it cannot be written, for reasons that are not
    /// its own. The attempt does not count.
    pub(super) async fn give_back(&self, lease: &Lease, why: &StoreError) {
        let text = format!("not attempted, or result not recorded: {why}");
        let mut tries = Tries::until(Instant::now() + self.lease * GIVE_UP_AFTER);
        loop {
            let turn = self.connections.turn(&lease.handler).await;
            let due_at = self.clock.now() + self.retry.soon((self.jitter)());
            let giving = self.store.give_back(lease, due_at, &text);
            let result = in_time(SETTLE_WITHIN, giving).await;
            drop(turn);
            match result {
                Ok(()) => {
                    warn!(
                        error = why as &dyn std::error::Error,
                        "lease released after a database error, attempt not counted"
                    );
                    self.count(lease, "given_back", None);
                    return;
                }
                Err(error) if tries.again(&error).await => {}
                Err(StoreError::LeaseLost(_)) => return self.late(lease),
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

    /// The lease was lost: another gateway has the delivery.
    pub(super) fn late(&self, lease: &Lease) {
        warn!("lease lost, result discarded");
        self.count(lease, "late", None);
    }

    /// The handlers for which nothing can be written.
    pub(super) fn troubles(&self) -> Vec<Trouble> {
        let troubled = self.connections.troubled(self.clock.now()).into_iter();
        troubled.map(|(handler, since)| Trouble { source: None, handler, since }).collect()
    }

    /// Shows which those are.
    pub(super) fn measure(&self) {
        let troubled = self.connections.troubled(self.clock.now());
        for queue in self.table.queues() {
            let failing = troubled.iter().any(|(handler, _)| *handler == queue.handler);
            metrics::gauge!("sealpost_settlements_failing", "handler" => queue.handler)
                .set(if failing { 1.0 } else { 0.0 });
        }
    }
}
