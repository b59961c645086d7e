//! Taking another master key: what an older one seals is opened and sealed with the newest, a step
//! at a time. Whoever breaks off may begin again: what is sealed anew already is not looked at any
//! more.

use uuid::Uuid;

use super::{AdminError, Caller, Reason, Scope};
use crate::clock::SharedClock;
use crate::store::{AuditEntry, Credential, SealedRejectedRequest, Store, Tx};
use crate::vault::{KeyId, Label, Sealed, Vault, VaultError};

/// How many credentials are sealed anew in one transaction.
const STEP: i64 = 100;
/// How many rejected requests: each is as large as its body.
const HELD_STEP: i64 = 10;

/// The master keys, for those who change them. All tenants share them.
#[derive(Clone)]
pub struct MasterKeys {
    store: Store,
    clock: SharedClock,
    vault: Vault,
}

/// Which master keys seal something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seals {
    /// The newest key.
    pub newest: KeyId,
    /// Every key that seals something, with how many credentials and rejected requests it seals.
    pub by_key: Vec<(KeyId, u64)>,
}

/// What a rotation came to.
#[derive(Debug, Default)]
pub struct Rotated {
    /// How much was sealed anew.
    pub sealed: u64,
    /// What does not open, and why: it is left as it is.
    pub refused: Vec<(Label, VaultError)>,
}

impl Seals {
    /// How much is sealed with another key than the newest.
    pub fn others(&self) -> u64 {
        let others = self.by_key.iter().filter(|(key, _)| *key != self.newest);
        others.map(|(_, count)| count).sum()
    }
}

impl MasterKeys {
    /// The keys of `vault`, and what they seal in `store`.
    pub fn new(store: Store, clock: SharedClock, vault: Vault) -> Self {
        Self { store, clock, vault }
    }

    /// Which keys seal something.
    ///
    /// # Errors
    /// [`AdminError::Denied`] without [`Scope::Admin`]; [`AdminError::AllTenants`];
    /// [`AdminError::Vault`] without a master key; [`AdminError::Store`].
    pub async fn seals(&self, caller: &Caller) -> Result<Seals, AdminError> {
        caller.needs_over_all(Scope::Admin)?;
        let newest = self.vault.newest()?.clone();
        Ok(Seals { newest, by_key: self.store.sealed_by_key().await? })
    }

    /// Seals with the newest key whatever another one seals. `done` says how far it came, also
    /// where it broke off.
    ///
    /// # Errors
    /// As [`MasterKeys::seals`]; [`AdminError::Invalid`] without a reason.
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
        while let Some(last) = rotation.held(after, done).await? {
            after = Some(last);
        }
        Ok(())
    }
}

/// A rotation that is under way.
struct Rotation<'r> {
    keys: &'r MasterKeys,
    caller: &'r Caller,
    reason: &'r str,
    newest: &'r KeyId,
}

impl Rotation<'_> {
    /// Seals the next credentials; gives the last of them, `None` at the end.
    async fn credentials(
        &self,
        after: Option<&Label>,
        done: &mut Rotated,
    ) -> Result<Option<Label>, AdminError> {
        let now = self.keys.clock.now();
        let mut tx = self.keys.store.begin().await?;
        let credentials = tx.credentials_not_under(self.newest, after, STEP).await?;
        let last = credentials.last().map(|credential| credential.label.clone());
        let mut sealed = 0;
        for Credential { label, sealed: old } in credentials {
            if let Some(anew) = self.anew(label.clone(), &old, done) {
                tx.put_credential(&label, &anew, now).await?;
                sealed += 1;
            }
        }
        self.commit(tx, "credentials", sealed, done).await?;
        Ok(last)
    }

    /// Seals the next rejected requests; gives the last of them, `None` at the end.
    async fn held(
        &self,
        after: Option<Uuid>,
        done: &mut Rotated,
    ) -> Result<Option<Uuid>, AdminError> {
        let mut tx = self.keys.store.begin().await?;
        let held = tx.rejected_not_under(self.newest, after, HELD_STEP).await?;
        let last = held.last().map(|held| held.id);
        let mut sealed = 0;
        for SealedRejectedRequest { id, label, sealed: old } in held {
            if let Some(anew) = self.anew(label, &old, done) {
                tx.reseal_rejected(id, &anew).await?;
                sealed += 1;
            }
        }
        self.commit(tx, "rejected requests", sealed, done).await?;
        Ok(last)
    }

    /// What is sealed, with the newest key; what does not open is left as it is, and named.
    fn anew(&self, label: Label, old: &Sealed, done: &mut Rotated) -> Option<Sealed> {
        let vault = &self.keys.vault;
        let opened = vault.open(&label, old);
        match opened.and_then(|secret| vault.seal(&label, &secret)) {
            Ok(anew) => Some(anew),
            Err(why) => {
                done.refused.push((label, why));
                None
            }
        }
    }

    /// Commits a step, with what it did in the audit log.
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
