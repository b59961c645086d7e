//! What is wrong with JSON, for who can do something about it: which field, where in the whole body,
//! and in words of JSON rather than of this program's types. Pure, and bounded.

use serde::Deserialize;
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};

/// The longest path that is named, in characters.
const LONGEST: usize = 200;

/// What a parser asks for, and what that is called. The first that matches counts.
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
/// What serde says that it has found, and what that is called.
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
/// What the parser says of text that is not JSON, and what that means.
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

/// Says what is wrong with `json` where it should be a `T`. It stands at the path `at` of the body;
/// empty for the whole body.
pub(super) fn describe<'de, T: Deserialize<'de>>(
    json: &'de [u8],
    error: &serde_json::Error,
    at: &str,
) -> String {
    let text = error.to_string();
    if error.classify() != Category::Data {
        // Where it is not JSON, there is nothing but its raw text, and lines and columns are of that.
        let known = SYNTAX.iter().find_map(|(said, means)| {
            text.strip_prefix(said).map(|place| format!("{means}{place}"))
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

/// The message without its line and column: they are of raw text that nobody sees so.
fn without_place(text: &str) -> &str {
    let Some((message, place)) = text.rsplit_once(" at line ") else { return text };
    let is_place = place.split(" column ").all(|part| part.bytes().all(|b| b.is_ascii_digit()));
    if is_place { message } else { text }
}

fn missing(message: &str) -> Option<String> {
    message.strip_prefix("missing field ").map(|name| format!("{name} is missing"))
}

/// A struct is also read from a list, by position: one of another length says so.
fn list(message: &str) -> Option<String> {
    let is_list = message.starts_with("invalid length ") && message.contains(", expected struct ");
    is_list.then(|| "expected an object, found a list".to_owned())
}

/// `invalid type: string "x", expected i64`, and the like.
fn mismatch(message: &str) -> Option<String> {
    let (kind, rest) = message.split_once(": ")?;
    if !matches!(kind, "invalid type" | "invalid value") {
        return None;
    }
    let (found, expected) = rest.rsplit_once(", expected ")?;
    let found = FOUND.iter().find(|(said, _)| found.starts_with(said)).map(|(_, means)| *means);
    let fits = if kind == "invalid value" { " that does not fit" } else { "" };
    Some(format!("expected {}, found {}{fits}", wanted(expected), found.unwrap_or("another value")))
}

/// What serde says of a word that it does not know: that was found as a value, and stands in
/// quotes.
fn variant(message: &str) -> Option<String> {
    let rest = message.strip_prefix("unknown variant `")?;
    let (found, expected) = rest.split_once("`, expected ")?;
    Some(format!("expected {expected}, found {found:?}"))
}

fn wanted(expected: &str) -> String {
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
    let known = EXPECTED.iter().find(|(said, _)| expected.starts_with(said));
    known.map_or_else(|| expected.to_owned(), |(_, means)| (*means).to_owned())
}

/// Where in the body it is, as a JSON pointer.
fn path<'de, T: Deserialize<'de>>(json: &'de [u8], at: &str) -> String {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let read: Result<T, _> = serde_path_to_error::deserialize(&mut reader);
    let inner = read.err().map(|error| pointer(error.path())).unwrap_or_default();
    let whole: String = format!("{at}{inner}").chars().take(LONGEST).collect();
    whole
}

fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        let part = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
            // What stands between is not in the body.
            Segment::Enum { .. } => continue,
            Segment::Unknown => break,
        };
        pointer.push('/');
        // A name in a body may hold anything.
        pointer
            .extend(part.chars().map(|c| if c.is_control() || c == '`' { '\u{fffd}' } else { c }));
    }
    pointer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only the reading is of interest")]
    struct Shape {
        id: String,
        data: Option<Data>,
        kind: Option<Kind>,
        times: Option<Vec<u8>>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only the reading is of interest")]
    struct Data {
        object: Object,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only the reading is of interest")]
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
    fn a_fault_says_which_field_and_where_and_in_words_of_json() {
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
    fn what_is_no_json_says_where_in_the_text_it_ends_to_be_some() {
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
    fn an_inner_object_is_named_by_its_place_in_the_body() {
        let json = r#"{"amount":"12"}"#;
        let error = serde_json::from_str::<Object>(json).unwrap_err();
        let says = describe::<Object>(json.as_bytes(), &error, "/data/object");
        assert_eq!(says, "expected a whole number, found text at `/data/object/amount`");
    }
}
