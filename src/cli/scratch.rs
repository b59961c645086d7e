//! A temporary database and its directory.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::block_on;
use super::interrupt::interruptible;
use crate::config::Environment;
use crate::postgres::{Cluster, Settings};
use crate::store::Target;

/// A directory with a cluster. Dropping it stops the cluster and removes both.
pub(super) struct Scratch {
    cluster: Option<Cluster>,
    folder: PathBuf,
}

impl Scratch {
    /// Creates both. `settings` says where PostgreSQL's programs are.
    pub(super) fn start(environment: &Environment, settings: Settings) -> anyhow::Result<Self> {
        let parent = environment.temp_dir();
        // On another thread, so that a signal is noticed; the start is still completed and then
        // cleaned up.
        block_on(interruptible(async move {
            tokio::task::spawn_blocking(move || Self::start_in(&parent, settings)).await?
        }))
    }

    fn start_in(parent: &Path, settings: Settings) -> anyhow::Result<Self> {
        let folder = parent.join(format!("sealpost-{}", hex::encode(rand::random::<[u8; 6]>())));
        std::fs::create_dir(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let mut scratch = Self { cluster: None, folder };
        // The server's account must be able to pass; for root it is another one.
        std::fs::set_permissions(&scratch.folder, Permissions::from_mode(0o755))?;
        let data_dir = scratch.folder.join("postgres");
        scratch.cluster = Some(Cluster::start(&Settings { data_dir, ..settings })?);
        Ok(scratch)
    }

    /// The database with this name.
    pub(super) fn target(&self, name: &str) -> anyhow::Result<Target> {
        let cluster = self.cluster.as_ref().context("the cluster is not running")?;
        Ok(Target::in_cluster(cluster.endpoint()).with_database(name))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let data = self.cluster.take().map(|cluster| cluster.data_dir().to_owned());
        // For root, the data directory can be elsewhere.
        let elsewhere = data.as_deref().and_then(Path::parent);
        for folder in elsewhere.into_iter().chain([self.folder.as_path()]) {
            if let Err(error) = std::fs::remove_dir_all(folder)
                && error.kind() != std::io::ErrorKind::NotFound
            {
                tracing::warn!(folder = %folder.display(), %error, "cannot remove the directory");
            }
        }
    }
}
