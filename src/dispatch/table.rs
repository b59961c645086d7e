//! Which handler takes which event: settled at start-up.

use std::collections::HashMap;
use std::sync::Arc;

use super::Handler;

/// The handlers of every source.
#[derive(Clone, Default)]
pub struct HandlerTable {
    sources: HashMap<String, Vec<Arc<dyn Handler>>>,
}

impl HandlerTable {
    /// Adds a source with its handlers.
    pub fn add(&mut self, source: &str, handlers: Vec<Arc<dyn Handler>>) {
        self.sources.insert(source.to_owned(), handlers);
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
