//! Reads of untrusted payloads, in the audit log.

use time::OffsetDateTime;

use super::{AdminError, Caller};
use crate::store::{AuditEntry, Store};

/// How a payload was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    Viewed,
    /// Downloaded as a file.
    Downloaded,
    /// Captured as a fixture.
    Captured,
    /// Exported as an archive.
    Exported,
}

impl Read {
    fn action(self) -> &'static str {
        match self {
            Self::Viewed => "read payload",
            Self::Downloaded => "download payload",
            Self::Captured => "capture payload",
            Self::Exported => "export payload",
        }
    }
}

/// Records a read before the payload is returned; repeated reads by one caller are recorded once a
/// minute, with their number.
///
/// # Errors
/// When it cannot be recorded: the payload must not be returned.
pub(super) async fn record(
    store: &Store,
    caller: &Caller,
    read: Read,
    target: &str,
    at: OffsetDateTime,
) -> Result<(), AdminError> {
    let entry = AuditEntry {
        at,
        actor: caller.actor(),
        action: read.action(),
        target,
        reason: "",
        count: 1,
    };
    Ok(store.audit_throttled(target, &entry, caller.audit_more()).await?)
}
