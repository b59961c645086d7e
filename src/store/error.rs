//! What can go wrong at the database.

use std::fmt;

use super::Trouble;

/// What PostgreSQL says when a statement has run into its timeout.
const QUERY_CANCELED: &str = "57014";

/// What can go wrong at the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, is too slow, is shutting down or is full: the same call
    /// may succeed later. What was asked for by one statement, outside [`Tx`](super::Tx), may have
    /// happened all the same.
    #[error("{}", unavailable(.0.as_ref()))]
    Unavailable(#[source] Option<sqlx::Error>),
    /// The answer to a commit did not come: whether it happened is unknown.
    #[error("the database did not confirm the commit")]
    CommitUnknown(#[source] Option<sqlx::Error>),
    /// The database refuses the statement or the value: the same call fails again.
    #[error("the database rejected the statement")]
    Refused(#[source] RefusedStatement),
    /// A row does not hold what only this gateway writes there.
    #[error("invalid value in {table}.{column}, row {row}")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row's id.
        row: String,
    },
    /// Another gateway holds the delivery now: what was done under the old lease is not recorded.
    #[error("lease on delivery {0} lost")]
    LeaseLost(i64),
}

impl StoreError {
    /// Whether a text that was asked with holds what no text of the database can: a NUL, or bytes
    /// that are no UTF-8. It is for whoever asked to mend.
    pub fn is_about_a_text(&self) -> bool {
        let Self::Refused(RefusedStatement(sqlx::Error::Database(error))) = self else {
            return false;
        };
        error.code().is_some_and(|code| code == "22021")
    }

    /// Whether the moment is to blame, and not what was to be written: a lock that was held too
    /// long, a deadlock, a conflict with another transaction, no free connection, a server that is
    /// away. The same call is worth another try.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::CommitUnknown(_))
    }

    /// Whether the statement itself took too long.
    pub fn is_slow(&self) -> bool {
        matches!(self, Self::Unavailable(Some(sqlx::Error::Database(error)))
                 if error.code().as_deref() == Some(QUERY_CANCELED))
    }

    /// A call that ran out of its time.
    pub fn timed_out() -> Self {
        Self::Unavailable(None)
    }

    /// What an error means that comes in the place of the answer to a commit: unless the server
    /// itself says that there was none, nobody knows.
    pub(super) fn of_commit(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(_) => error.into(),
            _ => Self::CommitUnknown(Some(error)),
        }
    }
}

fn unavailable(error: Option<&sqlx::Error>) -> Trouble {
    error.map_or(Trouble::TooSlow, Trouble::of)
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let refused = match &error {
            // Classes 22 and 23 are about the values, 42 about the statement; the rest (08
            // connection, 40 rollback, 53 resources, 55 locks, 57 operator, 58 system, XX) is
            // about the moment.
            // But a statement that a pooler has mixed up (42P05) is as good as any other.
            sqlx::Error::Database(database) => database.code().is_some_and(|code| {
                code != "42P05" && ["22", "23", "42"].iter().any(|class| code.starts_with(class))
            }),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            // A session whose settings are not what was asked for.
            | sqlx::Error::Configuration(_) => false,
            _ => true,
        };
        if refused {
            Self::Refused(RefusedStatement(error))
        } else {
            Self::Unavailable(Some(error))
        }
    }
}

/// Why the database refuses something. The server's own text can repeat the value that it refuses,
/// which is untrusted: it is shown by [`RefusedStatement::in_full`] only, where payloads may be
/// seen. What is displayed, and so logged, is the SQLSTATE with the names of what is concerned.
#[derive(Debug)]
pub struct RefusedStatement(sqlx::Error);

impl RefusedStatement {
    pub(super) fn trouble(&self) -> Trouble {
        Trouble::of(&self.0)
    }

    /// The server's own text.
    pub fn in_full(&self) -> String {
        self.0.to_string()
    }
}

impl fmt::Display for RefusedStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sqlx::Error::Database(error) = &self.0 else {
            return f.write_str("unexpected result");
        };
        let code = error.code().unwrap_or_default();
        write!(f, "SQLSTATE {code}")?;
        for (what, name) in [("table", error.table()), ("constraint", error.constraint())] {
            if let Some(name) = name {
                write!(f, ", {what} {name}")?;
            }
        }
        // Class 42 is about the statement, and that is ours.
        if code.starts_with("42") { write!(f, ": {}", error.message()) } else { Ok(()) }
    }
}

impl std::error::Error for RefusedStatement {}
