//! Alerts: raised in the transaction of their cause, merged, and sent.

mod discord;
pub(crate) mod outbox;
