//! Actions of operators: jobs, groups, rejected requests, edits, test events and setup links.

mod destination;
mod edits;
mod groups;
mod jobs;
mod rejected_requests;
mod results;
mod sender_metadata;
mod setup_links;
mod test_events;
