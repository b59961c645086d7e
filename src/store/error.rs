//! Database errors.

use std::fmt;

use super::ErrorKind;

/// The SQLSTATE of a statement timeout.
const QUERY_CANCELED: &str = "57014";

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, is too slow, is shutting down or is full: a retry may
    /// succeed. A single statement outside [`Tx`](super::Tx) may have taken effect.
    #[error("{}", unavailable(.0.as_ref()))]
    Unavailable(#[source] Option<sqlx::Error>),
    /// The commit was not confirmed: whether it happened is unknown.
    #[error("the database did not confirm the commit")]
    CommitUnknown(#[source] Option<sqlx::Error>),
    /// The database rejected the statement or a value: the same call fails again.
    #[error("the database rejected the statement")]
    Refused(#[source] RefusedStatement),
    /// A row has a value that no gateway writes.
    #[error("invalid value in {table}.{column}, row {row}")]
    Inconsistent { table: &'static str, column: &'static str, row: String },
    /// Another gateway holds the delivery now. The result under the old lease is discarded.
    #[error("lease on delivery {0} lost")]
    LeaseLost(i64),
}

impl StoreError {
    /// Whether a parameter contained text that the database cannot store: a NUL, or invalid UTF-8.
    /// The caller has to correct it.
    pub fn is_invalid_text(&self) -> bool {
        let Self::Refused(RefusedStatement(sqlx::Error::Database(error))) = self else {
            return false;
        };
        error.code().is_some_and(|code| code == "22021")
    }

    /// Whether the error is temporary and not caused by the written values: a lock timeout, a
    /// deadlock, a conflict with another transaction, no free connection, an unavailable server.
    /// The call is worth a retry.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::CommitUnknown(_))
    }

    /// Whether the statement timed out.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Unavailable(Some(sqlx::Error::Database(error)))
                 if error.code().as_deref() == Some(QUERY_CANCELED))
    }

    pub fn timed_out() -> Self {
        Self::Unavailable(None)
    }

    /// The meaning of an error of a commit: unless the server itself reports a failure, the outcome
    /// is unknown.
    pub(super) fn of_commit(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(_) => error.into(),
            _ => Self::CommitUnknown(Some(error)),
        }
    }
}

fn unavailable(error: Option<&sqlx::Error>) -> ErrorKind {
    error.map_or(ErrorKind::TooSlow, ErrorKind::of)
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let refused = match &error {
            // Classes 22 and 23 are about values, 42 is about the statement. All others (08
            // connection, 40 rollback, 53 resources, 55 locks, 57 operator, 58 system, XX) are
            // temporary. So is a statement mixed up by a pooler (42P05).
            sqlx::Error::Database(database) => database.code().is_some_and(|code| {
                code != "42P05" && ["22", "23", "42"].iter().any(|class| code.starts_with(class))
            }),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            // A session with other settings than requested.
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

/// Why the database rejected a statement. The server's message can repeat the rejected value, which
/// is untrusted: only [`RefusedStatement::in_full`] shows it, where payloads may be seen. What is
/// displayed, and so logged, is the SQLSTATE with the names of table and constraint.
#[derive(Debug)]
pub struct RefusedStatement(sqlx::Error);

impl RefusedStatement {
    pub(super) fn kind(&self) -> ErrorKind {
        ErrorKind::of(&self.0)
    }

    /// The server's message.
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
        // Class 42 is about the statement, which is trusted.
        if code.starts_with("42") { write!(f, ": {}", error.message()) } else { Ok(()) }
    }
}

impl std::error::Error for RefusedStatement {}
