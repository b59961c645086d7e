//! A transaction, and the proof that one was committed.

use sqlx::{PgConnection, PgPool, Postgres, Transaction};

use super::StoreError;

/// An open transaction. Dropped without [`Tx::commit`], it is rolled back.
pub struct Tx<'c>(Transaction<'c, Postgres>);

impl Tx<'static> {
    pub(super) async fn begin(pool: &PgPool) -> Result<Self, StoreError> {
        Ok(Self(pool.begin().await?))
    }
}

impl Tx<'_> {
    /// The connection, for statements of `store` and of the providers' `tables`.
    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.0
    }

    /// Commits, and vouches for it: `value` is what the transaction has come to.
    ///
    /// # Errors
    /// [`StoreError::CommitUnknown`] leaves open whether the commit happened; with any other error
    /// it did not.
    pub async fn commit<T>(self, value: T) -> Result<Committed<T>, StoreError> {
        self.0.commit().await.map_err(StoreError::of_commit)?;
        Ok(Committed(value))
    }

    pub(super) async fn rollback(self) -> Result<(), StoreError> {
        Ok(self.0.rollback().await?)
    }
}

/// Evidence that what it holds was committed. Made only by [`Tx::commit`] and by a statement that
/// was a transaction of its own and has succeeded; an answer of 2xx is made from nothing else.
///
/// ```compile_fail,E0423
/// let made_up = sealpost::store::Committed("never committed");
/// ```
///
/// What was rolled back, or never written, gives no such evidence:
///
/// ```compile_fail,E0308
/// use sealpost::store::{Committed, ChunkOutcome, ChunkRejected};
/// fn vouch(not_kept: ChunkRejected) -> Committed<ChunkOutcome> {
///     not_kept
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Committed<T>(T);

impl<T> Committed<T> {
    /// Runs a statement that is a transaction of its own, on a connection that has none open.
    pub(super) async fn by_statement(
        statement: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<Self, StoreError> {
        statement.await.map(Self)
    }

    /// What was committed, in other words.
    pub fn map<U>(self, into: impl FnOnce(T) -> U) -> Committed<U> {
        Committed(into(self.0))
    }

    /// What was committed.
    pub fn into_inner(self) -> T {
        self.0
    }

    /// What was committed.
    pub fn get(&self) -> &T {
        &self.0
    }
}

impl<T> Committed<Vec<T>> {
    /// What was committed together, one by one.
    pub fn split(self) -> impl Iterator<Item = Committed<T>> {
        self.0.into_iter().map(Committed)
    }
}
