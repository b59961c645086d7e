//! Why the database cannot be used.

use sqlx::migrate::MigrateError;

use super::{SessionError, Trouble};

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL is not one of a PostgreSQL database.
    #[error("invalid database URL")]
    Url(#[source] sqlx::Error),
    /// No connection.
    #[error("cannot connect to the database")]
    Connect(#[source] sqlx::Error),
    /// Sessions are shared with others.
    #[error(
        "the database is behind a connection pooler in transaction or statement mode, which does \
         not support prepared statements and session settings"
    )]
    Pooler,
    /// A session is not what was asked for.
    #[error("the database session does not have the requested settings")]
    Session(#[source] SessionError),
    /// It is too old.
    #[error("PostgreSQL {found} is too old; {oldest} or newer is required")]
    TooOld {
        /// The server's version.
        found: String,
        /// The oldest major version that is supported.
        oldest: i32,
    },
    /// It cannot hold every text.
    #[error("the database encoding is {0}; UTF8 is required (CREATE DATABASE … ENCODING UTF8)")]
    Encoding(String),
    /// What is answered 2xx could be lost.
    #[error("unsafe database settings ({settings}): an acknowledged event could be lost")]
    NotDurable {
        /// The settings, such as `fsync = off`.
        settings: String,
    },
    /// The schema was made by a newer version of this program.
    #[error(
        "the schema is newer than this program (unknown migration {0}): run the newer version, or \
         `sealpost serve --no-migrate` if its release notes say that this version is compatible"
    )]
    Newer(i64),
    /// The schema could not be brought up to date.
    #[error("migrations failed")]
    Migrate(#[source] MigrateError),
    /// The schema is not up to date, and must not be changed now.
    #[error("{0} pending migrations: run `sealpost migrate`")]
    Pending(usize),
}

impl OpenError {
    pub(super) fn connect(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Configuration(error) => match error.downcast() {
                Ok(session) => Self::Session(*session),
                Err(error) => Self::Connect(sqlx::Error::Configuration(error)),
            },
            other => Self::Connect(other),
        }
    }

    pub(super) fn migrate(error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(version) => Self::Newer(version),
            other => Self::Migrate(other),
        }
    }

    /// What kind of trouble it is.
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Connect(error) | Self::Migrate(MigrateError::Execute(error)) => {
                Trouble::of(error)
            }
            Self::Migrate(MigrateError::ExecuteMigration(error, _)) => Trouble::of(error),
            Self::Pooler => Trouble::Pooler,
            Self::Session(_) => Trouble::Settings,
            _ => Trouble::Other,
        }
    }
}
