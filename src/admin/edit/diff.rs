//! What an edit changes, line by line. Pure, and bounded.

use std::time::Duration;

use similar::TextDiff;

use crate::admin::pretty;

/// The longest text that is compared, in bytes; of longer ones, the beginning.
const MOST: usize = 512 * 1024;
/// The longest difference that is shown, in bytes.
const SHOWN: usize = 64 * 1024;
/// Comparing ends after this time with what it has.
const WITHIN: Duration = Duration::from_millis(500);

/// The difference as a unified diff, and whether something is left out of it. JSON is compared
/// after it is written out in lines.
pub(super) fn diff(before: &str, after: &str) -> (String, bool) {
    let ((before, before_cut), (after, after_cut)) = (in_lines(before), in_lines(after));
    let mut is_partial = before_cut || after_cut;
    let compared = TextDiff::configure().timeout(WITHIN).diff_lines(&*before, &*after);
    let text = compared.unified_diff().header("received", "edited").to_string();
    is_partial |= text.len() > SHOWN;
    (bounded(&text, SHOWN).to_owned(), is_partial)
}

/// The text in lines, and whether something is left out of it: as it was written, where it is no
/// JSON.
fn in_lines(text: &str) -> (String, bool) {
    let (mut lines, is_cut) = match pretty(text, MOST) {
        Ok(lines) => (lines.text, lines.is_cut),
        Err(_) => (bounded(text, MOST).to_owned(), text.len() > MOST),
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
    fn json_is_compared_by_its_fields() {
        let (text, partial) = diff(r#"{"a":1,"b":{"c":"x"}}"#, r#"{"a":1,"b":{"c":"y"}}"#);
        assert!(text.contains("-    \"c\": \"x\"\n+    \"c\": \"y\"\n"), "{text}");
        assert!(text.starts_with("--- received\n+++ edited\n") && !partial);
    }

    #[test]
    fn text_that_is_no_json_is_compared_as_it_is() {
        let (text, _) = diff("{\nhalf", "{\"whole\": true}");
        assert!(text.contains("-half\n") && text.contains("+  \"whole\": true\n"), "{text}");
    }

    #[test]
    fn what_is_shown_is_bounded() {
        let (text, partial) = diff(&"a\n".repeat(400_000), &"b\n".repeat(400_000));
        assert!(text.len() <= SHOWN && partial);
    }
}
