//! The generated documentation matches the output of the program.

use std::collections::BTreeMap;
use std::fs::DirEntry;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cli::Program;

fn committed(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Asserts that a file is the output of `sealpost reference PART`.
fn assert_current(part: &str, path: &str) {
    let run = Program::new("").run(&["reference", part]);
    assert_eq!(run.code, 0, "{}", run.all());
    assert!(
        run.stdout == committed(path),
        "{path} is not current: cargo run -- reference {part} > {path}"
    );
}

#[test]
fn command_line_reference_is_current() {
    assert_current("cli", "docs/reference/cli.md");
}

#[test]
fn api_reference_is_current() {
    assert_current("api", "docs/reference/api.md");
}

#[test]
fn configuration_reference_is_current() {
    assert_current("config", "docs/reference/config.md");
    assert_current("schema", "docs/config.schema.json");
}

#[test]
fn provider_reference_is_current() {
    assert_current("providers", "docs/reference/providers.md");
    let program = Program::new("");
    let folder = program.path("pages");
    let run = program.run(&["reference", "providers", "--pages", folder.to_str().unwrap()]);
    assert_eq!(run.code, 0, "{}", run.all());
    let kept = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/reference/providers");
    let (written, kept) = (texts(&folder), texts(&kept));
    let names = |pages: &BTreeMap<String, String>| pages.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&written), names(&kept), "just docs");
    for (name, text) in &written {
        assert!(kept[name] == *text, "docs/reference/providers/{name} is not current: just docs");
    }
}

/// The files of a folder.
fn texts(folder: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let text = |entry: &DirEntry| std::fs::read_to_string(entry.path()).unwrap();
    entries.map(|entry| (entry.file_name().into_string().unwrap(), text(&entry))).collect()
}

/// The keys of a value that are not in its schema, or required and missing.
fn differences(value: &Value, schema: &Value, root: &Value, path: &str, found: &mut Vec<String>) {
    let first = schema["allOf"].get(0).unwrap_or(schema);
    if let Some(target) = first["$ref"].as_str() {
        let schema = root.pointer(target.trim_start_matches('#')).expect("a definition");
        return differences(value, schema, root, path, found);
    }
    match value {
        Value::Object(fields) if schema["additionalProperties"] == false => {
            for (key, value) in fields {
                match schema["properties"].get(key) {
                    Some(schema) => {
                        differences(value, schema, root, &format!("{path}.{key}"), found);
                    }
                    None => found.push(format!("{path}.{key} is not in the schema")),
                }
            }
            for key in schema["required"].as_array().into_iter().flatten() {
                if !fields.contains_key(key.as_str().unwrap()) {
                    found.push(format!("{path}.{} is required", key.as_str().unwrap()));
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                differences(item, &schema["items"], root, path, found);
            }
        }
        value => {
            let words: Vec<&Value> = schema["enum"]
                .as_array()
                .into_iter()
                .flatten()
                .chain(schema["oneOf"].as_array().into_iter().flatten().map(|one| &one["const"]))
                .collect();
            let kind = match value {
                Value::String(_) => "string",
                Value::Bool(_) => "boolean",
                Value::Number(number) if number.is_f64() => "number",
                Value::Number(_) => "integer",
                _ => "object",
            };
            let kinds = &schema["type"];
            let has_kind = |kinds: &Value| kinds.is_null() || kinds == kind;
            let fits =
                has_kind(kinds) || kinds.as_array().is_some_and(|all| all.iter().any(has_kind));
            if !fits || !(words.is_empty() || words.contains(&value)) {
                found.push(format!("{path} is {value}: {schema}"));
            }
        }
    }
}

#[test]
fn example_configuration_fits_the_schema() {
    let root: Value = serde_json::from_str(&committed("docs/config.schema.json")).unwrap();
    let example: toml::Table = toml::from_str(&committed("config.toml")).unwrap();
    let example = serde_json::to_value(example).unwrap();
    let mut found = Vec::new();
    differences(&example, &root, &root, "", &mut found);
    assert!(found.is_empty(), "{found:#?}");
    let wrong = serde_json::json!({
        "ingest": { "lisen": "x" }, "log": { "format": "xml" }, "source": [{ "name": "a" }],
    });
    differences(&wrong, &root, &root, "", &mut found);
    for part in [".ingest.lisen is not", ".log.format is", ".source.provider is required"] {
        assert!(found.iter().any(|one| one.contains(part)), "{part}: {found:#?}");
    }
}

#[test]
fn every_alarm_has_a_runbook() {
    let document: Value = serde_json::from_str(&committed("docs/openapi.json")).unwrap();
    let runbook = committed("docs/alerts.md");
    let schemas = document["components"]["schemas"].as_object().unwrap();
    // Finds the type of alarm kinds by two of its values.
    let kinds = schemas.values().find_map(|schema| {
        let words = schema["enum"].as_array()?;
        let has = |word: &str| words.iter().any(|one| one == word);
        (has("destination_failing") && has("wrong_path")).then_some(words)
    });
    for kind in kinds.expect("the type of alarms") {
        let heading = format!("### `{}`", kind.as_str().unwrap());
        assert!(runbook.contains(&heading), "docs/alerts.md has no {heading}");
    }
}
