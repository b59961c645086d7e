//! One attempt: load the event, call the handler, settle.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use time::OffsetDateTime;
use tokio::time::Instant;
use tracing::{Instrument, error, info, info_span, warn};

use super::backoff::DeliveryRetries;
use super::load::Loaded;
use super::runner::Runner;
use super::{Attempt, Decision, Failure, SETTLE_TIMEOUT, in_time};
use crate::store::{
    Counter, DeathReason, DestinationFailure, EffectError, Effects, Failed, FailureOutcome, Lease,
    Outcome, RefusedStatement, StoreError,
};

#[derive(Debug, thiserror::Error)]
#[error("the handler timed out after {0:?}")]
struct HandlerTimeout(Duration);

#[derive(Debug, thiserror::Error)]
#[error("{0} panicked: {1}")]
struct Panicked(&'static str, String);

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
        let (started_at, began) = (self.clock.now(), Instant::now());
        let at = (started_at, began + self.lease);
        match self.attempt_and_settle(&lease, at, began).await {
            Ok(()) => {}
            Err(StoreError::LeaseLost(_)) => self.discard_late(&lease),
            Err(error) => self.release(&lease, &error).await,
        }
    }

    /// Settles the delivery. An error is one of the database, not of the delivery.
    async fn attempt_and_settle(
        &self,
        lease: &Lease,
        at: (OffsetDateTime, Instant),
        began: Instant,
    ) -> Result<(), StoreError> {
        let failure = match self.handle(lease, at.0).await? {
            Ok(effects) => {
                // A panic here would end the caller, and finally dispatch.
                let settling = AssertUnwindSafe(self.settle_done(lease, at, &effects));
                match settling.catch_unwind().await {
                    Err(panic) => panicked("an effect", &*panic),
                    Ok(Ok(outcome)) => {
                        self.report_done(lease, outcome, began.elapsed());
                        return Ok(());
                    }
                    Ok(Err(EffectError::Store(error))) => match error {
                        // A rejected statement will be rejected again, and one that is too slow
                        // will be too slow again. Any other error is not the handler's.
                        StoreError::Refused(_) => Failure::transient(error),
                        error if error.is_timeout() => Failure::transient(error),
                        error => return Err(error),
                    },
                    Ok(Err(EffectError::NotYet { detail, retry_after, awaiting })) => {
                        Failure::NotReady {
                            retry_after,
                            error: NotApplied(detail).into(),
                            awaiting,
                        }
                    }
                    Ok(Err(EffectError::Rejected { reason, detail })) => {
                        Failure::permanent(reason, NotApplied(detail))
                    }
                }
            }
            Err(failure) => match temporary_store_error(failure) {
                Ok(error) => return Err(error),
                Err(failure) => failure,
            },
        };
        self.fail(lease, at, &failure).await
    }

    async fn handle(
        &self,
        lease: &Lease,
        started_at: OffsetDateTime,
    ) -> Result<Result<Effects, Failure>, StoreError> {
        let Some(handler) = self.table.find(&lease.source, &lease.handler) else {
            let missing = format!("source `{}` has no handler `{}`", lease.source, lease.handler);
            return Ok(Err(Failure::permanent(DeathReason::HandlerMissing, missing)));
        };
        let Some(Loaded { event, origin, memory }) = self.load(lease).await? else {
            return Ok(Err(Failure::permanent(
                DeathReason::Permanent,
                "the event no longer exists",
            )));
        };
        let attempt = Attempt { number: lease.attempt, started_at, origin };
        let mut task = self.handlers.spawn(
            async move {
                let result = handler.handle(&event, attempt).await;
                drop((event, memory));
                result
            }
            .instrument(tracing::Span::current()),
        );
        Ok(match tokio::time::timeout(self.handler_deadline, &mut task).await {
            Ok(Ok(result)) => result,
            Ok(Err(error)) if error.is_panic() => {
                Err(panicked("the handler", &*error.into_panic()))
            }
            Ok(Err(error)) => Err(Failure::transient(error)),
            Err(_) => {
                task.abort();
                Err(Failure::transient(HandlerTimeout(self.handler_deadline)))
            }
        })
    }

    fn report_done(&self, lease: &Lease, outcome: Outcome, took: Duration) {
        info!(outcome = outcome.as_str(), duration_ms = took.as_millis(), "delivery done");
        let ignored = outcome == Outcome::Ignored;
        let counter = if ignored { Counter::Ignored } else { Counter::Handled };
        self.count(lease, outcome.as_str(), Some(counter));
    }

    async fn fail(
        &self,
        lease: &Lease,
        (started_at, until): (OffsetDateTime, Instant),
        failure: &Failure,
    ) -> Result<(), StoreError> {
        // The text can contain untrusted data: it goes to `last_error` and never to the log.
        let (text, kind) = (failure_text(failure), kind_of(failure));
        let mut retries = DeliveryRetries::until(until);
        let decision = loop {
            let permit = self.connections.acquire(&lease.handler).await;
            let deciding = self.decide(lease, started_at, failure, &text);
            let decided = in_time(SETTLE_TIMEOUT, deciding).await;
            self.record_settlement(lease, decided.as_ref().err());
            drop(permit);
            match decided {
                Err(error) if retries.should_retry(&error).await => {}
                decided => break decided?,
            }
        };
        let awaiting = match failure {
            Failure::NotReady { awaiting, .. } => awaiting.as_deref(),
            _ => None,
        };
        let failed = Failed { error: &text, awaiting };
        let mut retries = DeliveryRetries::until(until);
        loop {
            let permit = self.connections.acquire(&lease.handler).await;
            let now = self.clock.now();
            let outcome = match decision {
                Decision::Retry(delay) => FailureOutcome::Retry(now + delay),
                Decision::Pause(delay) => FailureOutcome::Defer(delay.map(|delay| now + delay)),
                Decision::DeadLetter(reason) => FailureOutcome::DeadLetter(reason),
            };
            let settling = self.store.settle_failed(lease, started_at, now, outcome, failed);
            let settled = in_time(SETTLE_TIMEOUT, settling).await;
            self.record_settlement(lease, settled.as_ref().err());
            drop(permit);
            match settled {
                Ok(()) => break,
                Err(StoreError::LeaseLost(_))
                    if retries.failed() > 0
                        && in_time(SETTLE_TIMEOUT, self.store.is_settled(lease)).await? =>
                {
                    break;
                }
                Err(error) if retries.should_retry(&error).await => {}
                Err(error) => return Err(error),
            }
        }
        self.report_failure(lease, decision, kind);
        Ok(())
    }

    fn report_failure(&self, lease: &Lease, decision: Decision, kind: &str) {
        match decision {
            Decision::Retry(delay) => {
                warn!(failure = kind, retry_in_ms = delay.as_millis(), "attempt failed");
                self.count(lease, "retry", Some(Counter::Retry));
            }
            Decision::Pause(_) => {
                warn!(failure = kind, "attempt deferred, not counted");
                self.count(lease, "deferred", Some(Counter::Deferred));
            }
            Decision::DeadLetter(reason) => {
                error!(failure = kind, reason = reason.as_str(), "delivery dead-lettered");
                self.count(lease, "dead", Some(Counter::Dead));
            }
        }
    }

    /// Decides what follows. For a destination, attempts that failed while it was blocked do not
    /// count, and neither does the age: the delivery may have waited for days.
    async fn decide(
        &self,
        lease: &Lease,
        began: OffsetDateTime,
        failure: &Failure,
        text: &str,
    ) -> Result<Decision, StoreError> {
        let destination = lease.destination();
        if let (Failure::Rejected { scope, retry_after, .. }, Some(name)) = (failure, destination) {
            let retry_after = retry_after.map(|wait| wait.min(self.retry.cap));
            let now = self.clock.now();
            let failure =
                DestinationFailure { scope: *scope, retry_after, began, now, error: text };
            let health = self.store.record_destination_failure(name, &failure).await?;
            if health.newly_blocked {
                error!(scope = ?scope, "destination blocked, its deliveries wait");
            }
            if health.blocked {
                return Ok(Decision::Pause(None));
            }
        } else if destination.is_some() && self.table.find(&lease.source, &lease.handler).is_none()
        {
            // Another gateway may know it.
            return Ok(Decision::Pause(Some(self.retry.cap)));
        }
        let past = self.store.past_attempts(lease, began, self.retry.cap).await?;
        let attempt = lease.attempt.saturating_sub(past.uncounted);
        let age = if destination.is_some() { Duration::ZERO } else { past.age };
        Ok(self.retry.decide(attempt, age, failure, (self.jitter)()))
    }
}

/// The database error behind a failure, if it is temporary and the only cause: a handler that could
/// not use the database has not failed at its event.
fn temporary_store_error(failure: Failure) -> Result<StoreError, Failure> {
    let Failure::Transient { retry_after: None, error } = failure else { return Err(failure) };
    let is_temporary = |error: &StoreError| error.is_temporary() && !error.is_timeout();
    let error = match error.downcast::<StoreError>() {
        Ok(error) if is_temporary(&error) => return Ok(*error),
        Ok(error) => return Err(Failure::transient(*error)),
        Err(error) => error,
    };
    let mut cause = error.source();
    while let Some(inner) = cause {
        if inner.downcast_ref::<StoreError>().is_some_and(is_temporary) {
            return Ok(StoreError::timed_out());
        }
        cause = inner.source();
    }
    Err(Failure::Transient { retry_after: None, error })
}

fn panicked(panicking: &'static str, payload: &(dyn Any + Send)) -> Failure {
    metrics::counter!("sealpost_handler_panics_total").increment(1);
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    Failure::Panicked { error: Panicked(panicking, text).into() }
}

fn failure_text(failure: &Failure) -> String {
    let (Failure::Transient { error, .. }
    | Failure::NotReady { error, .. }
    | Failure::Rejected { error, .. }
    | Failure::Panicked { error }
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

/// The kind of failure, for the log.
fn kind_of(failure: &Failure) -> &'static str {
    match failure {
        Failure::Transient { .. } => "transient",
        Failure::NotReady { .. } => "not_ready",
        Failure::Rejected { .. } => "rejected",
        Failure::Panicked { .. } => "panicked",
        Failure::Permanent { .. } => "permanent",
    }
}
