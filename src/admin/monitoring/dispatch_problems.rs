//! Current problems of dispatch in this process. They are not stored: a problem may be that the
//! database rejects writes.

use std::sync::{Arc, OnceLock};

use crate::dispatch::DispatchProblem;

type ProblemSource = dyn Fn() -> Vec<DispatchProblem> + Send + Sync;

/// The source of the problems, if dispatch runs in this process.
#[derive(Clone, Default)]
pub struct DispatchProblems(Arc<OnceLock<Box<ProblemSource>>>);

impl DispatchProblems {
    /// Sets the source, once.
    pub fn set_source(&self, source: impl Fn() -> Vec<DispatchProblem> + Send + Sync + 'static) {
        // There is one dispatcher per `Monitoring`, so this is never called twice.
        drop(self.0.set(Box::new(source)));
    }

    /// The current problems.
    pub(super) fn now(&self) -> Vec<DispatchProblem> {
        self.0.get().map_or_else(Vec::new, |source| source())
    }
}
