//! What dispatch in this process cannot do at the moment. It stands in no table: where the database
//! refuses, it cannot be written there.

use std::sync::{Arc, OnceLock};

use crate::dispatch::Trouble;

type Ask = dyn Fn() -> Vec<Trouble> + Send + Sync;

/// Asks dispatch, where this process has it, what it cannot do.
#[derive(Clone, Default)]
pub struct DispatchTroubles(Arc<OnceLock<Box<Ask>>>);

impl DispatchTroubles {
    /// Says whom to ask, once.
    pub fn ask(&self, ask: impl Fn() -> Vec<Trouble> + Send + Sync + 'static) {
        // A second dispatcher does not happen: each gateway has an insight of its own.
        drop(self.0.set(Box::new(ask)));
    }

    /// What it is now.
    pub(super) fn now(&self) -> Vec<Trouble> {
        self.0.get().map_or_else(Vec::new, |ask| ask())
    }
}
