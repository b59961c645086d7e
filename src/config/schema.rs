//! The JSON schema of the configuration file, for editors and for the generated reference. Draft 7,
//! because that is what editors of TOML files read.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::File;

/// The schema of `config.toml`. `providers` are the values of a source's `provider`.
pub fn schema(providers: &[&str]) -> Value {
    let generator = SchemaSettings::draft07().into_generator();
    let mut schema = generator.into_root_schema_for::<File>().to_value();
    simplify(&mut schema);
    if let Some(root) = schema.as_object_mut() {
        root.insert("title".to_owned(), "config.toml of Sealpost".into());
        without_defaults(root);
    }
    for (section, key, value) in [
        ("SourceEntry", "provider", json!({ "enum": providers })),
        // `[postgres]` has only this.
        ("Postgres", "managed", json!({ "default": null })),
    ] {
        let field = schema.pointer_mut(&format!("/definitions/{section}/properties/{key}"));
        if let (Some(Value::Object(field)), Value::Object(value)) = (field, value) {
            field.extend(value);
            field.retain(|_, value| !value.is_null());
        }
    }
    schema
}

/// Removes the defaults of whole sections: each of their keys has its own.
fn without_defaults(root: &mut Map<String, Value>) {
    let sections = root.get_mut("properties").and_then(Value::as_object_mut);
    for section in sections.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut) {
        section.remove("default");
    }
}

/// Removes what TOML does not have: null, and widths of numbers.
fn simplify(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            let is_width = |value: &Value| {
                value.as_str().is_some_and(|it| it.starts_with("uint") || it == "double")
            };
            fields.retain(|key, value| match key.as_str() {
                "default" => !value.is_null(),
                "format" => !is_width(value),
                _ => true,
            });
            if let Some(Value::Array(types)) = fields.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    fields.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(mut any)) = fields.remove("anyOf") {
                any.retain(|schema| schema.get("type").is_none_or(|name| name != "null"));
                // A single one is a reference; draft 7 allows no keywords next to it.
                let keyword = if any.len() == 1 { "allOf" } else { "anyOf" };
                fields.insert(keyword.to_owned(), any.into());
            }
            fields.values_mut().for_each(simplify);
        }
        Value::Array(values) => values.iter_mut().for_each(simplify),
        _ => {}
    }
}

/// A kind of text in the file.
macro_rules! text {
    ($(#[$about:meta])* $name:ident = $schema:tt) => {
        $(#[$about])*
        #[derive(Debug)]
        pub(super) enum $name {}

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

text! {
    /// A duration.
    Span = {
        "type": "string",
        "title": "duration",
        "pattern": "^(0|([0-9]+ ?[a-zA-Z]+ ?)+)$",
        "examples": ["30s", "5m", "1h 30m", "30d"],
    }
}

text! {
    /// A number of bytes.
    Size = {
        "type": ["string", "integer"],
        "title": "size",
        "examples": ["32 KiB", "64 MiB"],
    }
}

text! {
    /// How severe an alert is.
    Level = { "type": "string", "enum": ["info", "warning", "critical"] }
}

text! {
    /// How log lines are written.
    Format = { "type": "string", "enum": ["auto", "json", "text"] }
}

text! {
    /// Options of a provider: they are checked when the source is built.
    Options = { "type": "object", "title": "table" }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every schema of a key, with its path.
    fn keys(schema: &Value) -> Vec<(String, Value)> {
        let root = String::new();
        let definitions = schema["definitions"].as_object().unwrap();
        let all = definitions.iter().chain([(&root, schema)]);
        let mut found = Vec::new();
        for (name, schema) in all {
            for (key, field) in schema["properties"].as_object().into_iter().flatten() {
                found.push((format!("{name}.{key}"), field.clone()));
            }
        }
        found
    }

    #[test]
    fn every_key_is_described_and_can_be_written_in_toml() {
        let schema = schema(&["stripe"]);
        let keys = keys(&schema);
        assert!(keys.len() > 100, "{}", keys.len());
        for (name, field) in keys {
            assert!(field["description"].is_string(), "{name} is not described");
            assert!(!field.to_string().contains("null"), "{name}: {field}");
        }
    }

    #[test]
    fn defaults_are_spelled_as_in_the_file() {
        let schema = schema(&["stripe"]);
        let key =
            |section: &str, key: &str| schema["definitions"][section]["properties"][key].clone();
        assert_eq!(key("Ingest", "listen")["default"], "127.0.0.1:8080");
        assert_eq!(key("Dispatch", "lease")["default"], "1m");
        assert_eq!(key("Ingest", "max_head")["default"], "32.0 KiB");
        assert_eq!(key("Operator", "reads")["default"], json!({ "per_second": 50, "burst": 200 }));
        assert_eq!(key("SourceEntry", "provider")["enum"], json!(["stripe"]));
        assert_eq!(key("Log", "format")["default"], "auto");
        let required = &schema["definitions"]["SourceEntry"]["required"];
        assert_eq!(required, &json!(["name", "provider"]));
    }
}
