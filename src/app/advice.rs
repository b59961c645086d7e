//! What an operator should know about a source's secrets before its first request is refused.

use crate::config::{Config, SourceConfig};
use crate::providers::Entry;
use crate::verify::Secret;

/// What looks wrong with a source's secrets, in words; never a part of one.
pub(super) fn secrets(config: &Config, source: &SourceConfig, entry: &Entry) -> Vec<String> {
    let mut advice = Vec::new();
    for secret in &source.secrets {
        let mut say = |what: &str| {
            advice.push(format!("secret {} {what}", secret.fingerprint()));
        };
        let bytes = secret.expose();
        if is_quoted(bytes) {
            say("has quotes around it: they count as part of the secret");
        } else if is_assignment(bytes) {
            say("looks like `NAME=value`: the name counts as part of the secret");
        } else if let Some(prefix) = entry.secret_prefix
            && !bytes.starts_with(prefix.as_bytes())
        {
            say(&format!("does not begin with `{prefix}`, as every secret of {} does", entry.name));
        }
        let shared: Vec<String> = sharing(config, source, secret).collect();
        if !shared.is_empty() {
            say(&format!(
                "is also the secret of {}: what one sender signs is good there, too",
                shared.join(", ")
            ));
        }
    }
    advice
}

/// The other sources that have this secret. Those of other tenants are refused when the
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

/// As in a file of variables. The padding at the end of base64 is no value.
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
    fn quotes_and_assignments_are_told_from_secrets() {
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
