//! What a handler is.

use std::num::NonZeroU32;
use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::store::{DeathReason, Effects, FailureScope, Origin, StoredEvent};

/// An error of any type.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Does something about events. It does its outside work itself, with the event's id as
/// idempotency key, and returns its database writes: no transaction is open while it works.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Its name. Stored with every delivery: never change it once used.
    fn name(&self) -> &'static str;

    /// Which event types it takes. Asked once, at start-up.
    fn event_types(&self) -> EventTypes {
        EventTypes::All
    }

    /// Whether it takes events of this type. Asked for every event that arrives.
    fn takes(&self, event_type: &str) -> bool {
        self.event_types().contain(event_type)
    }

    /// For a destination: how many of its deliveries may be at work at a time, over all gateways.
    /// They take no room from the handlers. `None` for everything else.
    fn at_a_time(&self) -> Option<NonZeroU32> {
        None
    }

    /// Handles one event. May be called again for the same event, after a failure or a crash.
    ///
    /// # Errors
    /// A [`Failure`] that says whether another attempt can help.
    async fn handle(&self, event: &StoredEvent, attempt: Attempt) -> Result<Effects, Failure>;
}

/// Which event types a handler takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventTypes {
    /// Every type.
    All,
    /// These types.
    Only(&'static [&'static str]),
}

impl EventTypes {
    /// Whether this type is one of them.
    pub fn contain(self, event_type: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(event_types) => event_types.contains(&event_type),
        }
    }
}

/// Which attempt it is.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// When it began.
    pub started_at: OffsetDateTime,
    /// How its delivery came about.
    pub origin: Origin,
}

/// Why a handler did not succeed.
#[derive(Debug)]
pub enum Failure {
    /// Another attempt may help.
    Transient {
        /// How long the other side asked us to wait.
        retry_after: Option<Duration>,
        /// What went wrong.
        error: BoxError,
    },
    /// What it needs is not there yet: only time ends it, not the number of attempts.
    Backlog {
        /// Not before this time has passed.
        retry_after: Duration,
        /// What is awaited.
        error: BoxError,
        /// How whoever brings it will name it.
        awaits: Option<String>,
    },
    /// The handler, or one of its effects, panicked. Another attempt may help.
    Panicked {
        /// With what message.
        error: BoxError,
    },
    /// A destination did not take the event. Another attempt may help; where the destination is
    /// blocked then, this one does not count.
    NotTaken {
        /// What it is about.
        fault: FailureScope,
        /// How long the destination asked us to wait.
        retry_after: Option<Duration>,
        /// What went wrong.
        error: BoxError,
    },
    /// No further attempt can help.
    Permanent {
        /// The closed reason.
        reason: DeathReason,
        /// What went wrong.
        error: BoxError,
    },
}

impl Failure {
    /// A failure after which another attempt may help.
    pub fn transient(error: impl Into<BoxError>) -> Self {
        Self::Transient { retry_after: None, error: error.into() }
    }

    /// A failure after which no attempt can help.
    pub fn permanent(reason: DeathReason, error: impl Into<BoxError>) -> Self {
        Self::Permanent { reason, error: error.into() }
    }
}
