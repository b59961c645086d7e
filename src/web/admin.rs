//! The shared state of the admin listener.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;

use super::api::{Apis, Limits};
use crate::admin::{
    Access, Alerts, DeadLetters, Destinations, Groups, IdempotencyKeys, Jobs, Monitoring, Pauses,
    RejectedRequests, Verifiers,
};
use crate::clock::SharedClock;
use crate::lifecycle::Supervisor;
use crate::store::Store;
use crate::telemetry::Metrics;

/// The shared state of the admin listener.
#[derive(Clone)]
pub struct AdminState {
    /// The database.
    pub store: Store,
    /// Whether the gateway is stopping.
    pub stopping: Arc<AtomicBool>,
    /// The supervisor of the background tasks.
    pub supervisor: Supervisor,
    /// The metrics.
    pub metrics: Metrics,
    /// The provider endpoints.
    pub apis: Arc<Apis>,
    /// The rate limits of callers.
    pub limits: Arc<Limits>,
    /// The `OpenAPI` document.
    pub document: Bytes,
    /// The idempotency keys.
    pub requests: IdempotencyKeys,
    /// The dead letters.
    pub dead_letters: DeadLetters,
    /// The destinations.
    pub destinations: Destinations,
    /// The alerts.
    pub alerts: Alerts,
    /// Events, counts and alarms.
    pub monitoring: Monitoring,
    /// The groups of dead letters.
    pub groups: Groups,
    /// The jobs.
    pub jobs: Jobs,
    /// The pauses.
    pub pauses: Pauses,
    /// The rejected requests.
    pub rejected_requests: RejectedRequests,
    /// The verification of sources.
    pub gates: Verifiers,
    /// Users, API keys and sessions.
    pub access: Arc<Access>,
    /// The public base URL of this listener, if configured.
    pub public_url: Option<String>,
    /// The base URL in examples: the public one, or the listen address.
    pub base: String,
    /// The clock.
    pub clock: SharedClock,
}
