//! The runner of attempts: what running and settling a delivery have in common.

use std::time::Duration;

use tokio::runtime::Handle;

use super::slots::Connections;
use super::together::Together;
use super::{HandlerTable, Jitter, RetryPolicy};
use crate::byte_permits::BytePermits;
use crate::clock::SharedClock;
use crate::store::{
    Completed, Counter, EffectError, EventId, Lease, Origin, Outcome, Store, StoreError,
    StoredEvent,
};

/// Runs attempts (`run.rs`) and settles them (`settle.rs`).
pub(super) struct Runner {
    pub(super) store: Store,
    pub(super) table: HandlerTable,
    pub(super) retry: RetryPolicy,
    pub(super) handler_deadline: Duration,
    /// The duration of a lease, and of the retries to settle it.
    pub(super) lease: Duration,
    pub(super) clock: SharedClock,
    pub(super) jitter: Jitter,
    pub(super) handlers: Handle,
    pub(super) connections: Connections,
    pub(super) body_memory: BytePermits,
    pub(super) loads: Together<(i64, EventId), Option<(StoredEvent, Origin)>, StoreError>,
    pub(super) settlements: Together<Completed, Outcome, EffectError>,
}

impl Runner {
    /// Counts the outcome of an attempt, after the commit.
    pub(super) fn count(&self, lease: &Lease, outcome: &'static str, counter: Option<Counter>) {
        let (source, handler) = (&lease.source, &lease.handler);
        match counter {
            Some(counter) => count_ended(&self.store, source, handler, outcome, counter),
            None => count_outcome(handler, outcome),
        }
    }
}

pub(super) fn count_ended(
    store: &Store,
    source: &str,
    handler: &str,
    outcome: &'static str,
    counter: Counter,
) {
    count_outcome(handler, outcome);
    store.counters().of(source).count(counter);
}

fn count_outcome(handler: &str, outcome: &'static str) {
    let handler = handler.to_owned();
    metrics::counter!("sealpost_deliveries_total", "handler" => handler, "outcome" => outcome)
        .increment(1);
}
