//! A markdown file as a card.

use serde_json::Value;

use super::{frontmatter, path};

/// What a markdown file says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Card {
    /// The front matter's title, else the file's name without `.md`.
    pub(super) title: String,
    /// The front matter's tags: a list, or one text with commas.
    pub(super) tags: Vec<String>,
    /// The front matter as JSON text.
    pub(super) front_matter: Option<String>,
    /// Why the front matter could not be read.
    pub(super) front_matter_error: Option<String>,
    /// The whole text.
    pub(super) raw: String,
    /// The text after the front matter.
    pub(super) body: String,
}

impl Card {
    /// Reads `raw`, which holds no NUL, as the file at `path`. Front matter that cannot be read
    /// costs the card its title and tags, not its text.
    pub(super) fn read(path: &str, raw: String) -> Self {
        let parts = frontmatter::split(&raw);
        let (map, front_matter_error) = match parts.yaml.map_or(Ok(None), frontmatter::parse) {
            Ok(map) => (map.unwrap_or_default(), None),
            Err(error) => (serde_json::Map::new(), Some(error)),
        };
        let title = map.get("title").and_then(plain);
        let title = title.unwrap_or_else(|| path::stem_and_extension(path).0.to_owned());
        let tags = map.get("tags").map(tags).unwrap_or_default();
        let front_matter = (!map.is_empty()).then(|| Value::Object(map).to_string());
        let body = parts.body.to_owned();
        Self { title, tags, front_matter, front_matter_error, raw, body }
    }
}

fn tags(value: &Value) -> Vec<String> {
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

/// A scalar as text; `2024` and `true` are titles and tags as good as any.
fn plain(value: &Value) -> Option<String> {
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
    fn tags_may_be_one_text_with_commas() {
        assert_eq!(card("---\ntags: legs, , core\n---\n").tags, ["legs", "core"]);
    }

    #[test]
    fn without_usable_front_matter_the_file_name_is_the_title() {
        for text in ["# Heading", "---\n---\nx", "---\ntitle:\n---\nx", "---\ntitle: {a: 1}\n---\n"]
        {
            let card = card(text);
            assert_eq!(card.title, "Back squat", "{text:?}");
            assert_eq!(card.front_matter_error, None, "{text:?}");
        }
    }

    #[test]
    fn invalid_front_matter_keeps_the_card_and_says_so() {
        let card = card("---\ntitle: [\n---\nBody");
        assert_eq!((card.title.as_str(), card.body.as_str()), ("Back squat", "Body"));
        assert_eq!(card.front_matter, None);
        assert!(card.front_matter_error.is_some());
    }
}
