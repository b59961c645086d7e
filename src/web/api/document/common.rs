//! What all operations share in the `OpenAPI` document: authentication, errors, `ETag` and
//! `If-None-Match` for reads, `Link` for paginated lists, `Idempotency-Key` for changes.

#![expect(
    clippy::indexing_slicing,
    reason = "indexing a JSON object reads null for a missing key and inserts it on write"
)]

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{examples, shape};
use crate::admin::Scopes;
use crate::web::denial::{Kind, URN};

/// The errors of every authenticated call.
const ALWAYS: [Kind; 6] = [
    Kind::NoKey,
    Kind::TooManyFailures,
    Kind::Malformed,
    Kind::TooMany,
    Kind::Unavailable,
    Kind::Internal,
];
/// The additional errors of a change.
const CHANGING: [Kind; 11] = [
    Kind::Invalid,
    Kind::BodyBroken,
    Kind::BodyTimeout,
    Kind::Conflict,
    Kind::InProgress,
    Kind::OutcomeUnknown,
    Kind::AnswerNotKept,
    Kind::TooLarge,
    Kind::Encoded,
    Kind::NotJson,
    Kind::KeyReused,
];

/// Adds the shared parts to a document.
pub(super) fn complete(document: &mut Value) {
    document["info"]["description"] = include_str!("about.md").trim_end().into();
    document["info"]["license"] = json!({
        "name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE"),
    });
    document["servers"] = json!([{ "url": "/", "description": "The admin listener." }]);
    shape::share(document);
    let paths = document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    for (method, operation) in paths.filter_map(Value::as_object_mut).flatten() {
        finish(method, operation);
    }
    let components = &mut document["components"];
    components["securitySchemes"]["bearer"] = json!({
        "type": "http", "scheme": "bearer",
        "description": "An API key.",
    });
    let schemas = components["schemas"].as_object_mut().into_iter().flat_map(Map::values_mut);
    let shapes = schemas.filter_map(|schema| schema.get_mut("oneOf")?.as_array_mut());
    for variant in shapes.flatten() {
        close(variant);
    }
    components["schemas"]["Problem"] = problem();
    for (status, kinds) in by_status() {
        components["responses"][component(status)] = response(status, &kinds);
    }
    shape::describe(document);
    examples::add(document);
}

/// A `oneOf` of objects with exactly one field each.
fn close(variant: &mut Value) {
    if variant["properties"].as_object().is_some_and(|fields| fields.len() == 1) {
        variant["additionalProperties"] = false.into();
    }
}

/// Adds the shared parts to one operation.
fn finish(method: &str, operation: &mut Value) {
    let Some(scopes) = operation["security"][0]["bearer"].as_array().map(Vec::len) else {
        // Health checks need no key.
        operation["security"] = json!([]);
        return;
    };
    let empty = Vec::new();
    let parameters = operation["parameters"].as_array().unwrap_or(&empty);
    let has = |place: &str| parameters.iter().any(|parameter| parameter["in"] == place);
    let pages = parameters.iter().any(|parameter| parameter["name"] == "cursor");
    let mut kinds = ALWAYS.to_vec();
    kinds.extend((scopes > 0).then_some(Kind::Forbidden));
    kinds.extend(has("path").then_some(Kind::NotFound));
    if method == "post" {
        kinds.extend(CHANGING);
        parameter(operation, idempotency_key());
        header(
            operation,
            "idempotency-replayed",
            &json!({
                "description": "Whether this is a stored response to an earlier request; absent without an Idempotency-Key.",
                "schema": { "type": "string", "enum": ["true", "false"] },
            }),
        );
    } else if operation["responses"]["200"]["content"].get("application/json").is_some() {
        parameter(operation, if_none_match());
        header(
            operation,
            "etag",
            &json!({
                "description": "The value for `If-None-Match`.",
                "schema": { "type": "string" }, "required": true,
            }),
        );
        operation["responses"]["304"] = json!({ "description": "Not modified" });
    }
    if pages {
        header(
            operation,
            "link",
            &json!({
                "description": "The URL of the next page, `rel=\"next\"`; absent on the last page.",
                "schema": { "type": "string" },
            }),
        );
    }
    for kind in kinds {
        refer(operation, kind.status().as_u16());
    }
    // An error documented by the operation itself keeps its description.
    let declared = operation["responses"].as_object().into_iter().flat_map(Map::keys);
    let declared: Vec<u16> = declared.filter_map(|status| status.parse().ok()).collect();
    for status in declared.into_iter().filter(|status| *status >= 400) {
        refer(operation, status);
    }
}

fn refer(operation: &mut Value, status: u16) {
    let name = component(status);
    operation["responses"][status.to_string()] =
        json!({ "$ref": format!("#/components/responses/{name}") });
}

fn parameter(operation: &mut Value, parameter: Value) {
    match operation["parameters"].as_array_mut() {
        Some(parameters) => parameters.push(parameter),
        None => operation["parameters"] = json!([parameter]),
    }
}

/// Adds a header to every success response.
fn header(operation: &mut Value, name: &str, header: &Value) {
    let responses = operation["responses"].as_object_mut().into_iter().flatten();
    for (_, response) in responses.filter(|(status, _)| status.starts_with('2')) {
        response["headers"][name] = header.clone();
    }
}

fn idempotency_key() -> Value {
    json!({
        "name": "Idempotency-Key", "in": "header", "required": false,
        "description": "Makes the request idempotent: repeats within 24 hours are executed once.",
        "schema": { "type": "string", "pattern": "^[!-~]{1,255}$" },
    })
}

fn if_none_match() -> Value {
    json!({
        "name": "If-None-Match", "in": "header", "required": false,
        "description": "The `ETag` of the client's copy.",
        "schema": { "type": "string" },
    })
}

fn by_status() -> BTreeMap<u16, Vec<Kind>> {
    let mut by_status = BTreeMap::<_, Vec<Kind>>::new();
    for kind in Kind::ALL {
        by_status.entry(kind.status().as_u16()).or_default().push(kind);
    }
    by_status
}

fn component(status: u16) -> String {
    format!("Problem{status}")
}

fn response(status: u16, kinds: &[Kind]) -> Value {
    let lines = kinds.iter().map(|kind| format!("- `{}`: {}\n", kind.id(), kind.title()));
    let example = kinds.first().map(|kind| {
        let name = format!("{URN}{}", kind.id());
        json!({ "type": name, "title": kind.title(), "status": status })
    });
    let mut response = json!({
        "description": lines.collect::<String>().trim_end(),
        "content": {
            "application/problem+json": {
                "schema": { "$ref": "#/components/schemas/Problem" },
                "example": example,
            },
        },
    });
    if [429, 503].contains(&status) {
        response["headers"]["retry-after"] = json!({
            "description": "Seconds to wait before a retry.",
            "schema": { "type": "integer", "minimum": 1 }, "required": true,
        });
    }
    response
}

fn problem() -> Value {
    let types = Kind::ALL.map(|kind| format!("{URN}{}", kind.id()));
    json!({
        "description": "An error.",
        "type": "object",
        "required": ["type", "title", "status"],
        "properties": {
            "type": { "type": "string", "enum": types, "description": "The problem type." },
            "title": { "type": "string", "description": "The title of the problem type." },
            "status": { "type": "integer", "description": "The HTTP status." },
            "detail": { "type": "string", "description": "Details of this error." },
            "scope": {
                "type": "string", "enum": Scopes::all(),
                "description": "The missing scope.",
            },
            "option": {
                "type": "string",
                "description": "The field of the body that, set to true, does it anyway.",
            },
            "limit_bytes": { "type": "integer", "description": "The maximum body size in bytes." },
            "limit": { "type": "integer", "description": "The quota." },
            "resets_at": {
                "type": "string", "format": "date-time",
                "description": "When the quota resets.",
            },
            "request_id": { "type": "string", "description": "The request id, as in `x-request-id`." },
        },
    })
}
