//! What operators work with: groups, held requests, edits, links.

mod along;
mod dealt;
mod destination;
mod edits;
mod groups;
mod jobs;
mod links;
mod rejected_requests;
mod set_up;
