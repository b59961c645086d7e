//! The difference between two texts, line by line.

use maud::{Markup, html};

use super::visible;

/// A unified diff; its first two lines are the file headers.
pub(in crate::web::console) fn diff(unified: &str) -> Markup {
    html! {
        pre .diff tabindex="0" role="region" aria-label="Difference" {
            @for line in unified.lines().skip(2) { (shown(line)) }
        }
    }
}

fn shown(line: &str) -> Markup {
    let rest = |mark: char| line.strip_prefix(mark).map(visible);
    if let Some(text) = rest('-') {
        html! { span .gone { span .sr { "Removed: " } "\u{2212} " (text) } }
    } else if let Some(text) = rest('+') {
        html! { span .new { span .sr { "Added: " } "+ " (text) } }
    } else if line.starts_with("@@") {
        html! { span .gap { "\u{22ef}" } }
    } else {
        html! { span { " " (visible(line)) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removed_and_added_lines_are_marked() {
        let unified = "--- received\n+++ edited\n@@ -1,2 +1,2 @@\n a\n-b\n+<b>\n";
        let shown = diff(unified).into_string();
        assert!(shown.contains("\u{2212} b<") && shown.contains("+ &lt;b&gt;"), "{shown}");
        assert!(!shown.contains("received"), "{shown}");
    }
}
