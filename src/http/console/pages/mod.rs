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
pub(super) mod edit;
#[cfg_attr(not(test), expect(dead_code, reason = "routed once `operator` has it"))]
pub(super) mod event;
#[cfg_attr(not(test), expect(dead_code, reason = "routed once `operator` has it"))]
pub(super) mod events;
pub(super) mod groups;
#[cfg_attr(not(test), expect(dead_code, reason = "routed once `operator` has it"))]
pub(super) mod held;
pub(super) mod holds;
pub(super) mod jobs;
#[cfg_attr(not(test), expect(dead_code, reason = "routed once `operator` has it"))]
pub(super) mod keys;
#[cfg_attr(not(test), expect(dead_code, reason = "routed once `operator` has it"))]
pub(super) mod overview;
pub(super) mod parts_of_event;
#[cfg_attr(not(test), expect(dead_code, reason = "routed once `operator` has it"))]
pub(super) mod people;
#[cfg_attr(not(test), expect(dead_code, reason = "routed once `operator` has it"))]
pub(super) mod settings;
#[cfg_attr(not(test), expect(dead_code, reason = "routed once `operator` has it"))]
pub(super) mod sign_in;
#[cfg_attr(not(test), expect(dead_code, reason = "routed once `operator` has it"))]
pub(super) mod sources;
#[cfg_attr(not(test), expect(dead_code, reason = "routed once `operator` has it"))]
pub(super) mod transfers;
pub(super) mod trouble;
