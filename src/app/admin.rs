//! Builds the admin core of a gateway or of a command.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use bytes::Bytes;
use time::OffsetDateTime;
use tokio_util::task::TaskTracker;

use super::destinations::{Destined, Testers, destinations};
use super::provider_models;
use super::reprocess::Reprocessor;
use super::topology::{named, source_facts, topology, without_secrets};
use super::wiring::{Wiring, build_source, names, services};
use super::{BuildError, TestOverrides};
use crate::admin::{
    Admin, AdminParts, Issuer, Need, Reprocess, ReprocessError, Reprocessed, Routing, SendTest,
    Verifiers,
};
use crate::clock::{SharedClock, SystemClock};
use crate::config::{Config, LimitEntry};
use crate::lifecycle::Supervisor;
use crate::providers;
use crate::store::{DerivedRows, RecordedResponse, Store};
use crate::stored_secrets::StoredSecrets;
use crate::verify::RequestHead;
use crate::web::{self, Apis, Limits, Quota, RequestIds};

/// The admin core of a command, without a running gateway. Call it on a runtime.
pub fn admin(config: &Config, store: &Store, need: Need) -> Result<Admin, BuildError> {
    match need {
        Need::Nothing | Need::Names => Ok(by_name(config, store)),
        Need::Sources => {
            let (services, parts) = (services(config)?, TestOverrides::default());
            let destinations = destinations(config, &services)?;
            let mut apis = Apis::new(Arc::clone(&parts.clock), RequestIds::new(0));
            let wiring = Wiring::of(config, store, &parts, &services, &destinations, &mut apis)?;
            // Running gateways notice at their next poll.
            let committed: Arc<dyn Fn() + Send + Sync> = Arc::new(|| ());
            let supervisor = Supervisor::new(TaskTracker::new());
            let built = Built {
                wiring: &wiring,
                destinations: &destinations,
                clock: &parts.clock,
                committed: &committed,
                supervisor: &supervisor,
                issuer: None,
            };
            built.admin(config, store)
        }
    }
}

/// The parts of a gateway that the admin core uses.
pub(super) struct Built<'b> {
    pub(super) wiring: &'b Wiring,
    pub(super) destinations: &'b [Destined<'b>],
    pub(super) clock: &'b SharedClock,
    pub(super) committed: &'b Arc<dyn Fn() + Send + Sync>,
    pub(super) supervisor: &'b Supervisor,
    pub(super) issuer: Option<Issuer>,
}

impl Built<'_> {
    pub(super) fn admin(self, config: &Config, store: &Store) -> Result<Admin, BuildError> {
        let Self { wiring, destinations, clock, committed, supervisor, issuer } = self;
        Ok(Admin::new(AdminParts {
            store: store.clone(),
            clock: Arc::clone(clock),
            vault: config.vault.clone(),
            topology: topology(config)?,
            providers: provider_models::providers(),
            routing: wiring.routing.clone(),
            verifiers: wiring.verifiers.clone(),
            stored_secrets: wiring.stored_secrets.clone(),
            reprocess: Arc::new(Reprocessor::new(store, &wiring.sources, committed, supervisor)),
            tests: Testers::build(destinations, clock),
            derived,
            issuer,
            require_second_factor: config.file.operator.require_second_factor,
        }))
    }
}

/// The admin core of a command that reads no secret. A source that cannot be built without its
/// secrets is known by its entry only.
fn by_name(config: &Config, store: &Store) -> Admin {
    let mut topology = named(config);
    let mut routing = Routing::default();
    let entries = &config.file.source;
    let services = if entries.is_empty() { None } else { services(config).ok() };
    for (entry, facts) in entries.iter().zip(&mut topology.sources) {
        let source = without_secrets(entry);
        let mut handlers = Vec::new();
        if let Some(services) = &services
            && let Ok((provider, built)) = build_source(config, &source, services)
        {
            *facts = source_facts(config, &source, provider, &built);
            handlers = names(&built.handlers);
        }
        if entry.enabled {
            let none = Arc::new(|_: &str| Vec::new());
            routing.add(&entry.name, &entry.tenant, handlers, false, none);
        }
    }
    Admin::new(AdminParts {
        store: store.clone(),
        clock: Arc::new(SystemClock),
        vault: config.vault.clone(),
        topology,
        providers: provider_models::providers(),
        routing,
        verifiers: Verifiers::default(),
        stored_secrets: StoredSecrets::new(store.clone(), config.vault.clone()),
        reprocess: Arc::new(NotBuilt),
        tests: Arc::new(NotBuilt),
        derived,
        issuer: None,
        require_second_factor: config.file.operator.require_second_factor,
    })
}

/// What a provider derives from events, by its name.
fn derived(provider: &str) -> Option<&'static dyn DerivedRows> {
    providers::find(provider)?.derived
}

/// Replaces the sources and destinations where only their names are known.
struct NotBuilt;

#[async_trait]
impl Reprocess for NotBuilt {
    async fn reprocess(
        &self,
        _: &str,
        _: RequestHead,
        _: Bytes,
        _: OffsetDateTime,
    ) -> Result<Reprocessed, ReprocessError> {
        Err(ReprocessError::NoSource)
    }
}

#[async_trait]
impl SendTest for NotBuilt {
    async fn send_test(&self, _: &str) -> Option<RecordedResponse> {
        None
    }
}

pub(super) fn limits(config: &Config) -> Arc<Limits> {
    let quota = |limit: LimitEntry| Quota { per_second: limit.per_second, burst: limit.burst };
    let operator = &config.file.operator;
    Arc::new(Limits::new(quota(operator.reads), quota(operator.changes)))
}

/// The `OpenAPI` document of the admin API, as served and committed.
pub fn document() -> String {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
        let apis = providers::CATALOGUE.iter();
        let apis = apis.filter_map(|entry| Some((entry.name, entry.api?())));
        web::document(&apis.collect::<Vec<_>>())
    });
    DOCUMENT.clone()
}
