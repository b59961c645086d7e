//! Why the database cannot be used.

use sqlx::migrate::MigrateError;

use super::{SessionError, Trouble};

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL is not one of a PostgreSQL database.
    #[error("the database URL is not valid")]
    Url(#[source] sqlx::Error),
    /// No connection.
    #[error("the database cannot be reached")]
    Connect(#[source] sqlx::Error),
    /// Sessions are shared with others.
    #[error(
        "a connection pooler in transaction or statement mode stands in front of the database: \
         prepared statements and session settings do not hold there"
    )]
    Pooler,
    /// A session is not what was asked for.
    #[error("the database does not give sessions as they are asked for")]
    Session(#[source] SessionError),
    /// It is too old.
    #[error("PostgreSQL {found} is too old: {oldest} or newer is needed")]
    TooOld {
        /// The server's version.
        found: String,
        /// The oldest major version that is supported.
        oldest: i32,
    },
    /// It cannot hold every text.
    #[error(
        "the encoding of the database is {0}: UTF8 is needed (CREATE DATABASE … ENCODING UTF8)"
    )]
    Encoding(String),
    /// What is answered 2xx could be lost.
    #[error("{settings} at the database: an acknowledged event could be lost")]
    NotDurable {
        /// The settings, such as `fsync = off`.
        settings: String,
    },
    /// The schema was made by a newer version of this program.
    #[error(
        "the schema is newer than this program, which does not know its migration {0}: run the \
         newer version; or, where its notes say that this one can work with it, `sealpost serve \
         --no-migrate`"
    )]
    Newer(i64),
    /// The schema could not be brought up to date.
    #[error("the migrations failed")]
    Migrate(#[source] MigrateError),
    /// The schema is not up to date, and must not be changed now.
    #[error("{0} migrations are pending: run `sealpost migrate`")]
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
