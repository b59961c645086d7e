//! The pages: each is a view, a plain value, and the markup that is made of it. Where the values
//! come from is the matter of [`desk`](super::desk).

#[cfg_attr(not(test), expect(dead_code, reason = "routed once `operator` has it"))]
pub(super) mod account;
pub(super) mod alerts;
#[cfg_attr(not(test), expect(dead_code, reason = "routed once `operator` has it"))]
pub(super) mod audit;
pub(super) mod dead_letters;
pub(super) mod delivery;
pub(super) mod destinations;
#[cfg_attr(not(test), expect(dead_code, reason = "routed once `operator` has it"))]
pub(super) mod edit;
pub(super) mod event;
pub(super) mod events;
#[cfg_attr(not(test), expect(dead_code, reason = "routed once `operator` has it"))]
pub(super) mod groups;
pub(super) mod held;
#[cfg_attr(not(test), expect(dead_code, reason = "routed once `operator` has it"))]
pub(super) mod jobs;
#[cfg_attr(not(test), expect(dead_code, reason = "routed once `operator` has it"))]
pub(super) mod keys;
pub(super) mod overview;
pub(super) mod parts_of_event;
#[cfg_attr(not(test), expect(dead_code, reason = "routed once `operator` has it"))]
pub(super) mod people;
pub(super) mod settings;
#[cfg_attr(not(test), expect(dead_code, reason = "routed once `operator` has it"))]
pub(super) mod sign_in;
pub(super) mod sources;
pub(super) mod transfers;
pub(super) mod trouble;
