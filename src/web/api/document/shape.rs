//! The shape of the `OpenAPI` document: equal schemas are written once, and every property has a
//! description.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

/// Descriptions of properties that mean the same everywhere. A description at the type wins.
const COMMON: &[(&str, &str)] = &[
    ("action", "The action in the path; an unsigned hint."),
    ("actor", "Who did it."),
    ("at", "When it happened."),
    ("attempt", "The number of the attempt."),
    ("begins_at", "When it begins."),
    ("by", "Who did it."),
    ("cancelled_by", "Who cancelled it."),
    ("change", "What changed."),
    ("content", "The content."),
    ("count", "How many."),
    ("created_at", "When it was created."),
    ("created_by", "Who created it."),
    ("delivered", "Number of requests that succeeded."),
    ("deliveries", "The deliveries."),
    ("delivery", "The id of the delivery."),
    ("disabled_at", "When it was disabled; null if it is enabled."),
    ("done", "Number of completed deliveries."),
    ("error", "The error."),
    ("event", "The id of the event."),
    ("failed", "Number of requests that failed."),
    ("finished_at", "When it ended."),
    ("first_at", "When it happened first."),
    ("handler", "The handler, or `to:` and the name of a destination."),
    ("hash", "The hash of the entry."),
    ("id", "The id."),
    ("kind", "The type."),
    ("lanes", "Number of lanes."),
    ("last_at", "When it happened last."),
    ("last_failed_at", "When a request failed last."),
    ("leased", "Number of deliveries that are being processed."),
    ("name", "The name."),
    ("outcome", "The outcome."),
    ("path", "The path."),
    ("paused_at", "When it was paused."),
    ("paused_by", "Who paused it."),
    ("planned_at", "When it was planned."),
    ("planned_by", "Who planned it."),
    ("points", "The values, oldest first."),
    ("provider", "The provider of the source."),
    ("query", "The query string."),
    ("ready", "Number of deliveries that are waiting."),
    ("reason", "The reason."),
    ("received_at", "When it was received."),
    ("replay", "The delivery that a replay created."),
    ("resolved_at", "When it was resolved."),
    ("revoked_at", "When it was revoked; null if it is valid."),
    ("revoked_by", "Who revoked it."),
    ("seconds", "The duration in seconds."),
    ("shown_bytes", "The number of bytes that are shown."),
    ("signed_in_at", "When the user signed in."),
    ("size_bytes", "The size in bytes."),
    ("source", "The name of the source."),
    ("started_at", "When it began."),
    ("started_by", "Who started it."),
    ("status", "The HTTP status."),
    ("tenant", "The tenant."),
    ("text", "The text."),
    ("took_ms", "The duration in milliseconds."),
    ("type", "The type."),
    ("value", "The value."),
    ("verified_at", "When it was verified again."),
    ("verified_by", "Who had it verified again."),
    ("why", "The reason."),
];

/// Replaces inline copies of components by references: a page of a list has a copy of its items.
pub(super) fn share(document: &mut Value) {
    let schemas = document.pointer("/components/schemas").and_then(Value::as_object);
    let mut names = HashMap::<String, String>::new();
    for (name, schema) in schemas.into_iter().flatten() {
        if schema.get("properties").is_some() {
            names.entry(schema.to_string()).or_insert_with(|| name.clone());
        }
    }
    if let Some(paths) = document.get_mut("paths") {
        replace(paths, &names);
    }
    // A component is no copy of itself: only what is below it is replaced.
    let schemas = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut);
    for schema in schemas.into_iter().flat_map(Map::values_mut) {
        replace(schema, &names);
    }
}

/// Replaces what is below a value.
fn replace(value: &mut Value, names: &HashMap<String, String>) {
    let below: Box<dyn Iterator<Item = &mut Value> + '_> = match value {
        Value::Object(fields) => Box::new(fields.values_mut()),
        Value::Array(items) => Box::new(items.iter_mut()),
        _ => return,
    };
    for value in below {
        let is_schema = value.get("properties").is_some();
        match is_schema.then(|| names.get(&value.to_string())).flatten() {
            Some(name) => *value = json!({ "$ref": format!("#/components/schemas/{name}") }),
            None => replace(value, names),
        }
    }
}

/// Gives every property a description: its own, or that of its type, or the common one.
pub(super) fn describe(document: &mut Value) {
    let schemas = document.pointer("/components/schemas").and_then(Value::as_object).cloned();
    describe_below(document, &schemas.unwrap_or_default());
}

fn describe_below(value: &mut Value, schemas: &Map<String, Value>) {
    match value {
        Value::Object(fields) => {
            let properties = fields.get_mut("properties").and_then(Value::as_object_mut);
            for (name, property) in properties.into_iter().flatten() {
                let common = COMMON.iter().find(|(known, _)| known == name);
                let text = description(property, schemas)
                    .or_else(|| common.map(|(_, text)| (*text).to_owned()));
                if let (Some(property), Some(text)) = (property.as_object_mut(), text) {
                    property.insert("description".to_owned(), text.into());
                }
            }
            for value in fields.values_mut() {
                describe_below(value, schemas);
            }
        }
        Value::Array(items) => {
            for value in items {
                describe_below(value, schemas);
            }
        }
        _ => {}
    }
}

/// The description of a property: at it, at one of its variants, or at the type that it refers to.
fn description(property: &Value, schemas: &Map<String, Value>) -> Option<String> {
    let own = |schema: &Value| schema.get("description")?.as_str().map(str::to_owned);
    let of_type = |schema: &Value| {
        let target = schema.get("$ref")?.as_str()?.rsplit('/').next()?;
        schemas.get(target).and_then(own)
    };
    let variants = || property.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    own(property)
        .or_else(|| variants().find_map(own))
        .or_else(|| of_type(property))
        .or_else(|| variants().find_map(of_type))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_of_a_component_become_references() {
        let item = json!({ "type": "object", "properties": { "id": { "type": "integer" } } });
        let page = json!({ "properties": { "items": { "type": "array", "items": item } } });
        let mut document = json!({
            "components": { "schemas": { "Item": item, "Page": page } },
            "paths": { "/a": { "get": { "schema": item } } },
        });
        share(&mut document);
        let reference = json!({ "$ref": "#/components/schemas/Item" });
        assert_eq!(document["paths"]["/a"]["get"]["schema"], reference);
        let schemas = &document["components"]["schemas"];
        assert_eq!(schemas["Page"]["properties"]["items"]["items"], reference);
        assert_eq!(schemas["Item"], item);
    }

    #[test]
    fn description_comes_from_the_nearest_schema() {
        let mut document = json!({ "components": { "schemas": {
            "State": { "description": "The state.", "type": "string" },
            "A": { "properties": {
                "name": { "type": "string", "description": "Its own." },
                "state": { "$ref": "#/components/schemas/State" },
                "maybe": { "oneOf": [
                    { "$ref": "#/components/schemas/State", "description": "Of the variant." },
                    { "type": "null" },
                ] },
                "id": { "type": "integer" },
            } },
        } } });
        describe(&mut document);
        let properties = &document["components"]["schemas"]["A"]["properties"];
        for (name, text) in [
            ("name", "Its own."),
            ("state", "The state."),
            ("maybe", "Of the variant."),
            ("id", "The id."),
        ] {
            assert_eq!(properties[name]["description"], text, "{name}");
        }
    }

    #[test]
    fn common_descriptions_are_sorted() {
        assert!(COMMON.is_sorted_by(|one, other| one.0 < other.0));
    }
}
