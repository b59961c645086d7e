//! `sealpost serve`: run the gateway.

use std::net::SocketAddr;

use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use super::{Exit, block_on, database};
use crate::app::{App, Parts};
use crate::config::Config;
use crate::lifecycle::{Shutdown, outlive_hangups};
use crate::store::{Store, StoreError};
use crate::telemetry;
use crate::vault::Vault;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Do not change the schema: refuse to start when it is not up to date.
    #[arg(long)]
    no_migrate: bool,
}

pub(super) fn run(config: &Config, args: &Args) -> anyhow::Result<Exit> {
    let _flush = telemetry::start(config.file.log.format, &config.file.log.filter)?;
    for warning in &config.warnings {
        warn!("{warning}");
    }
    let database = database::own(config)?;
    let clean = block_on(async {
        let signals = TaskTracker::new();
        signals.spawn(outlive_hangups()?);
        database::prepare(config, &database.target).await?;
        if args.no_migrate {
            database.target.check_migrated().await?;
        } else {
            database.target.migrate().await?;
        }
        let app = App::build(config, database.target.clone(), &Parts::default())?;
        check_vault(app.store(), &config.vault).await?;
        check_origin(app.store()).await?;
        let (ingest, operator) = app.addresses();
        invite(&app, &operator).await?;
        info!(%ingest, %operator, sources = config.sources.len(), "listening");
        let shutdown = Shutdown::default();
        let watching = shutdown.clone();
        signals.spawn(async move {
            if let Err(error) = watching.watch_signals().await {
                error!(%error, "signals cannot be listened to: the gateway stops");
                watching.soft().cancel();
            }
        });
        Ok(app.run(shutdown).await)
    })?;
    Ok(if clean { Exit::Ok } else { Exit::Failed })
}

/// At the first start, with nobody there who could sign in, shows the link by which the first
/// person comes in: not by way of the log, which is kept.
async fn invite(app: &App, operator: &SocketAddr) -> Result<(), StoreError> {
    if let Some(invitation) = app.access().first_invitation().await? {
        let link = super::setup_link(operator, &invitation);
        super::talk(&format!("set up the first person, once, within 24 hours: {}", *link));
    }
    Ok(())
}

/// Says where the stream has a gap, before somebody misses something.
async fn check_origin(store: &Store) -> Result<(), StoreError> {
    let ahead = store.transactions_ahead().await?;
    if ahead > 0 {
        warn!(
            transactions_ahead = ahead,
            "the data were restored from a server whose transaction counter was ahead of this \
             one's: the stream does not tell of them until this server has caught up. \
             docs/backup-and-restore.md says how to catch up at once"
        );
    }
    Ok(())
}

/// Says what nobody can open, before somebody wants to.
async fn check_vault(store: &Store, vault: &Vault) -> Result<(), StoreError> {
    for (key, sealed) in store.sealed_by_key().await? {
        if !vault.knows(&key) {
            error!(
                master_key = %key,
                sealed,
                "credentials or held requests are sealed with a master key that is not configured"
            );
        }
    }
    Ok(())
}
