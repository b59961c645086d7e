//! Entries of the audit log that can come often: rejected sign-ins, denied calls, payloads that are
//! read. Clients, and scripts that run wild, must not be able to fill the chain with them.
//!
//! The first of a minute is written at once. Others that are like it are counted, and follow as one
//! entry with their number. Of one actor and action only so many that differ are written in a
//! minute; those beyond are counted together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;

use super::audit::{AuditEntry, AuditMore};
use super::{Store, StoreError};

/// For how long entries that are alike are counted.
const SPAN: time::Duration = time::Duration::minutes(1);
/// The most different entries of an actor and action in that time.
const DIFFERENT: usize = 100;
/// What stands for those beyond.
const OTHERS: &str = "others";
/// What is said of those that were counted.
const FURTHER: &str = "repeats within a minute";
/// How long one may take to be written.
const WITHIN: Duration = Duration::from_secs(1);

/// What was written lately, by actor and action, and there by what makes entries alike.
#[derive(Debug, Clone, Default)]
pub(super) struct AuditThrottle(Arc<Mutex<Lately>>);

type Lately = HashMap<(String, String), HashMap<String, Seen>>;

/// An entry that was written, and how many were like it since.
#[derive(Debug, Clone)]
struct Seen {
    further: u64,
    kept: Kept,
}

/// An entry that can be written later.
#[derive(Debug, Clone)]
struct Kept {
    at: OffsetDateTime,
    actor: String,
    action: String,
    target: String,
    reason: String,
    tenant: Option<String>,
    address: Option<std::net::IpAddr>,
}

impl Seen {
    fn counts(&self, now: OffsetDateTime) -> bool {
        (now - self.kept.at).abs() < SPAN
    }

    /// The entry for those that were counted.
    fn rest(self) -> Option<(Kept, u64)> {
        let kept = Kept { reason: FURTHER.to_owned(), ..self.kept };
        (self.further > 0).then_some((kept, self.further))
    }
}

impl AuditThrottle {
    fn lock(&self) -> MutexGuard<'_, Lately> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an entry; gives what is to be written now.
    fn note(&self, like: &str, mut kept: Kept) -> Vec<(Kept, u64)> {
        let mut lately = self.lock();
        let group = lately.entry((kept.actor.clone(), kept.action.clone())).or_default();
        let like = if group.contains_key(like) || group.len() < DIFFERENT {
            like
        } else {
            OTHERS.clone_into(&mut kept.target);
            OTHERS
        };
        if let Some(seen) = group.get_mut(like).filter(|seen| seen.counts(kept.at)) {
            seen.further += 1;
            return Vec::new();
        }
        let before = group.insert(like.to_owned(), Seen { further: 0, kept: kept.clone() });
        before.and_then(Seen::rest).into_iter().chain([(kept, 1)]).collect()
    }

    /// One that was not written counts all the same.
    fn count(&self, like: &str, kept: &Kept) {
        let mut lately = self.lock();
        let group = lately.get_mut(&(kept.actor.clone(), kept.action.clone()));
        if let Some(seen) = group.and_then(|group| group.get_mut(like)) {
            seen.further += 1;
        }
    }

    /// What was counted and whose time is over; everything where `now` is `None`.
    fn over(&self, now: Option<OffsetDateTime>) -> Vec<(Kept, u64)> {
        let mut over = Vec::new();
        self.lock().retain(|_, group| {
            let ended = group.extract_if(|_, seen| now.is_none_or(|now| !seen.counts(now)));
            over.extend(ended.filter_map(|(_, seen)| seen.rest()));
            !group.is_empty()
        });
        over
    }
}

impl Store {
    /// Writes an entry down, in a transaction of its own, unless one that is `like` it was written
    /// within a minute: then it is counted, and written with its like.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: it is counted, and written later.
    pub async fn audit_throttled(
        &self,
        like: &str,
        entry: &AuditEntry<'_>,
        more: AuditMore<'_>,
    ) -> Result<(), StoreError> {
        let kept = Kept {
            at: entry.at,
            actor: entry.actor.to_owned(),
            action: entry.action.to_owned(),
            target: entry.target.to_owned(),
            reason: entry.reason.to_owned(),
            tenant: more.tenant.map(str::to_owned),
            address: more.address,
        };
        for (kept, count) in self.often.note(like, kept) {
            if let Err(error) = self.write_often(&kept, count).await {
                self.often.count(like, &kept);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Records what was counted more than a minute ago. To be called now and then.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn flush_audit_throttle(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        self.write_all(self.often.over(Some(now))).await
    }

    /// Records everything that was counted, before the process ends.
    pub(super) async fn end_audit_throttle(&self) -> Result<(), StoreError> {
        self.write_all(self.often.over(None)).await
    }

    async fn write_all(&self, entries: Vec<(Kept, u64)>) -> Result<(), StoreError> {
        for (kept, count) in entries {
            self.write_often(&kept, count).await?;
        }
        Ok(())
    }

    async fn write_often(&self, kept: &Kept, count: u64) -> Result<(), StoreError> {
        let entry = AuditEntry {
            at: kept.at,
            actor: &kept.actor,
            action: &kept.action,
            target: &kept.target,
            reason: &kept.reason,
            count,
        };
        let (tenant, address) = (kept.tenant.as_deref(), kept.address);
        let writing = async {
            let mut tx = self.begin().await?;
            tx.audit_with(&entry, AuditMore { tenant, address, ..AuditMore::default() }).await?;
            tx.commit(()).await
        };
        let written = tokio::time::timeout(WITHIN, writing).await;
        written.map_err(|_| StoreError::timed_out())?.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(second: i64, target: &str) -> Kept {
        Kept {
            at: OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(second),
            actor: "nobody".to_owned(),
            action: "sign-in rejected".to_owned(),
            target: target.to_owned(),
            reason: String::new(),
            tenant: None,
            address: None,
        }
    }

    fn counts(written: &[(Kept, u64)]) -> Vec<(&str, u64)> {
        written.iter().map(|(kept, count)| (kept.target.as_str(), *count)).collect()
    }

    #[test]
    fn the_first_of_a_minute_is_written_and_the_rest_as_a_number() {
        let often = AuditThrottle::default();
        assert_eq!(counts(&often.note("a", kept(0, "a"))), [("a", 1)]);
        for second in 1..60 {
            assert!(often.note("a", kept(second, "a")).is_empty());
        }
        assert_eq!(counts(&often.note("a", kept(60, "a"))), [("a", 59), ("a", 1)]);
        often.note("a", kept(61, "a"));
        assert!(often.over(Some(kept(119, "").at)).is_empty());
        assert_eq!(counts(&often.over(Some(kept(120, "").at))), [("a", 1)]);
        assert!(often.over(None).is_empty(), "once");
    }

    #[test]
    fn however_many_differ_a_bounded_number_is_written() {
        let often = AuditThrottle::default();
        let each = |number: usize| often.note(&number.to_string(), kept(0, "x")).len();
        let written: usize = (0..10_000).map(each).sum();
        assert_eq!(written, DIFFERENT + 1);
        assert_eq!(counts(&often.over(None)), [("others", 10_000 - 101)]);
    }
}
