//! Which handler takes which event: settled at start-up.

use std::collections::HashMap;
use std::sync::Arc;

use super::Handler;

/// The handlers of every source.
#[derive(Clone, Default)]
pub struct Registry {
    sources: HashMap<String, Vec<Arc<dyn Handler>>>,
}

impl Registry {
    /// Adds a source with its handlers.
    pub fn add(&mut self, source: &str, handlers: Vec<Arc<dyn Handler>>) {
        self.sources.insert(source.to_owned(), handlers);
    }

    /// The names of the handlers of `source` that take events of type `kind`.
    pub fn takers(&self, source: &str, kind: &str) -> Vec<&'static str> {
        let handlers = self.sources.get(source).map(Vec::as_slice).unwrap_or_default();
        handlers
            .iter()
            .filter(|handler| handler.kinds().contain(kind))
            .map(|handler| handler.name())
            .collect()
    }

    /// The handler of `source` with this stored name.
    pub fn find(&self, source: &str, name: &str) -> Option<Arc<dyn Handler>> {
        self.sources.get(source)?.iter().find(|handler| handler.name() == name).cloned()
    }

    /// The sources, in a stable order.
    pub fn sources(&self) -> Vec<String> {
        let mut names: Vec<String> = self.sources.keys().cloned().collect();
        names.sort_unstable();
        names
    }
}
