//! One attempt: load the event, call the handler, settle.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use time::OffsetDateTime;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tracing::{Instrument, error, info, info_span, warn};

use super::settle::Tries;
use super::slots::Connections;
use super::{
    Attempt, Decision, Failure, HandlerTable, Jitter, RetryPolicy, SETTLE_WITHIN, in_time,
};
use crate::clock::SharedClock;
use crate::store::{
    Counter, DeathReason, DestinationFailure, EffectError, Effects, Failed, FailureOutcome, Lease,
    Origin, Outcome, RefusedStatement, Store, StoreError, StoredEvent,
};

/// How long it is tried to load an event, before the delivery is given back.
const LOAD_WITHIN: Duration = Duration::from_secs(5);

/// Runs attempts.
pub(super) struct Runner {
    pub(super) store: Store,
    pub(super) table: HandlerTable,
    pub(super) retry: RetryPolicy,
    pub(super) handler_deadline: Duration,
    /// How long a lease lasts, and how long it is tried to settle what was done under it.
    pub(super) lease: Duration,
    pub(super) clock: SharedClock,
    pub(super) jitter: Jitter,
    pub(super) handlers: Handle,
    pub(super) connections: Connections,
}

/// The handler did not come back in time.
#[derive(Debug, thiserror::Error)]
#[error("the handler timed out after {0:?}")]
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
        let (started_at, began) = (self.clock.now(), Instant::now());
        let at = (started_at, began + self.lease);
        match self.try_to_settle(&lease, at, began).await {
            Ok(()) => {}
            Err(StoreError::LeaseLost(_)) => self.late(&lease),
            Err(error) => self.give_back(&lease, &error).await,
        }
    }

    /// Settles the delivery one way or another. What comes back as an error has nothing to do with
    /// the delivery.
    async fn try_to_settle(
        &self,
        lease: &Lease,
        at: (OffsetDateTime, Instant),
        began: Instant,
    ) -> Result<(), StoreError> {
        let failure = match self.handle(lease, at.0).await? {
            Ok(effects) => {
                // A panic here would end whoever waits for this attempt: in the end, dispatch.
                let settling = AssertUnwindSafe(self.settle_done(lease, at, &effects));
                match settling.catch_unwind().await {
                    Err(panic) => panicked("an effect", &*panic),
                    Ok(Ok(outcome)) => {
                        self.done(lease, outcome, began.elapsed());
                        return Ok(());
                    }
                    Ok(Err(EffectError::Store(error))) => match error {
                        // A refusal is about these writes, and will be one again; so is it where
                        // they take too long. Anything else is not their fault.
                        StoreError::Refused(_) => Failure::transient(error),
                        error if error.is_slow() => Failure::transient(error),
                        error => return Err(error),
                    },
                    Ok(Err(EffectError::NotYet { detail, retry_after, awaits })) => {
                        Failure::Backlog { retry_after, error: NotApplied(detail).into(), awaits }
                    }
                    Ok(Err(EffectError::Rejected { reason, detail })) => {
                        Failure::permanent(reason, NotApplied(detail))
                    }
                }
            }
            Err(failure) => match of_the_moment(failure) {
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
            let what = format!("source `{}` has no handler `{}`", lease.source, lease.handler);
            return Ok(Err(Failure::permanent(DeathReason::HandlerMissing, what)));
        };
        let Some((event, origin)) = self.load(lease).await? else {
            return Ok(Err(Failure::permanent(
                DeathReason::Permanent,
                "the event no longer exists",
            )));
        };
        let attempt = Attempt { number: lease.attempt, started_at, origin };
        let mut task = self.handlers.spawn(
            async move { handler.handle(&event, attempt).await }
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
                Err(Failure::transient(Overdue(self.handler_deadline)))
            }
        })
    }

    async fn load(&self, lease: &Lease) -> Result<Option<(StoredEvent, Origin)>, StoreError> {
        let mut tries = Tries::until(Instant::now() + LOAD_WITHIN);
        loop {
            let turn = self.connections.turn(&lease.handler).await;
            let loading = self.store.event_to_deliver(lease.event, Some(lease.delivery));
            let loaded = in_time(SETTLE_WITHIN, loading).await;
            drop(turn);
            match loaded {
                Err(error) if tries.again(&error).await => {}
                loaded => return loaded,
            }
        }
    }

    fn done(&self, lease: &Lease, outcome: Outcome, took: Duration) {
        info!(outcome = outcome.as_str(), duration_ms = took.as_millis(), "delivery done");
        let ignored = outcome == Outcome::Ignored;
        let tallied = if ignored { Counter::Ignored } else { Counter::Handled };
        self.count(lease, outcome.as_str(), Some(tallied));
    }

    async fn fail(
        &self,
        lease: &Lease,
        (started_at, until): (OffsetDateTime, Instant),
        failure: &Failure,
    ) -> Result<(), StoreError> {
        // The text can repeat untrusted text: it goes to `last_error` and to no log line.
        let (text, kind) = (failure_text(failure), kind_of(failure));
        let mut tries = Tries::until(until);
        let decision = loop {
            let turn = self.connections.turn(&lease.handler).await;
            let deciding = self.decide(lease, started_at, failure, &text);
            let decided = in_time(SETTLE_WITHIN, deciding).await;
            self.note(lease, decided.as_ref().err());
            drop(turn);
            match decided {
                Err(error) if tries.again(&error).await => {}
                decided => break decided?,
            }
        };
        let awaiting = match failure {
            Failure::Backlog { awaits, .. } => awaits.as_deref(),
            _ => None,
        };
        let failed = Failed { error: &text, awaiting };
        let mut tries = Tries::until(until);
        loop {
            let turn = self.connections.turn(&lease.handler).await;
            let now = self.clock.now();
            let verdict = match decision {
                Decision::Retry(delay) => FailureOutcome::Retry(now + delay),
                Decision::Pause(delay) => FailureOutcome::Defer(delay.map(|delay| now + delay)),
                Decision::DeadLetter(reason) => FailureOutcome::DeadLetter(reason),
            };
            let settling = self.store.settle_failed(lease, started_at, now, verdict, failed);
            let settled = in_time(SETTLE_WITHIN, settling).await;
            self.note(lease, settled.as_ref().err());
            drop(turn);
            match settled {
                Ok(()) => break,
                Err(StoreError::LeaseLost(_))
                    if tries.made() > 0
                        && in_time(SETTLE_WITHIN, self.store.is_settled(lease)).await? =>
                {
                    break;
                }
                Err(error) if tries.again(&error).await => {}
                Err(error) => return Err(error),
            }
        }
        self.failed(lease, decision, kind);
        Ok(())
    }

    fn failed(&self, lease: &Lease, decision: Decision, kind: &str) {
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

    /// Decides what becomes of a delivery. Attempts at a destination that failed while it was held
    /// back do not count, and neither does its age: it may have waited for days, and for good
    /// reason.
    async fn decide(
        &self,
        lease: &Lease,
        began: OffsetDateTime,
        failure: &Failure,
        text: &str,
    ) -> Result<Decision, StoreError> {
        let to_destination = lease.is_to_destination();
        if let Failure::NotTaken { fault, retry_after, .. } = failure {
            let retry_after = retry_after.map(|wait| wait.min(self.retry.cap));
            let now = self.clock.now();
            let setback =
                DestinationFailure { fault: *fault, retry_after, began, now, error: text };
            let standing = self.store.record_failure(&lease.handler, &setback).await?;
            if standing.newly {
                error!(fault = ?fault, "destination blocked, its deliveries wait");
            }
            if standing.held {
                return Ok(Decision::Pause(None));
            }
        } else if to_destination && self.table.find(&lease.source, &lease.handler).is_none() {
            // Perhaps another gateway knows it.
            return Ok(Decision::Pause(Some(self.retry.cap)));
        }
        let past = self.store.past(lease, began, self.retry.cap).await?;
        let attempt = lease.attempt.saturating_sub(past.uncounted);
        let age = if to_destination { Duration::ZERO } else { past.age };
        Ok(self.retry.decide(attempt, age, failure, (self.jitter)()))
    }

    /// Counts what an attempt has come to: here alone, and after the commit.
    pub(super) fn count(&self, lease: &Lease, outcome: &'static str, tallied: Option<Counter>) {
        let (source, handler) = (&lease.source, &lease.handler);
        match tallied {
            Some(tallied) => count_ended(&self.store, source, handler, outcome, tallied),
            None => count_outcome(handler, outcome),
        }
    }
}

/// Counts what was committed about a delivery.
pub(super) fn count_ended(
    store: &Store,
    source: &str,
    handler: &str,
    outcome: &'static str,
    tallied: Counter,
) {
    count_outcome(handler, outcome);
    store.counters().of(source).count(tallied);
}

fn count_outcome(handler: &str, outcome: &'static str) {
    let handler = handler.to_owned();
    metrics::counter!("sealpost_deliveries_total", "handler" => handler, "outcome" => outcome)
        .increment(1);
}

/// The database's part in a failure, where that is all that there was: a handler that could not ask
/// the database at this moment has not failed at its event.
fn of_the_moment(failure: Failure) -> Result<StoreError, Failure> {
    let Failure::Transient { retry_after: None, error } = failure else { return Err(failure) };
    let is_passing = |error: &StoreError| error.is_passing() && !error.is_slow();
    let error = match error.downcast::<StoreError>() {
        Ok(error) if is_passing(&error) => return Ok(*error),
        Ok(error) => return Err(Failure::transient(*error)),
        Err(error) => error,
    };
    let mut cause = error.source();
    while let Some(inner) = cause {
        if inner.downcast_ref::<StoreError>().is_some_and(is_passing) {
            return Ok(StoreError::timed_out());
        }
        cause = inner.source();
    }
    Err(Failure::Transient { retry_after: None, error })
}

fn panicked(who: &'static str, payload: &(dyn Any + Send)) -> Failure {
    metrics::counter!("sealpost_handler_panics_total").increment(1);
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    Failure::Panicked { error: Panicked(who, text).into() }
}

/// The failure and its causes, in one line each.
fn failure_text(failure: &Failure) -> String {
    let (Failure::Transient { error, .. }
    | Failure::Backlog { error, .. }
    | Failure::NotTaken { error, .. }
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

/// What kind of failure it is, for the log.
fn kind_of(failure: &Failure) -> &'static str {
    match failure {
        Failure::Transient { .. } => "transient",
        Failure::Backlog { .. } => "waiting",
        Failure::NotTaken { .. } => "not_taken",
        Failure::Panicked { .. } => "panicked",
        Failure::Permanent { .. } => "permanent",
    }
}
