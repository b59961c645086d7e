//! Describes what is wrong with JSON for the people who can fix it: which field, where in the whole
//! body, in JSON terms rather than this program's types. Pure, and bounded.

use serde::Deserialize;
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};

/// The maximum length of a path, in characters.
const MAX_PATH_CHARS: usize = 200;

/// What a parser expects, and its name in messages. The first match counts.
const EXPECTED: &[(&str, &str)] = &[
    ("struct ", "an object"),
    ("internally tagged enum", "an object"),
    ("adjacently tagged enum", "an object"),
    ("map", "an object"),
    ("a map", "an object"),
    ("a sequence", "a list"),
    ("sequence", "a list"),
    ("tuple", "a list"),
    ("an array of", "a list"),
    ("a string", "text"),
    ("a borrowed string", "text"),
    ("string", "text"),
    ("str", "text"),
    ("a character", "one character"),
    ("a boolean", "true or false"),
    ("enum ", "one of its values"),
    ("unit", "null"),
    ("variant identifier", "text"),
    ("field identifier", "the name of a field"),
    ("an RFC3339-formatted", "a time such as 2026-11-20T12:00:00Z"),
];
/// What serde found, and its name in messages.
const FOUND: &[(&str, &str)] = &[
    ("string ", "text"),
    ("character ", "text"),
    ("integer ", "a whole number"),
    ("floating point ", "a number with a fraction"),
    ("boolean `true`", "true"),
    ("boolean `false`", "false"),
    ("null", "null"),
    ("unit value", "null"),
    ("Option value", "a value"),
    ("map", "an object"),
    ("sequence", "a list"),
    ("byte array", "bytes"),
];
/// The parser's syntax errors, and their meaning.
const SYNTAX: &[(&str, &str)] = &[
    ("EOF while parsing a list", "the body ends within a list"),
    ("EOF while parsing an object", "the body ends within an object"),
    ("EOF while parsing a string", "the body ends within a string"),
    ("EOF while parsing a value", "the body ends where a value is expected"),
    ("expected ident", "expected `true`, `false` or `null`"),
    ("expected value", "expected a value"),
    ("trailing characters", "trailing characters after the JSON"),
    ("trailing comma", "trailing comma"),
    ("key must be a string", "the name of a field must be in quotes"),
    ("recursion limit exceeded", "nested too deeply"),
    ("number out of range", "a number is too large"),
];

/// Describes why `json`, at the path `at` of the body (empty for the whole body), is not a `T`.
pub(super) fn describe<'de, T: Deserialize<'de>>(
    json: &'de [u8],
    error: &serde_json::Error,
    at: &str,
) -> String {
    let text = error.to_string();
    if error.classify() != Category::Data {
        // Invalid JSON has only raw text, and line and column refer to that.
        let known = SYNTAX.iter().find_map(|(pattern, meaning)| {
            text.strip_prefix(pattern).map(|place| format!("{meaning}{place}"))
        });
        return known.unwrap_or(text);
    }
    let message = without_place(&text);
    let fault = missing(message)
        .or_else(|| list(message))
        .or_else(|| mismatch(message))
        .or_else(|| variant(message))
        .unwrap_or_else(|| message.to_owned());
    let path = path::<T>(json, at);
    if path.is_empty() { fault } else { format!("{fault} at `{path}`") }
}

/// Removes line and column: they refer to raw text that nobody sees in that form.
fn without_place(text: &str) -> &str {
    let Some((message, place)) = text.rsplit_once(" at line ") else { return text };
    let is_place = place.split(" column ").all(|part| part.bytes().all(|b| b.is_ascii_digit()));
    if is_place { message } else { text }
}

fn missing(message: &str) -> Option<String> {
    message.strip_prefix("missing field ").map(|name| format!("{name} is missing"))
}

/// serde also reads a struct from a list, by position; a wrong length gives this message.
fn list(message: &str) -> Option<String> {
    let is_list = message.starts_with("invalid length ") && message.contains(", expected struct ");
    is_list.then(|| "expected an object, found a list".to_owned())
}

/// `invalid type: string "x", expected i64`, and similar.
fn mismatch(message: &str) -> Option<String> {
    let (kind, rest) = message.split_once(": ")?;
    if !matches!(kind, "invalid type" | "invalid value") {
        return None;
    }
    let (found, expected) = rest.rsplit_once(", expected ")?;
    let found =
        FOUND.iter().find(|(pattern, _)| found.starts_with(pattern)).map(|(_, meaning)| *meaning);
    let fits = if kind == "invalid value" { " that does not fit" } else { "" };
    Some(format!(
        "expected {}, found {}{fits}",
        expected_name(expected),
        found.unwrap_or("another value")
    ))
}

/// The unknown variant is a value of the body, so it is quoted.
fn variant(message: &str) -> Option<String> {
    let rest = message.strip_prefix("unknown variant `")?;
    let (found, expected) = rest.split_once("`, expected ")?;
    Some(format!("expected {expected}, found {found:?}"))
}

fn expected_name(expected: &str) -> String {
    let width = |prefix: char| {
        let size = expected.strip_prefix(prefix)?;
        (size == "size" || size.bytes().all(|byte| byte.is_ascii_digit())).then_some(())
    };
    if width('i').is_some() {
        return "a whole number".to_owned();
    }
    if width('u').is_some() {
        return "a whole number, 0 or more".to_owned();
    }
    if width('f').is_some() {
        return "a number".to_owned();
    }
    let known = EXPECTED.iter().find(|(pattern, _)| expected.starts_with(pattern));
    known.map_or_else(|| expected.to_owned(), |(_, meaning)| (*meaning).to_owned())
}

/// The location in the body, as a JSON pointer.
fn path<'de, T: Deserialize<'de>>(json: &'de [u8], at: &str) -> String {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let read: Result<T, _> = serde_path_to_error::deserialize(&mut reader);
    let inner = read.err().map(|error| pointer(error.path())).unwrap_or_default();
    let whole: String = format!("{at}{inner}").chars().take(MAX_PATH_CHARS).collect();
    whole
}

fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        let part = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
            // Enum variants are not part of the path in the body.
            Segment::Enum { .. } => continue,
            Segment::Unknown => break,
        };
        pointer.push('/');
        // A field name may contain any character.
        pointer
            .extend(part.chars().map(|c| if c.is_control() || c == '`' { '\u{fffd}' } else { c }));
    }
    pointer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only deserialization is tested")]
    struct Shape {
        id: String,
        data: Option<Data>,
        kind: Option<Kind>,
        times: Option<Vec<u8>>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only deserialization is tested")]
    struct Data {
        object: Object,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only deserialization is tested")]
    struct Object {
        amount: i64,
        details_submitted: bool,
        share: Option<f64>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Card,
        Deck,
    }

    #[test]
    fn fault_names_the_field_and_its_path_in_json_terms() {
        for (json, says) in [
            ("{}", "`id` is missing"),
            (
                r#"{"id":"x","data":{"object":{"amount":1}}}"#,
                "`details_submitted` is missing at `/data/object`",
            ),
            (
                r#"{"id":"x","data":{"object":{"amount":"12","details_submitted":true}}}"#,
                "expected a whole number, found text at `/data/object/amount`",
            ),
            (
                r#"{"id":"x","data":{"object":{"amount":1.5,"details_submitted":true}}}"#,
                "expected a whole number, found a number with a fraction at `/data/object/amount`",
            ),
            (
                r#"{"id":"x","data":{"object":{"amount":1,"details_submitted":"yes"}}}"#,
                "expected true or false, found text at `/data/object/details_submitted`",
            ),
            (
                r#"{"id":"x","data":{"object":{"amount":1,"details_submitted":true,"share":{}}}}"#,
                "expected a number, found an object at `/data/object/share`",
            ),
            (r#"{"id":5}"#, "expected text, found a whole number at `/id`"),
            (r#"{"id":null}"#, "expected text, found null at `/id`"),
            (r#"{"id":"x","data":[]}"#, "expected an object, found a list at `/data`"),
            (r#"{"id":"x","data":"y"}"#, "expected an object, found text at `/data`"),
            (
                r#"{"id":"x","kind":"\"no`"}"#,
                "expected `card` or `deck`, found \"\\\"no`\" at `/kind`",
            ),
            (
                r#"{"id":"x","times":[1,300]}"#,
                "expected a whole number, 0 or more, found a whole number that does not fit at `/times/1`",
            ),
            (r#"{"id":"x","id":"y"}"#, "duplicate field `id`"),
        ] {
            let error = serde_json::from_str::<Shape>(json).unwrap_err();
            assert_eq!(describe::<Shape>(json.as_bytes(), &error, ""), says, "{json}");
        }
    }

    #[test]
    fn invalid_json_is_located_by_line_and_column() {
        for (json, says) in [
            ("{\"id\":\n x}", "expected a value at line 2 column "),
            ("{\"id\":\"x\"", "the body ends within an object at line 1 column "),
            ("{\"id\":tru}", "expected `true`, `false` or `null` at line 1 column "),
        ] {
            let error = serde_json::from_str::<Shape>(json).unwrap_err();
            let message = describe::<Shape>(json.as_bytes(), &error, "");
            assert!(message.starts_with(says), "{message}");
        }
    }

    #[test]
    fn inner_object_is_located_in_the_whole_body() {
        let json = r#"{"amount":"12"}"#;
        let error = serde_json::from_str::<Object>(json).unwrap_err();
        let says = describe::<Object>(json.as_bytes(), &error, "/data/object");
        assert_eq!(says, "expected a whole number, found text at `/data/object/amount`");
    }
}
