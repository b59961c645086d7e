//! Listing and verifying the audit log.
//!
//! Every entry contains the hash of the previous one, so that [`verify`] detects changed, removed
//! and inserted entries. It cannot detect a truncated or entirely rewritten log, unless it is given
//! the hash of an earlier head that was recorded elsewhere.

mod model;

use sha2::{Digest, Sha256};

pub use model::{AuditRow, Head, Verification};

use super::{AdminError, Caller, Scope};
use crate::store::{AuditFilter, Hash, Store};

/// The number of entries checked at a time.
const PAGE: i64 = 1000;
/// The maximum number of entries of a page.
pub const MAX_ENTRIES: u32 = 500;

/// The first error of the chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Break {
    #[error("entry {0} was changed: its hash does not match its content")]
    Changed(i64),
    /// An entry does not follow the one before it.
    #[error("entry {0} is not linked to the previous entry")]
    Unlinked(i64),
    #[error("entry {0} is missing")]
    Missing(i64),
    /// No entry has the expected hash.
    #[error("no entry has the expected hash: the log was truncated or rewritten")]
    Unexpected,
}

/// The SHA-256 of a state before or after a change, for the audit log.
pub fn digest(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// Up to `limit` matching entries, newest first; the next page is `before` the last of them. A
/// caller limited to a tenant sees the entries of that tenant's users and keys.
pub async fn list(
    store: &Store,
    caller: &Caller,
    filter: &AuditFilter,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<AuditRow>, AdminError> {
    caller.needs(Scope::Admin)?;
    let mut filter = filter.clone();
    if let Some(own) = caller.tenant() {
        if filter.tenant.as_deref().is_some_and(|tenant| tenant != own) {
            return Ok(Vec::new());
        }
        filter.tenant = Some(own.to_owned());
    }
    Ok(store.audit_entries(&filter, before, i64::from(limit.min(MAX_ENTRIES))).await?)
}

/// Verifies the chain from its beginning. With `expected`, one entry must have that hash: a head
/// that was recorded earlier, elsewhere. `progress` receives the number of valid entries so far.
pub async fn verify(
    store: &Store,
    caller: &Caller,
    expected: Option<&Hash>,
    mut progress: impl FnMut(u64),
) -> Result<Verification, AdminError> {
    // The chain spans all tenants.
    caller.needs_over_all(Scope::Admin)?;
    let mut walk = Walk { expected, seen: expected.is_none(), ..Walk::default() };
    loop {
        // From below the first id: entries inserted there are detected too.
        let after = if walk.entries == 0 { i64::MIN } else { walk.last };
        let page = store.audit_chain(after, PAGE).await?;
        let ended = page.is_empty();
        let broken = page.iter().try_for_each(|entry| walk.step(entry)).err();
        progress(walk.entries);
        if let Some(broken) = broken {
            return Ok(walk.end(Some(broken)));
        }
        if ended {
            let broken = (!walk.seen).then_some(Break::Unexpected);
            return Ok(walk.end(broken));
        }
    }
}

/// The state of a verification.
#[derive(Default)]
struct Walk<'a> {
    expected: Option<&'a Hash>,
    seen: bool,
    entries: u64,
    last: i64,
    hash: Hash,
}

impl Walk<'_> {
    fn step(&mut self, entry: &AuditRow) -> Result<(), Break> {
        if entry.id != self.last + 1 {
            return Err(Break::Missing(self.last + 1));
        }
        if entry.prev_hash != self.hash {
            return Err(Break::Unlinked(entry.id));
        }
        if entry.computed() != entry.hash {
            return Err(Break::Changed(entry.id));
        }
        self.entries += 1;
        (self.last, self.hash) = (entry.id, entry.hash);
        self.seen |= self.expected == Some(&entry.hash);
        Ok(())
    }

    fn end(&self, broken: Option<Break>) -> Verification {
        Verification {
            intact: broken.is_none(),
            entries: self.entries,
            head: (self.last > 0).then_some(Head { id: self.last, hash: self.hash }),
            broken: broken.map(|broken| broken.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;

    fn chain(length: i64) -> Vec<AuditRow> {
        let mut prev_hash = Hash::default();
        let entries = (1..=length).map(|id| {
            let mut entry = AuditRow {
                id,
                at: OffsetDateTime::UNIX_EPOCH,
                actor: "ada".to_owned(),
                tenant: None,
                address: None,
                action: "replay".to_owned(),
                target: "7".to_owned(),
                reason: String::new(),
                count: 1,
                before: None,
                after: Some([7; 32]),
                prev_hash,
                hash: Hash::default(),
            };
            entry.hash = entry.computed();
            prev_hash = entry.hash;
            entry
        });
        entries.collect()
    }

    fn walk(entries: &[AuditRow]) -> Result<(), Break> {
        let mut walk = Walk::default();
        entries.iter().try_for_each(|entry| walk.step(entry))
    }

    #[test]
    fn chain_is_valid_until_a_field_changes() {
        let good = chain(3);
        assert_eq!(walk(&good), Ok(()));
        let changes: [fn(&mut AuditRow); 10] = [
            |entry| entry.at += time::Duration::MICROSECOND,
            |entry| entry.actor.push('x'),
            |entry| entry.tenant = Some(String::new()),
            |entry| entry.address = Some(String::new()),
            |entry| entry.action.push('x'),
            |entry| entry.target.push('x'),
            |entry| entry.reason.push('x'),
            |entry| entry.count += 1,
            |entry| entry.before = Some(Hash::default()),
            |entry| entry.after = None,
        ];
        for change in changes {
            let mut entries = good.clone();
            change(&mut entries[1]);
            assert_eq!(walk(&entries), Err(Break::Changed(2)));
            entries[1].hash = entries[1].computed();
            assert_eq!(walk(&entries), Err(Break::Unlinked(3)), "also with a new hash");
        }
    }

    #[test]
    fn removed_entries_and_text_moved_between_fields_are_detected() {
        let mut entries = chain(4);
        entries.remove(2);
        assert_eq!(walk(&entries), Err(Break::Missing(3)));
        entries.remove(0);
        assert_eq!(walk(&entries), Err(Break::Missing(1)));
        let mut entries = chain(1);
        (entries[0].actor, entries[0].action) = ("adar".to_owned(), "eplay".to_owned());
        assert_eq!(walk(&entries), Err(Break::Changed(1)));
    }
}
