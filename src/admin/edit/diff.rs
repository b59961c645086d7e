//! The unified diff of an edit. Pure, and bounded.

use std::time::Duration;

use similar::TextDiff;

use crate::admin::pretty;

/// The maximum length of the compared texts, in bytes; longer ones are truncated.
const MAX_TEXT: usize = 512 * 1024;
/// The maximum length of the diff, in bytes.
const MAX_DIFF: usize = 64 * 1024;
const TIMEOUT: Duration = Duration::from_millis(500);

/// The unified diff, and whether it is truncated. JSON is indented first.
pub(super) fn diff(before: &str, after: &str) -> (String, bool) {
    let ((before, before_cut), (after, after_cut)) = (in_lines(before), in_lines(after));
    let mut is_partial = before_cut || after_cut;
    let compared = TextDiff::configure().timeout(TIMEOUT).diff_lines(&*before, &*after);
    let text = compared.unified_diff().header("received", "edited").to_string();
    is_partial |= text.len() > MAX_DIFF;
    (bounded(&text, MAX_DIFF).to_owned(), is_partial)
}

/// The text in lines, and whether it is truncated. JSON is indented.
fn in_lines(text: &str) -> (String, bool) {
    let (mut lines, is_cut) = match pretty(text, MAX_TEXT) {
        Ok(lines) => (lines.text, lines.is_cut),
        Err(_) => (bounded(text, MAX_TEXT).to_owned(), text.len() > MAX_TEXT),
    };
    if !lines.ends_with('\n') {
        lines.push('\n');
    }
    (lines, is_cut)
}

fn bounded(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_compared_field_by_field() {
        let (text, partial) = diff(r#"{"a":1,"b":{"c":"x"}}"#, r#"{"a":1,"b":{"c":"y"}}"#);
        assert!(text.contains("-    \"c\": \"x\"\n+    \"c\": \"y\"\n"), "{text}");
        assert!(text.starts_with("--- received\n+++ edited\n") && !partial);
    }

    #[test]
    fn other_text_is_compared_unchanged() {
        let (text, _) = diff("{\nhalf", "{\"whole\": true}");
        assert!(text.contains("-half\n") && text.contains("+  \"whole\": true\n"), "{text}");
    }

    #[test]
    fn diff_is_bounded() {
        let (text, partial) = diff(&"a\n".repeat(400_000), &"b\n".repeat(400_000));
        assert!(text.len() <= MAX_DIFF && partial);
    }
}
