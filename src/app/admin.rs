//! Builds the services of the admin API and the console.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::error::BuildError;
use super::topology::topology;
use crate::admin::{
    Access, Alerts, ConfiguredDestination, DeadLetters, Destinations, Groups, IdempotencyKeys,
    Issuer, IssuerSettings, Jobs, Monitoring, Pauses, RejectedRequests, SendTest, Verifiers,
};
use crate::clock::SharedClock;
use crate::config::{Config, DestinationEntry, LimitEntry, OidcConfig};
use crate::lifecycle::Supervisor;
use crate::providers::{self, Services};
use crate::store::Store;
use crate::telemetry::Metrics;
use crate::web::{self, AdminState, Apis, Limits, Quota};

/// Builds the services.
pub(super) struct AdminBuilder<'d> {
    pub(super) config: &'d Config,
    pub(super) store: &'d Store,
    pub(super) clock: &'d SharedClock,
}

/// Services that are shared with other parts of the gateway.
pub(super) struct Tools<'t> {
    pub(super) dead_letters: &'t DeadLetters,
    pub(super) monitoring: &'t Monitoring,
    pub(super) groups: &'t Groups,
    pub(super) jobs: &'t Jobs,
    pub(super) pauses: &'t Pauses,
    pub(super) rejected_requests: &'t RejectedRequests,
    pub(super) tests: &'t Arc<dyn SendTest>,
    pub(super) gates: &'t Verifiers,
    pub(super) access: &'t Arc<Access>,
}

impl AdminBuilder<'_> {
    /// The state of the operator listener.
    pub(super) fn operator(
        &self,
        tools: &Tools<'_>,
        (stopping, metrics, supervisor): (&Arc<AtomicBool>, &Metrics, &Supervisor),
        apis: Apis,
    ) -> AdminState {
        let base = self.config.operator_base(self.config.file.operator.listen);
        AdminState {
            store: self.store.clone(),
            clock: Arc::clone(self.clock),
            stopping: Arc::clone(stopping),
            metrics: metrics.clone(),
            supervisor: supervisor.clone(),
            apis: Arc::new(apis),
            limits: self.limits(),
            document: document().into(),
            requests: self.requests(),
            dead_letters: tools.dead_letters.clone(),
            destinations: self.destinations().with_tests(Arc::clone(tools.tests)),
            alerts: self.alerts(),
            monitoring: tools.monitoring.clone(),
            groups: tools.groups.clone(),
            jobs: tools.jobs.clone(),
            pauses: tools.pauses.clone(),
            rejected_requests: tools.rejected_requests.clone(),
            gates: tools.gates.clone(),
            access: Arc::clone(tools.access),
            public_url: self.config.operator_url.as_ref().map(|_| base.clone()),
            base,
        }
    }

    pub(super) fn limits(&self) -> Arc<Limits> {
        let quota = |limit: LimitEntry| Quota { per_second: limit.per_second, burst: limit.burst };
        let operator = &self.config.file.operator;
        Arc::new(Limits::new(quota(operator.reads), quota(operator.changes)))
    }

    pub(super) fn requests(&self) -> IdempotencyKeys {
        IdempotencyKeys::new(self.store.clone(), Arc::clone(self.clock))
    }

    pub(super) fn destinations(&self) -> Destinations {
        let configured = configured_destinations(self.config);
        Destinations::new(self.store.clone(), Arc::clone(self.clock), configured)
    }

    pub(super) fn groups(&self) -> Groups {
        Groups::new(self.store.clone(), Arc::clone(self.clock))
    }

    pub(super) fn monitoring(&self) -> Result<Monitoring, BuildError> {
        let topology = topology(self.config)?;
        Ok(Monitoring::new(self.store.clone(), Arc::clone(self.clock), topology))
    }

    pub(super) fn alerts(&self) -> Alerts {
        alerts(self.config, self.store)
    }
}

/// The single sign-on issuer (OIDC), if one is configured.
pub(super) fn issuer(
    config: &Config,
    services: &Services,
    clock: &SharedClock,
) -> Result<Option<Issuer>, BuildError> {
    let Some(OidcConfig { entry, client_secret, public_url }) = &config.oidc else {
        return Ok(None);
    };
    let settings = IssuerSettings {
        issuer: entry.issuer.clone(),
        client_id: entry.client_id.clone(),
        client_secret: client_secret.clone(),
        public_url: public_url.clone(),
        label: entry.label.clone(),
    };
    Ok(Some(Issuer::new(settings, services.outbound.clone(), Arc::clone(clock))?))
}

/// Alerts of the configured sources.
pub fn alerts(config: &Config, store: &Store) -> Alerts {
    let sources = config.sources.iter().map(|source| &source.entry);
    let tenants = sources.map(|source| (source.name.clone(), source.tenant.clone()));
    let destinations = configured_destinations(config);
    Alerts::new(store.clone(), tenants.collect(), destinations, config.discord.is_some())
}

/// The destinations, each with its tenant if it takes events of one tenant only.
pub fn configured_destinations(config: &Config) -> Vec<ConfiguredDestination> {
    let tenant = |entry: &DestinationEntry| {
        let sources = config.sources.iter().map(|source| &source.entry);
        let mut tenants = sources.filter(|s| entry.takes_from(&s.name)).map(|s| &s.tenant);
        let first = tenants.next()?;
        tenants.all(|tenant| tenant == first).then(|| first.clone())
    };
    let entries = config.destinations.iter().map(|destination| &destination.entry);
    let configured = |entry: &DestinationEntry| ConfiguredDestination {
        name: entry.name.clone(),
        tenant: tenant(entry),
        url: shown(&entry.url),
    };
    entries.map(configured).collect()
}

/// A URL without parts that may be secret: user, password and query.
fn shown(text: &str) -> String {
    let Ok(mut url) = url::Url::parse(text) else { return String::new() };
    // Fails only for URLs that cannot have a user.
    let _cannot = url.set_username("").and_then(|()| url.set_password(None));
    if url.query().is_some() {
        url.set_query(Some("\u{2026}"));
    }
    url.to_string().replace("%E2%80%A6", "\u{2026}")
}

/// The `OpenAPI` document of the admin API, as served and committed.
pub fn document() -> String {
    let apis = providers::CATALOGUE.iter();
    let apis = apis.filter_map(|entry| Some((entry.name, entry.api?())));
    web::document(&apis.collect::<Vec<_>>())
}
