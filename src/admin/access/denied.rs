//! Denied requests in the audit log.

use tracing::warn;

use super::Access;
use crate::admin::Caller;
use crate::store::AuditEntry;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    Scope,
    /// Not found for their tenant: it may belong to another one.
    Tenant,
}

impl Denial {
    fn why(self) -> &'static str {
        match self {
            Self::Scope => "missing scope",
            Self::Tenant => "not found, or owned by another tenant",
        }
    }
}

impl Access {
    /// Records a denied request for `target`; frequent ones of the same `kind` are merged into one
    /// entry.
    pub async fn note_denied(&self, caller: &Caller, why: Denial, kind: &str, target: &str) {
        let entry = AuditEntry {
            at: self.clock.now(),
            actor: caller.actor(),
            action: "denied",
            target,
            reason: why.why(),
            count: 1,
        };
        let more = caller.audit_more();
        if let Err(error) = self.store.audit_throttled(kind, &entry, more).await {
            warn!(
                error = &error as &dyn std::error::Error,
                "cannot write the denied request to the audit log"
            );
        }
    }
}
