//! A markdown file as a card.

use serde_json::Value;

use super::references::{self, Reference};
use super::{frontmatter, path};

/// The maximum length of a language tag, in bytes.
const MAX_LANGUAGE: usize = 35;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Card {
    /// The front matter's title, otherwise the file name without `.md`.
    pub(super) title: String,
    /// The front matter's tags: a list, or a comma-separated string.
    pub(super) tags: Vec<String>,
    /// The front matter's difficulty, from 1 to 5.
    pub(super) difficulty: Option<i16>,
    pub(super) language: Option<String>,
    /// The front matter as JSON text.
    pub(super) front_matter: Option<String>,
    /// Why the front matter could not be parsed.
    pub(super) front_matter_error: Option<String>,
    pub(super) raw: String,
    /// The text after the front matter.
    pub(super) body: String,
    pub(super) images: Vec<Reference>,
}

impl Card {
    /// Parses `raw`, which contains no NUL, as the file at `path`. A card with invalid front matter
    /// loses its title and tags, but not its text.
    pub(super) fn read(path: &str, raw: String) -> Self {
        let parts = frontmatter::split(&raw);
        let (map, front_matter_error) = match parts.yaml.map_or(Ok(None), frontmatter::parse) {
            Ok(map) => (map.unwrap_or_default(), None),
            Err(error) => (serde_json::Map::new(), Some(error)),
        };
        let title = map.get("title").and_then(plain);
        let title = title.unwrap_or_else(|| path::stem_and_extension(path).0.to_owned());
        let tags = map.get("tags").map(tags).unwrap_or_default();
        let difficulty = map.get("difficulty").and_then(difficulty);
        let language = map.get("language").and_then(plain).filter(|text| is_language(text));
        let front_matter = (!map.is_empty()).then(|| Value::Object(map).to_string());
        let body = parts.body.to_owned();
        let images = references::images(path, &body);
        Self {
            title,
            tags,
            difficulty,
            language,
            front_matter,
            front_matter_error,
            raw,
            body,
            images,
        }
    }
}

/// A list, or a comma-separated string.
pub(super) fn tags(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().filter_map(plain).collect(),
        Value::String(text) => text
            .split(',')
            .map(str::trim)
            .filter(|tag| !tag.is_empty())
            .map(str::to_owned)
            .collect(),
        _ => Vec::new(),
    }
}

/// An integer, also as a string; clamped to 1 to 5.
fn difficulty(value: &Value) -> Option<i16> {
    let number = match value {
        Value::Number(number) => number.as_i64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    i16::try_from(number.clamp(1, 5)).ok()
}

/// Whether it looks like a language tag, such as `en` or `it-CH`.
fn is_language(text: &str) -> bool {
    text.len() <= MAX_LANGUAGE
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// A scalar as text; `2024` and `true` are valid titles and tags.
pub(super) fn plain(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(text: &str) -> Card {
        Card::read("cards/Back squat.md", text.into())
    }

    #[test]
    fn title_and_tags_come_from_the_front_matter() {
        let card = card("---\ntitle: ' Squat è '\ntags: [legs, 2024, '', [x]]\n---\nBody");
        assert_eq!((card.title.as_str(), card.body.as_str()), ("Squat è", "Body"));
        assert_eq!(card.tags, ["legs", "2024"]);
        assert_eq!(
            card.front_matter.as_deref(),
            Some(r#"{"tags":["legs",2024,"",["x"]],"title":" Squat è "}"#)
        );
    }

    #[test]
    fn invalid_difficulty_and_language_are_ignored() {
        for (yaml, expected) in [
            ("difficulty: 4", (Some(4), None)),
            ("difficulty: '2'", (Some(2), None)),
            ("difficulty: 0", (Some(1), None)),
            ("difficulty: 99", (Some(5), None)),
            ("difficulty: hard", (None, None)),
            ("difficulty: 2.5", (None, None)),
            ("language: it-CH", (None, Some("it-CH"))),
            ("language: [en]", (None, None)),
            ("language: 'en; drop'", (None, None)),
            ("title: x", (None, None)),
        ] {
            let card = card(&format!("---\n{yaml}\n---\n"));
            assert_eq!((card.difficulty, card.language.as_deref()), expected, "{yaml}");
        }
    }

    #[test]
    fn formulas_are_unchanged() {
        let body =
            "Euler: $e^{i\\pi} + 1 = 0$\n\n$$\n\\sum_{n=1}^\\infty \\frac{1}{n^2}\n$$\n\\(x\\) <b>";
        let card = card(&format!("---\ntitle: $x$\n---\n{body}"));
        assert_eq!((card.title.as_str(), card.body.as_str()), ("$x$", body));
        assert!(card.raw.ends_with(body));
    }

    #[test]
    fn tags_may_be_a_comma_separated_string() {
        assert_eq!(card("---\ntags: legs, , core\n---\n").tags, ["legs", "core"]);
    }

    #[test]
    fn title_defaults_to_the_file_name() {
        for text in ["# Heading", "---\n---\nx", "---\ntitle:\n---\nx", "---\ntitle: {a: 1}\n---\n"]
        {
            let card = card(text);
            assert_eq!(card.title, "Back squat", "{text:?}");
            assert_eq!(card.front_matter_error, None, "{text:?}");
        }
    }

    #[test]
    fn invalid_front_matter_keeps_the_card_and_its_error() {
        let card = card("---\ntitle: [\n---\nBody");
        assert_eq!((card.title.as_str(), card.body.as_str()), ("Back squat", "Body"));
        assert_eq!(card.front_matter, None);
        assert!(card.front_matter_error.is_some());
    }
}
