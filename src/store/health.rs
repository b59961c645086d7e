//! The last commit of each writer, for readiness.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::{ErrorKind, StoreError};

/// How long a failure counts without a later commit: a gateway that reports not ready gets no
/// requests, so it must become ready again by itself.
const FAILURE_COUNTS_FOR: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Default)]
pub(super) struct Commits(Arc<Mutex<Vec<Weak<LastCommit>>>>);

#[derive(Debug, Default)]
pub(super) struct LastCommit(Mutex<Option<(Instant, ErrorKind)>>);

impl Commits {
    /// Registers a writer until it is dropped.
    pub(super) fn writer(&self) -> Arc<LastCommit> {
        let last = Arc::new(LastCommit::default());
        let mut writers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writers.retain(|writer| writer.strong_count() > 0);
        writers.push(Arc::downgrade(&last));
        last
    }

    /// The kind of error, if a writer's last commit failed recently.
    pub(super) fn failing(&self) -> Option<ErrorKind> {
        let writers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writers
            .iter()
            .filter_map(Weak::upgrade)
            .find_map(|writer| writer.recent_failure(FAILURE_COUNTS_FOR))
    }
}

impl LastCommit {
    pub(super) fn succeeded(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// A rejected value says nothing about the next commit.
    pub(super) fn failed(&self, error: &StoreError) {
        let kind = error.kind();
        if matches!(error, StoreError::Refused(_)) && kind == ErrorKind::Other {
            return;
        }
        let failed = Some((Instant::now(), kind));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = failed;
    }

    /// Records a result, and passes it on.
    pub(super) fn record<T>(&self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        match &done {
            Ok(_) => self.succeeded(),
            Err(error) => self.failed(error),
        }
        done
    }

    fn recent_failure(&self, within: Duration) -> Option<ErrorKind> {
        let failed = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failed.filter(|(at, _)| at.elapsed() < within).map(|(_, kind)| kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn failure_counts_until_a_commit_or_for_a_while() {
        let commits = Commits::default();
        let (one, other) = (commits.writer(), commits.writer());
        assert_eq!(commits.failing(), None);
        one.failed(&StoreError::timed_out());
        other.succeeded();
        assert_eq!(
            commits.failing(),
            Some(ErrorKind::TooSlow),
            "another writer's success does not matter"
        );
        one.succeeded();
        assert_eq!(commits.failing(), None);
        one.failed(&StoreError::timed_out());
        tokio::time::advance(FAILURE_COUNTS_FOR).await;
        assert_eq!(commits.failing(), None);
        one.failed(&StoreError::timed_out());
        drop(one);
        assert_eq!(commits.failing(), None, "the writer was dropped");
    }
}
