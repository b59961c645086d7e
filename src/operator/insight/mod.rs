//! What operators see of what came in and what became of it.
//!
//! - A [`Landscape`] is what is configured, as plain data without secrets.
//! - [`Insight::overview`] answers whether anything is wrong: a row for every source, and an
//!   [`Alarm`] for everything that is. It reads tallies, never events.
//! - [`Insight::raise_alarms`] tells people who do not look.

mod alarms;
mod landscape;
mod overview;
mod search;
mod silence;
mod totals;

use std::sync::Arc;

pub use alarms::{Alarm, AlarmKind, Link};
pub use landscape::{Landscape, Setting, SourceFacts};
pub use overview::{Overview, SourceRow};
pub use search::{EventPage, Facets, MOST_EVENTS, Search};
pub use silence::Habit;
pub use totals::{Point, Series, Totals};

use crate::clock::SharedClock;
use crate::store::Store;

/// What came in and what became of it, for those who look.
#[derive(Clone)]
pub struct Insight {
    store: Store,
    clock: SharedClock,
    landscape: Arc<Landscape>,
}

impl Insight {
    /// What is in `store`, of the sources that are configured.
    pub fn new(store: Store, clock: SharedClock, landscape: Landscape) -> Self {
        Self { store, clock, landscape: Arc::new(landscape) }
    }
}
