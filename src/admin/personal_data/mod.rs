//! Personal data: events of a person or a tenant, erased or exported.
//!
//! - A [`SubjectSelection`] selects them: by id, deduplication key, lane, tenant, or a value in the
//!   body.
//! - [`PersonalData::erase`] erases their payload and everything derived from it. A skeleton of
//!   each event stays. A dry run does the same and rolls it back, so that its numbers are those of
//!   the erasure.
//! - [`PersonalData::find`] and [`PersonalData::exported`] read them for an archive.
//!
//! The audit log is never erased, so it has no value of a selection, only a digest of it.

mod erase;
mod export;
mod field;
mod find;
mod model;
mod selection;

pub use export::{ExportedBody, ExportedEvent};
pub use field::FieldValue;
pub use find::FoundToExport;
pub use model::{ErasureProgress, ErasureRequest, ErasureResult, Unfinished};
pub use selection::{SelectBy, SubjectSelection};

use super::{RejectedRequests, SourceFacts};
use crate::clock::SharedClock;
use crate::store::{DerivedRows, Store};

/// The rows that a provider derives from events, by the name of the provider.
pub type DerivedBy = fn(&str) -> Option<&'static dyn DerivedRows>;

#[derive(Clone)]
pub struct PersonalData {
    store: Store,
    clock: SharedClock,
    sources: Vec<SourceFacts>,
    rejected_requests: RejectedRequests,
    derived: DerivedBy,
}

impl PersonalData {
    pub fn new(
        store: Store,
        clock: SharedClock,
        sources: Vec<SourceFacts>,
        rejected_requests: RejectedRequests,
        derived: DerivedBy,
    ) -> Self {
        Self { store, clock, sources, rejected_requests, derived }
    }
}
