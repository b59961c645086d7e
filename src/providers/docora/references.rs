//! The images that a card shows: resolves its references to files of the repository.

use percent_encoding::percent_decode_str;
use pulldown_cmark::{Event, Options, Parser, Tag};

use super::path;

/// The maximum number of references of a card.
const MAX_REFERENCES: usize = 1000;
/// The maximum length of a reference, in bytes.
const MAX_REFERENCE: usize = 2048;
/// The maximum length of the examined text, in bytes.
const MAX_TEXT: usize = 1024 * 1024;

/// A reference to an image of the repository.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// As in the card, without Markdown escapes.
    pub(super) written: String,
    /// The path of the referenced file.
    pub(super) path: String,
}

/// The unique images of the repository that the Markdown text `body` of the file at `card` refers
/// to, in order. Code and formulas are skipped; external URLs, and paths that leave the repository,
/// are ignored.
pub(super) fn images(card: &str, body: &str) -> Vec<Reference> {
    let body = body.get(..body.floor_char_boundary(MAX_TEXT)).unwrap_or_default();
    let mut found: Vec<Reference> = Vec::new();
    let mut add = |written: &str| {
        if found.len() < MAX_REFERENCES
            && written.len() <= MAX_REFERENCE
            && !found.iter().any(|known| known.written == written)
            && let Some(path) = resolve(card, written)
        {
            found.push(Reference { written: written.replace('\0', "\u{fffd}"), path });
        }
    };
    let options = Options::ENABLE_TABLES | Options::ENABLE_MATH | Options::ENABLE_FOOTNOTES;
    let mut html = String::new();
    for event in Parser::new_ext(body, options) {
        // HTML blocks arrive line by line, and a tag may span several lines.
        if let Event::Html(piece) = &event {
            html.push_str(piece);
            continue;
        }
        sources(&html, &mut add);
        html.clear();
        match event {
            Event::Start(Tag::Image { dest_url, .. }) => add(&dest_url),
            Event::InlineHtml(tag) => sources(&tag, &mut add),
            _ => {}
        }
    }
    sources(&html, &mut add);
    found
}

/// Resolves `written` relative to the file at `card`; `None` if it is external or leaves the
/// repository.
fn resolve(card: &str, written: &str) -> Option<String> {
    let written = written.trim();
    if written.starts_with("//") || has_scheme(written) {
        return None;
    }
    let end = written.find(['?', '#']).unwrap_or(written.len());
    let decoded = percent_decode_str(written.get(..end)?).decode_utf8().ok()?;
    let mut names: Vec<&str> = Vec::new();
    let relative = if let Some(rooted) = decoded.strip_prefix('/') {
        rooted
    } else {
        names.extend(card.split('/'));
        names.pop();
        &*decoded
    };
    for name in relative.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()?),
            name => names.push(name),
        }
    }
    let path = names.join("/");
    // A path that would be rejected never arrives.
    let names_a_file = !matches!(path::file_name(relative), "" | "." | "..");
    (names_a_file && path::check(&path).is_ok()).then_some(path)
}

/// Whether it begins with a scheme, such as `https:` or `data:`.
fn has_scheme(written: &str) -> bool {
    written.split_once(':').is_some_and(|(scheme, _)| {
        scheme.bytes().next().is_some_and(|first| first.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    })
}

/// Passes the `src` of every `img` in `html` to `add`. Takes linear time.
fn sources(html: &str, add: &mut impl FnMut(&str)) {
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        rest = rest.get(start + 1..).unwrap_or_default();
        if let Some(after) = rest.strip_prefix("!--") {
            // A comment shows no image.
            let end = after.find("-->").map_or(after.len(), |end| end + 3);
            rest = after.get(end..).unwrap_or_default();
            continue;
        }
        let is_img = rest.get(..3).is_some_and(|name| name.eq_ignore_ascii_case("img"));
        let Some(mut tag) = rest.get(3..).filter(|after| is_img && after.starts_with(ends_name))
        else {
            continue;
        };
        while let Some((name, value, after)) = attribute(tag) {
            tag = after;
            if name.eq_ignore_ascii_case("src") {
                add(&unescape(value));
                break;
            }
        }
        rest = tag;
    }
}

fn ends_name(c: char) -> bool {
    c.is_ascii_whitespace() || c == '/' || c == '>'
}

/// The next attribute of a tag, its value, and the rest; `None` at the end of the tag.
fn attribute(tag: &str) -> Option<(&str, &str, &str)> {
    let tag = tag.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
    if tag.is_empty() || tag.starts_with('>') {
        return None;
    }
    let end = tag.find(|c: char| ends_name(c) || c == '=').unwrap_or(tag.len()).max(1);
    let (name, after) = tag.split_at_checked(end)?;
    let Some(value) = after.trim_start().strip_prefix('=').map(str::trim_start) else {
        return Some((name, "", after));
    };
    for quote in ['"', '\''] {
        if let Some(quoted) = value.strip_prefix(quote) {
            let (value, after) = quoted.split_once(quote)?;
            return Some((name, value, after));
        }
    }
    let end = value.find(|c: char| c.is_ascii_whitespace() || c == '>').unwrap_or(value.len());
    let (value, after) = value.split_at_checked(end)?;
    Some((name, value, after))
}

/// Unescapes the entities that occur in URLs.
fn unescape(value: &str) -> String {
    value.replace("&#39;", "'").replace("&quot;", "\"").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(card: &str, body: &str) -> Vec<String> {
        images(card, body).into_iter().map(|reference| reference.path).collect()
    }

    #[test]
    fn references_are_resolved_against_the_card() {
        for (written, path) in [
            ("a.png", Some("cards/legs/a.png")),
            ("./a.png", Some("cards/legs/a.png")),
            ("../a.png", Some("cards/a.png")),
            ("../../img/a.png", Some("img/a.png")),
            ("x/./y/../a.png", Some("cards/legs/x/a.png")),
            ("/img/a.png", Some("img/a.png")),
            ("<my images/a.png>", Some("cards/legs/my images/a.png")),
            ("a%20b.png", Some("cards/legs/a b.png")),
            ("caff%C3%A8.png", Some("cards/legs/caffè.png")),
            ("a.png?raw=true#top", Some("cards/legs/a.png")),
            ("a.png \"A title\"", Some("cards/legs/a.png")),
            ("a:b.png", None),
            ("./a:b.png", Some("cards/legs/a:b.png")),
            ("https://example.org/a.png", None),
            ("//example.org/a.png", None),
            ("data:image/png;base64,AAAA", None),
            ("../../../a.png", None),
            ("%2e%2e/%2e%2e/%2e%2e/etc/passwd", None),
            ("a%ff.png", None),
            ("a%00.png", None),
            ("a%5C..%5Cb.png", None),
            ("img/", None),
            ("..", None),
            ("#top", None),
            ("", None),
        ] {
            let expected: Vec<&str> = path.into_iter().collect();
            let body = format!("Text ![alt]({written}) text");
            assert_eq!(paths("cards/legs/squat.md", &body), expected, "{written}");
        }
    }

    #[test]
    fn each_kind_of_image_is_found_once_and_in_order() {
        let body = "![a](1.png) ![b][ref] ![1](1.png)\n\n| a |\n|---|\n| ![](3.png) |\n\n\
                    <p><IMG alt='x > y' width=10 SRC = \"4.png\"/></p>\n\n\
                    In a line <img src=5.png> and <img src='a&amp;b.png'>.\n\n\
                    <div>\n<img\n  class=\"wide\"\n  src=\"6.png\">\n</div>\n\n\
                    [![link](7.png)](https://example.org)\n\n[ref]: 2.png 'Two'\n";
        let expected = ["1.png", "2.png", "3.png", "4.png", "5.png", "a&b.png", "6.png", "7.png"];
        assert_eq!(paths("a.md", body), expected);
    }

    #[test]
    fn code_comments_formulas_and_links_show_no_image() {
        let body = "`![a](1.png)`\n\n```\n![a](2.png)\n<img src=2.png>\n```\n\n\
                    <!-- <img src=3.png> -->\n\n$![a](4.png)$ [a](5.png) \\![a](6.png)\n\n\
                    <imgx src=7.png> <img alt=src> &lt;img src=8.png&gt;\n";
        assert_eq!(paths("a.md", body), [""; 0]);
    }

    #[test]
    fn adversarial_card_is_examined_in_linear_time() {
        // Quadratic work over 1 MiB would not finish within a test run.
        for piece in ["<img ", "<img src=\"", "<!--", "![](", "![a](b.png)", "<", "[![](", "$$"] {
            let body = piece.repeat(MAX_TEXT / piece.len());
            assert!(images("a.md", &body).len() <= MAX_REFERENCES);
        }
        let many = (0..5_000).map(|n| format!("![]({n}.png)")).collect::<Vec<_>>().join("\n");
        assert_eq!(images("a.md", &many).len(), MAX_REFERENCES);
    }
}
