//! A change made by a user: one transaction, which commits only together with its audit entry.

use time::OffsetDateTime;

use super::{Caller, wake_gateways};
use crate::clock::SharedClock;
use crate::store::{AuditEntry, AuditMore, Store, StoreError, Tx};

/// A change that is being made. It is rolled back unless [`AuditedChange::commit`] is called.
pub(in crate::admin) struct AuditedChange<'a> {
    pub(in crate::admin) tx: Tx<'static>,
    pub(in crate::admin) at: OffsetDateTime,
    store: &'a Store,
    caller: &'a Caller,
}

/// The audit entry of a change, except its actor and time.
#[derive(Debug, Clone, Copy)]
pub(in crate::admin) struct Audited<'a> {
    /// The action, such as `pause`.
    pub(in crate::admin) action: &'a str,
    /// What was changed, such as `source billing`.
    pub(in crate::admin) target: &'a str,
    pub(in crate::admin) reason: &'a str,
    pub(in crate::admin) count: u64,
}

impl<'a> AuditedChange<'a> {
    pub(in crate::admin) async fn begin(
        store: &'a Store,
        clock: &SharedClock,
        caller: &'a Caller,
    ) -> Result<Self, StoreError> {
        Ok(Self { tx: store.begin().await?, at: clock.now(), store, caller })
    }

    pub(in crate::admin) fn caller(&self) -> &'a Caller {
        self.caller
    }

    /// Writes an audit entry for a part of the change that has one of its own.
    pub(in crate::admin) async fn audit(&mut self, what: Audited<'_>) -> Result<(), StoreError> {
        self.audit_with(what, self.caller.audit_more()).await
    }

    /// As [`AuditedChange::audit`], with digests of the state before and after.
    pub(in crate::admin) async fn audit_with(
        &mut self,
        what: Audited<'_>,
        more: AuditMore<'_>,
    ) -> Result<(), StoreError> {
        let Audited { action, target, reason, count } = what;
        let (at, actor) = (self.at, self.caller.actor());
        self.tx.audit_with(&AuditEntry { at, actor, action, target, reason, count }, more).await
    }

    /// Writes the audit entry, commits, and wakes the gateways.
    pub(in crate::admin) async fn commit(mut self, what: Audited<'_>) -> Result<(), StoreError> {
        self.audit(what).await?;
        self.commit_audited().await
    }

    /// Commits a change whose audit entries are written, and wakes the gateways.
    pub(in crate::admin) async fn commit_audited(self) -> Result<(), StoreError> {
        let Self { tx, store, .. } = self;
        tx.commit(()).await?;
        wake_gateways(store).await;
        Ok(())
    }
}
