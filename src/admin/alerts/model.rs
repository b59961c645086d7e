//! What the API, `--format json` and the console show of alerts.

pub use crate::store::{AlertRow, AlertState, Notification, Severity};
