//! What can go wrong at the database.

/// What can go wrong at the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, is too slow, is shutting down or is full: the same call
    /// may succeed later. For a commit this means *unknown*, not *not committed*.
    #[error("the database did not answer in time or at all")]
    Unavailable(#[source] Option<sqlx::Error>),
    /// The database refuses the statement or the value: the same call fails again.
    #[error("the database refused the statement")]
    Refused(#[source] sqlx::Error),
    /// A row does not hold what only this gateway writes there.
    #[error("{table}.{column} of row {row} does not hold what it should")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row's id.
        row: String,
    },
    /// Somebody else holds the delivery now: what was done under the old lease is not recorded.
    #[error("the lease on delivery {0} was lost")]
    LeaseLost(i64),
}

impl StoreError {
    /// A call that ran out of its time.
    pub fn timed_out() -> Self {
        Self::Unavailable(None)
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let refused = match &error {
            // Classes 22 and 23 are about the values, 42 about the statement; the rest (08
            // connection, 40 rollback, 53 resources, 55 locks, 57 operator, 58 system, XX) is
            // about the moment.
            sqlx::Error::Database(database) => database
                .code()
                .is_some_and(|code| ["22", "23", "42"].iter().any(|class| code.starts_with(class))),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => false,
            _ => true,
        };
        if refused { Self::Refused(error) } else { Self::Unavailable(Some(error)) }
    }
}
