//! Changes, as the stream sends them.

use std::sync::Arc;

pub use crate::store::{Change, ChangeKind};

use crate::admin::{Caller, Scope};

/// The changes that this caller may see, without errors for callers without the scope
/// `payload:read`.
pub(super) fn redact(changes: Arc<[Change]>, caller: &Caller) -> Arc<[Change]> {
    let payload = caller.may(Scope::PayloadRead);
    let tenant = caller.tenant();
    if payload && tenant.is_none() {
        return changes;
    }
    let is_visible = |change: &&Change| tenant.is_none() || change.tenant.as_deref() == tenant;
    let redacted = |change: &Change| {
        let error = change.error.clone().filter(|_| payload);
        Change { error, ..change.clone() }
    };
    changes.iter().filter(is_visible).map(redacted).collect()
}
