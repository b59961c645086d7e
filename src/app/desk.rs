//! What the operator listener works with: the functions of `operator`, each made for this gateway.

use std::sync::Arc;

use super::error::BuildError;
use super::landscape::landscape;
use crate::clock::SharedClock;
use crate::config::{Config, DestinationEntry, LimitEntry};
use crate::http::{self, Limits, Quota};
use crate::operator::{Alerts, Configured, Destinations, Groups, Insight, Requests};
use crate::providers;
use crate::store::Store;

/// What they are made of.
pub(super) struct Desk<'d> {
    pub(super) config: &'d Config,
    pub(super) store: &'d Store,
    pub(super) clock: &'d SharedClock,
}

impl Desk<'_> {
    pub(super) fn limits(&self) -> Arc<Limits> {
        let quota = |limit: LimitEntry| Quota { per_second: limit.per_second, burst: limit.burst };
        let operator = &self.config.file.operator;
        Arc::new(Limits::new(quota(operator.reads), quota(operator.changes)))
    }

    pub(super) fn requests(&self) -> Requests {
        Requests::new(self.store.clone(), Arc::clone(self.clock))
    }

    pub(super) fn destinations(&self) -> Destinations {
        let configured = configured_destinations(self.config);
        Destinations::new(self.store.clone(), Arc::clone(self.clock), configured)
    }

    pub(super) fn groups(&self) -> Groups {
        Groups::new(self.store.clone(), Arc::clone(self.clock))
    }

    pub(super) fn insight(&self) -> Result<Insight, BuildError> {
        let landscape = landscape(self.config)?;
        Ok(Insight::new(self.store.clone(), Arc::clone(self.clock), landscape))
    }

    pub(super) fn alerts(&self) -> Alerts {
        let sources = self.config.sources.iter().map(|source| &source.entry);
        let tenants = sources.map(|source| (source.name.clone(), source.tenant.clone()));
        Alerts::new(self.store.clone(), tenants.collect())
    }
}

/// The destinations, each with the only tenant whose events it takes.
pub fn configured_destinations(config: &Config) -> Vec<Configured> {
    let tenant = |entry: &DestinationEntry| {
        let sources = config.sources.iter().map(|source| &source.entry);
        let mut tenants = sources.filter(|s| entry.takes_from(&s.name)).map(|s| &s.tenant);
        let first = tenants.next()?;
        tenants.all(|tenant| tenant == first).then(|| first.clone())
    };
    let entries = config.destinations.iter().map(|destination| &destination.entry);
    entries.map(|entry| Configured { name: entry.name.clone(), tenant: tenant(entry) }).collect()
}

/// The description of the API, as it is served and committed.
pub fn document() -> String {
    let answers = providers::CATALOGUE.iter();
    let answers = answers.filter_map(|entry| Some((entry.name, entry.api?())));
    http::document(&answers.collect::<Vec<_>>())
}
