//! Startup checks: what `serve` would reject, without connecting to the database.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tracing_subscriber::filter::ParseError;

use super::block_on;
use crate::app::{App, BuildError, TestOverrides};
use crate::config::Config;
use crate::postgres;
use crate::store::Target;
use crate::telemetry;

/// A configuration that `serve` would reject, or that would fail later.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// Invalid log filter.
    #[error("log.filter: expected a list of `target=level`")]
    Filter(#[from] ParseError),
    /// The objects directory is not writable.
    #[error("objects.dir: cannot write to {folder}")]
    Folder {
        /// The directory.
        folder: PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
}

/// Runs the startup checks; returns warnings, and adds what is wrong to `errors`. The gateway is
/// built only if nothing is.
pub(super) fn run(config: &Config, errors: &mut Vec<anyhow::Error>) -> Vec<String> {
    let mut warnings = Vec::new();
    errors.extend(
        telemetry::check(&config.file.log.filter).map_err(Refused::Filter).err().map(Into::into),
    );
    let target = target(config).map_err(|error| errors.push(error)).ok();
    let (ingest, operator) = (&config.file.ingest, &config.file.operator);
    for (listener, address) in [("ingest", ingest.listen), ("operator", operator.listen)] {
        match is_taken(address) {
            Ok(false) => {}
            Ok(true) => warnings.push(format!(
                "{listener}.listen: {address} is in use, possibly by a running gateway"
            )),
            Err(error) => {
                errors.push(anyhow::Error::new(error).context(format!("{listener}.listen")));
            }
        }
    }
    if config.file.objects.s3.is_none() {
        let folder = &config.file.objects.dir;
        let refused = |error| Refused::Folder { folder: folder.clone(), error };
        errors.extend(can_be_written(folder).map_err(refused).err().map(Into::into));
    }
    if let Some(target) = target.filter(|_| errors.is_empty()) {
        errors.extend(build(config, target).err());
    }
    warnings
}

/// The database. For a managed cluster this is a placeholder, after checking that the cluster could
/// be started.
fn target(config: &Config) -> anyhow::Result<Target> {
    let Some(url) = &config.database_url else {
        postgres::check(&config.managed).context("postgres.managed")?;
        return Ok(Target::from_url("postgres://localhost/sealpost")?);
    };
    let key = if config.file.database.url.is_some() { "database.url" } else { "DATABASE_URL" };
    Target::from_url(url).context(key)
}

/// Builds the gateway on other ports and discards it.
fn build(config: &Config, target: Target) -> anyhow::Result<()> {
    let mut elsewhere = config.clone();
    elsewhere.file.ingest.listen.set_port(0);
    elsewhere.file.operator.listen.set_port(0);
    block_on(async {
        drop(App::build(&elsewhere, target, &TestOverrides::default())?);
        Ok(())
    })
}

/// Whether the address is in use.
fn is_taken(address: SocketAddr) -> Result<bool, BuildError> {
    match TcpListener::bind(address) {
        Ok(_) => Ok(false),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Ok(true),
        Err(error) => Err(BuildError::Listen { address, error }),
    }
}

/// Checks that the directory is writable or could be created.
fn can_be_written(folder: &Path) -> std::io::Result<()> {
    let mut existing = folder;
    while !existing.try_exists()? {
        let Some(parent) = existing.parent() else { break };
        existing = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    }
    if !existing.is_dir() {
        return Err(ErrorKind::NotADirectory.into());
    }
    Ok(nix::unistd::access(existing, nix::unistd::AccessFlags::W_OK)?)
}
