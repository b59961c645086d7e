//! What operators work with: groups, held requests, edits, links.

mod along;
mod dealt;
mod destination;
mod edits;
mod groups;
mod held;
mod jobs;
mod links;
mod set_up;
