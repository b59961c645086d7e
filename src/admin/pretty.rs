//! Indents JSON as text, so that numbers, strings and the order of fields stay as received. Pure,
//! and bounded: a few bytes of brackets can expand to many of white space.

use serde::de::IgnoredAny;

/// Indented JSON, possibly truncated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pretty {
    pub text: String,
    /// Whether the end is missing.
    pub is_cut: bool,
}

/// Indents JSON, up to about `most` bytes.
///
/// # Errors
/// When the text is not JSON.
pub fn pretty(json: &str, most: usize) -> Result<Pretty, serde_json::Error> {
    serde_json::from_str::<IgnoredAny>(json)?;
    let mut out = Pretty { text: String::with_capacity(json.len().min(most)), is_cut: false };
    let mut depth = 0;
    let mut rest = json.chars().peekable();
    while let Some(next) = rest.next() {
        if out.text.len() > most {
            out.is_cut = true;
            break;
        }
        match next {
            '{' | '[' => {
                out.text.push(next);
                while rest.next_if(char::is_ascii_whitespace).is_some() {}
                if let Some(end) = rest.next_if(|c| matches!(c, '}' | ']')) {
                    out.text.push(end);
                } else {
                    depth += 1;
                    out.line(depth);
                }
            }
            '}' | ']' => {
                depth -= 1;
                out.line(depth);
                out.text.push(next);
            }
            ',' => {
                out.text.push(next);
                out.line(depth);
            }
            ':' => out.text.push_str(": "),
            '"' => {
                out.text.push(next);
                let mut is_escaped = false;
                for inner in rest.by_ref() {
                    out.text.push(inner);
                    if inner == '"' && !is_escaped {
                        break;
                    }
                    is_escaped = inner == '\\' && !is_escaped;
                }
            }
            _ if next.is_ascii_whitespace() => {}
            _ => out.text.push(next),
        }
    }
    Ok(out)
}

impl Pretty {
    fn line(&mut self, depth: usize) {
        self.text.push('\n');
        self.text.extend(std::iter::repeat_n("  ", depth));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_json_is_indented_without_changes() {
        let json = r#" {"b":[1.10, -2e400,{} ,[ ]],"a":"x, {\"y\":\\"  ,"b":null}"#;
        let lines = pretty(json, 1000).unwrap();
        let expected = concat!(
            "{\n  \"b\": [\n    1.10,\n    -2e400,\n    {},\n    []\n  ],\n",
            "  \"a\": \"x, {\\\"y\\\":\\\\\",\n  \"b\": null\n}",
        );
        assert_eq!((lines.text.as_str(), lines.is_cut), (expected, false));
        assert!(pretty("{", 1000).is_err() && pretty("", 1000).is_err());
    }

    #[test]
    fn output_is_bounded() {
        let json =
            format!("{}{}{}", "[".repeat(100), vec!["0"; 100_000].join(","), "]".repeat(100));
        let lines = pretty(&json, 10_000).unwrap();
        assert!(lines.is_cut && lines.text.len() < 10_300, "{}", lines.text.len());
    }
}
