//! Warnings about sources and destinations: secrets that look wrong, values that were copied from an
//! example, and events that nobody gets.

use url::Url;

use super::provider_models::example_value;
use crate::config::{Config, SourceConfig};
use crate::providers::data::ProviderFile;
use crate::providers::{Built, Entry};
use crate::verify::Secret;

/// What placeholders contain, without punctuation; the last two are secrets of the documentation.
const PLACEHOLDERS: [&str; 8] = [
    "replaceme",
    "changeme",
    "changethis",
    "yoursecret",
    "placeholder",
    "example",
    "acme2f1c9e7b40d84a6b",
    "itsasecrettoeverybody",
];

/// The warnings about a source. They never contain a part of a secret.
pub(super) fn of_source(
    config: &Config,
    source: &SourceConfig,
    entry: &Entry,
    built: &Built,
) -> Vec<String> {
    let mut warnings = built.warnings.clone();
    let mut destinations = config.file.destination.iter();
    if source.entry.enabled
        && built.handlers.is_empty()
        && !destinations.any(|one| one.takes_from(&source.entry.name))
    {
        warnings.push(
            "it has neither a handler nor a destination: its events are stored and delivered to \
             nobody; add a [[destination]]"
                .to_owned(),
        );
    }
    warnings.extend(options(source, entry));
    warnings.extend(secrets(config, source, entry));
    warnings
}

/// Warnings about options that were copied from an example.
fn options(source: &SourceConfig, entry: &Entry) -> Vec<String> {
    // Those with handlers have no file, and the catalogue is not read for them.
    let is_data = entry.sign.is_none();
    let file = is_data.then(|| ProviderFile::find(entry.name)).flatten();
    let is_example = |name: &str, value: &str| {
        let meaning = file.and_then(|file| file.options.get(name));
        meaning.is_some_and(|meaning| example_value(meaning) == value)
    };
    let options = source.entry.options.iter();
    options
        .filter(|(name, value)| {
            let value = value.as_str().unwrap_or_default();
            is_placeholder_option(value) || is_example(name, value)
        })
        .map(|(name, value)| format!("options.{name} = {value} is the value of an example"))
        .collect()
}

fn secrets(config: &Config, source: &SourceConfig, entry: &Entry) -> Vec<String> {
    let all = source.secrets.iter().chain(&source.token);
    let mut warnings: Vec<String> = all.filter_map(placeholder).collect();
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
            warn(&format!("does not begin with `{prefix}`, as secrets of {} do", entry.name));
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

/// Warnings about the secrets of destinations.
pub(super) fn of_destinations(config: &Config) -> Vec<String> {
    let warnings = config.destinations.iter().flat_map(|destination| {
        let secrets = std::iter::once(&destination.secret).chain(&destination.token);
        let name = &destination.entry.name;
        secrets.filter_map(placeholder).map(move |what| format!("destination `{name}`: {what}"))
    });
    warnings.collect()
}

/// A warning if the secret was copied from an example.
fn placeholder(secret: &Secret) -> Option<String> {
    let text = String::from_utf8_lossy(secret.expose());
    is_placeholder(&text).then(|| {
        format!("secret {} is a placeholder: use the one of the sender", secret.fingerprint())
    })
}

fn is_placeholder(text: &str) -> bool {
    let plain: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
    let plain = plain.to_ascii_lowercase();
    let is_cut = text.contains('\u{2026}') || text.contains("...");
    is_cut || PLACEHOLDERS.iter().any(|word| plain.contains(word))
}

/// Whether the value of an option is that of an example; its domain is reserved.
fn is_placeholder_option(text: &str) -> bool {
    let host = Url::parse(text).ok().and_then(|url| url.host_str().map(str::to_owned));
    let host = host.unwrap_or_default();
    text == "replace-me" || host == "example.com" || host.ends_with(".example.com")
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
    fn placeholders_are_detected() {
        for text in [
            "replace-me-replace-me",
            "whsec_changeme123456",
            "CHANGE_ME_0123456789",
            "slp_0123456789...",
            "an-example-secret-0123",
            "It's a Secret to Everybody",
        ] {
            assert!(is_placeholder(text), "{text}");
        }
        for text in ["whsec_0123456789abcdef0123", "user:correct-horse-battery", "MDEyMzQ1Njc4OQ=="]
        {
            assert!(!is_placeholder(text), "{text}");
        }
        assert!(is_placeholder_option("replace-me"));
        assert!(is_placeholder_option("https://hooks.example.com/hooks/calls"));
        assert!(!is_placeholder_option("https://hooks.acme.io/hooks/calls"));
        assert!(!is_placeholder_option("arn:aws:sns:eu-west-1:123456789012:orders"));
    }

    /// Whoever copies a secret of the documentation shares it with everybody.
    #[test]
    fn secrets_of_the_documentation_are_placeholders() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let folders = ["docs", "docs/providers", "docs/migrating"].map(|folder| root.join(folder));
        let pages = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
        let pages = pages.map(|page| page.unwrap().path()).chain([root.join("README.md")]);
        let pages = pages.filter(|path| path.extension().is_some_and(|end| end == "md"));
        let mut seen = 0;
        for page in pages {
            let text = std::fs::read_to_string(&page).unwrap();
            for secret in text.split("\nsecret = \"").skip(1) {
                let secret = secret.split('"').next().unwrap();
                assert!(is_placeholder(secret), "{}: {secret}", page.display());
                seen += 1;
            }
        }
        assert!(seen > 0, "no page has a secret");
    }

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
