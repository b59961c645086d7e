//! What the operator listener works with.

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

/// What the operator listener needs.
#[derive(Clone)]
pub struct AdminState {
    /// The database.
    pub store: Store,
    /// Whether the gateway is stopping.
    pub stopping: Arc<AtomicBool>,
    /// What watches over the background tasks.
    pub supervisor: Supervisor,
    /// The metrics.
    pub metrics: Metrics,
    /// What applications may ask for.
    pub apis: Arc<Apis>,
    /// How often callers may ask.
    pub limits: Arc<Limits>,
    /// The API's description.
    pub document: Bytes,
    /// The requests that name themselves.
    pub requests: IdempotencyKeys,
    /// The dead letters.
    pub dead_letters: DeadLetters,
    /// The destinations.
    pub destinations: Destinations,
    /// What people are told.
    pub alerts: Alerts,
    /// What came in and what became of it.
    pub monitoring: Monitoring,
    /// The groups of dead letters.
    pub groups: Groups,
    /// What is done about many.
    pub jobs: Jobs,
    /// What is paused.
    pub pauses: Pauses,
    /// The refused requests that are held.
    pub rejected_requests: RejectedRequests,
    /// How sources let requests in.
    pub gates: Verifiers,
    /// Who is let in, and what they may do.
    pub access: Arc<Access>,
    /// What addresses of this listener begin with, where that is configured.
    pub public_url: Option<String>,
    /// What examples begin with: the same, or where we listen.
    pub base: String,
    /// The time.
    pub clock: SharedClock,
}
