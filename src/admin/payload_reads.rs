//! What was read of untrusted input, in the audit log.

use time::OffsetDateTime;

use super::{AdminError, Caller};
use crate::store::{AuditEntry, Store};

/// How a payload was had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// It was looked at.
    Looked,
    /// It was taken away as a file.
    Downloaded,
    /// It was made a fixture.
    Captured,
}

impl Read {
    fn action(self) -> &'static str {
        match self {
            Self::Looked => "read payload",
            Self::Downloaded => "download payload",
            Self::Captured => "capture payload",
        }
    }
}

/// Records that a payload is read, before it is: who looks again and again at the same is
/// recorded once a minute, with how often.
///
/// # Errors
/// [`AdminError::Store`]: then it is not to be read.
pub(super) async fn note(
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
