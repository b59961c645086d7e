//! [`Admin`]: all services of the admin core. The console, the API and the command line share it.

use std::sync::Arc;

use super::{
    Access, Alerts, DeadLetters, DerivedBy, Destinations, Groups, Handshakes, IdempotencyKeys,
    Issuer, Jobs, Monitoring, Pauses, PersonalData, Providers, RejectedRequests, Reprocess,
    Routing, SendTest, Topology, Verifiers,
};
use crate::clock::SharedClock;
use crate::store::Store;
use crate::stored_secrets::StoredSecrets;
use crate::vault::Vault;

/// The parts of the configuration that a command requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The database only. The configuration file may be missing.
    Nothing,
    /// The names of the sources and destinations. Their secrets may be missing.
    Names,
    /// The sources and destinations, with their secrets: to replay, to verify, to send.
    Sources,
}

/// What the admin core is built from.
pub struct AdminParts {
    pub store: Store,
    pub clock: SharedClock,
    /// Opens sealed values.
    pub vault: Vault,
    /// The configuration as shown to users.
    pub topology: Topology,
    /// What is known about each kind of sender.
    pub providers: Providers,
    pub routing: Routing,
    /// How the requests of each source are verified.
    pub verifiers: Verifiers,
    /// The secrets that handshakes have brought.
    pub stored_secrets: StoredSecrets,
    /// Ingests rejected requests that verify now.
    pub reprocess: Arc<dyn Reprocess>,
    pub tests: Arc<dyn SendTest>,
    /// What the providers derive from events.
    pub derived: DerivedBy,
    /// The single sign-on issuer (OIDC).
    pub issuer: Option<Issuer>,
    /// Whether users with a password need a second factor.
    pub require_second_factor: bool,
}

#[derive(Clone)]
pub struct Admin {
    pub store: Store,
    pub clock: SharedClock,
    /// How the requests of each source are verified.
    pub verifiers: Verifiers,
    /// The secrets that handshakes have brought, as the verifiers use them.
    pub stored_secrets: StoredSecrets,
    pub dead_letters: DeadLetters,
    pub groups: Groups,
    pub jobs: Jobs,
    pub pauses: Pauses,
    pub destinations: Destinations,
    pub rejected_requests: RejectedRequests,
    pub handshakes: Handshakes,
    pub personal_data: PersonalData,
    pub alerts: Alerts,
    /// Events, transfers, sources, counts and alarms.
    pub monitoring: Monitoring,
    pub providers: Providers,
    pub access: Arc<Access>,
    pub idempotency_keys: IdempotencyKeys,
}

impl Admin {
    pub fn new(parts: AdminParts) -> Self {
        let AdminParts { store, clock, vault, topology, routing, verifiers, .. } = parts;
        let dead_letters = DeadLetters::new(store.clone(), Arc::clone(&clock), routing.clone());
        let rejected_requests = RejectedRequests::new(
            store.clone(),
            Arc::clone(&clock),
            vault.clone(),
            verifiers.clone(),
            parts.reprocess,
        );
        let destinations = topology.destinations.clone();
        let sources = topology.sources.iter();
        let tenants = sources.map(|source| (source.name.clone(), source.tenant.clone()));
        let access = Access::new(store.clone(), Arc::clone(&clock), vault.clone())
            .with_issuer(parts.issuer)
            .with_second_factor(parts.require_second_factor);
        Self {
            jobs: Jobs::new(dead_letters.clone()).with_rejected_requests(rejected_requests.clone()),
            groups: Groups::new(store.clone(), Arc::clone(&clock)),
            pauses: Pauses::new(store.clone(), Arc::clone(&clock), routing),
            destinations: Destinations::new(
                store.clone(),
                Arc::clone(&clock),
                destinations.clone(),
            )
            .with_tests(parts.tests),
            alerts: Alerts::new(
                store.clone(),
                tenants.collect(),
                destinations,
                topology.alerts_are_sent,
            ),
            personal_data: PersonalData::new(
                store.clone(),
                Arc::clone(&clock),
                topology.sources.clone(),
                rejected_requests.clone(),
                parts.derived,
            ),
            handshakes: Handshakes::new(
                store.clone(),
                Arc::clone(&clock),
                vault.clone(),
                topology.sources.clone(),
            ),
            monitoring: Monitoring::new(store.clone(), Arc::clone(&clock), topology),
            providers: parts.providers,
            idempotency_keys: IdempotencyKeys::new(store.clone(), Arc::clone(&clock)),
            access: Arc::new(access),
            dead_letters,
            rejected_requests,
            verifiers,
            stored_secrets: parts.stored_secrets,
            store,
            clock,
        }
    }
}
