//! The shared state of the admin listener.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;

use super::api::{Apis, Limits};
use crate::admin::Admin;
use crate::lifecycle::Supervisor;
use crate::telemetry::Metrics;

/// The shared state of the admin listener: the admin core, to which it dereferences, and what only
/// the listener needs.
#[derive(Clone)]
pub struct AdminState {
    /// The admin core.
    pub admin: Admin,
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
    /// The public base URL of this listener, if configured.
    pub public_url: Option<String>,
    /// The base URL in examples: the public one, or the listen address.
    pub base: String,
}

impl Deref for AdminState {
    type Target = Admin;

    fn deref(&self) -> &Admin {
        &self.admin
    }
}
