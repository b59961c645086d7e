//! Pausing sources and handlers. A paused source still receives, verifies and records; what it
//! records waits, and so does what is there already. What is at work when it is paused is finished.
//!
//! Time on hold does not make anything too old: after it is resumed, ages count from then.

use std::collections::BTreeMap;

use super::{AdminError, Caller, Reason, Routing, Scope, wake_gateways};
use crate::clock::SharedClock;
use crate::store::{AuditEntry, Pause, PauseTarget, Store, TO};

/// What is paused, for those who pause and resume.
#[derive(Clone)]
pub struct Pauses {
    store: Store,
    clock: SharedClock,
    routing: Routing,
}

/// Something that can be paused.
#[derive(Debug, Clone)]
pub struct PauseStatus {
    /// What.
    pub what: PauseTarget,
    /// Its name.
    pub name: String,
    /// Why it is paused; `None` where it is not.
    pub pause: Option<Pause>,
}

impl Pauses {
    /// The holds of `store`, on the sources and handlers that `routing` names.
    pub fn new(store: Store, clock: SharedClock, routing: Routing) -> Self {
        Self { store, clock, routing }
    }

    /// Everything that is paused. A caller of one tenant sees its sources only.
    ///
    /// # Errors
    /// [`AdminError::Denied`] without [`Scope::EventsRead`]; [`AdminError::Store`].
    pub async fn list(&self, caller: &Caller) -> Result<Vec<Pause>, AdminError> {
        caller.needs(Scope::EventsRead)?;
        let mut pauses = self.store.pauses().await?;
        pauses.retain(|pause| self.sees(caller, pause.what, &pause.name));
        Ok(pauses)
    }

    /// Everything that can be paused, or is: sources, then handlers, each by name, with its hold.
    /// A caller of one tenant sees its sources only.
    ///
    /// # Errors
    /// As [`Pauses::list`].
    pub async fn everything(&self, caller: &Caller) -> Result<Vec<PauseStatus>, AdminError> {
        let mut all: BTreeMap<(bool, String), PauseStatus> = BTreeMap::new();
        let names = self.routing.sources.iter().flat_map(|(source, route)| {
            let handlers = route.handlers.iter().filter(|handler| !handler.starts_with(TO));
            let handlers = handlers.map(|handler| (PauseTarget::Handler, (*handler).to_owned()));
            handlers.chain([(PauseTarget::Source, source.clone())])
        });
        for (what, name) in names.filter(|(what, name)| self.sees(caller, *what, name)) {
            let key = (what == PauseTarget::Handler, name.clone());
            all.insert(key, PauseStatus { what, name, pause: None });
        }
        for pause in self.list(caller).await? {
            let key = (pause.what == PauseTarget::Handler, pause.name.clone());
            let standing =
                PauseStatus { what: pause.what, name: pause.name.clone(), pause: Some(pause) };
            all.insert(key, standing);
        }
        Ok(all.into_values().collect())
    }

    /// Pauses a source or a handler; false where it was paused already.
    ///
    /// # Errors
    /// [`AdminError::NotFound`]; [`AdminError::Invalid`] for a destination, which is paused
    /// as one, or without a reason; [`AdminError::Denied`] without [`Scope::SourcesWrite`];
    /// [`AdminError::Store`].
    pub async fn pause(
        &self,
        caller: &Caller,
        what: PauseTarget,
        name: &str,
        reason: &str,
    ) -> Result<bool, AdminError> {
        self.switch(caller, what, name, reason, true).await
    }

    /// Lets a source or a handler go on; false where it was not paused.
    ///
    /// # Errors
    /// As [`Pauses::pause`].
    pub async fn resume(
        &self,
        caller: &Caller,
        what: PauseTarget,
        name: &str,
        reason: &str,
    ) -> Result<bool, AdminError> {
        self.switch(caller, what, name, reason, false).await
    }

    async fn switch(
        &self,
        caller: &Caller,
        what: PauseTarget,
        name: &str,
        reason: &str,
        pause: bool,
    ) -> Result<bool, AdminError> {
        caller.needs(Scope::SourcesWrite)?;
        let reason = Reason::new(reason)?.get();
        if what == PauseTarget::Handler && name.starts_with(TO) {
            let text = "this handler is a destination: pause or resume the destination".to_owned();
            return Err(AdminError::Invalid(text));
        }
        // What is not configured any more may still be on hold, and be let go.
        let known = self.is_configured(what, name)
            || self
                .store
                .pauses()
                .await?
                .iter()
                .any(|pause| pause.what == what && pause.name == name);
        if !known || !self.sees(caller, what, name) {
            return Err(AdminError::NotFound(format!("{what} `{name}`")));
        }
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let changed = if pause {
            tx.pause(what, name, caller.actor(), reason, now).await?
        } else {
            tx.resume(what, name, now).await?
        };
        let entry = AuditEntry {
            at: now,
            actor: caller.actor(),
            action: if pause { "pause" } else { "resume" },
            target: &format!("{what} {name}"),
            reason,
            count: u64::from(changed),
        };
        tx.audit_with(&entry, caller.audit_more()).await?;
        tx.commit(()).await?;
        wake_gateways(&self.store).await;
        Ok(changed)
    }

    fn is_configured(&self, what: PauseTarget, name: &str) -> bool {
        match what {
            PauseTarget::Source => self.routing.sources.contains_key(name),
            PauseTarget::Handler => {
                self.routing.sources.values().any(|route| route.handlers.contains(&name))
            }
        }
    }

    /// A handler works for every source that has it: it belongs to no tenant.
    fn sees(&self, caller: &Caller, what: PauseTarget, name: &str) -> bool {
        let Some(tenant) = caller.tenant() else { return true };
        let route = self.routing.sources.get(name);
        what == PauseTarget::Source && route.is_some_and(|route| route.tenant == tenant)
    }
}
