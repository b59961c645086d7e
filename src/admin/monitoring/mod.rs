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
mod inactivity;
mod model;
mod overview;
mod proxies;
mod reading;
mod sources;
mod topology;
mod totals;
mod troubles;
mod watch;

use std::sync::Arc;

pub use inactivity::Baseline;
pub use model::{
    Alarm, AlarmKind, Counts, Link, Overview, Point, ReasonCount, Series, Setting, Source,
    SourceRow, SourceSecret, SourceSetup,
};
pub use proxies::{Listener, UnlistedProxies, is_internal};
pub use topology::{SourceFacts, Topology};
pub use troubles::DispatchTroubles;

use crate::clock::SharedClock;
use crate::store::Store;

/// Received events and outcomes, for those who look.
#[derive(Clone)]
pub struct Monitoring {
    pub(in crate::admin) store: Store,
    pub(in crate::admin) clock: SharedClock,
    pub(in crate::admin) topology: Arc<Topology>,
    proxies: UnlistedProxies,
    troubles: DispatchTroubles,
}

impl Monitoring {
    /// What is in `store`, of the sources that are configured.
    pub fn new(store: Store, clock: SharedClock, topology: Topology) -> Self {
        let (proxies, troubles) = (UnlistedProxies::default(), DispatchTroubles::default());
        Self { store, clock, topology: Arc::new(topology), proxies, troubles }
    }

    /// What dispatch in this process cannot do.
    pub fn troubles(&self) -> &DispatchTroubles {
        &self.troubles
    }

    /// The proxies that this gateway's listeners have met and do not trust.
    pub fn proxies(&self) -> &UnlistedProxies {
        &self.proxies
    }
}
