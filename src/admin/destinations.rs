//! The destinations: how each stands, and holding one back or letting it go on.
//!
//! A destination that takes events of sources of one tenant only is that tenant's. Any other, and
//! one that is not configured any more, is seen by those who see every tenant.

use time::OffsetDateTime;
use tracing::info;

mod detail;

use std::sync::Arc;

pub use detail::{DestinationDetail, SendTest};

use super::{AdminError, Caller, Reason, Scope, wake_gateways};
use crate::clock::SharedClock;
use crate::store::{AuditEntry, DestinationState, DestinationSwitch, OperatorAction, Store, TO};

/// A destination of the configuration.
#[derive(Debug, Clone)]
pub struct ConfiguredDestination {
    /// Its name.
    pub name: String,
    /// The only tenant whose events it takes; `None` where there are several.
    pub tenant: Option<String>,
    /// Where it is.
    pub url: String,
}

/// The destinations, for those who do something about them.
#[derive(Clone)]
pub struct Destinations {
    store: Store,
    clock: SharedClock,
    configured: Vec<ConfiguredDestination>,
    tests: Option<Arc<dyn SendTest>>,
}

/// A destination of the configuration, or one of which only the database knows.
#[derive(Debug, Clone)]
pub struct Destination {
    /// Its name.
    pub name: String,
    /// Whether it is configured.
    pub configured: bool,
    /// Where it is; `None` where it is not configured.
    pub url: Option<String>,
    /// What the database knows of it.
    pub state: Option<DestinationState>,
    /// How it stands.
    pub standing: DestinationStatus,
    /// Since when.
    pub since: Option<OffsetDateTime>,
}

/// How a destination stands, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DestinationStatus {
    /// It is sent to.
    Ok,
    /// It is not in the configuration.
    Unconfigured,
    /// Disabled by an operator, or by itself.
    Disabled,
    /// Paused by an operator.
    Paused,
    /// Its breaker is open.
    Failing,
    /// It asked us to wait.
    ToldToWait,
    /// It rejects more than a third of the events.
    Rejecting,
}

impl DestinationStatus {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unconfigured => "unconfigured",
            Self::Disabled => "disabled",
            Self::Paused => "paused",
            Self::Failing => "failing",
            Self::ToldToWait => "told to wait",
            Self::Rejecting => "rejecting",
        }
    }
}

impl Destinations {
    /// Those that are configured, and those that `store` knows besides.
    pub fn new(store: Store, clock: SharedClock, configured: Vec<ConfiguredDestination>) -> Self {
        Self { store, clock, configured, tests: None }
    }

    /// The same, with what sends test events.
    #[must_use]
    pub fn with_tests(self, tests: Arc<dyn SendTest>) -> Self {
        Self { tests: Some(tests), ..self }
    }

    /// All that the caller sees: those of the configuration in its order, then the others. How
    /// each last failed only for callers with `payload:read`.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn list(&self, caller: &Caller) -> Result<Vec<Destination>, AdminError> {
        caller.needs(Scope::EventsRead)?;
        let mut listed = self.seen_by(caller.tenant()).await?;
        if !caller.may(Scope::PayloadRead) {
            listed.iter_mut().for_each(Destination::redact_payload);
        }
        Ok(listed)
    }

    /// Holds a destination back, or lets it go on; gives whether that changed anything.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn switch(
        &self,
        caller: &Caller,
        name: &str,
        switch: DestinationSwitch,
        reason: &str,
    ) -> Result<bool, AdminError> {
        caller.needs(Scope::SourcesWrite)?;
        let reason = Reason::new(reason)?.get();
        let destination = self.find(caller, name).await?;
        let mut tx = self.store.begin().await?;
        let now = self.clock.now();
        let handler = destination.handler();
        let changed = tx.switch_destination(&handler, switch, reason, now).await?;
        let target = format!("destination {name}");
        let (actor, count) = (caller.actor(), u64::from(changed));
        let action = switch.as_str();
        let entry = AuditEntry { at: now, actor, action, target: &target, reason, count };
        tx.audit_with(&entry, caller.audit_more()).await?;
        tx.commit(()).await?;
        info!(actor = caller.actor(), action = switch.as_str(), destination = name, "switched");
        wake_gateways(&self.store).await;
        Ok(changed)
    }

    /// Makes dead letters of what waits for a destination that is not configured any more; gives
    /// how many.
    ///
    /// # Errors
    /// [`AdminError`]; [`AdminError::Conflict`] where it is configured.
    pub async fn forget(
        &self,
        caller: &Caller,
        name: &str,
        reason: &str,
    ) -> Result<u64, AdminError> {
        caller.needs(Scope::SourcesWrite)?;
        let reason = Reason::new(reason)?.get();
        let destination = self.find(caller, name).await?;
        if destination.configured {
            let why = "the destination is configured: remove it from the configuration first";
            return Err(AdminError::Conflict(why.to_owned()));
        }
        let mut tx = self.store.begin().await?;
        let now = self.clock.now();
        let (actor, target) = (caller.actor(), format!("destination {name}"));
        let performed = OperatorAction { at: now, actor, action: "dead_letter", reason, job: None };
        let count = tx.forget_destination(&destination.handler(), performed).await?;
        let action = "forget";
        let entry = AuditEntry { at: now, actor, action, target: &target, reason, count };
        tx.audit_with(&entry, caller.audit_more()).await?;
        tx.commit(()).await?;
        wake_gateways(&self.store).await;
        Ok(count)
    }

    /// All that a tenant sees.
    async fn seen_by(&self, tenant: Option<&str>) -> Result<Vec<Destination>, AdminError> {
        let now = self.clock.now();
        let mut states = self.store.destinations().await?;
        let mut listed = Vec::new();
        for ConfiguredDestination { name, tenant: own, url } in &self.configured {
            let is_it = |state: &DestinationState| state.handler.strip_prefix(TO) == Some(name);
            let place = states.iter().position(is_it);
            let state = place.map(|place| states.swap_remove(place));
            if tenant.is_none() || tenant == own.as_deref() {
                listed.push(Destination::new(name.clone(), Some(url.clone()), state, now));
            }
        }
        if tenant.is_none() {
            states.sort_unstable_by(|a, b| a.handler.cmp(&b.handler));
            for state in states {
                let name = state.handler.strip_prefix(TO).unwrap_or_default().to_owned();
                listed.push(Destination::new(name, None, Some(state), now));
            }
        }
        Ok(listed)
    }

    async fn find(&self, caller: &Caller, name: &str) -> Result<Destination, AdminError> {
        let mut seen = self.seen_by(caller.tenant()).await?.into_iter();
        let found = seen.find(|found| found.name == name);
        found.ok_or_else(|| AdminError::NotFound(format!("destination `{name}`")))
    }
}

impl Destination {
    fn new(
        name: String,
        url: Option<String>,
        state: Option<DestinationState>,
        now: OffsetDateTime,
    ) -> Self {
        let configured = url.is_some();
        let (standing, since) = stands(configured, state.as_ref(), now);
        Self { name, configured, url, state, standing, since }
    }

    /// Takes out what an application has answered.
    fn redact_payload(&mut self) {
        if let Some(state) = &mut self.state {
            state.last_error = None;
        }
    }

    fn handler(&self) -> String {
        format!("{TO}{}", self.name)
    }
}

fn stands(
    configured: bool,
    state: Option<&DestinationState>,
    now: OffsetDateTime,
) -> (DestinationStatus, Option<OffsetDateTime>) {
    let Some(state) = state else { return (DestinationStatus::Ok, None) };
    if !configured {
        return (DestinationStatus::Unconfigured, None);
    }
    if state.disabled_at.is_some() {
        return (DestinationStatus::Disabled, state.disabled_at);
    }
    if state.paused_at.is_some() {
        return (DestinationStatus::Paused, state.paused_at);
    }
    if state.opened_at.is_some() {
        return (DestinationStatus::Failing, state.opened_at);
    }
    match state.not_before {
        Some(until) if until > now => (DestinationStatus::ToldToWait, state.last_failed_at),
        _ if state.rejecting_since.is_some() => {
            (DestinationStatus::Rejecting, state.rejecting_since)
        }
        _ => (DestinationStatus::Ok, None),
    }
}
