//! The store: every SQL statement on the gateway's own tables.
//!
//! - An *event* is what arrived. It is never changed.
//! - An *event key* is what was seen. It stands in a table of its own, so that "seen before" is
//!   decided by a unique key, in the statement that inserts the event.
//! - A *delivery* is what is being done about an event: ready, leased, done or dead. A dead one is
//!   a *dead letter*. A replay is a new delivery.
//! - An *attempt* is what happened one time.
//! - A *transfer* is a payload that comes in chunks and is not whole yet.
//!
//! [`Committed`] is made only here, after a commit: it is what an answer of 2xx is made from.

mod effects;
mod error;
mod events;
mod reason;
mod registry;
mod tx;

pub use effects::{EffectError, Effects, Outcome, Write};
pub use error::StoreError;
pub use events::{EventId, StoredEvent};
pub use reason::DeathReason;
pub use registry::Registry;
pub use tx::{Committed, Tx};
