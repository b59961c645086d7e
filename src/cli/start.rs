//! What `serve` would refuse, as far as it can be told without the database: its address is read,
//! and it is not asked.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use tracing_subscriber::filter::ParseError;

use super::block_on;
use crate::app::{App, BuildError, TestOverrides};
use crate::config::Config;
use crate::postgres;
use crate::store::Target;
use crate::telemetry;

/// What a start would refuse, or find out too late.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// The log's filter cannot be read.
    #[error("log.filter is not a list of `target=level`")]
    Filter(#[from] ParseError),
    /// Objects could not be kept.
    #[error("objects.dir: {folder} cannot be written to")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
}

/// Refuses what `serve` would; gives what it may stumble over.
pub(super) fn run(config: &Config) -> anyhow::Result<Vec<String>> {
    telemetry::check(&config.file.log.filter).map_err(Refused::Filter)?;
    let target = target(config)?;
    build(config, target)?;
    let mut warnings = Vec::new();
    let (ingest, operator) = (&config.file.ingest, &config.file.operator);
    for (listener, address) in [("ingest", ingest.listen), ("operator", operator.listen)] {
        if is_taken(address)? {
            warnings.push(format!(
                "{listener}.listen: {address} is in use: by a gateway that runs now?"
            ));
        }
    }
    Ok(warnings)
}

/// Where the database is. Of a cluster that is still to be started nobody knows; that it could be
/// is checked.
fn target(config: &Config) -> anyhow::Result<Target> {
    let Some(url) = &config.database_url else {
        postgres::check(&config.managed)?;
        return Ok(Target::from_url("postgres://localhost/sealpost")?);
    };
    Ok(Target::from_url(url)?)
}

/// Builds what `serve` would, on other ports, and throws it away.
fn build(config: &Config, target: Target) -> anyhow::Result<()> {
    let mut elsewhere = config.clone();
    elsewhere.file.ingest.listen.set_port(0);
    elsewhere.file.operator.listen.set_port(0);
    block_on(async {
        drop(App::build(&elsewhere, target, &TestOverrides::default())?);
        Ok(())
    })?;
    if config.file.objects.s3.is_none() {
        let folder = &config.file.objects.dir;
        can_be_written(folder)
            .map_err(|error| Refused::Folder { folder: folder.clone(), error })?;
    }
    Ok(())
}

/// Whether somebody listens there already.
fn is_taken(address: SocketAddr) -> Result<bool, BuildError> {
    match TcpListener::bind(address) {
        Ok(_) => Ok(false),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Ok(true),
        Err(error) => Err(BuildError::Listen { address, error }),
    }
}

/// Whether there is such a folder that takes files, or whether it could be made.
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
