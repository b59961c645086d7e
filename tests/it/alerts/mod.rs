//! Alerts: raised with what they are about, folded, and told to people.

mod discord;
pub(crate) mod outbox;
