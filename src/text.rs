//! Text for terminals and pages: one format for ages, sizes and times, and one way to make
//! untrusted text safe to show.

use std::borrow::Cow;

use time::macros::format_description;
use time::{Duration, OffsetDateTime, UtcOffset};

/// Untrusted text on one line: characters that could control a terminal or mislead a reader are
/// escaped.
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, is_unsafe)
}

/// The same for text with several lines.
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |character| is_unsafe(character) && !matches!(character, '\n' | '\t'))
}

/// Whether a character could control a terminal or mislead a reader: control characters, line and
/// paragraph separators, bidirectional marks, and characters without width.
pub fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
                | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
                | '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}'
        )
}

fn escaped(text: &str, is_unsafe: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_unsafe(character) {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

/// A number with thousands separators.
pub fn number(n: impl Into<i128>) -> String {
    let n: i128 = n.into();
    let digits = n.unsigned_abs().to_string();
    let mut shown = String::from(if n < 0 { "\u{2212}" } else { "" });
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push('\u{202f}');
        }
        shown.push(digit);
    }
    shown
}

/// A size in bytes, for users.
pub fn size(bytes: u64) -> String {
    let scaled = |unit: u64| format!("{}.{}", bytes / unit, bytes % unit * 10 / unit);
    match bytes {
        1 => "1 byte".to_owned(),
        0..1024 => format!("{} bytes", number(bytes)),
        1024..1_048_576 => format!("{} KiB", scaled(1024)),
        1_048_576..1_073_741_824 => format!("{} MiB", scaled(1_048_576)),
        _ => format!("{} GiB", scaled(1_073_741_824)),
    }
}

/// A time to the second, in UTC. Append `Z` unless the time zone is stated elsewhere.
pub fn time(at: OffsetDateTime) -> String {
    let form = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    at.to_offset(UtcOffset::UTC).format(form).unwrap_or_default()
}

/// A duration in its largest unit.
pub fn age(span: Duration) -> String {
    let seconds = span.whole_seconds().max(0);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NASTY: &str = "a\u{1b}]0;title\u{7}\r\nb\u{9b}2J\u{202e}c\u{e0041}é";

    #[test]
    fn untrusted_text_is_made_safe_to_show() {
        assert_eq!(line(NASTY), r"a\u{1b}]0;title\u{7}\r\nb\u{9b}2J\u{202e}c\u{e0041}é");
        assert_eq!(lines("a\tb\nc\r\u{1b}"), "a\tb\nc\\r\\u{1b}");
        assert!(matches!(line("plain é"), Cow::Borrowed(_)));
        for hidden in ['\u{ad}', '\u{2028}', '\u{2029}', '\u{fff9}', '\u{e0041}', '\u{3164}'] {
            assert!(lines(&format!("a{hidden}b")).contains("\\u{"), "{hidden:?}");
        }
    }

    #[test]
    fn numbers_sizes_and_durations_are_readable() {
        let numbers = [0_i64, 12, 1234, -1_234_567].map(number);
        assert_eq!(numbers, ["0", "12", "1\u{202f}234", "\u{2212}1\u{202f}234\u{202f}567"]);
        assert_eq!(
            [0, 1, 1023, 1536, 5_242_880].map(size),
            ["0 bytes", "1 byte", "1\u{202f}023 bytes", "1.5 KiB", "5.0 MiB"]
        );
        let spans = [-5, 59, 60, 7200, 86_400 * 3].map(|s| age(Duration::seconds(s)));
        assert_eq!(spans, ["0 s", "59 s", "1 min", "2 h", "3 d"]);
    }
}
