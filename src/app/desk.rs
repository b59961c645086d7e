//! What the operator listener works with: the functions of `operator`, each made for this gateway.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::clock::SharedClock;
use crate::config::{Config, DestinationEntry, LimitEntry};
use crate::http::{self, Apis, Console, Limits, Operator, Quota};
use crate::operator::{
    Alerts, Configured, DeadLetters, Destinations, Gates, Groups, HeldRequests, Insight, Requests,
};
use crate::providers;
use crate::store::Store;
use crate::telemetry::Metrics;

/// What they are made of.
pub(super) struct Desk<'d> {
    pub(super) config: &'d Config,
    pub(super) store: &'d Store,
    pub(super) clock: &'d SharedClock,
}

impl Desk<'_> {
    /// What pages are made of.
    pub(super) fn console(
        &self,
        dead_letters: &DeadLetters,
        insight: &Insight,
        (held, gates): (&HeldRequests, Gates),
    ) -> Console {
        Console {
            clock: Arc::clone(self.clock),
            dead_letters: dead_letters.clone(),
            destinations: self.destinations(),
            alerts: self.alerts(),
            groups: Groups::new(self.store.clone(), Arc::clone(self.clock)),
            insight: insight.clone(),
            held: held.clone(),
            gates,
        }
    }

    /// What the operator listener is made of.
    pub(super) fn operator(
        &self,
        console: Console,
        (stopping, metrics): (&Arc<AtomicBool>, &Metrics),
        apis: Apis,
    ) -> Operator {
        Operator {
            store: self.store.clone(),
            stopping: Arc::clone(stopping),
            metrics: metrics.clone(),
            apis: Arc::new(apis),
            limits: self.limits(),
            document: document().into(),
            requests: self.requests(),
            dead_letters: console.dead_letters.clone(),
            destinations: console.destinations.clone(),
            alerts: console.alerts.clone(),
            console,
        }
    }

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
