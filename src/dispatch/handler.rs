//! The handler trait.

use std::num::NonZeroU32;
use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::store::{DeathReason, Effects, FailureScope, Origin, StoredEvent};

pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Processes events. It does its external work itself, with the event's id as idempotency key, and
/// returns its database writes: no transaction is open while it works.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// The stored name. Deliveries refer to it: never change it.
    fn name(&self) -> &'static str;

    /// The event types it handles. Called once, at start-up.
    fn event_types(&self) -> EventTypes {
        EventTypes::All
    }

    /// Whether it handles events of this type. Called for every received event.
    fn accepts(&self, event_type: &str) -> bool {
        self.event_types().contain(event_type)
    }

    /// For a destination, the maximum number of its deliveries in flight, over all gateways; these
    /// do not use handler slots. `None` for a handler.
    fn max_in_flight(&self) -> Option<NonZeroU32> {
        None
    }

    /// Handles one event. It is called again for the same event after a failure or a crash.
    ///
    /// # Errors
    /// A [`Failure`], which says whether a retry can help.
    async fn handle(&self, event: &StoredEvent, attempt: Attempt) -> Result<Effects, Failure>;
}

/// The event types of a handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventTypes {
    All,
    Only(&'static [&'static str]),
}

impl EventTypes {
    pub fn contain(self, event_type: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(event_types) => event_types.contains(&event_type),
        }
    }
}

/// The attempt of a delivery.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    pub started_at: OffsetDateTime,
    pub origin: Origin,
}

/// A failed attempt.
#[derive(Debug)]
pub enum Failure {
    /// A retry may help.
    Transient {
        /// From `Retry-After`.
        retry_after: Option<Duration>,
        error: BoxError,
    },
    /// A precondition is not met yet. Only the maximum age ends the retries, not their number.
    NotReady {
        /// The minimum delay.
        retry_after: Duration,
        error: BoxError,
        /// The name of what it waits for.
        awaiting: Option<String>,
    },
    /// The handler or one of its effects panicked. A retry may help.
    Panicked { error: BoxError },
    /// A destination did not accept the event. A retry may help. If the destination is blocked
    /// then, the attempt does not count.
    Rejected {
        scope: FailureScope,
        /// From `Retry-After`.
        retry_after: Option<Duration>,
        error: BoxError,
    },
    /// No retry can help.
    Permanent { reason: DeathReason, error: BoxError },
}

impl Failure {
    /// A failure that a retry may fix.
    pub fn transient(error: impl Into<BoxError>) -> Self {
        Self::Transient { retry_after: None, error: error.into() }
    }

    /// A failure that no retry can fix.
    pub fn permanent(reason: DeathReason, error: impl Into<BoxError>) -> Self {
        Self::Permanent { reason, error: error.into() }
    }
}
