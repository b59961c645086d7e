//! One attempt: load the event, call the handler, settle.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use time::OffsetDateTime;
use tokio::runtime::Handle;
use tracing::{Instrument, error, info, info_span, warn};

use super::{Attempt, Decision, Draw, Failure, HandlerTable, RetryPolicy, SETTLE_WITHIN, in_time};
use crate::clock::SharedClock;
use crate::store::{
    DeathReason, EffectError, Effects, Lease, Outcome, RefusedStatement, Setback, Store,
    StoreError, Tallied, Verdict,
};

/// Runs attempts.
pub(super) struct Runner {
    pub(super) store: Store,
    pub(super) table: HandlerTable,
    pub(super) retry: RetryPolicy,
    pub(super) handler_deadline: Duration,
    pub(super) clock: SharedClock,
    pub(super) draw: Draw,
    pub(super) handlers: Handle,
}

/// The handler did not come back in time.
#[derive(Debug, thiserror::Error)]
#[error("the handler did not come back within {0:?}")]
struct Overdue(Duration);

/// The handler, or one of its effects, panicked.
#[derive(Debug, thiserror::Error)]
#[error("{0} panicked: {1}")]
struct Panicked(&'static str, String);

/// The handler's writes were not applied.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NotApplied(String);

impl Runner {
    pub(super) async fn run(&self, lease: Lease) {
        let span = info_span!(
            "delivery",
            delivery.id = lease.delivery,
            event.id = %lease.event,
            source.name = lease.source,
            handler.name = lease.handler,
            attempt = lease.attempt,
        );
        self.attempt(lease).instrument(span).await;
    }

    async fn attempt(&self, lease: Lease) {
        let started_at = self.clock.now();
        let failure = match self.handle(&lease, started_at).await {
            Ok(effects) => {
                let now = self.clock.now();
                let settling = self.store.settle_done(&lease, started_at, now, &effects);
                // A panic here would end whoever waits for this attempt: in the end, dispatch.
                let settling = AssertUnwindSafe(in_time(SETTLE_WITHIN, settling)).catch_unwind();
                match settling.await {
                    Err(panic) => Failure::transient(panicked("an effect", &*panic)),
                    Ok(Ok(outcome)) => return self.done(&lease, outcome, started_at),
                    Ok(Err(EffectError::Store(error))) => match error {
                        // The delivery is another's now, or the database is away: the lease
                        // decides. A refusal is about these writes, and will be one again.
                        StoreError::Refused(_) => Failure::transient(error),
                        error => return self.not_settled(&lease, &error),
                    },
                    Ok(Err(EffectError::NotYet { detail, retry_after })) => {
                        Failure::Waiting { retry_after, error: NotApplied(detail).into() }
                    }
                    Ok(Err(EffectError::Rejected { reason, detail })) => {
                        Failure::permanent(reason, NotApplied(detail))
                    }
                }
            }
            Err(failure) => failure,
        };
        self.fail(&lease, started_at, &failure).await;
    }

    async fn handle(&self, lease: &Lease, started_at: OffsetDateTime) -> Result<Effects, Failure> {
        let Some(handler) = self.table.find(&lease.source, &lease.handler) else {
            let what = format!("source `{}` has no handler `{}`", lease.source, lease.handler);
            return Err(Failure::permanent(DeathReason::HandlerMissing, what));
        };
        let event = match in_time(SETTLE_WITHIN, self.store.event(lease.event)).await {
            Ok(Some(event)) => event,
            Ok(None) => {
                return Err(Failure::permanent(DeathReason::Permanent, "the event is gone"));
            }
            Err(error) => return Err(Failure::transient(error)),
        };
        let attempt = Attempt { number: lease.attempt, started_at };
        let mut task = self.handlers.spawn(
            async move { handler.handle(&event, attempt).await }
                .instrument(tracing::Span::current()),
        );
        match tokio::time::timeout(self.handler_deadline, &mut task).await {
            Ok(Ok(result)) => result,
            Ok(Err(error)) if error.is_panic() => {
                Err(Failure::transient(panicked("the handler", &*error.into_panic())))
            }
            Ok(Err(error)) => Err(Failure::transient(error)),
            Err(_) => {
                task.abort();
                Err(Failure::transient(Overdue(self.handler_deadline)))
            }
        }
    }

    fn done(&self, lease: &Lease, outcome: Outcome, started_at: OffsetDateTime) {
        let duration_ms = (self.clock.now() - started_at).whole_milliseconds();
        info!(outcome = outcome.as_str(), duration_ms, "delivery done");
        count(lease, outcome.as_str());
        self.tally(
            lease,
            if outcome == Outcome::Ignored { Tallied::Ignored } else { Tallied::Handled },
        );
    }

    async fn fail(&self, lease: &Lease, started_at: OffsetDateTime, failure: &Failure) {
        let now = self.clock.now();
        // The text can repeat what a stranger wrote: it goes to `last_error` and to no log line.
        let (text, kind) = (failure_text(failure), kind_of(failure));
        let decision = if lease.is_to_destination() {
            match in_time(SETTLE_WITHIN, self.set_back(lease, started_at, failure, &text)).await {
                Ok(decision) => decision,
                Err(error) => return self.not_settled(lease, &error),
            }
        } else {
            let age = Duration::try_from(now - lease.aged_from).unwrap_or_default();
            self.retry.decide(lease.attempt, age, failure, (self.draw)())
        };
        let verdict = match decision {
            Decision::Retry(delay) => Verdict::Retry(now + delay),
            Decision::Hold(delay) => Verdict::Hold(now + delay),
            Decision::Bury(reason) => Verdict::Bury(reason),
        };
        let settling = self.store.settle_failed(lease, started_at, now, verdict, &text);
        match in_time(SETTLE_WITHIN, settling).await {
            Ok(()) => match decision {
                Decision::Retry(delay) => {
                    warn!(failure = kind, retry_in_ms = delay.as_millis(), "attempt failed");
                    count(lease, "retry");
                    self.tally(lease, Tallied::Retry);
                }
                Decision::Hold(_) => {
                    warn!(failure = kind, "attempt failed, and does not count: held back");
                    count(lease, "held");
                    self.tally(lease, Tallied::Held);
                }
                Decision::Bury(reason) => {
                    error!(failure = kind, reason = reason.as_str(), "delivery is a dead letter");
                    count(lease, "dead");
                    self.tally(lease, Tallied::Dead);
                }
            },
            Err(error) => self.not_settled(lease, &error),
        }
    }

    /// Decides about a delivery to a destination. Attempts that failed while it was held back do
    /// not count, and neither does its age: it may have waited for days, and for good reason.
    async fn set_back(
        &self,
        lease: &Lease,
        began: OffsetDateTime,
        failure: &Failure,
        text: &str,
    ) -> Result<Decision, StoreError> {
        let draw = (self.draw)();
        if let Failure::NotTaken { fault, retry_after, .. } = failure {
            let retry_after = retry_after.map(|wait| wait.min(self.retry.cap));
            let now = self.clock.now();
            let setback = Setback { fault: *fault, retry_after, began, now, error: text };
            let standing = self.store.set_back(&lease.handler, &setback).await?;
            if standing.newly {
                error!(fault = ?fault, "the destination is held back: its deliveries wait");
            }
            if standing.held {
                return Ok(self.retry.hold(draw));
            }
        } else if self.table.find(&lease.source, &lease.handler).is_none() {
            // Perhaps another gateway knows it.
            return Ok(Decision::Hold(self.retry.cap));
        }
        let held = self.store.held_attempts(lease).await?;
        let attempt = lease.attempt.saturating_sub(held);
        Ok(self.retry.decide(attempt, Duration::ZERO, failure, draw))
    }

    fn tally(&self, lease: &Lease, what: Tallied) {
        self.store.tallies().of(&lease.source).count(what);
    }

    #[expect(clippy::unused_self, reason = "reads as the other ends of an attempt do")]
    fn not_settled(&self, lease: &Lease, error: &StoreError) {
        if matches!(error, StoreError::LeaseLost(_)) {
            warn!("came too late: the lease was lost, and the result is not recorded");
            count(lease, "late");
        } else {
            error!(
                error = error as &dyn std::error::Error,
                "could not settle; the lease will run out and the delivery will be tried again"
            );
            count(lease, "unsettled");
        }
    }
}

fn panicked(who: &'static str, payload: &(dyn Any + Send)) -> Panicked {
    metrics::counter!("sealpost_handler_panics_total").increment(1);
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    Panicked(who, text)
}

/// The failure and its causes, in one line each.
fn failure_text(failure: &Failure) -> String {
    let (Failure::Transient { error, .. }
    | Failure::Waiting { error, .. }
    | Failure::NotTaken { error, .. }
    | Failure::Permanent { error, .. }) = failure;
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str("\ncaused by: ");
        match error.downcast_ref::<RefusedStatement>() {
            Some(refusal) => text.push_str(&refusal.in_full()),
            None => text.push_str(&error.to_string()),
        }
        cause = error.source();
    }
    text
}

/// What kind of failure it is, for the log.
fn kind_of(failure: &Failure) -> &'static str {
    match failure {
        Failure::Transient { .. } => "transient",
        Failure::Waiting { .. } => "waiting",
        Failure::NotTaken { .. } => "not_taken",
        Failure::Permanent { .. } => "permanent",
    }
}

fn count(lease: &Lease, outcome: &'static str) {
    let handler = lease.handler.clone();
    metrics::counter!("sealpost_deliveries_total", "handler" => handler, "outcome" => outcome)
        .increment(1);
}
