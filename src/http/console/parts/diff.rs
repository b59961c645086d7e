//! What an edit changes, line by line.

use maud::{Markup, html};
use similar::{ChangeTag, TextDiff};

use super::said;

/// How many lines around a change are shown.
const AROUND: usize = 3;

/// The difference between two texts; `None` when there is none.
pub(in crate::http::console) fn diff(old: &str, new: &str) -> Option<Markup> {
    let diff = TextDiff::from_lines(old, new);
    let groups = diff.grouped_ops(AROUND);
    if groups.is_empty() {
        return None;
    }
    Some(html! {
        pre .diff tabindex="0" role="region" aria-label="The difference" {
            @for (place, group) in groups.iter().enumerate() {
                @if place > 0 { span .gap { "\u{22ef}" } }
                @for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
                    (line(change.tag(), change.value()))
                }
            }
        }
    })
}

fn line(tag: ChangeTag, text: &str) -> Markup {
    let text = said(text.trim_end_matches(['\n', '\r']));
    match tag {
        ChangeTag::Delete => html! { span .gone { span .sr { "Removed: " } "\u{2212} " (text) } },
        ChangeTag::Insert => html! { span .new { span .sr { "Added: " } "+ " (text) } },
        ChangeTag::Equal => html! { span { "  " (text) } },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_what_goes_and_what_comes_as_text() {
        assert!(diff("a\n", "a\n").is_none());
        let shown = diff("a\nb\n", "a\n<b>\n").unwrap().into_string();
        assert!(shown.contains("\u{2212} b<") && shown.contains("+ &lt;b&gt;"), "{shown}");
    }
}
