//! Words, numbers and times.

use maud::{Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Duration, OffsetDateTime, UtcOffset};

/// What stays as it is in a part of a path or a query.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// How a word of status is meant. The colour says it too, never alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http::console) enum Tone {
    /// As it should be.
    Good,
    /// Under way.
    Calm,
    /// To be looked at in time.
    Warn,
    /// To be looked at now.
    Bad,
    /// Neither.
    Plain,
}

impl Tone {
    /// Its class in the stylesheet.
    pub(in crate::http::console) fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Calm => "calm",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Plain => "",
        }
    }

    /// How a stored state, result or resolution is meant.
    pub(in crate::http::console) fn of(word: &str) -> Self {
        match word {
            "done" | "ok" | "verified" | "replayed" | "told" | "active" | "good" => Self::Good,
            "ready" | "leased" | "running" | "planned" | "duplicate" | "open" | "waiting" => {
                Self::Calm
            }
            "retry" | "failing" | "paused" | "lost" | "warning" | "told to wait" | "pending"
            | "invited" | "quarantined" | "unconfigured" | "stale" | "expiring" => Self::Warn,
            "dead" | "critical" | "refused" | "refusing" | "failed" | "disabled" | "expired"
            | "silent" | "revoked" => Self::Bad,
            _ => Self::Plain,
        }
    }
}

/// A word of status.
pub(in crate::http::console) fn word(word: &str, tone: Tone) -> Markup {
    html! { span class={ "word " (tone.class()) } { (said(word)) } }
}

/// What a stranger wrote, on one line or many: control characters, and those that turn the
/// direction of what follows, are made visible.
pub(in crate::http::console) fn said(text: &str) -> String {
    let turns = |c: char| {
        matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
                    | '\u{feff}' | '\u{061c}')
    };
    if !text.chars().any(|c| (c.is_control() && c != '\n' && c != '\t') || turns(c)) {
        return text.to_owned();
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' | '\t' => shown.push(c),
            // The end of a line in what Windows wrote.
            '\r' => shown.push('\u{240d}'),
            c if c.is_control() || turns(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    shown
}

/// The beginning of a text, at most `most` characters and of one line.
pub(in crate::http::console) fn short(text: &str, most: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    let mut shown: String = line.chars().take(most).collect();
    if shown.len() < text.len() {
        shown.push('\u{2026}');
    }
    said(&shown)
}

/// A part of a path or a query, encoded.
pub(in crate::http::console) fn link_path(part: &str) -> String {
    utf8_percent_encode(part, PLAIN).to_string()
}

/// A number, its digits in threes.
pub(in crate::http::console) fn number(n: impl Into<i128>) -> String {
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

/// A number of things.
pub(in crate::http::console) fn count(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(n), if n == 1 { one } else { many })
}

/// A size in bytes, as people read it.
pub(in crate::http::console) fn size(bytes: u64) -> String {
    let scaled = |unit: u64| format!("{}.{}", bytes / unit, bytes % unit * 10 / unit);
    match bytes {
        0..1024 => count(bytes, "byte", "bytes"),
        1024..1_048_576 => format!("{} KiB", scaled(1024)),
        1_048_576..1_073_741_824 => format!("{} MiB", scaled(1_048_576)),
        _ => format!("{} GiB", scaled(1_073_741_824)),
    }
}

/// A time, to the second, in UTC.
pub(in crate::http::console) fn utc(at: OffsetDateTime) -> String {
    let form = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    at.to_offset(UtcOffset::UTC).format(form).unwrap_or_default()
}

fn machine(at: OffsetDateTime) -> String {
    at.to_offset(UtcOffset::UTC).format(&Rfc3339).unwrap_or_default()
}

/// How long, in its greatest unit.
pub(in crate::http::console) fn age(span: Duration) -> String {
    let seconds = span.whole_seconds().max(0);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// How long something took, to the millisecond.
pub(in crate::http::console) fn took(span: Duration) -> String {
    let millis = span.whole_milliseconds().max(0);
    if millis < 1000 {
        return format!("{millis} ms");
    }
    format!("{}.{:02} s", millis / 1000, millis % 1000 / 10)
}

/// How far `at` is from `now`.
fn distance(at: OffsetDateTime, now: OffsetDateTime) -> String {
    match at - now {
        span if span.abs() < Duration::SECOND => "now".to_owned(),
        span if span.is_positive() => format!("in {}", age(span)),
        span => format!("{} ago", age(span.abs())),
    }
}

/// A time as its distance from `now`, with the time itself on hover.
pub(in crate::http::console) fn when(at: OffsetDateTime, now: OffsetDateTime) -> Markup {
    html! { time .nowrap datetime=(machine(at)) title={ (utc(at)) " UTC" } { (distance(at, now)) } }
}

/// A time in full, with its distance from `now` on hover.
pub(in crate::http::console) fn stamp(at: OffsetDateTime, now: OffsetDateTime) -> Markup {
    html! { time .nowrap datetime=(machine(at)) title={ (utc(at)) " UTC, " (distance(at, now)) } { (utc(at)) } }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn what_would_turn_or_hide_other_text_is_made_visible() {
        assert_eq!(said("plain\ttext\nof two lines"), "plain\ttext\nof two lines");
        assert_eq!(said("a\u{202e}b\u{1b}[31m\u{0}"), "a\\u{202e}b\\u{1b}[31m\\u{0}");
        assert_eq!(short("first\nsecond", 40), "first\u{2026}");
        assert_eq!(short("abcdef", 3), "abc\u{2026}");
        assert_eq!(short("abc", 3), "abc");
    }

    #[test]
    fn numbers_sizes_and_spans_are_said_as_people_say_them() {
        let numbers = [0_i64, 12, 1234, -1_234_567].map(number);
        assert_eq!(numbers, ["0", "12", "1\u{202f}234", "\u{2212}1\u{202f}234\u{202f}567"]);
        assert_eq!(
            [1, 1023, 1536, 5_242_880].map(size),
            ["1 byte", "1\u{202f}023 bytes", "1.5 KiB", "5.0 MiB"]
        );
        let spans = [59, 60, 7200, 86_400 * 3].map(|s| age(Duration::seconds(s)));
        assert_eq!(spans, ["59 s", "1 min", "2 h", "3 d"]);
        assert_eq!([12, 1_234].map(|ms| took(Duration::milliseconds(ms))), ["12 ms", "1.23 s"]);
    }

    #[test]
    fn a_time_says_when_it_was_for_people_and_machines() {
        let (at, now) = (datetime!(2026-11-20 12:00 UTC), datetime!(2026-11-20 12:05 UTC));
        let shown = when(at, now).into_string();
        assert!(shown.contains(r#"datetime="2026-11-20T12:00:00Z""#), "{shown}");
        assert!(shown.contains(r#"title="2026-11-20 12:00:00 UTC">5 min ago<"#), "{shown}");
        assert!(when(now, at).into_string().contains(">in 5 min<"));
        assert!(when(now, now).into_string().contains(">now<"));
    }
}
