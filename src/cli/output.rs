//! Standard output: plain aligned tables for people, JSON for machines.
//!
//! Stored text was written by strangers. Before it reaches a terminal its control characters, and
//! those that turn the direction of writing, are spelled out; in JSON they are escaped.

use std::borrow::Cow;
use std::io::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Prints a text. A reader that has gone away is no error.
pub(super) fn print(text: &str) -> io::Result<()> {
    print_on(text).map(|_| ())
}

/// Prints a text at once; false when its reader has gone away.
pub(super) fn print_on(text: &str) -> io::Result<bool> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true),
    }
}

/// Prints in the way that was asked for: a text, or one JSON document on a line.
pub(super) fn print_as(format: Format, text: &str, document: &Value) -> io::Result<()> {
    match format {
        Format::Text => print(text),
        Format::Json => print(&json(document)),
    }
}

/// One JSON document on a line.
pub(super) fn json(value: &Value) -> String {
    let mut text = String::new();
    // What JSON leaves as it is stands inside a string there, where `\u` is an escape too.
    for character in value.to_string().chars() {
        if is_unsafe(character) {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                let escape = format!("\\u{unit:04x}");
                text.push_str(&escape);
            }
        } else {
            text.push(character);
        }
    }
    text.push('\n');
    text
}

/// A table whose columns are aligned; the last one is as long as it is.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|&word| word.to_owned()).collect();
    let lines: Vec<Vec<Cow<'_, str>>> = std::iter::once(&head)
        .chain(rows)
        .map(|row| row.iter().map(|cell| line(cell)).collect())
        .collect();
    let mut widths = vec![0; head.len()];
    for row in &lines {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in &lines {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Stored text on one line.
pub(super) fn line(text: &str) -> Cow<'_, str> {
    escape(text, is_unsafe)
}

/// Stored text that may have several lines.
pub(super) fn lines(text: &str) -> Cow<'_, str> {
    escape(text, |character| is_unsafe(character) && !matches!(character, '\n' | '\t'))
}

/// Bytes that are no text, for machines.
pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// A time, for people: UTC, to the second.
pub(super) fn time(at: OffsetDateTime) -> String {
    at.format(format_description!("[year]-[month]-[day] [hour]:[minute]:[second]Z"))
        .unwrap_or_default()
}

/// A time, for machines.
pub(super) fn rfc3339(at: OffsetDateTime) -> Value {
    at.format(&Rfc3339).map_or(Value::Null, Value::String)
}

/// A span of time in its two largest units.
pub(super) fn age(span: time::Duration) -> String {
    let seconds = span.whole_seconds().max(0);
    let parts = [(seconds / 86_400, 'd'), (seconds / 3600 % 24, 'h'), (seconds / 60 % 60, 'm')];
    match parts {
        [(0, _), (0, _), (0, _)] => format!("{seconds}s"),
        [(0, _), (0, _), (minutes, _)] => format!("{minutes}m{}s", seconds % 60),
        [(0, _), (hours, _), (minutes, _)] => format!("{hours}h{minutes}m"),
        [(days, _), (hours, _), _] => format!("{days}d{hours}h"),
    }
}

fn escape(text: &str, is_unsafe: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unsafe(character) {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

/// Whether it could steer a terminal or mislead its reader: controls of both sets, line and
/// paragraph separators, marks that turn the direction of writing, and what has no width.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NASTY: &str = "a\u{1b}]0;title\u{7}\r\nb\u{9b}2J\u{202e}c\u{e0041}é";

    #[test]
    fn stored_text_cannot_steer_a_terminal() {
        assert_eq!(line(NASTY), r"a\u{1b}]0;title\u{7}\r\nb\u{9b}2J\u{202e}c\u{e0041}é");
        assert_eq!(lines("a\tb\nc\r\u{1b}"), "a\tb\nc\\r\\u{1b}");
        assert!(matches!(line("plain é"), Cow::Borrowed(_)));
    }

    #[test]
    fn json_holds_no_raw_control_and_reads_back_as_what_it_was() {
        let text = json(&json!({ "text": NASTY }));
        assert!(!text.trim_end().contains(is_unsafe), "{text:?}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["text"], NASTY);
    }

    #[test]
    fn columns_are_aligned_by_characters_and_lines_do_not_break() {
        let rows = [vec!["é".into(), "1\n2".into()], vec!["longer".into(), "x".into()]];
        assert_eq!(table(&["A", "B"], &rows), "A       B\né       1\\n2\nlonger  x\n");
    }

    #[test]
    fn an_age_shows_its_two_largest_units() {
        let age = |seconds| age(time::Duration::seconds(seconds));
        assert_eq!(age(-5), "0s");
        assert_eq!(age(59), "59s");
        assert_eq!(age(61), "1m1s");
        assert_eq!(age(3661), "1h1m");
        assert_eq!(age(90_061), "1d1h");
    }
}
