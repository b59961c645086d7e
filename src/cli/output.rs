//! Standard output: aligned tables as text, or JSON.
//!
//! Stored text comes from clients. Characters that could control a terminal or mislead its reader
//! are escaped, in text ([`line`]) and in JSON.

use std::borrow::Cow;
use std::io::{self, Write as _};

use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::{Exit, colour};
use crate::text::{self, is_unsafe};
pub(super) use crate::text::{age, line, lines, size};

/// The columns with a state, which has a colour.
const STATES: [&str; 3] = ["STATE", "SEVERITY", "STATUS"];
/// Minimum width of a column.
const NARROWEST: usize = 8;

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// Text.
    Text,
    /// JSON.
    Json,
}

/// Prints a text. A closed pipe is not an error.
pub(super) fn print(text: &str) -> io::Result<()> {
    print_on(text).map(|_| ())
}

/// Prints and flushes a text; false when the pipe is closed.
pub(super) fn print_on(text: &str) -> io::Result<bool> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true),
    }
}

/// Prints a text, or one JSON document on a line.
pub(super) fn print_as(format: Format, text: &str, document: &impl Serialize) -> io::Result<()> {
    match format {
        Format::Text => print(text),
        Format::Json => print(&json(document)),
    }
}

/// Prints a list: a table, or one JSON document on each line. An empty list matches nothing.
pub(super) fn list<T: Serialize>(
    format: Format,
    items: &[T],
    table: impl FnOnce(&[T]) -> String,
) -> io::Result<Exit> {
    if items.is_empty() {
        return Ok(Exit::NothingMatched);
    }
    print(&match format {
        Format::Text => table(items),
        Format::Json => items.iter().map(json).collect(),
    })?;
    Ok(Exit::Ok)
}

/// One JSON document on a line.
pub(super) fn json(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    let mut text = String::new();
    // These characters occur only inside JSON strings, where `\u` is a valid escape.
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

/// A table with aligned columns. On a terminal, long cells are truncated to fit its width, except
/// in the first column, which holds names and IDs.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let most = terminal_size::terminal_size().map(|(width, _)| width.0.into());
    table_within(head, rows, most, colour::is_on())
}

/// The same with a maximum width, and with or without colour for states.
fn table_within(
    head: &[&str],
    rows: &[Vec<String>],
    most: Option<usize>,
    is_coloured: bool,
) -> String {
    let names = head;
    let head: Vec<String> = head.iter().map(|&name| name.to_owned()).collect();
    let lines: Vec<Vec<Cow<'_, str>>> = std::iter::once(&head)
        .chain(rows)
        .map(|row| row.iter().map(|cell| line(cell)).collect())
        .collect();
    let mut widths = vec![0; head.len()];
    for row in &lines {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.width().max(*width);
        }
    }
    if let Some(most) = most {
        fit(&mut widths, most);
    }
    let mut text = String::new();
    for (place, row) in lines.iter().enumerate() {
        let cells = row.iter().zip(&widths).zip(names).map(|((cell, &width), name)| {
            let shown = padded(cell, width);
            // Coloured last: the width of a cell is that of its text.
            let is_state = is_coloured && place > 0 && STATES.contains(name);
            if is_state { colour::painted(&shown) } else { shown }
        });
        let cells: Vec<String> = cells.collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Says how many rows a table leaves out, if any.
pub(super) fn more(shown: usize, all: u64) -> String {
    let shown = u64::try_from(shown).unwrap_or(u64::MAX);
    match all.saturating_sub(shown) {
        left if left > 0 && shown > 0 => format!("\u{2026} and {left} more\n"),
        _ => String::new(),
    }
}

/// Shrinks the widest columns until all fit; the first one is never shrunk.
fn fit(widths: &mut [usize], most: usize) {
    let gaps = widths.len().saturating_sub(1) * 2;
    loop {
        let taken: usize = widths.iter().sum::<usize>() + gaps;
        let widest = widths.iter_mut().skip(1).max();
        match widest {
            Some(width) if taken > most && *width > NARROWEST => {
                *width = width.saturating_sub(taken - most).max(NARROWEST);
            }
            _ => return,
        }
    }
}

/// A cell padded or truncated to a width.
fn padded(cell: &str, width: usize) -> String {
    let own = cell.width();
    if own <= width {
        return format!("{cell}{}", " ".repeat(width - own));
    }
    let (mut cut, mut taken) = (String::new(), 0);
    for character in cell.chars() {
        let wide = character.width().unwrap_or(0);
        if taken + wide + 1 > width {
            break;
        }
        cut.push(character);
        taken += wide;
    }
    format!("{cut}\u{2026}{}", " ".repeat(width.saturating_sub(taken + 1)))
}

/// A time as text.
pub(super) fn time(at: OffsetDateTime) -> String {
    format!("{}Z", text::time(at))
}

/// A time as RFC 3339.
pub(super) fn rfc3339(at: OffsetDateTime) -> Value {
    at.format(&Rfc3339).map_or(Value::Null, Value::String)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NASTY: &str = "a\u{1b}]0;title\u{7}\r\nb\u{9b}2J\u{202e}c\u{e0041}é";

    #[test]
    fn json_holds_no_raw_control_and_reads_back_as_what_it_was() {
        let text = json(&json!({ "text": NASTY }));
        assert!(!text.trim_end().contains(is_unsafe), "{text:?}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["text"], NASTY);
    }

    #[test]
    fn a_table_fits_the_terminal_and_names_stay_whole() {
        let rows = [
            vec!["01234567890123456789".into(), "x".repeat(60), "y".repeat(30), "end".into()],
            vec!["1".into(), "\u{4e00}".repeat(40), String::new(), "z".into()],
        ];
        let text = table_within(&["ID", "ERROR", "TARGET", "STATE"], &rows, Some(70), false);
        for line in text.lines() {
            assert!(line.width() <= 70, "{} {line}", line.width());
        }
        assert!(text.contains("01234567890123456789  xxx") && text.contains('\u{2026}'), "{text}");
        assert!(text.contains("  end\n") && text.contains("STATE\n"), "{text}");
        let narrow = table_within(&["ID", "ERROR"], &rows[..1], Some(10), false);
        assert!(narrow.contains("01234567890123456789  xxxxxxx\u{2026}\n"), "{narrow}");
    }

    #[test]
    fn states_are_coloured_and_widths_are_those_of_the_text() {
        let rows = [
            vec!["done".into(), "done".into(), "end".into()],
            vec!["b".into(), "failed".into(), "end".into()],
            vec!["c".into(), "other".into(), "end".into()],
        ];
        assert_eq!(
            table_within(&["ID", "STATE", "DEAD"], &rows, None, true),
            "ID    STATE   DEAD\n\
             done  \u{1b}[32mdone\u{1b}[0m    end\n\
             b     \u{1b}[31mfailed\u{1b}[0m  end\n\
             c     other   end\n"
        );
    }

    #[test]
    fn columns_are_aligned_by_characters_and_lines_do_not_break() {
        let rows = [vec!["é".into(), "1\n2".into()], vec!["longer".into(), "x".into()]];
        assert_eq!(table(&["A", "B"], &rows), "A       B\né       1\\n2\nlonger  x\n");
    }
}
