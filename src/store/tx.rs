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

    /// Commits, and returns `value` with the proof.
    ///
    /// # Errors
    /// [`StoreError::CommitUnknown`]: it may have committed. With any other error it has not.
    pub async fn commit<T>(self, value: T) -> Result<Committed<T>, StoreError> {
        self.0.commit().await.map_err(StoreError::of_commit)?;
        Ok(Committed(value))
    }

    pub(super) async fn rollback(self) -> Result<(), StoreError> {
        Ok(self.0.rollback().await?)
    }
}

/// Proof that a value was committed. Created only by [`Tx::commit`] and by a successful statement
/// that was its own transaction; a 2xx response requires it.
///
/// ```compile_fail,E0423
/// let made_up = sealpost::store::Committed("never committed");
/// ```
///
/// A rolled back or unwritten value gives no such proof:
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
    /// Runs a statement that is its own transaction, on a connection without an open one.
    pub(super) async fn by_statement(
        statement: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<Self, StoreError> {
        statement.await.map(Self)
    }

    /// Maps the committed value.
    pub fn map<U>(self, into: impl FnOnce(T) -> U) -> Committed<U> {
        Committed(into(self.0))
    }

    pub fn into_inner(self) -> T {
        self.0
    }

    pub fn get(&self) -> &T {
        &self.0
    }
}

impl<T> Committed<Vec<T>> {
    /// Splits values that were committed together.
    pub fn split(self) -> impl Iterator<Item = Committed<T>> {
        self.0.into_iter().map(Committed)
    }
}
