//! The shared state of the admin listener.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;

use super::apis::Apis;
use super::caller_limits::Limits;
use crate::admin::Admin;
use crate::lifecycle::Supervisor;
use crate::telemetry::Metrics;

/// The shared state of the admin listener: the admin core, to which it dereferences, and what only
/// the listener needs.
#[derive(Clone)]
pub struct AdminState {
    pub admin: Admin,
    pub stopping: Arc<AtomicBool>,
    pub supervisor: Supervisor,
    pub metrics: Metrics,
    pub apis: Arc<Apis>,
    pub limits: Arc<Limits>,
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
