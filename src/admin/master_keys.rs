//! Rotation of the master key: values sealed with an older key are sealed again with the newest
//! one, in batches. An interrupted rotation can be restarted, and continues where it stopped.

use uuid::Uuid;

use super::{AdminError, Caller, Reason, Scope};
use crate::clock::SharedClock;
use crate::store::{AuditEntry, Credential, SealedRejectedRequest, Store, Tx};
use crate::vault::{KeyId, Label, Sealed, Vault, VaultError};

/// Credentials per transaction.
const BATCH: i64 = 100;
/// Rejected requests per transaction; each is as large as its body.
const REJECTED_BATCH: i64 = 10;

/// The rotation of master keys, which all tenants share.
#[derive(Clone)]
pub struct MasterKeys {
    store: Store,
    clock: SharedClock,
    vault: Vault,
}

/// Which master keys are in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seals {
    pub newest: KeyId,
    /// Every key in use, with the number of values sealed with it.
    pub by_key: Vec<(KeyId, u64)>,
}

#[derive(Debug, Default)]
pub struct Rotated {
    /// The number of values sealed again.
    pub sealed: u64,
    /// The values that cannot be opened, and why. They are left unchanged.
    pub refused: Vec<(Label, VaultError)>,
}

impl Seals {
    /// The number of values not sealed with the newest key.
    pub fn others(&self) -> u64 {
        let others = self.by_key.iter().filter(|(key, _)| *key != self.newest);
        others.map(|(_, count)| count).sum()
    }
}

impl MasterKeys {
    /// The master keys of `vault`, and the values sealed in `store`.
    pub fn new(store: Store, clock: SharedClock, vault: Vault) -> Self {
        Self { store, clock, vault }
    }

    /// The keys in use.
    ///
    /// # Errors
    /// [`AdminError::Vault`] without a master key.
    pub async fn seals(&self, caller: &Caller) -> Result<Seals, AdminError> {
        caller.needs_over_all(Scope::Admin)?;
        let newest = self.vault.newest()?.clone();
        Ok(Seals { newest, by_key: self.store.sealed_by_key().await? })
    }

    /// Seals every value of another key with the newest one. `done` has the progress, also after an
    /// error.
    ///
    /// # Errors
    /// [`AdminError::Vault`] without a master key; [`AdminError::Invalid`] without a reason.
    pub async fn rotate(
        &self,
        caller: &Caller,
        reason: &str,
        done: &mut Rotated,
    ) -> Result<(), AdminError> {
        caller.needs_over_all(Scope::Admin)?;
        let reason = Reason::new(reason)?;
        let reason = reason.as_str();
        let rotation = Rotation { keys: self, caller, reason, newest: self.vault.newest()? };
        let mut after = None;
        while let Some(last) = rotation.credentials(after.as_ref(), done).await? {
            after = Some(last);
        }
        let mut after = None;
        while let Some(last) = rotation.rejected_requests(after, done).await? {
            after = Some(last);
        }
        Ok(())
    }
}

struct Rotation<'r> {
    keys: &'r MasterKeys,
    caller: &'r Caller,
    reason: &'r str,
    newest: &'r KeyId,
}

impl Rotation<'_> {
    /// Seals the next credentials; returns the position of the last one, `None` at the end.
    async fn credentials(
        &self,
        after: Option<&Label>,
        done: &mut Rotated,
    ) -> Result<Option<Label>, AdminError> {
        let now = self.keys.clock.now();
        let mut tx = self.keys.store.begin().await?;
        let credentials = tx.credentials_not_under(self.newest, after, BATCH).await?;
        let last = credentials.last().map(|credential| credential.label.clone());
        let mut sealed = 0;
        for Credential { label, sealed: old } in credentials {
            if let Some(resealed) = self.reseal(label.clone(), &old, done) {
                tx.put_credential(&label, &resealed, now).await?;
                sealed += 1;
            }
        }
        self.commit(tx, "credentials", sealed, done).await?;
        Ok(last)
    }

    /// Seals the next rejected requests; returns the id of the last one, `None` at the end.
    async fn rejected_requests(
        &self,
        after: Option<Uuid>,
        done: &mut Rotated,
    ) -> Result<Option<Uuid>, AdminError> {
        let mut tx = self.keys.store.begin().await?;
        let rejected = tx.rejected_not_under(self.newest, after, REJECTED_BATCH).await?;
        let last = rejected.last().map(|rejected| rejected.id);
        let mut sealed = 0;
        for SealedRejectedRequest { id, label, sealed: old } in rejected {
            if let Some(resealed) = self.reseal(label, &old, done) {
                tx.reseal_rejected(id, &resealed).await?;
                sealed += 1;
            }
        }
        self.commit(tx, "rejected requests", sealed, done).await?;
        Ok(last)
    }

    /// The value sealed with the newest key. A value that cannot be opened is reported in `done`.
    fn reseal(&self, label: Label, old: &Sealed, done: &mut Rotated) -> Option<Sealed> {
        let vault = &self.keys.vault;
        let opened = vault.open(&label, old);
        match opened.and_then(|secret| vault.seal(&label, &secret)) {
            Ok(resealed) => Some(resealed),
            Err(why) => {
                done.refused.push((label, why));
                None
            }
        }
    }

    /// Commits a batch with its audit entry.
    async fn commit(
        &self,
        mut tx: Tx<'_>,
        what: &str,
        sealed: u64,
        done: &mut Rotated,
    ) -> Result<(), AdminError> {
        if sealed > 0 {
            let entry = AuditEntry {
                at: self.keys.clock.now(),
                actor: self.caller.actor(),
                action: "rotate",
                target: &format!("{what}, to master key {}", self.newest),
                reason: self.reason,
                count: sealed,
            };
            tx.audit_with(&entry, self.caller.audit_more()).await?;
        }
        tx.commit(()).await?;
        done.sealed += sealed;
        Ok(())
    }
}
