//! The configuration, from its JSON schema.

use serde_json::{Map, Value};

use super::markdown::{Page, code, codes, sentences, table};
use crate::config;
use crate::providers;

/// The example: sections and keys have its order.
const EXAMPLE: &str = include_str!("../../../config.toml");
const ABOUT: &str = "Every setting of `config.toml`. [Configuration](../configuration.md) explains \
                     variables, secrets and the rules that are checked. The JSON schema \
                     [config.schema.json](../config.schema.json) has the same content for editors.";

/// The JSON schema.
pub(super) fn schema() -> Value {
    let names: Vec<&str> = providers::all().map(|provider| provider.name).collect();
    config::schema(&names)
}

/// The page.
pub(super) fn page(schema: &Value) -> String {
    let mut page = Page::new("Configuration reference", "config", ABOUT);
    let reference = Reference { text: schema.to_string(), schema };
    for (key, section) in in_order(schema, EXAMPLE) {
        reference.section(key, section, &mut page);
    }
    page.add("\n## Types\n");
    for (name, definition) in reference.definitions() {
        if reference.is_shared(name) && definition.get("properties").is_some() {
            page.add(&format!("\n### {name}\n\n{}\n", about(definition)));
            page.add(&reference.keys(definition, EXAMPLE));
        }
    }
    page.into_text()
}

struct Reference<'a> {
    schema: &'a Value,
    /// The schema as text.
    text: String,
}

impl<'a> Reference<'a> {
    fn definitions(&self) -> impl Iterator<Item = (&'a String, &'a Value)> {
        self.schema.get("definitions").and_then(Value::as_object).into_iter().flatten()
    }

    /// Whether several keys have this type, or a key of such a type has it.
    fn is_shared(&self, name: &str) -> bool {
        let reference = |name: &str| format!("\"#/definitions/{name}\"");
        let is_repeated = |name: &str| self.text.matches(&reference(name)).count() > 1;
        let is_in = |definition: &Value| definition.to_string().contains(&reference(name));
        is_repeated(name)
            || self.definitions().any(|(other, definition)| is_repeated(other) && is_in(definition))
    }

    /// The type that a schema refers to, with its name.
    fn target(&self, schema: &'a Value) -> Option<(&'a str, &'a Value)> {
        let first = schema.get("allOf").and_then(|all| all.get(0));
        let reference = first.unwrap_or(schema).get("$ref")?.as_str()?;
        let name = reference.rsplit('/').next()?;
        Some((name, self.schema.get("definitions")?.get(name)?))
    }

    /// The section that a key is, if it is one.
    fn nested(&self, schema: &'a Value) -> Option<&'a Value> {
        let (name, target) = self.target(schema)?;
        (target.get("properties").is_some() && !self.is_shared(name)).then_some(target)
    }

    /// Whether a key is a section, or a list of them.
    fn is_section(&self, schema: &'a Value) -> bool {
        self.nested(schema).is_some()
            || schema.get("items").is_some_and(|item| self.nested(item).is_some())
    }

    /// Describes a section and those below it.
    fn section(&self, name: &str, schema: &'a Value, page: &mut Page) {
        let (heading, target) = match schema.get("items").and_then(|item| self.target(item)) {
            Some((_, item)) => (format!("[[{name}]]"), Some(item)),
            None => (format!("[{name}]"), self.nested(schema)),
        };
        let Some(target) = target else { return };
        let place = EXAMPLE.split_once(&heading).map_or("", |(_, after)| after);
        let keys = self.keys(target, place);
        if !keys.is_empty() {
            page.add(&format!("\n## `{heading}`\n\n{}\n{keys}", about(schema)));
        }
        for (key, schema) in in_order(target, place) {
            if self.is_section(schema) {
                self.section(&format!("{name}.{key}"), schema, page);
            }
        }
    }

    /// A table of the keys that are no sections.
    fn keys(&self, definition: &'a Value, place: &str) -> String {
        let required: Vec<&str> = definition
            .get("required")
            .and_then(Value::as_array)
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let keys = in_order(definition, place);
        let keys = keys.into_iter().filter(|&(_, schema)| !self.is_section(schema));
        let rows: Vec<Vec<String>> = keys
            .map(|(key, schema)| {
                let default = match schema.get("default") {
                    Some(value) => code(&toml(value)),
                    None if required.contains(&key) => "required".to_owned(),
                    None => String::new(),
                };
                vec![code(key), self.kind(schema), default, self.meaning(schema)]
            })
            .collect();
        table(&["Key", "Type", "Default", "Meaning"], &rows)
    }

    fn kind(&self, schema: &'a Value) -> String {
        if let Some((name, target)) = self.target(schema) {
            return match target.get("properties") {
                Some(_) => format!("[{name}](#{})", name.to_lowercase()),
                None => self.kind(target),
            };
        }
        let list = |key: &str| schema.get(key).and_then(Value::as_array).into_iter().flatten();
        let words: Vec<&str> = list("enum")
            .chain(list("oneOf").filter_map(|variant| variant.get("const")))
            .filter_map(Value::as_str)
            .collect();
        if !words.is_empty() {
            return codes(words);
        }
        if let Some(title) = schema.get("title").and_then(Value::as_str) {
            return title.to_owned();
        }
        match schema.get("type").and_then(Value::as_str) {
            Some("array") => {
                let item = schema.get("items").map(|item| self.kind(item)).unwrap_or_default();
                format!("list of {item}")
            }
            Some("object") => "table".to_owned(),
            Some(name) => name.to_owned(),
            None => String::new(),
        }
    }

    fn meaning(&self, schema: &'a Value) -> String {
        let mut parts = vec![about(schema)];
        let target = self.target(schema).map(|(_, target)| target);
        let variants = target.and_then(|target| target.get("oneOf")).and_then(Value::as_array);
        for variant in variants.into_iter().flatten() {
            if let Some(word) = variant.get("const").and_then(Value::as_str) {
                parts.push(format!("`{word}`: {}", about(variant)));
            }
        }
        sentences(&parts)
    }
}

/// The properties of a schema, in the order of the example.
fn in_order<'a>(schema: &'a Value, example: &str) -> Vec<(&'a str, &'a Value)> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let mut keys: Vec<(&str, &Value)> = properties
        .into_iter()
        .flat_map(Map::iter)
        .map(|(key, value)| (key.as_str(), value))
        .collect();
    keys.sort_by_key(|(key, _)| {
        let spelled = [format!("\n{key} "), format!("\n# {key} "), format!("[{key}")];
        let places = spelled.iter().filter_map(|spelled| example.find(spelled.as_str()));
        (places.min().unwrap_or(usize::MAX), *key)
    });
    keys
}

fn about(schema: &Value) -> String {
    schema.get("description").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A value as it is written in the file.
fn toml(value: &Value) -> String {
    match value {
        Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| format!("{key} = {}", toml(value)));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_on_the_page() {
        let schema = schema();
        let page = page(&schema);
        let definitions = schema["definitions"].as_object().unwrap();
        for (name, definition) in definitions {
            for key in definition["properties"].as_object().into_iter().flat_map(Map::keys) {
                let is_there = page.contains(&format!("| `{key}` |"))
                    || [format!(".{key}]`"), format!(".{key}]]`")]
                        .iter()
                        .any(|end| page.contains(end));
                assert!(is_there, "{name}.{key}");
            }
        }
        for section in schema["properties"].as_object().unwrap().keys() {
            assert!(page.contains(&format!("[{section}")), "{section}");
        }
        assert!(page.contains("| `lease` | duration | `\"1m\"` |"), "{page}");
        assert!(page.contains("| `reads` | [LimitEntry](#limitentry) |"), "{page}");
    }

    #[test]
    fn sections_have_the_order_of_the_example() {
        let page = page(&schema());
        let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text}"));
        assert!(place("## `[ingest]`") < place("## `[operator]`"));
        assert!(place("## `[operator.oidc]`") < place("## `[database]`"));
        assert!(place("## `[[source]]`") < place("## `[[destination]]`"));
    }
}
