//! The database of a command: the configured one, that of a gateway running on this machine, or one
//! that is started for the command.

use tracing::info;

use super::block_on;
use crate::app;
use crate::config::Config;
use crate::postgres::{self, Cluster};
use crate::store::{OpenError, Store, Target};

/// A database, with the managed cluster if this process started one.
pub(super) struct Database {
    pub(super) target: Target,
    /// Stopped when dropped.
    _cluster: Option<Cluster>,
}

/// For the gateway itself, which must be the only owner of the managed cluster.
pub(super) fn open_exclusive(config: &Config) -> anyhow::Result<Database> {
    match &config.database_url {
        Some(url) => Ok(Database { target: Target::from_url(url)?, _cluster: None }),
        None => start(config),
    }
}

/// For a command: if a gateway runs the managed cluster, the command shares it.
pub(super) fn open_shared(config: &Config) -> anyhow::Result<Database> {
    if config.database_url.is_none()
        && let Some(endpoint) = postgres::running(&config.managed)?
    {
        return Ok(Database { target: Target::in_cluster(&endpoint), _cluster: None });
    }
    open_exclusive(config)
}

/// Opens the database for a command and closes it afterwards.
pub(super) fn with_store<T>(
    config: &Config,
    work: impl AsyncFnOnce(&Store) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let database = open_shared(config)?;
    block_on(async {
        database.target.check_migrated().await?;
        let store = app::open_store(config, database.target.clone());
        let done = work(&store).await;
        store.close().await;
        done
    })
}

/// Creates the database if it is missing, and checks the server.
pub(super) async fn prepare(config: &Config, target: &Target) -> anyhow::Result<()> {
    target.create_if_missing().await?;
    match target.check_server().await {
        Err(error @ OpenError::NotDurable { .. })
            if config.file.database.allow_unsafe_durability =>
        {
            tracing::error!("{error}; continuing because database.allow_unsafe_durability is set");
            Ok(())
        }
        checked => Ok(checked?),
    }
}

fn start(config: &Config) -> anyhow::Result<Database> {
    let cluster = Cluster::start(&config.managed)?;
    info!(
        data_dir = %cluster.data_dir().display(),
        postgres.major = cluster.major(),
        "managed PostgreSQL started"
    );
    let target = Target::in_cluster(cluster.endpoint());
    Ok(Database { target, _cluster: Some(cluster) })
}
