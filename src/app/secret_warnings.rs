//! Checks of secrets, and warnings about those that look wrong.

use super::BuildError;
use crate::config::{Config, SourceConfig};
use crate::providers::Entry;
use crate::verify::{Provider, Secret};

/// Warnings about the secrets of a source. They never contain a part of a secret.
pub(super) fn secrets(config: &Config, source: &SourceConfig, entry: &Entry) -> Vec<String> {
    let mut warnings = Vec::new();
    for secret in &source.secrets {
        let mut warn = |what: &str| {
            warnings.push(format!("secret {} {what}", secret.fingerprint()));
        };
        let bytes = secret.expose();
        if is_quoted(bytes) {
            warn("is quoted: the quotes are part of the secret");
        } else if is_assignment(bytes) {
            warn("looks like `NAME=value`: the name is part of the secret");
        } else if let Some(prefix) = entry.secret_prefix
            && !bytes.starts_with(prefix.as_bytes())
        {
            warn(&format!("must begin with `{prefix}`, like every secret of {}", entry.name));
        }
        let shared: Vec<String> = sharing(config, source, secret).collect();
        if !shared.is_empty() {
            warn(&format!(
                "is also the secret of {}: requests signed for one source verify at the other",
                shared.join(", ")
            ));
        }
    }
    warnings
}

/// Checks that the secrets that the sender brings can be sealed. Configured secrets work without.
pub(super) fn check_master_key(
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
pub(super) fn master_key(
    config: &Config,
    source: &SourceConfig,
    provider: &dyn Provider,
) -> Option<String> {
    let error = config.vault.newest().err()?;
    let is_optional = provider.stores_secrets() && !source.secrets.is_empty();
    is_optional.then(|| format!("a handshake that brings a secret cannot be accepted: {error}"))
}

/// The other sources that have this secret. Sharing between tenants is rejected when the
/// configuration is read.
fn sharing<'c>(
    config: &'c Config,
    source: &'c SourceConfig,
    secret: &'c Secret,
) -> impl Iterator<Item = String> + 'c {
    let others = config.sources.iter().filter(|other| other.entry.name != source.entry.name);
    others
        .filter(|other| other.secrets.iter().any(|theirs| theirs.matches(secret.expose())))
        .map(|other| format!("`{}`", other.entry.name))
}

fn is_quoted(bytes: &[u8]) -> bool {
    matches!(bytes, [b'"', .., b'"'] | [b'\'', .., b'\''])
}

/// As in an env file. Base64 padding at the end is not an assignment.
fn is_assignment(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"export ").unwrap_or(bytes);
    let Some(equals) = bytes.iter().position(|byte| *byte == b'=') else { return false };
    let (name, value) = bytes.split_at(equals);
    let is_name = name.first().is_some_and(|byte| byte.is_ascii_uppercase() || *byte == b'_')
        && name
            .iter()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_');
    is_name && value.len() >= Secret::MIN_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_assignments_are_detected() {
        for quoted in ["\"whsec_0123456789\"", "'whsec_0123456789'"] {
            assert!(is_quoted(quoted.as_bytes()), "{quoted}");
        }
        for assignment in ["STRIPE_SECRET=whsec_0123456789", "export A1=whsec_0123456789"] {
            assert!(is_assignment(assignment.as_bytes()), "{assignment}");
        }
        for secret in ["whsec_0123456789", "ABCDEFGHIJKLMNOP==", "a=0123456789abcdef", "\"half"] {
            assert!(!is_quoted(secret.as_bytes()) && !is_assignment(secret.as_bytes()), "{secret}");
        }
    }
}
