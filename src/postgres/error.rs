//! Why the managed cluster is not available.

use std::io;
use std::path::{Path, PathBuf};

use super::fetch::FetchError;

/// Why the managed cluster cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// Another gateway has the lock and did not release it.
    #[error("another gateway{} is running this cluster (lock file {})", who(*.pid), .lock.display())]
    Owned {
        lock: PathBuf,
        /// The other gateway, if the file names it.
        pid: Option<u32>,
    },
    /// Another gateway has the lock, and its server has not become ready in time.
    #[error(
        "another gateway{} is still starting this cluster (lock file {})",
        who(*.pid), .lock.display()
    )]
    Starting {
        lock: PathBuf,
        /// The other gateway, if the file names it.
        pid: Option<u32>,
    },
    /// A server that was not started by a gateway uses the data directory.
    #[error(
        "a PostgreSQL server that Sealpost did not start (pid {pid}) runs on {}: stop it first, \
         or use it through a database URL",
        .data_dir.display()
    )]
    ForeignServer {
        data_dir: PathBuf,
        /// One process of that server.
        pid: i32,
    },
    /// A process of an earlier server outlived SIGKILL.
    #[error("cannot kill process {pid} of an earlier server on {}", .data_dir.display())]
    Unkillable { data_dir: PathBuf, pid: i32 },
    /// No usable installation, and none could be downloaded.
    #[error(
        "no PostgreSQL is installed here: install it (for instance `apt install postgresql`), or \
         set a database URL"
    )]
    NotInstalled {
        /// Why the download through npm failed; `None` if it is disabled.
        #[source]
        fetch: Option<FetchError>,
    },
    /// The configured directory has no usable installation.
    #[error(
        "no usable `postgres` and `initdb` of version {oldest} or later in {}",
        .bin_dir.display()
    )]
    BadBinDir {
        bin_dir: PathBuf,
        /// The oldest major version that is accepted.
        oldest: u16,
    },
    /// The data directory belongs to a major version that is not installed.
    #[error(
        "{} was made by PostgreSQL {major}, and only that version can read it; installed here: \
         {}; install it (for instance `apt install postgresql-{major}`)",
        .data_dir.display(), list(.found)
    )]
    MajorNotInstalled {
        data_dir: PathBuf,
        /// Its major version.
        major: u16,
        /// The major versions that were found.
        found: Vec<u16>,
        /// Why the download through npm failed; `None` if it was not tried.
        #[source]
        fetch: Option<FetchError>,
    },
    /// The data directory is in use for something else.
    #[error("{} is not empty and not a PostgreSQL data directory", .data_dir.display())]
    NotACluster { data_dir: PathBuf },
    /// A directory belongs to an account that the server does not run under.
    #[error(
        "{} belongs to uid {owner}, but PostgreSQL would run as uid {uid} here; give it to that \
         uid, or run as its owner",
        .path.display()
    )]
    WrongOwner {
        path: PathBuf,
        owner: u32,
        /// The expected owner.
        uid: u32,
    },
    /// The owner of a data directory cannot reach it.
    #[error(
        "{} is not accessible to its owner, uid {uid}: check the permissions of its parent \
         directories",
        .data_dir.display()
    )]
    Unreachable {
        data_dir: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// Run by root, which the server rejects, with no account to run it under.
    #[error(
        "PostgreSQL does not run as root, and there is neither an account `postgres` nor `nobody`"
    )]
    NoAccount,
    /// The data directory could not be created.
    #[error("initdb failed ({status}): {log}")]
    Initdb {
        status: String,
        /// The end of its output.
        log: String,
    },
    /// The server ended before it was ready.
    #[error("the PostgreSQL server exited during startup ({status}): {log}")]
    Died {
        status: String,
        /// The end of its log.
        log: String,
    },
    /// A file operation failed.
    #[error("cannot {what} {}", .path.display())]
    Io {
        /// What was attempted.
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

impl ClusterError {
    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, path: path.to_owned(), source }
    }
}

fn who(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
}

fn list(majors: &[u16]) -> String {
    if majors.is_empty() {
        return "none".to_owned();
    }
    majors.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
