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
//! runs out, the lost attempt is noted, and another gateway takes the delivery over. A delivery
//! whose lease ran out is run *alone*, with nothing else in flight, so that an event which kills
//! the process takes no other's attempts with it.

mod dispatcher;
mod handler;
mod housekeeping;

mod retry;
mod run;
mod table;
mod wakeup;

pub use dispatcher::{DispatchSettings, Dispatcher, Draw};
pub use handler::{Attempt, BoxError, Failure, Handler, Kinds};
pub use housekeeping::{Housekeeping, TransferAges};

pub use retry::{Decision, RetryPolicy};
pub use table::HandlerTable;
pub use wakeup::Wakeup;
