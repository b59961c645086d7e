//! Pausing sources and handlers. A paused source still receives, verifies and stores events; their
//! deliveries wait. Deliveries in flight are completed.
//!
//! A pause makes no delivery too old: after resuming, ages count from then.

use std::collections::{BTreeMap, BTreeSet};

use super::change::{Audited, AuditedChange};
use super::{AdminError, Caller, Reason, Routing, Scope};
use crate::clock::SharedClock;
use crate::near_names;
use crate::store::{HandlerName, Store};
pub use crate::store::{Pause, PauseTarget};

#[derive(Clone)]
pub struct Pauses {
    store: Store,
    clock: SharedClock,
    routing: Routing,
}

#[derive(Debug, Clone)]
pub struct PauseStatus {
    pub target: PauseTarget,
    pub name: String,
    /// The pause; `None` if it is not paused.
    pub pause: Option<Pause>,
}

impl Pauses {
    pub fn new(store: Store, clock: SharedClock, routing: Routing) -> Self {
        Self { store, clock, routing }
    }

    /// All current pauses. A caller of one tenant sees its sources only.
    pub async fn list(&self, caller: &Caller) -> Result<Vec<Pause>, AdminError> {
        caller.needs(Scope::EventsRead)?;
        let mut pauses = self.store.pauses().await?;
        pauses.retain(|pause| self.sees(caller, pause.target, &pause.name));
        Ok(pauses)
    }

    /// All sources, then all handlers, each by name, with its pause. A caller of one tenant sees
    /// its sources only.
    pub async fn everything(&self, caller: &Caller) -> Result<Vec<PauseStatus>, AdminError> {
        let mut all: BTreeMap<(bool, String), PauseStatus> = BTreeMap::new();
        let names = self.routing.sources.iter().flat_map(|(source, route)| {
            let handlers = route.handlers.iter();
            let handlers = handlers.filter(|handler| !HandlerName::parse(handler).is_destination());
            let handlers = handlers.map(|handler| (PauseTarget::Handler, (*handler).to_owned()));
            handlers.chain([(PauseTarget::Source, source.clone())])
        });
        for (target, name) in names.filter(|(target, name)| self.sees(caller, *target, name)) {
            let key = (target == PauseTarget::Handler, name.clone());
            all.insert(key, PauseStatus { target, name, pause: None });
        }
        for pause in self.list(caller).await? {
            let (target, name) = (pause.target, pause.name.clone());
            let key = (target == PauseTarget::Handler, name.clone());
            all.insert(key, PauseStatus { target, name, pause: Some(pause) });
        }
        Ok(all.into_values().collect())
    }

    /// Pauses a source or a handler; false if it was paused already.
    ///
    /// # Errors
    /// [`AdminError::Invalid`] for a destination, which [`Destinations`](super::Destinations)
    /// pauses, or without a reason.
    pub async fn pause(
        &self,
        caller: &Caller,
        target: PauseTarget,
        name: &str,
        reason: &Reason,
    ) -> Result<bool, AdminError> {
        self.switch(caller, target, name, reason, true).await
    }

    /// Resumes a source or a handler; false if it was not paused.
    ///
    /// # Errors
    /// As [`Pauses::pause`].
    pub async fn resume(
        &self,
        caller: &Caller,
        target: PauseTarget,
        name: &str,
        reason: &Reason,
    ) -> Result<bool, AdminError> {
        self.switch(caller, target, name, reason, false).await
    }

    async fn switch(
        &self,
        caller: &Caller,
        target: PauseTarget,
        name: &str,
        reason: &Reason,
        pause: bool,
    ) -> Result<bool, AdminError> {
        caller.needs(Scope::SourcesWrite)?;
        if target == PauseTarget::Handler
            && let Some(destination) = HandlerName::parse(name).destination()
        {
            let verb = if pause { "pause" } else { "resume" };
            let text = format!(
                "`{name}` is a destination: use `sealpost destinations {verb} {destination}`"
            );
            return Err(AdminError::Invalid(text));
        }
        // What is no longer configured may still be paused, and can be resumed.
        let known = self.is_configured(target, name)
            || self
                .store
                .pauses()
                .await?
                .iter()
                .any(|pause| pause.target == target && pause.name == name);
        if !known || !self.sees(caller, target, name) {
            let known = match target {
                PauseTarget::Handler if caller.tenant().is_none() => self.known_handlers(),
                PauseTarget::Handler => String::new(),
                PauseTarget::Source => {
                    let visible =
                        self.routing.sources.keys().filter(|name| self.sees(caller, target, name));
                    near_names::hint(name, visible.map(String::as_str))
                }
            };
            return Err(AdminError::NotFound(format!("{target} `{name}`{known}")));
        }
        let mut change = AuditedChange::begin(&self.store, &self.clock, caller).await?;
        let (tx, at) = (&mut change.tx, change.at);
        let changed = if pause {
            tx.pause(target, name, caller.actor(), reason, at).await?
        } else {
            tx.resume(target, name, at).await?
        };
        let audited = Audited {
            action: if pause { "pause" } else { "resume" },
            target: &format!("{target} {name}"),
            reason,
            count: u64::from(changed),
        };
        change.commit(audited).await?;
        Ok(changed)
    }

    fn is_configured(&self, target: PauseTarget, name: &str) -> bool {
        match target {
            PauseTarget::Source => self.routing.sources.contains_key(name),
            PauseTarget::Handler => {
                self.routing.sources.values().any(|route| route.handlers.contains(&name))
            }
        }
    }

    /// The names of the handlers, for a message; empty if there are none.
    fn known_handlers(&self) -> String {
        let handlers = self.routing.sources.values().flat_map(|route| route.handlers.iter());
        let own = handlers.copied().filter(|name| !HandlerName::parse(name).is_destination());
        let names: Vec<&str> = own.collect::<BTreeSet<_>>().into_iter().collect();
        if names.is_empty() { String::new() } else { format!(" (known: {})", names.join(", ")) }
    }

    /// A handler belongs to no tenant: it handles events of every source that has it.
    fn sees(&self, caller: &Caller, target: PauseTarget, name: &str) -> bool {
        let Some(tenant) = caller.tenant() else { return true };
        let route = self.routing.sources.get(name);
        target == PauseTarget::Source && route.is_some_and(|route| route.tenant == tenant)
    }
}
