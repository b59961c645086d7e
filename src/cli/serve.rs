//! `sealpost serve`: run the gateway.

use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use super::{Exit, block_on, database, first_link};
use crate::app::{self, App, TestOverrides};
use crate::config::{Config, Environment};
use crate::lifecycle::{Shutdown, outlive_hangups};
use crate::store::{Store, StoreError};
use crate::telemetry;
use crate::vault::Vault;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Do not migrate the database schema; fail if it is not up to date.
    #[arg(long)]
    no_migrate: bool,
}

pub(super) fn run(config: &Config, environment: &Environment, args: &Args) -> anyhow::Result<Exit> {
    let _flush =
        telemetry::start(config.file.log.format, &app::log_filter(&config.file.log.filter))?;
    for warning in &config.warnings {
        warn!("{warning}");
    }
    let database = database::open_exclusive(config)?;
    let clean = block_on(async {
        let signals = TaskTracker::new();
        signals.spawn(outlive_hangups()?);
        database::prepare(config, &database.target).await?;
        if args.no_migrate {
            database.target.check_migrated().await?;
        } else {
            database.target.migrate().await?;
        }
        let app = App::build(config, database.target.clone(), &TestOverrides::default())?;
        check_vault(app.store(), &config.vault).await?;
        check_origin(app.store()).await?;
        let (ingest, operator) = app.addresses();
        first_link::hand_out(config, environment, &app, operator).await?;
        info!(%ingest, %operator, sources = config.sources.len(), "listening");
        let shutdown = Shutdown::default();
        let watching = shutdown.clone();
        signals.spawn(async move {
            if let Err(error) = watching.watch_signals().await {
                error!(%error, "cannot listen for signals, shutting down");
                watching.soft().cancel();
            }
        });
        Ok(Box::pin(app.run(shutdown)).await)
    })?;
    Ok(if clean { Exit::Ok } else { Exit::Failed })
}

/// Warns about a gap in the event stream after a restore.
async fn check_origin(store: &Store) -> Result<(), StoreError> {
    let ahead = store.transactions_ahead().await?;
    if ahead > 0 {
        warn!(
            transactions_ahead = ahead,
            "the data were restored from a server with a higher transaction counter: the event \
             stream omits them until this server has caught up; see docs/backup-and-restore.md to \
             catch up at once"
        );
    }
    Ok(())
}

/// Logs sealed data that no configured master key can open.
async fn check_vault(store: &Store, vault: &Vault) -> Result<(), StoreError> {
    for (key, sealed) in store.sealed_by_key().await? {
        if !vault.knows(&key) {
            error!(
                master_key = %key,
                sealed,
                "credentials or rejected requests are sealed with a master key that is not \
                 configured"
            );
        }
    }
    Ok(())
}
