//! How recording goes: what became of the last commit of each writer.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::{StoreError, Trouble};

/// For how long a failure counts that no commit has followed: whoever is not asked any more, since
/// it said that it is not ready, must be asked again one day.
const COUNTS: Duration = Duration::from_secs(5);

/// Every writer's last commit.
#[derive(Debug, Clone, Default)]
pub(super) struct Commits(Arc<Mutex<Vec<Weak<LastCommit>>>>);

/// One writer's last commit.
#[derive(Debug, Default)]
pub(super) struct LastCommit(Mutex<Option<(Instant, Trouble)>>);

impl Commits {
    /// A place for one more writer; it is there as long as somebody holds it.
    pub(super) fn writer(&self) -> Arc<LastCommit> {
        let last = Arc::new(LastCommit::default());
        let mut writers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writers.retain(|writer| writer.strong_count() > 0);
        writers.push(Arc::downgrade(&last));
        last
    }

    /// What is wrong, where a writer's last commit failed and that is not long ago.
    pub(super) fn failing(&self) -> Option<Trouble> {
        let writers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writers.iter().filter_map(Weak::upgrade).find_map(|writer| writer.failed(COUNTS))
    }
}

impl LastCommit {
    /// It succeeded.
    pub(super) fn succeeded(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// It failed. A value that the database refuses says nothing about the next one.
    pub(super) fn has_failed(&self, error: &StoreError) {
        let trouble = error.trouble();
        if matches!(error, StoreError::Refused(_)) && trouble == Trouble::Other {
            return;
        }
        let failed = Some((Instant::now(), trouble));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = failed;
    }

    /// Notes how it went, and passes it on.
    pub(super) fn note<T>(&self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        match &done {
            Ok(_) => self.succeeded(),
            Err(error) => self.has_failed(error),
        }
        done
    }

    fn failed(&self, within: Duration) -> Option<Trouble> {
        let failed = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failed.filter(|(at, _)| at.elapsed() < within).map(|(_, trouble)| trouble)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_failure_counts_until_a_commit_or_for_a_while() {
        let commits = Commits::default();
        let (one, other) = (commits.writer(), commits.writer());
        assert_eq!(commits.failing(), None);
        one.has_failed(&StoreError::timed_out());
        other.succeeded();
        assert_eq!(commits.failing(), Some(Trouble::TooSlow), "another's success says nothing");
        one.succeeded();
        assert_eq!(commits.failing(), None);
        one.has_failed(&StoreError::timed_out());
        tokio::time::advance(COUNTS).await;
        assert_eq!(commits.failing(), None);
        one.has_failed(&StoreError::timed_out());
        drop(one);
        assert_eq!(commits.failing(), None, "it is not there any more");
    }
}
