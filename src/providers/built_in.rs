//! What users are shown about the providers with handlers, in the format of the catalogue. Their
//! code decides how they verify.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::data::ProviderFile;
use crate::verify::Strength;

const FILES: [(&str, &str); 4] = [
    ("apify", include_str!("apify/provider.toml")),
    ("bot", include_str!("bot/provider.toml")),
    ("docora", include_str!("docora/provider.toml")),
    ("stripe", include_str!("stripe/provider.toml")),
];

/// A file that cannot be parsed is a defect that a test finds; it is left out.
static DESCRIPTIONS: LazyLock<BTreeMap<&'static str, Description>> = LazyLock::new(|| {
    FILES.iter().filter_map(|(name, text)| Some((*name, parse(text).ok()?))).collect()
});

/// What users are shown about a provider with handlers.
#[derive(Debug)]
pub struct Description {
    pub file: ProviderFile,
    /// The options that a source needs, with examples of their values.
    pub examples: toml::Table,
    pub words: Words,
}

/// What the format of the catalogue cannot say. It replaces what is made of the scheme.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Words {
    pub strength: Option<Strength>,
    pub signed: Vec<String>,
    pub signature: Option<String>,
    pub timestamp: Option<String>,
    pub event_type: Option<String>,
    pub event_id: Vec<String>,
    pub event_lane: Vec<String>,
    pub event_time: Option<String>,
    pub deduplication: Option<String>,
}

/// The description of a provider with handlers.
pub fn find(name: &str) -> Option<&'static Description> {
    DESCRIPTIONS.get(name)
}

fn parse(text: &str) -> Result<Description, toml::de::Error> {
    let mut table: toml::Table = toml::from_str(text)?;
    let examples = match table.remove("examples") {
        Some(examples) => examples.try_into()?,
        None => toml::Table::new(),
    };
    let words = match table.remove("words") {
        Some(words) => words.try_into()?,
        None => Words::default(),
    };
    Ok(Description { file: table.try_into()?, examples, words })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::CATALOGUE;

    #[test]
    fn every_provider_with_handlers_is_described() {
        for entry in CATALOGUE {
            let found = FILES.iter().find(|(name, _)| *name == entry.name);
            let (name, text) = found.unwrap_or_else(|| panic!("{} has no file", entry.name));
            let described = parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            for option in described.examples.keys() {
                assert!(described.file.options.contains_key(option), "{name}: {option}");
            }
        }
        assert_eq!(FILES.len(), CATALOGUE.len());
    }
}
