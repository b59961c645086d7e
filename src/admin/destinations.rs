//! Destinations: their state, and pausing, disabling and resuming them.
//!
//! A destination that takes events of sources of one tenant only belongs to that tenant. Any other,
//! and one that is no longer configured, is visible to callers of all tenants only.

use tracing::info;

mod detail;
mod model;

use std::sync::Arc;

pub use detail::SendTest;
pub use model::{
    Destination, DestinationDetail, DestinationHour, DestinationPause, DestinationResponse,
    DestinationResponseHeader, DestinationState,
};

use super::change::{Audited, AuditedChange};
use super::{AdminError, Caller, Reason, Scope};
use crate::clock::SharedClock;
use crate::near_names;
use crate::store::{DestinationSwitch, OperatorAction, Store};

#[derive(Debug, Clone)]
pub struct ConfiguredDestination {
    pub name: String,
    /// The only tenant whose events it takes; `None` if there are several.
    pub tenant: Option<String>,
    pub url: String,
}

#[derive(Clone)]
pub struct Destinations {
    store: Store,
    clock: SharedClock,
    configured: Vec<ConfiguredDestination>,
    tests: Option<Arc<dyn SendTest>>,
}

impl Destinations {
    /// The configured destinations, and those that exist only in `store`.
    pub fn new(store: Store, clock: SharedClock, configured: Vec<ConfiguredDestination>) -> Self {
        Self { store, clock, configured, tests: None }
    }

    #[must_use]
    pub fn with_tests(self, tests: Arc<dyn SendTest>) -> Self {
        Self { tests: Some(tests), ..self }
    }

    /// The destinations visible to the caller: configured ones in order, then the others. Without
    /// `payload:read` the last errors are left out.
    pub async fn list(&self, caller: &Caller) -> Result<Vec<Destination>, AdminError> {
        caller.needs(Scope::EventsRead)?;
        let mut listed = self.visible_to(caller.tenant()).await?;
        if !caller.may(Scope::PayloadRead) {
            listed.iter_mut().for_each(Destination::redact_payload);
        }
        Ok(listed)
    }

    /// Pauses, resumes, disables or enables a destination; false if it was in that state already.
    pub async fn switch(
        &self,
        caller: &Caller,
        name: &str,
        switch: DestinationSwitch,
        reason: &Reason,
    ) -> Result<bool, AdminError> {
        caller.needs(Scope::SourcesWrite)?;
        self.find(caller, name).await?;
        let mut change = AuditedChange::begin(&self.store, &self.clock, caller).await?;
        let (at, by) = (change.at, caller.actor());
        let changed = change.tx.switch_destination(name, switch, by, reason, at).await?;
        let (action, target) = (switch.as_str(), format!("destination {name}"));
        let count = u64::from(changed);
        change.commit(Audited { action, target: &target, reason, count }).await?;
        info!(actor = caller.actor(), action = switch.as_str(), destination = name, "switched");
        Ok(changed)
    }

    /// The state of a destination to which nothing is sent: paused, disabled or not configured.
    pub(in crate::admin) async fn off(
        &self,
        caller: &Caller,
        name: &str,
    ) -> Result<Option<DestinationState>, AdminError> {
        let state = self.find(caller, name).await?.state;
        Ok(state.is_off().then_some(state))
    }

    /// Dead-letters the waiting deliveries of a destination that is no longer configured; returns
    /// their number.
    ///
    /// # Errors
    /// [`AdminError::Conflict`] if it is configured.
    pub async fn forget(
        &self,
        caller: &Caller,
        name: &str,
        reason: &Reason,
    ) -> Result<u64, AdminError> {
        caller.needs(Scope::SourcesWrite)?;
        let destination = self.find(caller, name).await?;
        if destination.configured {
            let why = "the destination is configured: remove it from the configuration first";
            return Err(AdminError::Conflict(why.to_owned()));
        }
        let mut change = AuditedChange::begin(&self.store, &self.clock, caller).await?;
        let (at, actor, action) = (change.at, caller.actor(), "dead_letter");
        let action_by = OperatorAction { at, actor, action, reason, job: None };
        let count = change.tx.delete_destination(name, action_by).await?;
        let (action, target) = ("forget", format!("destination {name}"));
        change.commit(Audited { action, target: &target, reason, count }).await?;
        Ok(count)
    }

    /// The destinations visible to a tenant; all for `None`.
    async fn visible_to(&self, tenant: Option<&str>) -> Result<Vec<Destination>, AdminError> {
        let now = self.clock.now();
        let mut states = self.store.destinations().await?;
        let mut listed = Vec::new();
        for ConfiguredDestination { name, tenant: own, url } in &self.configured {
            let place = states.iter().position(|state| state.name == *name);
            let state = place.map(|place| states.swap_remove(place));
            if tenant.is_none() || tenant == own.as_deref() {
                listed.push(Destination::new(name.clone(), Some(url.clone()), state, now));
            }
        }
        if tenant.is_none() {
            states.sort_unstable_by(|a, b| a.name.cmp(&b.name));
            for state in states {
                listed.push(Destination::new(state.name.clone(), None, Some(state), now));
            }
        }
        Ok(listed)
    }

    async fn find(&self, caller: &Caller, name: &str) -> Result<Destination, AdminError> {
        let mut seen = self.visible_to(caller.tenant()).await?;
        if let Some(place) = seen.iter().position(|found| found.name == name) {
            return Ok(seen.swap_remove(place));
        }
        let near = near_names::hint(name, seen.iter().map(|one| one.name.as_str()));
        Err(AdminError::NotFound(format!("destination `{name}`{near}")))
    }
}
