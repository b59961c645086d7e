//! Dispatch: hands stored events to handlers until they are done or dead.
//!
//! - A *lease* is taken before work begins, and committed: the attempt counts from then on,
//!   whatever becomes of the process.
//! - A [`Handler`] does its outside work and returns its database writes as effects.
//! - The [`RetryPolicy`] decides what becomes of a failed attempt: it is pure.
//! - *Settling* consumes the lease, applies the effects and records the attempt, in one
//!   transaction. Whoever has lost the lease settles nothing.
//!
//! One step claims, runs and settles a batch: [`Dispatcher::step`]. The loop repeats it; tests
//! repeat it until there is nothing left.
//!
//! When a process dies here: before the claim commits, nothing has happened. After it, the lease
//! runs out, the lost attempt is noted, and another gateway takes the delivery over. Deliveries
//! whose lease expired are run one at a time, beside the others, and only what was lost then
//! counts: an event which kills the process takes no other's attempts with it.
//!
//! Trouble in one place stays there. Every queue (a source and a handler) is looked at and claimed
//! from by itself, and has places of its own; a handler has only a part of the connections; and a
//! lock or a deadlock at the settlement is waited out while the lease holds.

mod dispatcher;
mod handler;
mod in_flight;
mod isolated;
mod maintenance;
mod notify;
mod problem;
mod queues;
mod retry;
mod run;
mod scan_floor;
mod settle;
mod slots;
mod table;
mod turn;

pub use dispatcher::{DispatchSettings, Dispatcher};
pub use handler::{Attempt, BoxError, EventTypes, Failure, Handler};
pub use maintenance::{Maintenance, ProviderMaintenance, TransferAges};

pub use notify::Wakeup;
pub use problem::Trouble;
pub use retry::{Decision, Jitter, RetryPolicy};
pub use table::HandlerTable;

use std::time::Duration;

use crate::store::StoreError;

/// The longest wait for a claim or an announcement.
const CLAIM_WITHIN: Duration = Duration::from_secs(5);
/// The longest wait for an event, which may be large, and for a handler's writes.
const SETTLE_WITHIN: Duration = Duration::from_secs(20);

/// Bounds a wait for the database. The server bounds its statements itself; but when its machine
/// is gone, nobody resets the connection, and an answer would be waited for as long as TCP does:
/// a quarter of an hour in which no delivery is worked on.
async fn in_time<T, E: From<StoreError>>(
    within: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    tokio::time::timeout(within, work).await.unwrap_or_else(|_| Err(StoreError::timed_out().into()))
}
