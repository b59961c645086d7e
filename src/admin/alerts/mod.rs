//! The list of alerts.

mod model;

use time::OffsetDateTime;

use super::{AdminError, Caller, ConfiguredDestination, Scope};
use crate::store::{AlertFilter, HandlerName, Store};

pub use model::{AlertRow, AlertState, Notification, Severity};

#[derive(Clone)]
pub struct Alerts {
    store: Store,
    sources: Vec<(String, String)>,
    destinations: Vec<ConfiguredDestination>,
    has_channel: bool,
}

impl Alerts {
    /// `sources` are the configured ones, each with its tenant; `has_channel` says whether an alert
    /// channel is configured.
    pub fn new(
        store: Store,
        sources: Vec<(String, String)>,
        destinations: Vec<ConfiguredDestination>,
        has_channel: bool,
    ) -> Self {
        Self { store, sources, destinations, has_channel }
    }

    pub fn has_channel(&self) -> bool {
        self.has_channel
    }

    /// Up to `limit` alerts after the position `after`, the most recently raised first; without
    /// `all`, only those that are open or pending. Texts and keys may quote untrusted input, so
    /// they require [`Scope::PayloadRead`].
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
        let handlers = handlers.map(|one| HandlerName::Destination(&one.name).to_string());
        let handlers = handlers.collect();
        let filter = AlertFilter { all, sources, handlers, after, limit };
        let mut alerts = self.store.alerts(&filter).await?;
        if !caller.may(Scope::PayloadRead) {
            for alert in &mut alerts {
                alert.text = None;
                alert.key = None;
            }
        }
        Ok(alerts)
    }
}
