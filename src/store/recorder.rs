//! A connection that does nothing but record: kept from group to group, so that a group costs one
//! round trip.

use std::time::Duration;

use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::time::Instant;

use super::connect::{RESTED, alive};
use super::fresh::insert_fresh;
use super::record::insert;
use super::{Committed, NewEvent, Recorded, Store, StoreError};

/// Records groups of events, one after the other. It opens its connection when it needs one, on
/// the runtime that it is used on, and throws it away after any error of it.
#[derive(Debug)]
pub struct Recorder {
    store: Store,
    connection: Option<(PgConnection, Instant)>,
    /// Whether the last group held nothing that was seen before: the next is likely to be alike.
    all_new: bool,
}

impl Store {
    /// A recorder, with no connection yet.
    pub fn recorder(&self) -> Recorder {
        Recorder { store: self.clone(), connection: None, all_new: true }
    }
}

impl Recorder {
    /// Records a group of events with one statement, which commits on its own. Gives, in the
    /// group's order, what became of each.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when the database refuses one of them (none is stored then);
    /// [`StoreError::Unavailable`] leaves open whether they are stored.
    pub async fn record(
        &mut self,
        group: &[&NewEvent],
    ) -> Result<Committed<Vec<Recorded>>, StoreError> {
        let ends = Instant::now() + self.store.commit_deadline;
        // Taken out: when this call is dropped or fails, nobody knows what is on its way there.
        let mut connection = match self.connection.take() {
            Some((connection, used)) => match rested(connection, used).await {
                Some(connection) => connection,
                None => self.connect().await?,
            },
            None => self.connect().await?,
        };
        let inserting = self.insert(&mut connection, group);
        let recorded = tokio::time::timeout_at(ends, inserting)
            .await
            .unwrap_or_else(|_| Err(StoreError::timed_out()));
        // A refusal is an answer like any other: the connection is as it was.
        if matches!(recorded, Ok(_) | Err(StoreError::Refused(_))) {
            self.connection = Some((connection, Instant::now()));
        }
        Ok(Committed::by_statement(recorded?))
    }

    async fn insert(
        &mut self,
        connection: &mut PgConnection,
        group: &[&NewEvent],
    ) -> Result<Vec<Recorded>, StoreError> {
        let retention = self.store.key_retention;
        if self.all_new && insert_fresh(connection, group, retention).await? {
            return Ok(vec![Recorded::Fresh; group.len()]);
        }
        let recorded = insert(connection, group, retention).await?;
        self.all_new = recorded.iter().all(|recorded| *recorded == Recorded::Fresh);
        Ok(recorded)
    }

    /// Ends the connection.
    pub async fn close(self) {
        if let Some((connection, _)) = self.connection {
            // It is idle: nothing is lost when the server does not hear of it.
            drop(tokio::time::timeout(Duration::from_secs(1), connection.close()).await);
        }
    }

    async fn connect(&self) -> Result<PgConnection, StoreError> {
        // What is looked up here is looked up by its key, however small a table seems to a planner
        // that knew it empty: a plan that is kept would read all of it, ever more slowly.
        let by_key = [("enable_seqscan", "off"), ("enable_bitmapscan", "off")];
        let options = self.store.target.bounded("ingest", self.store.pools).options(by_key);
        tokio::time::timeout(self.store.pools.acquire, options.connect())
            .await
            .map_err(|_| StoreError::timed_out())?
            .map_err(StoreError::from)
    }
}

/// The connection, if it is still good: one that was not used for a while is asked first.
async fn rested(mut connection: PgConnection, used: Instant) -> Option<PgConnection> {
    let good = used.elapsed() < RESTED || alive(&mut connection).await.unwrap_or(false);
    good.then_some(connection)
}
