//! The destinations: how each stands, and what an operator does about it.

use std::sync::Arc;

use time::OffsetDateTime;
use tracing::warn;

use super::{Caller, OperatorError, Scope};
use crate::clock::SharedClock;
use crate::store::{AuditEntry, DestinationState, Store, Switch, TO};

/// The destinations, for those who hold them back or let them go on.
#[derive(Clone)]
pub struct Destinations {
    store: Store,
    clock: SharedClock,
    configured: Arc<[String]>,
}

/// A destination, configured or only known to the database.
#[derive(Debug, Clone)]
pub struct Destination {
    /// Its name.
    pub name: String,
    /// Whether the configuration names it.
    pub configured: bool,
    /// As it stands in the database; `None` while nothing was ever handed to it.
    pub state: Option<DestinationState>,
}

impl Destination {
    /// How it stands, in one word, and since when.
    pub fn standing(&self, now: OffsetDateTime) -> (&'static str, Option<OffsetDateTime>) {
        let Some(state) = &self.state else { return ("ok", None) };
        if !self.configured {
            return ("unconfigured", None);
        }
        if state.disabled_at.is_some() {
            return ("disabled", state.disabled_at);
        }
        if state.paused_at.is_some() {
            return ("paused", state.paused_at);
        }
        if state.opened_at.is_some() {
            return ("failing", state.opened_at);
        }
        match state.not_before {
            Some(until) if until > now => ("told to wait", state.last_failed_at),
            _ => ("ok", None),
        }
    }
}

impl Destinations {
    /// Those that the configuration names, and what `store` knows of them and of others.
    pub fn new(store: Store, clock: SharedClock, configured: Vec<String>) -> Self {
        Self { store, clock, configured: configured.into() }
    }

    /// All of them: the configured ones in their order, then the others by name. They belong to no
    /// tenant: a caller of one sees none.
    ///
    /// # Errors
    /// [`OperatorError::Denied`], [`OperatorError::Store`].
    pub async fn list(&self, caller: &Caller) -> Result<Vec<Destination>, OperatorError> {
        caller.needs(Scope::EventsRead)?;
        self.all(caller).await
    }

    async fn all(&self, caller: &Caller) -> Result<Vec<Destination>, OperatorError> {
        if caller.tenant().is_some() {
            return Ok(Vec::new());
        }
        let mut states = self.store.destinations().await?;
        let mut listed = Vec::new();
        for name in &*self.configured {
            let place =
                states.iter().position(|state| state.handler.strip_prefix(TO) == Some(name));
            let state = place.map(|place| states.swap_remove(place));
            listed.push(Destination { name: name.clone(), configured: true, state });
        }
        states.sort_unstable_by(|a, b| a.handler.cmp(&b.handler));
        listed.extend(states.into_iter().map(|state| Destination {
            name: state.handler.strip_prefix(TO).unwrap_or_default().to_owned(),
            configured: false,
            state: Some(state),
        }));
        Ok(listed)
    }

    /// Holds one back, or lets it go on; whether that changed anything.
    ///
    /// # Errors
    /// [`OperatorError::Denied`], [`OperatorError::NotFound`], [`OperatorError::Store`].
    pub async fn switch(
        &self,
        caller: &Caller,
        name: &str,
        switch: Switch,
        reason: &str,
    ) -> Result<bool, OperatorError> {
        caller.needs(Scope::SourcesWrite)?;
        let listed = self.all(caller).await?;
        if !listed.iter().any(|listed| listed.name == name) {
            return Err(OperatorError::NotFound(format!("destination `{name}`")));
        }
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let changed = tx.switch_destination(&format!("{TO}{name}"), switch, reason, now).await?;
        tx.audit(&AuditEntry {
            at: now,
            actor: caller.actor(),
            action: switch.as_str(),
            target: &format!("destination {name}"),
            reason,
            count: u64::from(changed),
        })
        .await?;
        tx.commit(()).await?;
        // A gateway that does not hear of it looks at its next poll.
        if let Err(error) = self.store.announce().await {
            warn!(error = &error as &dyn std::error::Error, "cannot announce the change");
        }
        Ok(changed)
    }
}
