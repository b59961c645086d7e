//! The admin API, from its `OpenAPI` document.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::markdown::{Page, code, codes, sentences, table};

const ABOUT: &str = "Every operation of the admin API and every type in it. [API](../api.md) explains \
                     authentication, pages, errors and idempotency. \
                     [openapi.json](../openapi.json) has the same content for programs, with an \
                     example of every body.";

/// The page.
pub(super) fn page(document: &Value) -> String {
    let mut page = Page::new("API reference", "api", ABOUT);
    let mut tags = BTreeMap::<&str, Vec<String>>::new();
    for (path, item) in fields(document, "paths") {
        for (method, operation) in item.as_object().into_iter().flatten() {
            let tag = operation.pointer("/tags/0").and_then(Value::as_str).unwrap_or_default();
            tags.entry(tag).or_default().push(described(method, path, operation));
        }
    }
    for (tag, operations) in tags {
        let mut letters = tag.chars();
        let title: String =
            letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
        page.add(&format!("\n## {title}\n{}", operations.concat()));
    }
    page.add("\n## Types\n");
    for (name, schema) in document.pointer("/components/schemas").into_iter().flat_map(pairs) {
        page.add(&format!("\n<a id=\"type-{}\"></a>\n\n### {name}\n", anchor(name)));
        page.add(&format!("\n{}\n{}", text(schema, "description"), of_type(schema)));
    }
    page.into_text()
}

/// One operation.
fn described(method: &str, path: &str, operation: &Value) -> String {
    let summary = text(operation, "summary");
    let method = method.to_uppercase();
    let mut page = Page::part(format!("\n### {summary}\n\n`{method} {path}`\n"));
    let about = text(operation, "description");
    if !about.is_empty() {
        page.add(&format!("\n{about}\n"));
    }
    let scopes = operation.pointer("/security/0/bearer").and_then(Value::as_array);
    let scopes: Option<Vec<&str>> =
        scopes.map(|scopes| scopes.iter().filter_map(Value::as_str).collect());
    page.add(&match scopes.as_deref() {
        None => "\nNeeds no key.\n".to_owned(),
        Some([]) => "\nNeeds a key with any scope.\n".to_owned(),
        Some(scopes) => format!("\nScope: {}.\n", codes(scopes.iter().copied())),
    });
    let parameters = operation.get("parameters").and_then(Value::as_array).into_iter().flatten();
    let rows: Vec<Vec<String>> = parameters
        .map(|parameter| {
            let schema = parameter.get("schema").unwrap_or(&Value::Null);
            vec![
                code(&text(parameter, "name")),
                text(parameter, "in"),
                kind(schema),
                sentences(&[text(parameter, "description"), default(schema)]),
            ]
        })
        .collect();
    page.add(&table(&["Parameter", "In", "Type", "Meaning"], &rows));
    if let Some((media, body)) = content(operation.get("requestBody")) {
        page.add(&format!("\nBody: {}.\n", body_of(media, body)));
        if let Some(example) = body.get("example") {
            let example = serde_json::to_string_pretty(example).unwrap_or_default();
            page.add(&format!("\n```json\n{example}\n```\n"));
        }
    }
    let rows: Vec<Vec<String>> = fields(operation, "responses")
        .filter(|(status, _)| !status.starts_with(['4', '5']))
        .map(|(status, response)| {
            let body = content(Some(response)).map(|(media, body)| body_of(media, body));
            vec![status.clone(), body.unwrap_or_default(), text(response, "description")]
        })
        .collect();
    page.add(&table(&["Status", "Body", "Meaning"], &rows));
    page.into_text()
}

/// The first media type of a body.
fn content(body: Option<&Value>) -> Option<(&str, &Value)> {
    let (media, body) = fields(body?, "content").next()?;
    Some((media.as_str(), body))
}

/// A body, as the type of its schema or as its media type.
fn body_of(media: &str, body: &Value) -> String {
    let name = body.get("schema").map(kind).unwrap_or_default();
    if media == "application/json" { name } else { code(media) }
}

/// What a component consists of.
fn of_type(schema: &Value) -> String {
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let rows: Vec<Vec<String>> = fields(schema, "properties")
        .map(|(name, property)| {
            let optional = if required.contains(&name.as_str()) { "" } else { "optional" };
            let about = sentences(&[text(property, "description"), default(property)]);
            vec![code(name), kind(property), optional.to_owned(), about]
        })
        .collect();
    if rows.is_empty() {
        return format!("\n{}\n", kind(schema));
    }
    table(&["Field", "Type", "", "Meaning"], &rows)
}

/// A schema in a few words; components are links.
fn kind(schema: &Value) -> String {
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let name = target.rsplit('/').next().unwrap_or_default();
        return format!("[{name}](#type-{})", anchor(name));
    }
    let list = |key: &str| schema.get(key).and_then(Value::as_array).into_iter().flatten();
    let words: Vec<&str> = list("enum").filter_map(Value::as_str).collect();
    if !words.is_empty() {
        return codes(words);
    }
    for (key, word) in [("oneOf", " or "), ("anyOf", " or "), ("allOf", " and ")] {
        let parts: Vec<String> =
            list(key).map(kind).filter(|part| !part.is_empty() && part != "null").collect();
        if !parts.is_empty() {
            return parts.join(word);
        }
    }
    let names: Vec<&str> = match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect()
        }
        _ => return String::new(),
    };
    match (names.as_slice(), schema.get("format").and_then(Value::as_str)) {
        (["array"], _) => match schema.get("items").map(kind) {
            Some(item) => format!("list of {item}"),
            None => "list".to_owned(),
        },
        (["object"], _) => {
            let names: Vec<&str> =
                fields(schema, "properties").map(|(name, _)| name.as_str()).collect();
            if names.is_empty() {
                "object".to_owned()
            } else {
                format!("object of {}", codes(names))
            }
        }
        (["string"], Some(format)) => format.to_owned(),
        (names, _) => names.join(" or "),
    }
}

fn default(schema: &Value) -> String {
    schema.get("default").map(|value| format!("Default: `{value}`")).unwrap_or_default()
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn fields<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value.get(key).into_iter().flat_map(pairs)
}

fn pairs(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn anchor(name: &str) -> String {
    name.to_lowercase().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_operation_shows_what_it_takes_and_gives() {
        let document = json!({
            "paths": { "/things/{id}": { "post": {
                "summary": "Change a thing", "tags": ["things"],
                "security": [{ "bearer": ["things:write"] }],
                "parameters": [{ "name": "id", "in": "path", "description": "The id.",
                                 "schema": { "type": "integer" } }],
                "requestBody": { "content": { "application/json": {
                    "schema": { "$ref": "#/components/schemas/New_Thing" },
                    "example": { "name": "a" },
                } } },
                "responses": { "200": { "description": "Changed" }, "404": {} },
            } } },
            "components": { "schemas": { "New_Thing": {
                "description": "A thing.", "required": ["name"],
                "properties": { "name": { "type": ["string", "null"], "description": "The name" } },
            } } },
        });
        let page = page(&document);
        for part in [
            "## Things\n\n### Change a thing\n\n`POST /things/{id}`\n\nScope: `things:write`.\n",
            "| `id` | path | integer | The id. |",
            "Body: [New_Thing](#type-new-thing).",
            "\"name\": \"a\"",
            "| 200 |  | Changed |",
            "<a id=\"type-new-thing\"></a>",
            "| `name` | string |  | The name. |",
        ] {
            assert!(page.contains(part), "{part:?} is not in:\n{page}");
        }
        assert!(!page.contains("404"));
    }
}
