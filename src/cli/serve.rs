//! `sealpost serve`: run the gateway.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use super::{Exit, block_on, database};
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
        invite(config, environment, &app, operator).await?;
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

/// At the first start, without any user, hands out the link to create the first one. Standard error
/// is often kept as a log: the link is printed on a terminal only, and otherwise written to a file
/// that only its owner can read.
async fn invite(
    config: &Config,
    environment: &Environment,
    app: &App,
    operator: SocketAddr,
) -> Result<(), StoreError> {
    let Some(invitation) = app.admin().access.first_invitation().await? else { return Ok(()) };
    let link = super::setup_link(&config.operator_base(operator), &invitation);
    if std::io::stderr().is_terminal() {
        super::print_message(&format!(
            "create the first user with this link (single use, valid for 24 hours): {}",
            *link
        ));
        return Ok(());
    }
    match keep(&config.managed.data_dir, &environment.temp_dir(), &link) {
        Ok(path) => info!(
            path = %path.display(),
            "link to create the first user written to a file (single use, valid for 24 hours)"
        ),
        Err(error) => error!(
            error = &error as &dyn std::error::Error,
            "cannot write the link to create the first user to a file: \
             `sealpost users add NAME --scopes admin` prints another"
        ),
    }
    Ok(())
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

/// Writes the link to a file that only its owner can read, next to the data directory of the
/// managed cluster or in the temporary directory.
fn keep(data: &Path, temporary: &Path, link: &str) -> std::io::Result<PathBuf> {
    let beside = data.parent().map(Path::to_owned).unwrap_or_default();
    let written = DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&beside)
        .and_then(|()| write_private(&beside, link));
    let path = written.or_else(|_| write_private(temporary, link))?;
    std::path::absolute(path)
}

fn write_private(folder: &Path, link: &str) -> std::io::Result<PathBuf> {
    let path = folder.join("sealpost-setup-link");
    // Written under a random name first, so that nobody else can have created it, then renamed.
    let new = folder.join(format!(".sealpost-setup-link-{:016x}", rand::random::<u64>()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    let written = writeln!(file, "{link}").and_then(|()| std::fs::rename(&new, &path));
    if written.is_err() {
        drop(std::fs::remove_file(&new));
    }
    written.map(|()| path)
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_setup_link_file_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data/postgres");
        for link in ["https://one", "https://two"] {
            let path = keep(&data, folder.path(), link).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{link}\n"));
            let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        }
        let left = std::fs::read_dir(folder.path().join("data")).unwrap().count();
        assert_eq!(left, 1, "nothing else is left behind");
    }
}
