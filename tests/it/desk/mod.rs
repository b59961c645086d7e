//! What operators work with: groups, held requests, edits, links.

mod along;
mod destination;
mod edits;
mod groups;
mod held;
mod links;
mod set_up;
