//! What operators see of what was received and its outcome.
//!
//! - A [`Topology`] is what is configured, as plain data without secrets.
//! - [`Monitoring::overview`] answers whether anything is wrong: a row for every source, and an
//!   [`Alarm`] for everything that is. It reads counters, never events.
//! - [`Monitoring::raise_alarms`] tells users who do not look.
//! - [`Monitoring::events`] looks for events; a page says how far it has looked back. Everything about
//!   one of them is an [`EventDetail`]; its body comes in slices.
//! - [`Monitoring::transfers`] are payloads in chunks that are not whole yet.
//! - [`Monitoring::sources`] says how sources are set up and which secrets are used.

mod alarms;
mod body;
mod detail;
mod inactivity;
mod overview;
mod proxies;
mod reading;
mod search;
mod sources;
mod topology;
mod totals;
mod transfers;
mod troubles;
mod watch;

use std::sync::Arc;

pub use alarms::{Alarm, AlarmKind, Link};
pub use body::{BodySlice, SLICE};
pub use detail::{EventDetail, PayloadView, ProofView, Related};
pub use inactivity::Baseline;
pub use overview::{Overview, SourceRow};
pub use proxies::{Listener, UnlistedProxies, is_internal};
pub use search::{EventPage, Facets, MOST_EVENTS, Search};
pub use sources::{SecretView, Setup, SourceView};
pub use topology::{Setting, SourceFacts, Topology};
pub use totals::{Point, Series, Totals};
pub use transfers::{MOST_TRANSFERS, TransferDetail, TransferView, Transfers};
pub use troubles::DispatchTroubles;

use crate::clock::SharedClock;
use crate::store::Store;

/// Received events and outcomes, for those who look.
#[derive(Clone)]
pub struct Monitoring {
    store: Store,
    clock: SharedClock,
    topology: Arc<Topology>,
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
