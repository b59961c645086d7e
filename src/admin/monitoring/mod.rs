//! Monitoring: received events, their outcome, and what is wrong.
//!
//! - A [`Topology`] is the configuration as plain data, without secrets.
//! - [`Monitoring::overview`] has a row for every source, and an [`Alarm`] for every problem. It
//!   reads counters, never events.
//! - [`Monitoring::raise_alarms`] raises alerts for alarms.
//! - Its methods about events and transfers are in [`events`](super::events) and
//!   [`transfers`](super::transfers).
//! - [`Monitoring::sources`] reports how sources are set up and which secrets are used.

mod alarms;
mod dispatch_problems;
mod inactivity;
mod model;
mod overview;
mod proxies;
mod reading;
mod sources;
mod topology;
mod totals;
mod watch;

use std::sync::Arc;

pub use dispatch_problems::DispatchProblems;
pub use inactivity::Baseline;
pub use model::{
    Alarm, AlarmKind, Counts, Link, Overview, Point, ReasonCount, Series, Setting, Source,
    SourceHandshake, SourceRow, SourceSecret, SourceSetup,
};
pub use proxies::{Listener, UnlistedProxies, is_internal};
pub use topology::{SourceFacts, Topology};

use crate::clock::SharedClock;
use crate::store::Store;

#[derive(Clone)]
pub struct Monitoring {
    pub(in crate::admin) store: Store,
    pub(in crate::admin) clock: SharedClock,
    pub(in crate::admin) topology: Arc<Topology>,
    proxies: UnlistedProxies,
    dispatch_problems: DispatchProblems,
}

impl Monitoring {
    pub fn new(store: Store, clock: SharedClock, topology: Topology) -> Self {
        let (proxies, dispatch_problems) =
            (UnlistedProxies::default(), DispatchProblems::default());
        Self { store, clock, topology: Arc::new(topology), proxies, dispatch_problems }
    }

    /// Current problems of dispatch in this process.
    pub fn dispatch_problems(&self) -> &DispatchProblems {
        &self.dispatch_problems
    }

    /// The unlisted proxies in front of this gateway's listeners.
    pub fn proxies(&self) -> &UnlistedProxies {
        &self.proxies
    }
}
