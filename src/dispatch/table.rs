//! The handlers of every source, fixed at start-up.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::Handler;
use crate::store::{HandlerName, Queue};

#[derive(Clone, Default)]
pub struct HandlerTable {
    sources: HashMap<String, Vec<Arc<dyn Handler>>>,
}

impl HandlerTable {
    pub fn add(&mut self, source: &str, handlers: Vec<Arc<dyn Handler>>) {
        self.sources.insert(source.to_owned(), handlers);
    }

    pub fn find(&self, source: &str, name: &str) -> Option<Arc<dyn Handler>> {
        self.sources.get(source)?.iter().find(|handler| handler.name() == name).cloned()
    }

    /// The destinations by name, with the maximum number of deliveries in flight of each.
    pub fn destinations(&self) -> Vec<(String, i32)> {
        let handlers = self.sources.values().flatten();
        let limits = handlers.filter_map(|handler| {
            let name = HandlerName::parse(handler.name()).destination()?;
            let limit = handler.max_in_flight()?.get();
            Some((name.to_owned(), i32::try_from(limit).unwrap_or(i32::MAX)))
        });
        limits.collect::<BTreeMap<_, _>>().into_iter().collect()
    }

    /// The queue of every handler, sorted.
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

    /// The sources, sorted.
    pub fn sources(&self) -> Vec<String> {
        let mut names: Vec<String> = self.sources.keys().cloned().collect();
        names.sort_unstable();
        names
    }
}
