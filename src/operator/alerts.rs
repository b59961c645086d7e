//! What people were told, or are to be told.

use time::OffsetDateTime;

use super::{Caller, OperatorError, Scope};
use crate::store::{AlertFilter, KeptAlert, Store};

/// The alerts, for those who look at them.
#[derive(Clone)]
pub struct Alerts {
    store: Store,
    sources: Vec<(String, String)>,
}

impl Alerts {
    /// The alerts of `store`; `sources` are the configured ones, each with its tenant.
    pub fn new(store: Store, sources: Vec<(String, String)>) -> Self {
        Self { store, sources }
    }

    /// Up to `limit` of them, those that were raised last first, from the first after `after`;
    /// without `all`, only those that go on or are still to be told. Who may not see payloads is
    /// not told the texts: they may quote what strangers sent.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn list(
        &self,
        caller: &Caller,
        all: bool,
        after: Option<(OffsetDateTime, i64)>,
        limit: u32,
    ) -> Result<Vec<KeptAlert>, OperatorError> {
        caller.needs(Scope::EventsRead)?;
        let sources = caller.tenant().map(|tenant| {
            let own = self.sources.iter().filter(|(_, owner)| owner == tenant);
            own.map(|(source, _)| source.clone()).collect()
        });
        let filter = AlertFilter { all, sources, after, limit };
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
