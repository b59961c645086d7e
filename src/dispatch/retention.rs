//! Deletes events that are past their retention: passes over the old events, in small steps.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;

use crate::store::{EventId, RetentionRules, Store, StoreError};

/// How long after a pass the next one begins: a pass reads also what is kept.
const PASS_EVERY: time::Duration = time::Duration::hours(1);
/// How long one call may work. Housekeeping continues the pass the next time.
const BUDGET: Duration = Duration::from_secs(10);

/// Which events are deleted, and how far the current pass is.
#[derive(Debug, Clone)]
pub struct Retention {
    rules: Arc<RetentionRules>,
    pass: Arc<Mutex<Pass>>,
}

#[derive(Debug, Clone, Copy)]
enum Pass {
    /// Continues after this event; from the beginning if there is none.
    After(Option<EventId>),
    /// The last one ended then.
    Ended(OffsetDateTime),
}

impl Retention {
    pub fn new(rules: RetentionRules) -> Self {
        Self { rules: Arc::new(rules), pass: Arc::new(Mutex::new(Pass::After(None))) }
    }

    /// Continues the pass, or begins the next one if it is time. Returns the number of deleted
    /// events.
    pub(super) async fn step(&self, store: &Store, now: OffsetDateTime) -> Result<u64, StoreError> {
        let ends = Instant::now() + BUDGET;
        let mut deleted = 0;
        let mut after = match self.pass() {
            // A clock that was set back does not delay the next pass.
            Pass::Ended(at) if (at..at + PASS_EVERY).contains(&now) => return Ok(0),
            Pass::Ended(_) => None,
            Pass::After(event) => event,
        };
        while Instant::now() < ends {
            let step = store.delete_expired_events(&self.rules, after, now).await?;
            deleted += step.events;
            after = step.next;
            if after.is_none() {
                self.set(Pass::Ended(now));
                return Ok(deleted);
            }
            self.set(Pass::After(after));
        }
        Ok(deleted)
    }

    fn pass(&self) -> Pass {
        *self.pass.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, pass: Pass) {
        *self.pass.lock().unwrap_or_else(PoisonError::into_inner) = pass;
    }
}
