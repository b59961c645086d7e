//! Serialises a JSON document in the styles of other programs.

use serde::de::IgnoredAny;

/// Deeper documents are not rewritten.
const MAX_DEPTH: usize = 64;

/// A document that keeps the spelling of its numbers and the order of its fields.
#[derive(Debug)]
pub(super) enum Node<'t> {
    /// A number, `true`, `false` or `null`, as written.
    Word(&'t str),
    Text(String),
    List(Vec<Node<'t>>),
    Map(Vec<(String, Node<'t>)>),
}

/// The layout of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spacing {
    /// Without spaces, as JavaScript writes it.
    Compact,
    /// A space after every comma and colon, as Python writes it.
    Blanks,
    /// One item per line, indented by this many spaces per level.
    Indented(u8),
    /// One item per line, indented by one tab per level.
    Tabs,
}

/// The characters that are escaped although they need not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escapes {
    /// None, as JavaScript writes it.
    Least,
    /// All non-ASCII characters, as Python writes it.
    NonAscii,
    /// Slashes and all non-ASCII characters, as PHP writes it.
    Slashes,
    /// Angle brackets and ampersands, as Go writes it.
    Markup,
}

/// One way to write a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    pub spacing: Spacing,
    pub escapes: Escapes,
    /// Whether the fields are in alphabetical order.
    pub sorted: bool,
}

impl Style {
    /// All styles that are tried.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let spacings = [
            Spacing::Compact,
            Spacing::Blanks,
            Spacing::Indented(2),
            Spacing::Indented(4),
            Spacing::Tabs,
        ];
        let escapes = [Escapes::Least, Escapes::NonAscii, Escapes::Slashes, Escapes::Markup];
        [false, true].into_iter().flat_map(move |sorted| {
            escapes.into_iter().flat_map(move |escapes| {
                spacings.into_iter().map(move |spacing| Self { spacing, escapes, sorted })
            })
        })
    }
}

/// Parses a document; `None` if it is invalid or nested too deeply.
pub(super) fn parse(text: &str) -> Option<Node<'_>> {
    // The reader below relies on this check.
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    Reader { rest: text }.value(0)
}

pub(super) fn write(node: &Node<'_>, style: Style) -> String {
    let mut text = String::new();
    write_node(&mut text, node, style, 0);
    text
}

/// Splits valid JSON into nodes.
struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    fn value(&mut self, depth: usize) -> Option<Node<'t>> {
        if depth > MAX_DEPTH {
            return None;
        }
        match self.peek()? {
            '{' => self.map(depth),
            '[' => self.list(depth),
            '"' => self.text().map(Node::Text),
            _ => {
                let is_end = |c: char| matches!(c, ',' | ']' | '}') || c.is_ascii_whitespace();
                Some(Node::Word(self.take(self.rest.find(is_end).unwrap_or(self.rest.len()))?))
            }
        }
    }

    fn map(&mut self, depth: usize) -> Option<Node<'t>> {
        let mut fields = Vec::new();
        self.skip('{')?;
        while self.peek()? != '}' {
            let name = self.text()?;
            self.skip(':')?;
            fields.push((name, self.value(depth + 1)?));
            if self.peek()? == ',' {
                self.skip(',')?;
            }
        }
        self.skip('}')?;
        Some(Node::Map(fields))
    }

    fn list(&mut self, depth: usize) -> Option<Node<'t>> {
        let mut items = Vec::new();
        self.skip('[')?;
        while self.peek()? != ']' {
            items.push(self.value(depth + 1)?);
            if self.peek()? == ',' {
                self.skip(',')?;
            }
        }
        self.skip(']')?;
        Some(Node::List(items))
    }

    fn text(&mut self) -> Option<String> {
        self.peek()?;
        let mut escaped = false;
        let end = self.rest.char_indices().skip(1).find(|(_, character)| {
            let ends = !escaped && *character == '"';
            escaped = !escaped && *character == '\\';
            ends
        });
        serde_json::from_str(self.take(end?.0 + 1)?).ok()
    }

    /// The next character that is not white space.
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_ascii_start();
        self.rest.chars().next()
    }

    fn skip(&mut self, expected: char) -> Option<()> {
        let found = self.peek()? == expected;
        self.take(expected.len_utf8()).filter(|_| found).map(drop)
    }

    fn take(&mut self, bytes: usize) -> Option<&'t str> {
        let (taken, rest) = self.rest.split_at_checked(bytes)?;
        self.rest = rest;
        Some(taken)
    }
}

fn write_node(text: &mut String, node: &Node<'_>, style: Style, depth: usize) {
    match node {
        Node::Word(word) => text.push_str(word),
        Node::Text(value) => quote(text, value, style.escapes),
        Node::List(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                separate(text, style.spacing, index, depth + 1);
                write_node(text, item, style, depth + 1);
            }
            close(text, style.spacing, items.is_empty(), depth);
            text.push(']');
        }
        Node::Map(fields) => {
            text.push('{');
            let mut order: Vec<&(String, Node<'_>)> = fields.iter().collect();
            if style.sorted {
                order.sort_by(|(one, _), (other, _)| one.cmp(other));
            }
            for (index, (name, value)) in order.into_iter().enumerate() {
                separate(text, style.spacing, index, depth + 1);
                quote(text, name, style.escapes);
                text.push_str(if style.spacing == Spacing::Compact { ":" } else { ": " });
                write_node(text, value, style, depth + 1);
            }
            close(text, style.spacing, fields.is_empty(), depth);
            text.push('}');
        }
    }
}

/// Writes the separator before an item.
fn separate(text: &mut String, spacing: Spacing, index: usize, depth: usize) {
    if index > 0 {
        text.push_str(if spacing == Spacing::Blanks { ", " } else { "," });
    }
    indent(text, spacing, depth);
}

/// Writes the white space before a closing bracket.
fn close(text: &mut String, spacing: Spacing, is_empty: bool, depth: usize) {
    if !is_empty {
        indent(text, spacing, depth);
    }
}

fn indent(text: &mut String, spacing: Spacing, depth: usize) {
    let (unit, times) = match spacing {
        Spacing::Compact | Spacing::Blanks => return,
        Spacing::Indented(width) => (' ', depth * usize::from(width)),
        Spacing::Tabs => ('\t', depth),
    };
    text.push('\n');
    text.extend(std::iter::repeat_n(unit, times));
}

fn quote(text: &mut String, value: &str, escapes: Escapes) {
    text.push('"');
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            '/' if escapes == Escapes::Slashes => text.push_str("\\/"),
            _ if is_escaped(character, escapes) => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let escape = format!("\\u{unit:04x}");
                    text.push_str(&escape);
                }
            }
            _ => text.push(character),
        }
    }
    text.push('"');
}

fn is_escaped(character: char, escapes: Escapes) -> bool {
    let by_style = match escapes {
        Escapes::Least => false,
        Escapes::NonAscii | Escapes::Slashes => !character.is_ascii(),
        Escapes::Markup => matches!(character, '<' | '>' | '&' | '\u{2028}' | '\u{2029}'),
    };
    by_style || character < ' '
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "{ \"b\" : [1.50, -2e3,[], {}],\n \"a\":\"\\u00e8/<\\ud83d\\ude00\\n\" }";

    fn written(spacing: Spacing, escapes: Escapes, sorted: bool) -> String {
        write(&parse(TEXT).unwrap(), Style { spacing, escapes, sorted })
    }

    #[test]
    fn document_is_written_in_the_style_of_each_language() {
        let compact = written(Spacing::Compact, Escapes::Least, false);
        assert_eq!(compact, "{\"b\":[1.50,-2e3,[],{}],\"a\":\"è/<😀\\n\"}");
        let python = written(Spacing::Blanks, Escapes::NonAscii, true);
        assert_eq!(python, "{\"a\": \"\\u00e8/<\\ud83d\\ude00\\n\", \"b\": [1.50, -2e3, [], {}]}");
        let php = written(Spacing::Compact, Escapes::Slashes, true);
        assert!(php.starts_with("{\"a\":\"\\u00e8\\/<"), "{php}");
        let go = written(Spacing::Compact, Escapes::Markup, true);
        assert!(go.starts_with("{\"a\":\"è/\\u003c"), "{go}");
        let two = written(Spacing::Indented(2), Escapes::Least, true);
        assert_eq!(
            two,
            "{\n  \"a\": \"è/<😀\\n\",\n  \"b\": [\n    1.50,\n    -2e3,\n    [],\n    {}\n  ]\n}"
        );
    }

    #[test]
    fn invalid_or_too_deep_document_is_not_parsed() {
        let deep = ["[", "]"].map(|bracket| bracket.repeat(100)).concat();
        for text in ["", "{", "{\"a\":1,}", "x", "[1] 2", &deep] {
            assert!(parse(text).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn rewritten_document_has_the_same_value(text in "\\PC{0,40}", number in any::<i64>()) {
            let value = serde_json::json!({ "text": text, "list": [number, null, { &text: 1 }] });
            let before = serde_json::to_string_pretty(&value).unwrap();
            for style in Style::all() {
                let again = write(&parse(&before).unwrap(), style);
                prop_assert_eq!(&serde_json::from_str::<serde_json::Value>(&again).unwrap(), &value);
            }
        }
    }
}
