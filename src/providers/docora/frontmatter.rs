//! The front matter of a markdown file: YAML between two lines of three dashes, at the very top.

use serde_json::{Map, Value};
use serde_saphyr::{NonFiniteFloatPolicy, Options};

/// The maximum size of the YAML, in bytes.
const MAX_YAML: usize = 64 * 1024;
/// The maximum length of a stored YAML error, in bytes.
const MAX_ERROR: usize = 1024;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Split<'t> {
    /// The text between the fences, if both are present.
    pub(super) yaml: Option<&'t str>,
    /// The text after the fences.
    pub(super) body: &'t str,
}

/// Splits `text` in one pass over its lines.
pub(super) fn split(text: &str) -> Split<'_> {
    let content = text.strip_prefix('\u{feff}').unwrap_or(text);
    let whole = Split { yaml: None, body: content };
    let mut lines = content.split_inclusive('\n');
    let Some(open) = lines.next().filter(|line| is_fence(line)) else { return whole };
    let mut end = open.len();
    for line in lines {
        if is_fence(line) {
            return Split {
                yaml: content.get(open.len()..end),
                body: content.get(end + line.len()..).unwrap_or_default(),
            };
        }
        end += line.len();
    }
    whole
}

/// Parses YAML as a mapping; `None` if it is empty or null.
///
/// # Errors
/// The YAML error, in one or a few lines.
pub(super) fn parse(yaml: &str) -> Result<Option<Map<String, Value>>, String> {
    if yaml.len() > MAX_YAML {
        return Err(format!("front matter too large: {} bytes, limit {MAX_YAML}", yaml.len()));
    }
    if yaml.trim().is_empty() {
        return Ok(None);
    }
    match serde_saphyr::from_str_with_options::<Value>(yaml, options()) {
        Ok(Value::Object(mut map)) => {
            map.values_mut().for_each(without_nul);
            Ok(Some(
                map.into_iter()
                    .map(|(key, value)| (key.replace('\0', "\u{fffd}"), value))
                    .collect(),
            ))
        }
        Ok(Value::Null) => Ok(None),
        Ok(_) => Err("the front matter is not a mapping".into()),
        Err(error) => Err(bounded(&error.to_string())),
    }
}

/// YAML 1.2: only `true` and `false` are booleans. Alias expansion is limited.
fn options() -> Options {
    serde_saphyr::options! {
        with_snippet: false,
        strict_booleans: true,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 1_000 },
        budget: serde_saphyr::budget! {
            max_depth: 32,
            flow_nesting_limit: 32,
            max_documents: 1,
            max_aliases: 100,
            max_total_scalar_bytes: 4 * MAX_YAML,
        },
    }
}

/// `PostgreSQL` accepts no NUL in text or JSON.
fn without_nul(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('\0') => *text = text.replace('\0', "\u{fffd}"),
        Value::Array(values) => values.iter_mut().for_each(without_nul),
        Value::Object(map) => {
            map.values_mut().for_each(without_nul);
            if map.keys().any(|key| key.contains('\0')) {
                let old = std::mem::take(map);
                map.extend(
                    old.into_iter().map(|(key, value)| (key.replace('\0', "\u{fffd}"), value)),
                );
            }
        }
        _ => {}
    }
}

fn is_fence(line: &str) -> bool {
    line.strip_prefix("---")
        .is_some_and(|rest| rest.chars().all(|c| matches!(c, ' ' | '\t' | '\r' | '\n')))
}

fn bounded(message: &str) -> String {
    let message = message.trim();
    let end = message.floor_char_boundary(MAX_ERROR);
    message.get(..end).unwrap_or_default().trim_end().replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    #[test]
    fn fences_are_found_with_any_line_ending() {
        for (text, yaml, body) in [
            ("---\ntitle: A\n---\nBody\n", Some("title: A\n"), "Body\n"),
            ("---\r\ntitle: A\r\n---\r\nBody", Some("title: A\r\n"), "Body"),
            ("\u{feff}---  \na: 1\n---\t\nB", Some("a: 1\n"), "B"),
            ("---\n---\nB", Some(""), "B"),
            ("---\na: 1\n---", Some("a: 1\n"), ""),
            ("---\na: 1\n----\nB", None, "---\na: 1\n----\nB"),
            ("---\na: 1\n", None, "---\na: 1\n"),
            ("----\na\n---\n", None, "----\na\n---\n"),
            ("text\n---\na: 1\n---\n", None, "text\n---\na: 1\n---\n"),
            ("", None, ""),
            ("---", None, "---"),
        ] {
            assert_eq!(split(text), Split { yaml, body }, "{text:?}");
        }
    }

    #[test]
    fn ten_megabytes_of_dashes_are_split_in_linear_time() {
        // Quadratic work over 10 MiB would not finish within a test run.
        for text in
            ["---".repeat(10 << 20 >> 2), format!("---\n{}", "--- x\n".repeat(10 << 20 >> 3))]
        {
            assert_eq!(split(&text), Split { yaml: None, body: &text });
        }
    }

    #[test]
    fn empty_null_and_commented_out_front_matter_is_none() {
        for yaml in ["", "\n", " \r\n", "null", "~\n", "# only a comment\n"] {
            assert_eq!(parse(yaml), Ok(None), "{yaml:?}");
        }
    }

    #[test]
    fn invalid_or_oversized_yaml_is_an_error() {
        for yaml in ["title: [", "a: 1\na: 2\n", "- list\n", "just text", "a: *nowhere", "a: 'x"] {
            let error = parse(yaml).unwrap_err();
            assert!(!error.is_empty() && error.len() <= MAX_ERROR, "{yaml:?}: {error}");
        }
        assert!(parse(&"a".repeat(MAX_YAML + 1)).unwrap_err().contains("limit 65536"));
    }

    #[test]
    fn values_follow_yaml_1_2_and_contain_no_nul() {
        let map =
            parse("no: no\nday: 2024-01-02\nn: .nan\nz: \"a\\0b\"\n? \"k\\0\"\n: {\"j\\0\": 1}\n")
                .unwrap()
                .unwrap();
        let expected = serde_json::json!({
            "no": "no", "day": "2024-01-02", "n": ".nan", "z": "a\u{fffd}b",
            "k\u{fffd}": { "j\u{fffd}": 1 },
        });
        assert_eq!(Value::Object(map), expected);
    }

    #[test]
    fn alias_or_bracket_bomb_is_rejected_quickly() {
        let mut aliases = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for (name, above) in "bcdefghij".chars().zip("abcdefghi".chars()) {
            let nine = vec![format!("*{above}"); 9].join(",");
            writeln!(aliases, "{name}: &{name} [{nine}]").unwrap();
        }
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(60_000), vec!["*a"; 1_500].join(","));
        let deep = "[".repeat(MAX_YAML);
        let blocks = "- ".repeat(MAX_YAML / 2);
        let keys = "? ".repeat(MAX_YAML / 2);
        for bomb in [aliases, long, deep, blocks, keys] {
            assert!(parse(&bomb).is_err());
        }
    }
}
