//! Which handler takes which event: settled at start-up.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::Handler;
use crate::store::Queue;

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

    /// The destinations among the handlers, each with how many of its deliveries may be at work at
    /// a time.
    pub fn destinations(&self) -> Vec<(String, i32)> {
        let handlers = self.sources.values().flatten();
        let to = handlers.filter_map(|handler| {
            let limit = handler.at_a_time()?.get();
            Some((handler.name().to_owned(), i32::try_from(limit).unwrap_or(i32::MAX)))
        });
        to.collect::<BTreeMap<_, _>>().into_iter().collect()
    }

    /// The queue of every handler, in a stable order.
    pub fn queues(&self) -> Vec<Queue> {
        let queues = self.sources.iter().flat_map(|(source, handlers)| {
            handlers
                .iter()
                .map(|handler| Queue { source: source.clone(), handler: handler.name().to_owned() })
        });
        let mut queues: Vec<Queue> = queues.collect();
        queues.sort_unstable();
        queues.dedup();
        queues
    }

    /// The sources, in a stable order.
    pub fn sources(&self) -> Vec<String> {
        let mut names: Vec<String> = self.sources.keys().cloned().collect();
        names.sort_unstable();
        names
    }
}
