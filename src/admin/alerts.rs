//! What users were told, or are to be told.

use time::OffsetDateTime;

use super::{AdminError, Caller, ConfiguredDestination, Scope};
use crate::store::{AlertFilter, AlertRow, Store, TO};

/// The alerts, for those who look at them.
#[derive(Clone)]
pub struct Alerts {
    store: Store,
    sources: Vec<(String, String)>,
    destinations: Vec<ConfiguredDestination>,
    are_told: bool,
}

impl Alerts {
    /// The alerts of `store`. `sources` are the configured ones, each with its tenant; `are_told`
    /// says whether there is a channel that they go to.
    pub fn new(
        store: Store,
        sources: Vec<(String, String)>,
        destinations: Vec<ConfiguredDestination>,
        are_told: bool,
    ) -> Self {
        Self { store, sources, destinations, are_told }
    }

    /// Whether anybody is told: without a channel, alerts are only kept.
    pub fn are_told(&self) -> bool {
        self.are_told
    }

    /// Up to `limit` of them, those that were raised last first, from the first after `after`;
    /// without `all`, only those that go on or are still to be told. Who may not see payloads is
    /// not told the texts: they may quote untrusted input.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn list(
        &self,
        caller: &Caller,
        all: bool,
        after: Option<(OffsetDateTime, i64)>,
        limit: u32,
    ) -> Result<Vec<AlertRow>, AdminError> {
        caller.needs(Scope::EventsRead)?;
        let sources = caller.tenant().map(|tenant| {
            let own = self.sources.iter().filter(|(_, owner)| owner == tenant);
            own.map(|(source, _)| source.clone()).collect()
        });
        let handlers = self.destinations.iter();
        let handlers = handlers.filter(|one| one.tenant.as_deref() == caller.tenant());
        let handlers = handlers.map(|one| format!("{TO}{}", one.name)).collect();
        let filter = AlertFilter { all, sources, handlers, after, limit };
        let mut alerts = self.store.alerts(&filter).await?;
        if !caller.may(Scope::PayloadRead) {
            for alert in &mut alerts {
                alert.text.clear();
                alert.key.clear();
            }
        }
        Ok(alerts)
    }
}
