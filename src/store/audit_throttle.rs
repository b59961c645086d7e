//! Audit log entries that can be frequent: rejected sign-ins, denied calls, payload reads. Clients
//! and runaway scripts must not be able to fill the log with them.
//!
//! The first entry within a minute is written at once. Similar ones are counted and written as one
//! entry with their number. The number of different entries per actor and action within a minute is
//! limited; further ones are counted together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;

use super::audit::{AuditEntry, AuditMore};
use super::{Store, StoreError};

/// The time in which similar entries are counted.
const WINDOW: time::Duration = time::Duration::minutes(1);
/// The maximum number of different entries of one actor and action in that time.
const MAX_DIFFERENT: usize = 100;
/// The target of the entry for those beyond the limit.
const OTHER_TARGETS: &str = "others";
/// The reason in the entry for counted ones.
const REPEATS: &str = "repeats within a minute";
/// The timeout for writing an entry.
const WRITE_TIMEOUT: Duration = Duration::from_secs(1);

/// Recently written entries by actor and action, and within those by similarity key.
#[derive(Debug, Clone, Default)]
pub(super) struct AuditThrottle(Arc<Mutex<Recent>>);

type Recent = HashMap<(String, String), HashMap<String, Repeated>>;

/// A written entry, and the number of similar ones since.
#[derive(Debug, Clone)]
struct Repeated {
    repeats: u64,
    entry: Entry,
}

/// An owned entry.
#[derive(Debug, Clone)]
struct Entry {
    at: OffsetDateTime,
    actor: String,
    action: String,
    target: String,
    reason: String,
    tenant: Option<String>,
    address: Option<std::net::IpAddr>,
}

impl Repeated {
    fn is_current(&self, now: OffsetDateTime) -> bool {
        (now - self.entry.at).abs() < WINDOW
    }

    /// The entry for the counted ones.
    fn into_repeats(self) -> Option<(Entry, u64)> {
        let entry = Entry { reason: REPEATS.to_owned(), ..self.entry };
        (self.repeats > 0).then_some((entry, self.repeats))
    }
}

impl AuditThrottle {
    fn lock(&self) -> MutexGuard<'_, Recent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records an entry, and returns the entries to write now.
    fn record(&self, like: &str, mut entry: Entry) -> Vec<(Entry, u64)> {
        let mut recent = self.lock();
        let group = recent.entry((entry.actor.clone(), entry.action.clone())).or_default();
        let like = if group.contains_key(like) || group.len() < MAX_DIFFERENT {
            like
        } else {
            OTHER_TARGETS.clone_into(&mut entry.target);
            OTHER_TARGETS
        };
        if let Some(repeated) = group.get_mut(like).filter(|repeated| repeated.is_current(entry.at))
        {
            repeated.repeats += 1;
            return Vec::new();
        }
        let before = group.insert(like.to_owned(), Repeated { repeats: 0, entry: entry.clone() });
        before.and_then(Repeated::into_repeats).into_iter().chain([(entry, 1)]).collect()
    }

    /// Counts an entry that could not be written.
    fn count(&self, like: &str, entry: &Entry) {
        let mut recent = self.lock();
        let group = recent.get_mut(&(entry.actor.clone(), entry.action.clone()));
        if let Some(repeated) = group.and_then(|group| group.get_mut(like)) {
            repeated.repeats += 1;
        }
    }

    /// The counted entries whose minute is over; all of them if `now` is `None`.
    fn take_expired(&self, now: Option<OffsetDateTime>) -> Vec<(Entry, u64)> {
        let mut expired = Vec::new();
        self.lock().retain(|_, group| {
            let ended =
                group.extract_if(|_, repeated| now.is_none_or(|now| !repeated.is_current(now)));
            expired.extend(ended.filter_map(|(_, repeated)| repeated.into_repeats()));
            !group.is_empty()
        });
        expired
    }
}

impl Store {
    /// Writes an entry in a transaction of its own, unless one with the same `like` was written
    /// within a minute: then it is counted, and written later with the others.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; the entry is counted and written later.
    pub async fn audit_throttled(
        &self,
        like: &str,
        entry: &AuditEntry<'_>,
        more: AuditMore<'_>,
    ) -> Result<(), StoreError> {
        let entry = Entry {
            at: entry.at,
            actor: entry.actor.to_owned(),
            action: entry.action.to_owned(),
            target: entry.target.to_owned(),
            reason: entry.reason.to_owned(),
            tenant: more.tenant.map(str::to_owned),
            address: more.address,
        };
        for (entry, count) in self.audit_throttle.record(like, entry) {
            if let Err(error) = self.write_entry(&entry, count).await {
                self.audit_throttle.count(like, &entry);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Writes what was counted more than a minute ago. To be called periodically.
    pub async fn flush_audit_throttle(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        self.write_all(self.audit_throttle.take_expired(Some(now))).await
    }

    /// Writes everything that was counted, before the process ends.
    pub(super) async fn flush_all_audit_throttle(&self) -> Result<(), StoreError> {
        self.write_all(self.audit_throttle.take_expired(None)).await
    }

    async fn write_all(&self, entries: Vec<(Entry, u64)>) -> Result<(), StoreError> {
        for (entry, count) in entries {
            self.write_entry(&entry, count).await?;
        }
        Ok(())
    }

    async fn write_entry(&self, entry: &Entry, count: u64) -> Result<(), StoreError> {
        let (tenant, address) = (entry.tenant.as_deref(), entry.address);
        let entry = AuditEntry {
            at: entry.at,
            actor: &entry.actor,
            action: &entry.action,
            target: &entry.target,
            reason: &entry.reason,
            count,
        };
        let writing = async {
            let mut tx = self.begin().await?;
            tx.audit_with(&entry, AuditMore { tenant, address, ..AuditMore::default() }).await?;
            tx.commit(()).await
        };
        let written = tokio::time::timeout(WRITE_TIMEOUT, writing).await;
        written.map_err(|_| StoreError::timed_out())?.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(second: i64, target: &str) -> Entry {
        Entry {
            at: OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(second),
            actor: "nobody".to_owned(),
            action: "sign-in rejected".to_owned(),
            target: target.to_owned(),
            reason: String::new(),
            tenant: None,
            address: None,
        }
    }

    fn counts(written: &[(Entry, u64)]) -> Vec<(&str, u64)> {
        written.iter().map(|(entry, count)| (entry.target.as_str(), *count)).collect()
    }

    #[test]
    fn first_entry_of_a_minute_is_written_and_repeats_are_counted() {
        let throttle = AuditThrottle::default();
        assert_eq!(counts(&throttle.record("a", entry(0, "a"))), [("a", 1)]);
        for second in 1..60 {
            assert!(throttle.record("a", entry(second, "a")).is_empty());
        }
        assert_eq!(counts(&throttle.record("a", entry(60, "a"))), [("a", 59), ("a", 1)]);
        throttle.record("a", entry(61, "a"));
        assert!(throttle.take_expired(Some(entry(119, "").at)).is_empty());
        assert_eq!(counts(&throttle.take_expired(Some(entry(120, "").at))), [("a", 1)]);
        assert!(throttle.take_expired(None).is_empty(), "once");
    }

    #[test]
    fn number_of_different_entries_is_bounded() {
        let throttle = AuditThrottle::default();
        let each = |number: usize| throttle.record(&number.to_string(), entry(0, "x")).len();
        let written: usize = (0..10_000).map(each).sum();
        assert_eq!(written, MAX_DIFFERENT + 1);
        assert_eq!(counts(&throttle.take_expired(None)), [("others", 10_000 - 101)]);
    }
}
