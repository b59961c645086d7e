//! The pages. Each module has a view (a plain value) and the function that renders it. The views
//! are built by [`present`](super::present).

pub(super) mod account;
pub(super) mod alerts;
pub(super) mod audit;
pub(super) mod dead_letters;
pub(super) mod delivery;
pub(super) mod destination;
pub(super) mod destinations;
pub(super) mod edit;
pub(super) mod error;
pub(super) mod event;
pub(super) mod events;
pub(super) mod explain;
pub(super) mod groups;
pub(super) mod jobs;
pub(super) mod keys;
pub(super) mod overview;
pub(super) mod parts_of_event;
pub(super) mod pauses;
pub(super) mod rejected_requests;
pub(super) mod settings;
pub(super) mod sign_in;
pub(super) mod sources;
pub(super) mod transfers;
pub(super) mod users;
