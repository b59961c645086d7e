//! Erasures: what is requested, and what `--format json` prints.

use serde::Serialize;

use super::SubjectSelection;
use crate::admin::Reason;
use crate::store::{DeliveryState, ErasedCounts, EventId, OpenDelivery, RowsErased};

/// How many events and deliveries of a result are named.
const NAMED: usize = 20;

/// A request for an erasure.
#[derive(Debug, Clone, Copy)]
pub struct ErasureRequest<'a> {
    pub selection: &'a SubjectSelection,
    /// The reason, for the events and for the audit log; without one it is a dry run.
    pub reason: Option<&'a Reason>,
    /// Whether unfinished deliveries and open dead letters are discarded. Otherwise their events
    /// are not erased.
    pub discard_unfinished: bool,
}

/// How far an erasure is.
#[derive(Debug, Clone, Copy)]
pub struct ErasureProgress {
    /// Events read.
    pub read: u64,
    /// Events erased.
    pub erased: u64,
    /// The last event read.
    pub last: Option<EventId>,
}

/// The result of an erasure, or of a dry run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ErasureResult {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// Events erased, with edited copies.
    pub events: u64,
    /// The first of them.
    pub sample: Vec<EventId>,
    /// The deliveries of those events.
    pub deliveries: u64,
    /// Unfinished deliveries and open dead letters that were discarded.
    pub discarded: u64,
    /// Rows that providers had derived.
    pub derived_rows: u64,
    /// Stored objects that nothing uses any more: maintenance removes them.
    pub objects: u64,
    /// Incomplete transfers.
    pub transfers: u64,
    /// Kept rejected requests.
    pub rejected_requests: u64,
    /// Events that were not erased, because they have unfinished deliveries or open dead letters.
    pub refused: u64,
    /// The first of those deliveries.
    pub unfinished: Vec<Unfinished>,
}

/// A delivery that keeps its event from being erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unfinished {
    pub delivery: i64,
    pub event: EventId,
    /// The handler or destination.
    pub handler: String,
    pub state: DeliveryState,
}

impl ErasureResult {
    /// Whether nothing matched.
    pub fn is_empty(&self) -> bool {
        let counts = [
            self.events,
            self.derived_rows,
            self.objects,
            self.transfers,
            self.rejected_requests,
            self.refused,
        ];
        counts.iter().all(|count| *count == 0)
    }

    pub(super) fn add_events(&mut self, events: &[EventId], counts: ErasedCounts) {
        self.events += counts.events;
        self.deliveries += counts.deliveries;
        let room = NAMED.saturating_sub(self.sample.len());
        self.sample.extend(events.iter().take(room));
    }

    pub(super) fn add_derived(&mut self, erased: RowsErased) {
        self.derived_rows += erased.rows;
        self.objects += erased.objects;
    }

    pub(super) fn add_refused(&mut self, events: u64, open: &[OpenDelivery]) {
        self.refused += events;
        let room = NAMED.saturating_sub(self.unfinished.len());
        self.unfinished.extend(open.iter().take(room).map(|delivery| Unfinished {
            delivery: delivery.id,
            event: delivery.event,
            handler: delivery.handler.clone(),
            state: delivery.state,
        }));
    }
}
