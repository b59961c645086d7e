//! A connection reserved for recording events: it is kept between groups, so that a group costs one
//! round trip.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tokio::time::Instant;

use super::health::LastCommit;
use super::insert::insert;
use super::insert_new::insert_new;
use super::pool::{IDLE_CHECK_AFTER, is_usable};
use super::session::{BRIEF_LOCK_TIMEOUT, WRITER_LOCK_TIMEOUT};
use super::{Committed, ErrorKind, Inserted, NewEvent, Store, StoreError};

/// Records groups of events, one after the other. It connects on first use, on the current runtime,
/// and drops the connection after any error that leaves its state unknown.
#[derive(Debug)]
pub struct GroupWriter {
    store: Store,
    connection: Option<Pooled>,
    /// Whether the last group had no duplicates: then the next one probably has none either.
    all_new: bool,
    last: Arc<LastCommit>,
}

#[derive(Debug)]
struct Pooled {
    connection: PgConnection,
    used: Instant,
    lock_wait: LockWait,
}

/// How long a group waits for locks of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockWait {
    /// As long as a session usually waits.
    Usually,
    /// Only briefly, to find the event that is blocked.
    Briefly,
}

impl Store {
    /// A writer without a connection yet.
    pub fn group_writer(&self) -> GroupWriter {
        let last = self.commits.writer();
        GroupWriter { store: self.clone(), connection: None, all_new: true, last }
    }
}

impl GroupWriter {
    /// Records a group of events with one statement, which commits on its own. Returns the outcomes
    /// in the order of the group.
    ///
    /// # Errors
    /// [`StoreError::Refused`] if the database rejects one of them, and
    /// [transient](StoreError::is_transient) errors: nothing is stored.
    /// [`StoreError::CommitUnknown`]: they may be stored.
    pub async fn record(
        &mut self,
        group: &[&NewEvent],
        lock_wait: LockWait,
    ) -> Result<Committed<Vec<Inserted>>, StoreError> {
        let ends = Instant::now() + self.store.commit_deadline;
        // Taken out: if this call is dropped or fails, the state of the connection is unknown.
        let pooled = match self.connection.take() {
            Some(pooled) => pooled.checked().await,
            None => None,
        };
        let mut pooled = match pooled {
            Some(pooled) => pooled,
            None => self.connect().await?,
        };
        pooled.set_lock_wait(lock_wait).await?;
        let inserting = self.insert(&mut pooled.connection, group);
        let inserting = async {
            let inserted = tokio::time::timeout_at(ends, inserting).await;
            inserted.unwrap_or(Err(StoreError::CommitUnknown(None))).map_err(in_doubt)
        };
        let recorded = Committed::by_statement(inserting).await;
        if leaves_connection(&recorded) {
            self.connection = Some(Pooled { used: Instant::now(), ..pooled });
        }
        if recorded.is_ok() {
            self.last.succeeded();
        }
        recorded
    }

    /// Records that recording has finally failed.
    pub fn mark_failed(&self, error: &StoreError) {
        self.last.failed(error);
    }

    async fn insert(
        &mut self,
        connection: &mut PgConnection,
        group: &[&NewEvent],
    ) -> Result<Vec<Inserted>, StoreError> {
        let retention = self.store.key_retention;
        if self.all_new && insert_new(connection, group, retention).await? {
            return Ok(vec![Inserted::New; group.len()]);
        }
        let recorded = insert(connection, group, retention).await?;
        self.all_new = recorded.iter().all(|recorded| *recorded == Inserted::New);
        Ok(recorded)
    }

    /// Closes the connection.
    pub async fn close(self) {
        if let Some(Pooled { connection, .. }) = self.connection {
            // It is idle: nothing is lost if the server does not notice.
            drop(tokio::time::timeout(Duration::from_secs(1), connection.close()).await);
        }
    }

    async fn connect(&self) -> Result<Pooled, StoreError> {
        let session = self.store.target.session("group_writer", self.store.pools);
        let connection = tokio::time::timeout(self.store.pools.acquire, session.connect())
            .await
            .map_err(|_| StoreError::timed_out())??;
        Ok(Pooled { connection, used: Instant::now(), lock_wait: LockWait::Usually })
    }
}

impl Pooled {
    /// Checks a connection that was idle for a while, and drops it if it is broken.
    async fn checked(mut self) -> Option<Self> {
        let good = self.used.elapsed() < IDLE_CHECK_AFTER
            || is_usable(&mut self.connection).await.unwrap_or(false);
        good.then_some(self)
    }

    async fn set_lock_wait(&mut self, lock_wait: LockWait) -> Result<(), StoreError> {
        if self.lock_wait == lock_wait {
            return Ok(());
        }
        let timeout = match lock_wait {
            LockWait::Usually => WRITER_LOCK_TIMEOUT,
            LockWait::Briefly => BRIEF_LOCK_TIMEOUT,
        };
        sqlx::query_scalar!("SELECT set_config('lock_timeout', $1, false)", timeout)
            .fetch_one(&mut self.connection)
            .await?;
        self.lock_wait = lock_wait;
        Ok(())
    }
}

/// The statement was its own commit: without a response its outcome is unknown.
fn in_doubt(error: StoreError) -> StoreError {
    match error {
        StoreError::Unavailable(Some(error)) => StoreError::of_commit(error),
        other => other,
    }
}

/// Whether the connection is still in a known state: a rejected statement is an ordinary response.
fn leaves_connection<T>(recorded: &Result<T, StoreError>) -> bool {
    match recorded {
        Ok(_) | Err(StoreError::Refused(_)) => true,
        Err(error @ StoreError::Unavailable(_)) => {
            matches!(
                error.kind(),
                ErrorKind::LockTimeout | ErrorKind::Deadlock | ErrorKind::Collision
            )
        }
        Err(_) => false,
    }
}
