//! Why the database cannot be used.

use sqlx::migrate::MigrateError;

use super::{ErrorKind, SessionError};

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("invalid database URL")]
    Url(#[source] sqlx::Error),
    #[error("cannot connect to the database")]
    Connect(#[source] sqlx::Error),
    /// A pooler shares the session with other clients.
    #[error(
        "the database is behind a connection pooler in transaction or statement mode, which does \
         not support prepared statements and session settings"
    )]
    Pooler,
    #[error("the database session does not have the requested settings")]
    Session(#[source] SessionError),
    #[error("PostgreSQL {found} is too old; {oldest} or newer is required")]
    TooOld {
        found: String,
        /// The oldest supported major version.
        oldest: i32,
    },
    #[error("the database encoding is {0}; UTF8 is required (CREATE DATABASE … ENCODING UTF8)")]
    Encoding(String),
    #[error("unsafe database settings ({settings}): an acknowledged event could be lost")]
    NotDurable {
        /// For example `fsync = off`.
        settings: String,
    },
    #[error(
        "the schema is newer than this program (unknown migration {0}): run the newer version, or \
         `sealpost serve --no-migrate` if its release notes say that this version is compatible"
    )]
    Newer(i64),
    #[error("migrations failed")]
    Migrate(#[source] MigrateError),
    /// Migrations are pending and not allowed at this point.
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

    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Connect(error) | Self::Migrate(MigrateError::Execute(error)) => {
                ErrorKind::of(error)
            }
            Self::Migrate(MigrateError::ExecuteMigration(error, _)) => ErrorKind::of(error),
            Self::Pooler => ErrorKind::Pooler,
            Self::Session(_) => ErrorKind::Settings,
            _ => ErrorKind::Other,
        }
    }
}
