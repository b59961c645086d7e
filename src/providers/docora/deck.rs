//! A `deck.yaml`, which describes a folder of cards.

use serde_json::{Map, Value};

use super::card::{plain, tags};
use super::{frontmatter, path};

/// The maximum number of tags.
const MAX_TAGS: usize = 5;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Deck {
    pub(super) display_name: Option<String>,
    pub(super) description: Option<String>,
    /// Unique, in lower case with dashes.
    pub(super) tags: Vec<String>,
    /// The whole file as JSON text.
    pub(super) whole: Option<String>,
}

pub(super) fn is_deck(path: &str) -> bool {
    matches!(path::file_name(path), "deck.yaml" | "deck.yml")
}

impl Deck {
    /// Parses a deck's file.
    ///
    /// # Errors
    /// The YAML error.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let yaml = text.strip_prefix('\u{feff}').unwrap_or(text);
        let map: Map<String, Value> = frontmatter::parse(yaml)?.unwrap_or_default();
        let mut slugs: Vec<String> = Vec::new();
        for tag in map.get("tags").map(tags).unwrap_or_default() {
            let slug = slug(&tag);
            if !slug.is_empty() && !slugs.contains(&slug) && slugs.len() < MAX_TAGS {
                slugs.push(slug);
            }
        }
        Ok(Self {
            display_name: map.get("display_name").and_then(plain),
            description: map.get("description").and_then(plain),
            tags: slugs,
            whole: (!map.is_empty()).then(|| Value::Object(map).to_string()),
        })
    }
}

/// Letters and digits in lower case, with single dashes between them.
fn slug(tag: &str) -> String {
    let lower = tag.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deck_has_a_name_a_description_and_tags() {
        let deck = Deck::read(
            "display_name: ' Strength '\ndescription: |\n  Heavy.\ntags: [Full Body, full_body, Più, a, b, c, d]\n",
        );
        let deck = deck.unwrap();
        assert_eq!(deck.display_name.as_deref(), Some("Strength"));
        assert_eq!(deck.description.as_deref(), Some("Heavy."));
        assert_eq!(deck.tags, ["full-body", "più", "a", "b", "c"]);
        assert!(deck.whole.unwrap().contains("Full Body"));
    }

    #[test]
    fn empty_deck_is_valid_and_invalid_yaml_is_an_error() {
        assert_eq!(Deck::read(""), Ok(Deck::default()));
        assert_eq!(Deck::read("\u{feff}# nothing\n"), Ok(Deck::default()));
        assert!(Deck::read("- a list\n").is_err());
        assert!(Deck::read("display_name: [\n").is_err());
    }

    #[test]
    fn deck_is_recognised_by_its_file_name() {
        for (path, expected) in [
            ("deck.yaml", true),
            ("a/b/deck.yml", true),
            ("Deck.yaml", false),
            ("deck.yaml.md", false),
        ] {
            assert_eq!(is_deck(path), expected, "{path}");
        }
    }
}
