//! The file of a provider: its scheme, what its sender does, and how the facts are proven.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use bytesize::ByteSize;
use include_dir::{Dir, include_dir};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::verify::SchemeDefinition;

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/src/providers/catalogue");

/// All providers that are data, by name. A file that cannot be parsed is a defect that a test
/// finds; it is left out.
static PROVIDERS: LazyLock<BTreeMap<&'static str, ProviderFile>> = LazyLock::new(|| {
    let names = FILES.files().filter_map(|file| {
        let name = file.path().file_name()?.to_str()?.strip_suffix(".toml")?;
        Some((name, parse(file.contents_utf8()?).ok()?))
    });
    names.collect()
});

/// A provider that is data.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderFile {
    /// The name for people.
    pub name: String,
    /// The sender's page about its webhooks.
    pub docs: Option<String>,
    pub scheme: SchemeDefinition,
    /// The options that a source needs, each with its meaning.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    #[serde(default)]
    pub sender: SenderHabits,
    pub proof: ProofOfScheme,
}

/// What the sender does, as far as it is known.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SenderHabits {
    /// How long it waits for a response.
    pub timeout: Option<String>,
    pub retries: Option<String>,
    /// The responses that it takes for success.
    pub success: Option<String>,
    /// The responses that make it stop.
    pub stops: Option<String>,
    /// The largest body that it sends.
    pub max_body: Option<ByteSize>,
    /// What to set at the sender.
    pub setup: Option<String>,
    #[serde(default)]
    pub notes: Vec<String>,
}

/// How the facts are proven.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofOfScheme {
    pub level: ProofLevel,
    #[serde(default)]
    pub by: Vec<ProofBy>,
    /// Where the facts were looked up.
    #[serde(default)]
    pub sources: Vec<String>,
}

/// How well a provider's scheme is proven.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Deserialize,
    Serialize,
    ToSchema,
    strum::IntoStaticStr,
    strum::Display,
    strum::EnumString,
    strum::VariantArray,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum ProofLevel {
    /// The sender's own package, or a signature that it published, agrees.
    Proven,
    /// Example code of the sender agrees.
    Sample,
    /// The sender documents it.
    Documented,
    /// Others report it.
    Reported,
}

/// What agrees with the scheme.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum ProofBy {
    Package {
        /// Registry and name, such as `npm:svix`.
        package: String,
        version: String,
        how: PackageUse,
    },
    Published {
        published: String,
    },
}

/// What a package of the sender does in the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, strum::Display)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum PackageUse {
    Signs,
    Verifies,
}

impl ProviderFile {
    /// The file of this provider.
    pub fn find(name: &str) -> Option<&'static Self> {
        PROVIDERS.get(name)
    }

    /// All files, by name.
    pub fn all() -> impl Iterator<Item = (&'static str, &'static Self)> {
        PROVIDERS.iter().map(|(name, file)| (*name, file))
    }

    /// The maximum age of a signature.
    pub fn max_age(&self) -> Option<Duration> {
        self.scheme.timestamp.as_ref().map(|timestamp| timestamp.tolerance)
    }

    /// How long the sender waits for a response.
    pub fn timeout(&self) -> Option<Duration> {
        humantime::parse_duration(self.sender.timeout.as_deref()?.split(',').next()?).ok()
    }
}

/// Parses the text of a provider's file.
///
/// # Errors
/// The key that is wrong, and why.
pub fn parse(text: &str) -> Result<ProviderFile, String> {
    let table: toml::Table = toml::from_str(text).map_err(|error| error.to_string())?;
    serde_path_to_error::deserialize(table)
        .map_err(|error| format!("{}: {}", error.path(), error.inner()))
}

/// The text of a provider's file.
pub fn text(name: &str) -> Option<&'static str> {
    FILES.get_file(format!("{name}.toml"))?.contents_utf8()
}

/// The names of all files, also of those that cannot be parsed.
pub fn file_names() -> impl Iterator<Item = &'static str> {
    let names = FILES.files().filter_map(|file| file.path().file_name()?.to_str());
    names.filter_map(|name| name.strip_suffix(".toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_parsed() {
        for name in file_names() {
            if let Err(error) = parse(text(name).unwrap()) {
                panic!("{name}.toml: {error}");
            }
        }
        assert_eq!(ProviderFile::all().count(), file_names().count());
    }
}
