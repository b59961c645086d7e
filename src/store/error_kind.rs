//! Kinds of database errors: a closed list for the log, for readiness and for metrics.

use std::fmt;

use super::StoreError;

/// A kind of database error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorKind {
    /// A standby, or read-only by a setting.
    ReadOnly,
    /// `pg_hba.conf` rejects this machine or role.
    AccessRules,
    Password,
    Login,
    /// The role lacks a permission.
    Permission,
    NoDatabase,
    /// The server or the role has reached its connection limit.
    TooManyConnections,
    Resources,
    /// The disk has almost no free space: the gateway stops before the server does.
    DiskFull,
    /// The TLS handshake failed.
    Tls,
    /// A connection pooler breaks prepared statements or session settings.
    Pooler,
    /// A session does not have the requested settings.
    Settings,
    /// A lock wait timed out.
    LockTimeout,
    Deadlock,
    /// A serialization failure.
    Collision,
    Restarting,
    /// The statement timed out.
    TooSlow,
    /// No connection, or none free in time.
    Unreachable,
    Other,
}

impl ErrorKind {
    pub fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(database) => {
                Self::of_code(&database.code().unwrap_or_default(), database.message())
            }
            sqlx::Error::Configuration(_) => Self::Settings,
            sqlx::Error::Tls(_) => Self::Tls,
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => {
                Self::Unreachable
            }
            _ => Self::Other,
        }
    }

    fn of_code(code: &str, message: &str) -> Self {
        match code {
            "25006" => Self::ReadOnly,
            // The file name is in the message in every language.
            "28000" if message.contains("pg_hba") => Self::AccessRules,
            "28000" => Self::Login,
            "28P01" => Self::Password,
            "3D000" => Self::NoDatabase,
            "42501" => Self::Permission,
            // A prepared statement is missing or already exists: the session is shared with others.
            "42P05" | "26000" => Self::Pooler,
            "08P01" if message.contains("startup parameter") => Self::Pooler,
            "08P01" if message.contains("no such database") => Self::NoDatabase,
            "40P01" => Self::Deadlock,
            "55P03" => Self::LockTimeout,
            "53300" => Self::TooManyConnections,
            "57P01" | "57P02" | "57P03" => Self::Restarting,
            "57014" => Self::TooSlow,
            _ => match code.get(..2) {
                Some("40") => Self::Collision,
                Some("53") => Self::Resources,
                Some("08") => Self::Unreachable,
                _ => Self::Other,
            },
        }
    }

    /// The word in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::AccessRules => "access_rules",
            Self::Password => "password",
            Self::Login => "login",
            Self::Permission => "permission",
            Self::NoDatabase => "no_database",
            Self::TooManyConnections => "too_many_connections",
            Self::Resources => "resources",
            Self::DiskFull => "disk_full",
            Self::Tls => "tls",
            Self::Pooler => "pooler",
            Self::Settings => "settings",
            Self::LockTimeout => "locked",
            Self::Deadlock => "deadlock",
            Self::Collision => "collision",
            Self::Restarting => "restarting",
            Self::TooSlow => "too_slow",
            Self::Unreachable => "unreachable",
            Self::Other => "other",
        }
    }

    /// Advice for the operator, if there is any.
    pub fn advice(self) -> Option<&'static str> {
        match self {
            Self::ReadOnly => Some(
                "point the database URL at the primary server, or end its read-only mode \
                 (default_transaction_read_only, or a full disk on a hosted database)",
            ),
            Self::AccessRules => {
                Some("add a line for this machine, role and database to the server's pg_hba.conf")
            }
            Self::Password => Some("check the password in the database URL"),
            Self::Login => Some("check the role in the database URL, and that it has LOGIN"),
            Self::Permission => {
                Some("grant the role the missing permissions, or make it the owner of the database")
            }
            Self::NoDatabase => Some("create the database, or correct its name in the URL"),
            Self::TooManyConnections => Some(
                "lower the connections in the section [database], or raise max_connections or the \
                 role's limit at the server",
            ),
            Self::Resources => Some("free disk space or memory at the database server"),
            Self::DiskFull => Some(
                "free space on the disk of the database, or enlarge it; the limits are \
                 disk_stop_percent and disk_stop_size in the section [database]",
            ),
            Self::Tls => Some("check sslmode and the certificates in the database URL"),
            Self::Pooler => Some(
                "use session mode in the pooler, or connect to the server directly: prepared \
                 statements and session settings need one session. The pooler must pass on the \
                 parameters in `options` of the database URL",
            ),
            Self::Settings => Some(
                "a connection pooler or a server setting changes the session: use session mode, or \
                 connect to the server directly",
            ),
            _ => None,
        }
    }
}

impl fmt::Display for ErrorKind {
    /// A sentence without a full stop.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadOnly => "the database is read-only",
            Self::AccessRules => "the database's access rules (pg_hba.conf) reject the connection",
            Self::Password => "the database rejects the password",
            Self::Login => "the database role has no permission to log in",
            Self::Permission => "the role lacks a permission in the database",
            Self::NoDatabase => "the database does not exist",
            Self::TooManyConnections => "the database has no free connections",
            Self::Resources => "the database is out of disk space, memory or another resource",
            Self::DiskFull => "the disk of the database is almost full",
            Self::Tls => "TLS negotiation with the database failed",
            Self::Pooler => {
                "a connection pooler in front of the database does not preserve sessions"
            }
            Self::Settings => "the database session does not have the requested settings",
            Self::LockTimeout => "timed out waiting for a lock in the database",
            Self::Deadlock => "deadlock in the database",
            Self::Collision => "serialization conflict in the database",
            Self::Restarting => "the database is starting up or shutting down",
            Self::TooSlow => "the database timed out",
            Self::Unreachable => "cannot connect to the database, or no free connection",
            Self::Other => "the database failed",
        })
    }
}

impl StoreError {
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unavailable(Some(error)) | Self::CommitUnknown(Some(error)) => {
                ErrorKind::of(error)
            }
            Self::Refused(refused) => refused.kind(),
            Self::Unavailable(None) | Self::CommitUnknown(None) => ErrorKind::TooSlow,
            Self::Inconsistent { .. } | Self::LeaseLost(_) => ErrorKind::Other,
        }
    }

    /// Whether nothing was stored and a retry may succeed. Only for work that ends with a commit of
    /// its own, whose errors are [`StoreError::CommitUnknown`].
    pub fn is_transient(&self) -> bool {
        let Self::Unavailable(Some(error)) = self else { return false };
        // If the connection was lost, no commit was sent.
        let lost = matches!(error, sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut);
        lost || matches!(
            ErrorKind::of(error),
            ErrorKind::LockTimeout
                | ErrorKind::Deadlock
                | ErrorKind::Collision
                | ErrorKind::Restarting
                | ErrorKind::TooManyConnections
                | ErrorKind::Resources
                | ErrorKind::ReadOnly
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlstates_map_to_their_kind() {
        for (code, message, kind) in [
            ("25006", "cannot execute INSERT in a read-only transaction", ErrorKind::ReadOnly),
            ("28000", "no pg_hba.conf entry for host \"10.0.0.1\"", ErrorKind::AccessRules),
            ("28000", "kein pg_hba.conf-Eintrag für Host \"10.0.0.1\"", ErrorKind::AccessRules),
            ("28000", "role \"x\" is not permitted to log in", ErrorKind::Login),
            ("28P01", "password authentication failed for user \"x\"", ErrorKind::Password),
            ("08P01", "unsupported startup parameter: options", ErrorKind::Pooler),
            ("42P05", "prepared statement \"sqlx_s_1\" already exists", ErrorKind::Pooler),
            ("53300", "sorry, too many clients already", ErrorKind::TooManyConnections),
            ("53100", "could not extend file: No space left on device", ErrorKind::Resources),
            ("40001", "could not serialize access", ErrorKind::Collision),
            ("40P01", "deadlock detected", ErrorKind::Deadlock),
            ("55P03", "canceling statement due to lock timeout", ErrorKind::LockTimeout),
            ("57P01", "terminating connection due to administrator command", ErrorKind::Restarting),
            ("57014", "canceling statement due to statement timeout", ErrorKind::TooSlow),
            ("XX000", "anything", ErrorKind::Other),
            ("", "", ErrorKind::Other),
        ] {
            assert_eq!(ErrorKind::of_code(code, message), kind, "{code} {message}");
        }
    }

    #[test]
    fn possibly_committed_work_is_not_retried() {
        let io = || sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into());
        assert!(StoreError::Unavailable(Some(io())).is_transient());
        assert!(!StoreError::CommitUnknown(Some(io())).is_transient());
        assert!(!StoreError::timed_out().is_transient(), "no time is left");
    }
}
