//! An example for every body in the `OpenAPI` document, made from its schema: the same schema always
//! gives the same example. Requests show the required fields, responses all of them.

use std::iter::Peekable;
use std::str::Chars;

use serde_json::{Map, Value, json};

/// The example of a text, by the name of its field.
const TEXTS: &[(&str, &str)] = &[
    ("action", "create"),
    ("actor", "ada"),
    ("base64", "eyJpZCI6ImV2dF8xIn0="),
    ("content", "{\"id\":\"evt_1\",\"type\":\"invoice.paid\"}"),
    ("description", "The invoice is not known."),
    ("destination", "app"),
    ("error", "the invoice is not known"),
    ("event", EVENT),
    ("fingerprint", "3f2a9c0d5b71e846"),
    ("guild_id", "123456789"),
    ("handle", "ada"),
    ("handler", "ledger"),
    ("handlers", "ledger"),
    ("headers", "webhook-signature"),
    ("id", EVENT),
    ("key", "evt_1"),
    ("kind", "invoice.paid"),
    ("lane", "acct_1/in_1"),
    ("name", "billing"),
    ("next", "AWRsAAAAAAAAAAA"),
    ("path", "/hooks/billing"),
    ("paths", "/hooks/billing"),
    ("provider", "example"),
    ("query", ""),
    ("reason", "the ledger is fixed"),
    ("source", "billing"),
    ("tenant", "default"),
    ("text", "the invoice is not known"),
    ("type", "invoice.paid"),
    ("url", "https://app.example.com/hooks"),
    ("value", "5m"),
    ("version", env!("CARGO_PKG_VERSION")),
];
/// The example of an id.
const EVENT: &str = "019aa0f0-7c00-7000-8000-000000000001";
/// The example of a number, by the name of its field; any other is 1.
const NUMBERS: &[(&str, i64)] = &[
    ("attempts", 3),
    ("days", 90),
    ("delivery", 1042),
    ("id", 1042),
    ("size_bytes", 512),
    ("status", 200),
];
/// The example of a body that is not JSON.
const BODIES: &[(&str, &str)] = &[
    ("application/octet-stream", "{\"id\":\"evt_1\",\"type\":\"invoice.paid\"}"),
    (
        "text/event-stream",
        "id: 0-1\nevent: dead\ndata: {\"change\":\"dead\",\"source\":\"billing\"}\n\n",
    ),
    ("text/plain", "sealpost_alarms{severity=\"critical\"} 0\n"),
];

/// Adds an example to every request and response that has none.
pub(super) fn add(document: &mut Value) {
    let schemas = document.pointer("/components/schemas").and_then(Value::as_object).cloned();
    let schemas = schemas.unwrap_or_default();
    let operations = document.get_mut("paths").and_then(Value::as_object_mut).into_iter();
    let operations = operations.flat_map(Map::values_mut).filter_map(Value::as_object_mut);
    for operation in operations.flat_map(Map::values_mut) {
        let request = Examples { schemas: &schemas, is_full: false };
        request.add(operation.get_mut("requestBody"));
        let response = Examples { is_full: true, ..request };
        let responses = operation.get_mut("responses").and_then(Value::as_object_mut);
        for body in responses.into_iter().flat_map(Map::values_mut) {
            response.add(Some(body));
        }
    }
}

/// Makes examples.
#[derive(Clone, Copy)]
struct Examples<'a> {
    schemas: &'a Map<String, Value>,
    /// Whether fields that are not required are shown.
    is_full: bool,
}

impl Examples<'_> {
    /// Adds an example to each media type of a body.
    fn add(self, body: Option<&mut Value>) {
        let media = body.and_then(|body| body.get_mut("content")).and_then(Value::as_object_mut);
        for (name, media) in media.into_iter().flatten() {
            let Some(media) = media.as_object_mut().filter(|it| !it.contains_key("example")) else {
                continue;
            };
            let example = match find(BODIES, name) {
                Some(text) => Some(text.into()),
                None => media.get("schema").and_then(|schema| self.value(schema, "", &[])),
            };
            if let Some(example) = example {
                media.insert("example".to_owned(), example);
            }
        }
    }

    /// A value that a schema allows. `name` is the field that has it, `within` the components that
    /// contain it: one that contains itself ends there.
    fn value(self, schema: &Value, name: &str, within: &[&str]) -> Option<Value> {
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let target = target.rsplit('/').next()?;
            let below = [within, &[target]].concat();
            let schema = self.schemas.get(target).filter(|_| !within.contains(&target))?;
            return self.value(schema, name, &below);
        }
        let given = ["example", "const", "default"]
            .into_iter()
            .filter_map(|key| schema.get(key))
            .find(|value| !value.is_null());
        if let Some(value) = given.or_else(|| schema.get("enum")?.get(0)) {
            return Some(value.clone());
        }
        let list = |key: &str| schema.get(key).and_then(Value::as_array);
        if let Some(choices) = list("oneOf").or_else(|| list("anyOf")) {
            let choice = choices.iter().find(|choice| kind(choice) != Some("null"))?;
            return self.value(choice, name, within);
        }
        if let Some(parts) = list("allOf") {
            let parts = parts.iter().filter_map(|part| self.value(part, name, within));
            let mut whole = Map::new();
            for part in parts {
                if let Value::Object(fields) = part {
                    whole.extend(fields);
                }
            }
            return Some(whole.into());
        }
        match kind(schema)? {
            "object" => Some(self.object(schema, within).into()),
            "array" => {
                let item = schema.get("items").and_then(|item| self.value(item, name, within));
                Some(item.into_iter().collect())
            }
            "integer" => Some(integer(schema, name).into()),
            "number" => Some(json!(0.5)),
            "boolean" => Some(true.into()),
            "string" => Some(text(schema, name).into()),
            _ => None,
        }
    }

    fn object(self, schema: &Value, within: &[&str]) -> Map<String, Value> {
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let is_shown = |name: &str| self.is_full || required.is_empty() || required.contains(&name);
        let mut object = Map::new();
        let fields = schema.get("properties").and_then(Value::as_object);
        for (name, field) in fields.into_iter().flatten().filter(|(name, _)| is_shown(name)) {
            if let Some(value) = self.value(field, name, within) {
                object.insert(name.clone(), value);
            }
        }
        // A map: in this document of headers.
        if let Some(other) = schema.get("additionalProperties").filter(|other| other.is_object())
            && let Some(value) = self.value(other, "", within)
        {
            object.insert("content-type".to_owned(), value);
        }
        object
    }
}

/// The type of a schema; of several the first that is not null.
fn kind(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::String(name) => Some(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        _ => None,
    }
}

fn find<T: Copy>(list: &[(&str, T)], name: &str) -> Option<T> {
    list.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

fn integer(schema: &Value, name: &str) -> i64 {
    let bound = |key: &str| schema.get(key).and_then(Value::as_i64);
    let value = find(NUMBERS, name).unwrap_or(1);
    let value = bound("minimum").map_or(value, |least| value.max(least));
    bound("maximum").map_or(value, |most| value.min(most))
}

fn text(schema: &Value, name: &str) -> String {
    let word = |key: &str| schema.get(key).and_then(Value::as_str);
    match word("format") {
        Some("uuid") => return EVENT.to_owned(),
        Some("date-time") => return "2026-11-20T12:00:00Z".to_owned(),
        Some("date") => return "2026-11-20".to_owned(),
        _ => {}
    }
    match (find(TEXTS, name), word("pattern")) {
        (Some(text), _) => text.to_owned(),
        (None, Some(pattern)) => sample(pattern),
        (None, None) => "text".to_owned(),
    }
}

/// A text that matches a pattern. Understands literals, classes, counts, and groups that may be
/// absent.
fn sample(pattern: &str) -> String {
    let mut text = String::new();
    let pattern = pattern.trim_start_matches('^').trim_end_matches('$');
    let mut rest = pattern.chars().peekable();
    while let Some(next) = rest.next() {
        let unit = match next {
            '(' => {
                skip_group(&mut rest);
                None
            }
            '[' => Some(class(&mut rest)),
            '\\' => rest.next(),
            literal => Some(literal),
        };
        let count = count(&mut rest);
        text.extend(unit.into_iter().flat_map(|unit| std::iter::repeat_n(unit, count)));
    }
    text
}

/// Skips what is left of a group.
fn skip_group(rest: &mut Peekable<Chars<'_>>) {
    let mut depth = 1;
    while depth > 0
        && let Some(next) = rest.next()
    {
        match next {
            '(' => depth += 1,
            ')' => depth -= 1,
            '[' => {
                class(rest);
            }
            _ => {}
        }
    }
}

/// Reads what is left of a class: one of its characters, `a` if it contains that.
fn class(rest: &mut Peekable<Chars<'_>>) -> char {
    let body: Vec<char> = rest.by_ref().take_while(|next| *next != ']').collect();
    let spans_a =
        |three: &[char]| matches!(three, [from, '-', to] if ('a' >= *from) && ('a' <= *to));
    let has_a = body.first() == Some(&'^') || body.contains(&'a') || body.windows(3).any(spans_a);
    if has_a { 'a' } else { body.first().copied().unwrap_or('a') }
}

/// How often the last unit is repeated: as rarely as possible, but at least once if it has a range.
fn count(rest: &mut Peekable<Chars<'_>>) -> usize {
    match rest.peek() {
        Some('?' | '*') => {
            rest.next();
            0
        }
        Some('+') => {
            rest.next();
            1
        }
        Some('{') => {
            rest.next();
            let range: String = rest.by_ref().take_while(|next| *next != '}').collect();
            let least = range.split(',').next().and_then(|least| least.parse().ok());
            least.unwrap_or(1).max(1)
        }
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_sampled() {
        for (pattern, text) in [
            ("^[0-9a-f]{4}$", "aaaa"),
            ("^AWRs[A-Za-z0-9_-]{3}[AQgw]$", "AWRsaaaA"),
            ("^[^\\x00-\\x1f]*[^\\s\\x7f][^\\x00]*$", "a"),
            ("^([A-Z]{4})*([a-z][AQ]==|[x]=)?$", ""),
            ("^[A-Za-z0-9._@+-]([A-Za-z0-9 ._@+-]{0,62}[A-Za-z0-9._@+-])?$", "a"),
            ("^[0-9](-?[0-9a-f]){0,31}-?$", "0"),
            ("^acct_[!-~]{1,9}$", "acct_a"),
        ] {
            assert_eq!(sample(pattern), text, "{pattern}");
        }
    }

    #[test]
    fn request_examples_have_required_fields_and_responses_all_fields() {
        let schema = json!({
            "type": "object", "required": ["reason", "which"],
            "properties": {
                "reason": { "type": "string" },
                "cap": { "type": ["integer", "null"], "minimum": 5 },
                "which": { "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/Which" }] },
            },
        });
        let media = json!({ "content": { "application/json": { "schema": schema } } });
        let mut document = json!({
            "components": { "schemas": { "Which": {
                "type": "object",
                "properties": {
                    "below": { "$ref": "#/components/schemas/Which" },
                    "id": { "type": "string", "format": "uuid" },
                },
            } } },
            "paths": { "/a": { "post": { "requestBody": media, "responses": { "200": media } } } },
        });
        add(&mut document);
        let operation = &document["paths"]["/a"]["post"];
        let example = |body: &Value| body["content"]["application/json"]["example"].clone();
        let mut expected = json!({ "reason": "the ledger is fixed", "which": { "id": EVENT } });
        assert_eq!(example(&operation["requestBody"]), expected);
        expected["cap"] = 5.into();
        assert_eq!(example(&operation["responses"]["200"]), expected);
    }
}
