//! Dispatch: hands stored events to handlers until each delivery is done or dead.
//!
//! - A *lease* is taken and committed before the work begins, so the attempt counts even if the
//!   process crashes.
//! - A [`Handler`] does its external work and returns its database writes as effects.
//! - The [`RetryPolicy`] decides what follows a failed attempt. It is pure.
//! - *Settling* consumes the lease, applies the effects and records the attempt, in one
//!   transaction. It fails if the lease was lost.
//!
//! [`Dispatcher::step`] claims, runs and settles one batch. The loop repeats it; tests repeat it
//! until no delivery is due.
//!
//! If a process crashes before the claim commits, nothing has happened. If it crashes later, the
//! lease expires, the attempt is recorded as lost, and another gateway retries the delivery.
//! Deliveries with an expired lease are isolated: they run one at a time beside all others, and
//! only attempts lost in isolation count. So an event that crashes the process does not use up the
//! attempts of other deliveries.
//!
//! Failures are contained. Every queue (a source and a handler) is scanned and claimed separately
//! and has its own slots, and a handler gets only a part of the connections. A lock or a deadlock
//! during settlement is retried while the lease lasts.

mod backoff;
mod dispatcher;
mod handler;
mod in_flight;
mod isolated;
mod load;
mod maintenance;
mod notify;
mod poll;
mod problem;
mod queues;
mod retention;
mod retry;
mod run;
mod runner;
mod scan_floor;
mod settle;
mod slots;
mod table;
mod together;

pub use dispatcher::{DispatchSettings, Dispatcher};
pub use handler::{Attempt, BoxError, EventTypes, Failure, Handler};
pub use maintenance::{Maintenance, ProviderMaintenance, TransferAges};

pub use notify::Wakeup;
pub use problem::DispatchProblem;
pub use retention::Retention;
pub use retry::{Decision, Jitter, RetryPolicy};
pub use table::HandlerTable;

use std::time::Duration;

use crate::store::StoreError;

/// The timeout of a claim or a notification.
const CLAIM_TIMEOUT: Duration = Duration::from_secs(5);
/// The timeout for loading an event, which may be large, and for applying a handler's writes.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(20);

/// Adds a timeout to a database call. The server limits its statements itself. But if its machine
/// is gone, nobody resets the connection, and TCP would wait for a quarter of an hour.
async fn in_time<T, E: From<StoreError>>(
    within: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    tokio::time::timeout(within, work).await.unwrap_or_else(|_| Err(StoreError::timed_out().into()))
}
