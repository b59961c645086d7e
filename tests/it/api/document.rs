//! The `OpenAPI` document: served, committed, complete.

use std::process::Command;

use serde_json::Value;

use super::get;
use crate::harness::Gateway;

const COMMITTED: &str = include_str!("../../../docs/openapi.json");

/// Every operation of the document: method, path and definition.
pub(super) fn operations() -> Vec<(String, String, Value)> {
    let document: Value = serde_json::from_str(COMMITTED).unwrap();
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            all.push((method.to_uppercase(), path.clone(), operation.clone()));
        }
    }
    all
}

#[tokio::test]
async fn committed_document_is_current_and_served() {
    let printed = Command::new(env!("CARGO_BIN_EXE_sealpost")).arg("openapi").output().unwrap();
    assert!(
        String::from_utf8(printed.stdout).unwrap() == COMMITTED,
        "not current: cargo run -- openapi > docs/openapi.json"
    );
    let gateway = Gateway::start().await;
    let served = get(&gateway, "/api/v1/openapi.json", &[]).await;
    assert_eq!(served.status, 200);
    assert!(served.text == COMMITTED, "another document is served");
}

#[test]
fn every_operation_is_fully_documented() {
    let operations = operations();
    let mut ids = Vec::new();
    for (method, path, operation) in &operations {
        let at = format!("{method} {path}");
        let text = |name: &str| operation[name].as_str().unwrap_or_default().to_owned();
        assert!(!text("operationId").is_empty() && !text("summary").is_empty(), "{at}");
        assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{at}");
        ids.push(text("operationId"));
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = &parameter["name"];
            assert!(parameter["description"].is_string(), "{at} {name}");
            let schema = &parameter["schema"];
            assert!(schema["type"] != "integer" || schema["minimum"].is_number(), "{at} {name}");
        }
        if operation["security"].as_array().is_some_and(Vec::is_empty) {
            assert!(["/healthz", "/readyz"].contains(&&**path), "{at} requires no key");
            continue;
        }
        let responses = operation["responses"].as_object().unwrap();
        for status in ["401", "429", "500", "503"] {
            assert!(responses.contains_key(status), "{at} does not document {status}");
        }
    }
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "duplicate operationId");
    assert!(count >= 16, "too few operations");
}

/// The properties of a schema and of everything below it, with their paths.
fn properties(value: &Value, path: &str, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(fields) => {
            for (name, property) in
                fields.get("properties").and_then(Value::as_object).into_iter().flatten()
            {
                found.push((format!("{path}.{name}"), property.clone()));
            }
            for (key, value) in fields {
                properties(value, &format!("{path}/{key}"), found);
            }
        }
        Value::Array(values) => {
            for (place, value) in values.iter().enumerate() {
                properties(value, &format!("{path}/{place}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn every_property_is_described() {
    let document: Value = serde_json::from_str(COMMITTED).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        properties(item, path, &mut found);
    }
    properties(&document["components"]["schemas"], "schemas", &mut found);
    assert!(found.len() > 300, "too few properties");
    let is_undocumented = |property: &Value| {
        property["description"].as_str().is_none_or(|text| text.trim().is_empty())
    };
    found.retain(|(_, property)| is_undocumented(property));
    let undocumented: Vec<String> = found.into_iter().map(|(path, _)| path).collect();
    assert!(undocumented.is_empty(), "without a description:\n{}", undocumented.join("\n"));
}

#[test]
fn every_body_has_an_example() {
    for (method, path, operation) in operations() {
        let responses = operation["responses"].as_object().unwrap();
        let successes = responses.iter().filter(|(status, _)| status.starts_with('2'));
        let bodies = successes.map(|(_, body)| body).chain(operation.get("requestBody"));
        let mut count = 0;
        for media in bodies.filter_map(|body| body["content"].as_object()).flatten() {
            assert!(!media.1["example"].is_null(), "{method} {path}: no example of {}", media.0);
            count += 1;
        }
        assert!(count > 0, "{method} {path} has no body");
    }
}
