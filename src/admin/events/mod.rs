//! Events: search, details, and the body in slices.
//!
//! A search is bounded: a page says how far back it has searched.

mod body;
mod detail;
mod keys;
mod model;
mod search;

pub use body::{BodySlice, SLICE};
pub(in crate::admin) use keys::digests;
pub(in crate::admin) use model::embedded;
pub use model::{
    DeliveryCounts, EditMade, EventDetail, EventPage, EventPayload, EventProof, EventSummary,
    RelatedEvents,
};
pub use search::{EventFacets, EventMatches, MAX_EVENTS, Search};
