//! The master key, where it is needed to seal the secrets that handshakes bring.

use super::BuildError;
use crate::config::{Config, SourceConfig};
use crate::verify::Provider;

/// Checks that the secrets that the sender brings can be sealed. Configured secrets work without.
pub(super) fn check(
    config: &Config,
    source: &SourceConfig,
    provider: &dyn Provider,
) -> Result<(), BuildError> {
    match config.vault.newest() {
        Err(error) if provider.stores_secrets() && source.secrets.is_empty() => {
            Err(BuildError::MasterKey { source_name: source.entry.name.clone(), error })
        }
        _ => Ok(()),
    }
}

/// The warning where only the configured secrets work.
pub(super) fn warning(
    config: &Config,
    source: &SourceConfig,
    provider: &dyn Provider,
) -> Option<String> {
    let error = config.vault.newest().err()?;
    let is_optional = provider.stores_secrets() && !source.secrets.is_empty();
    is_optional.then(|| format!("a handshake that brings a secret cannot be accepted: {error}"))
}
