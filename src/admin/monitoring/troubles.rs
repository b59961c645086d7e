//! What dispatch in this process cannot do at the moment. It stands in no table: where the database
//! refuses, it cannot be written there.

use std::sync::{Arc, OnceLock};

use time::OffsetDateTime;

/// Something that dispatch cannot do at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DispatchTrouble {
    /// The source whose deliveries cannot be claimed; `None` where what the handler comes to cannot
    /// be written.
    pub source: Option<String>,
    /// The handler's stored name.
    pub handler: String,
    /// Since when.
    pub since: OffsetDateTime,
}

type Ask = dyn Fn() -> Vec<DispatchTrouble> + Send + Sync;

/// Asks dispatch, where this process has it, what it cannot do.
#[derive(Clone, Default)]
pub struct DispatchTroubles(Arc<OnceLock<Box<Ask>>>);

impl DispatchTroubles {
    /// Says whom to ask, once.
    pub fn ask(&self, ask: impl Fn() -> Vec<DispatchTrouble> + Send + Sync + 'static) {
        // A second dispatcher does not happen: each gateway has an insight of its own.
        drop(self.0.set(Box::new(ask)));
    }

    /// What it is now.
    pub(super) fn now(&self) -> Vec<DispatchTrouble> {
        self.0.get().map_or_else(Vec::new, |ask| ask())
    }
}
