//! A connection that does nothing but record: kept from group to group, so that a group costs one
//! round trip.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tokio::time::Instant;

use super::health::LastCommit;
use super::insert::insert;
use super::insert_new::insert_new;
use super::pool::{RESTED, is_usable};
use super::session::{BRIEF_LOCK_TIMEOUT, RECORDER_LOCK_TIMEOUT};
use super::{Committed, Inserted, NewEvent, Store, StoreError, Trouble};

/// Records groups of events, one after the other. It opens its connection when it needs one, on
/// the runtime that it is used on, and throws it away after any error that leaves it in doubt.
#[derive(Debug)]
pub struct GroupWriter {
    store: Store,
    connection: Option<Kept>,
    /// Whether the last group held nothing that was seen before: the next is likely to be alike.
    all_new: bool,
    last: Arc<LastCommit>,
}

#[derive(Debug)]
struct Kept {
    connection: PgConnection,
    used: Instant,
    waits: LockWait,
}

/// How long a group waits for locks that others hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockWait {
    /// As long as a session does.
    Usually,
    /// Hardly, to find out which of a group has to wait.
    Briefly,
}

impl Store {
    /// A recorder, with no connection yet.
    pub fn group_writer(&self) -> GroupWriter {
        let last = self.commits.writer();
        GroupWriter { store: self.clone(), connection: None, all_new: true, last }
    }
}

impl GroupWriter {
    /// Records a group of events with one statement, which commits on its own. Gives, in the
    /// group's order, what became of each.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when the database refuses one of them, and what is
    /// [transient](StoreError::is_transient): none is stored then.
    /// [`StoreError::CommitUnknown`] leaves open whether they are.
    pub async fn record(
        &mut self,
        group: &[&NewEvent],
        waits: LockWait,
    ) -> Result<Committed<Vec<Inserted>>, StoreError> {
        let ends = Instant::now() + self.store.commit_deadline;
        // Taken out: when this call is dropped or fails, nobody knows what is on its way there.
        let kept = match self.connection.take() {
            Some(kept) => kept.rested().await,
            None => None,
        };
        let mut kept = match kept {
            Some(kept) => kept,
            None => self.connect().await?,
        };
        kept.wait(waits).await?;
        let inserting = self.insert(&mut kept.connection, group);
        let inserting = async {
            let inserted = tokio::time::timeout_at(ends, inserting).await;
            inserted.unwrap_or(Err(StoreError::CommitUnknown(None))).map_err(in_doubt)
        };
        let recorded = Committed::by_statement(inserting).await;
        if leaves_connection(&recorded) {
            self.connection = Some(Kept { used: Instant::now(), ..kept });
        }
        if recorded.is_ok() {
            self.last.succeeded();
        }
        recorded
    }

    /// Notes that recording failed in the end.
    pub fn has_failed(&self, error: &StoreError) {
        self.last.has_failed(error);
    }

    async fn insert(
        &mut self,
        connection: &mut PgConnection,
        group: &[&NewEvent],
    ) -> Result<Vec<Inserted>, StoreError> {
        let retention = self.store.key_retention;
        if self.all_new && insert_new(connection, group, retention).await? {
            return Ok(vec![Inserted::Fresh; group.len()]);
        }
        let recorded = insert(connection, group, retention).await?;
        self.all_new = recorded.iter().all(|recorded| *recorded == Inserted::Fresh);
        Ok(recorded)
    }

    /// Ends the connection.
    pub async fn close(self) {
        if let Some(Kept { connection, .. }) = self.connection {
            // It is idle: nothing is lost when the server does not hear of it.
            drop(tokio::time::timeout(Duration::from_secs(1), connection.close()).await);
        }
    }

    async fn connect(&self) -> Result<Kept, StoreError> {
        let session = self.store.target.session("recorder", self.store.pools);
        let connection = tokio::time::timeout(self.store.pools.acquire, session.connect())
            .await
            .map_err(|_| StoreError::timed_out())??;
        Ok(Kept { connection, used: Instant::now(), waits: LockWait::Usually })
    }
}

impl Kept {
    /// The same, if it is still good: one that was not used for a while is asked first.
    async fn rested(mut self) -> Option<Self> {
        let good =
            self.used.elapsed() < RESTED || is_usable(&mut self.connection).await.unwrap_or(false);
        good.then_some(self)
    }

    async fn wait(&mut self, waits: LockWait) -> Result<(), StoreError> {
        if self.waits == waits {
            return Ok(());
        }
        let timeout = match waits {
            LockWait::Usually => RECORDER_LOCK_TIMEOUT,
            LockWait::Briefly => BRIEF_LOCK_TIMEOUT,
        };
        sqlx::query_scalar!("SELECT set_config('lock_timeout', $1, false)", timeout)
            .fetch_one(&mut self.connection)
            .await?;
        self.waits = waits;
        Ok(())
    }
}

/// The statement was its own commit: where the server has not answered it, nobody knows.
fn in_doubt(error: StoreError) -> StoreError {
    match error {
        StoreError::Unavailable(Some(error)) => StoreError::of_commit(error),
        other => other,
    }
}

/// Whether the connection is as it was: a refusal is an answer like any other.
fn leaves_connection<T>(recorded: &Result<T, StoreError>) -> bool {
    match recorded {
        Ok(_) | Err(StoreError::Refused(_)) => true,
        Err(error @ StoreError::Unavailable(_)) => {
            matches!(
                error.trouble(),
                Trouble::LockedDelivery | Trouble::Deadlock | Trouble::Collision
            )
        }
        Err(_) => false,
    }
}
