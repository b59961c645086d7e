//! Badges, numbers, ids and times.

use maud::{Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime, UtcOffset};

use crate::text::{self, time};
pub(in crate::web::console) use crate::text::{age, number, size, time as utc};

/// Characters that are not percent-encoded in a path segment or a query value.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The number of characters of an id shown in lists: the last group of a UUID.
const TAIL: usize = 12;

/// The tone of a badge. The colour never carries the meaning alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web::console) enum BadgeTone {
    Good,
    /// In progress.
    Calm,
    /// Needs attention.
    Warn,
    /// Needs attention immediately.
    Bad,
    Plain,
    /// A value unknown to this version: it is marked as such.
    Unknown,
}

impl BadgeTone {
    pub(in crate::web::console) fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Calm => "calm",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Plain => "",
            Self::Unknown => "unknown",
        }
    }

    /// The tone of a stored state, result or resolution.
    pub(in crate::web::console) fn of(word: &str) -> Self {
        match word {
            "done" | "ok" | "verified" | "replayed" | "active" | "good" => Self::Good,
            "ready" | "leased" | "running" | "planned" | "duplicate" | "open" | "waiting" => {
                Self::Calm
            }
            "retry" | "failing" | "paused" | "lost" | "warning" | "backing off" | "pending"
            | "invited" | "quarantined" | "unconfigured" | "stale" | "expiring" | "rejecting"
            | "oversize" | "wrong path" | "given up" => Self::Warn,
            "dead" | "critical" | "refused" | "refusing" | "failed" | "disabled" | "expired"
            | "silent" | "revoked" => Self::Bad,
            "discarded"
            | "unblocked"
            | "info"
            | "closed"
            | "resolution"
            | "ignored"
            | "unchanged"
            | "handled"
            | "deferred"
            | "cancelled"
            | "edited"
            | "erased"
            | "none"
            | "unused"
            | "retired"
            | "current"
            | "used"
            | "enabled"
            | "complete"
            | "gone"
            | "no longer configured"
            | "unused: safe to remove"
            | "whole"
            | "superseded"
            | "received again"
            | "received with another body" => Self::Plain,
            _ => Self::Unknown,
        }
    }
}

pub(in crate::web::console) fn badge(word: &str, tone: BadgeTone) -> Markup {
    html! { span class={ "word " (tone.class()) } {
        (visible(word)) @if tone == BadgeTone::Unknown { " (unknown)" }
    } }
}

/// Untrusted text: invisible and bidirectional characters are escaped.
pub(in crate::web::console) fn visible(written: &str) -> String {
    // A CRLF line ending.
    if written.contains('\r') {
        return text::lines(&written.replace('\r', "\u{240d}")).into_owned();
    }
    text::lines(written).into_owned()
}

/// The first line of a text, truncated to `most` characters.
pub(in crate::web::console) fn short(text: &str, most: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    let mut shown: String = line.chars().take(most).collect();
    if shown.len() < text.len() {
        shown.push('\u{2026}');
    }
    visible(&shown)
}

/// A dotted name, such as `customer.subscription.updated` or `to:app`. It wraps only after a
/// separator, never within a word.
pub(in crate::web::console) fn name(written: &str) -> Markup {
    html! {
        span .said.name {
            @for (place, part) in visible(written).split_inclusive(['.', ':', '_']).enumerate() {
                @if place > 0 { wbr; }
                (part)
            }
        }
    }
}

/// A shortened id: lists show its end, where ids created together differ. The full id is shown on
/// hover and is what gets copied.
pub(in crate::web::console) fn id(full: &str) -> Markup {
    let from = full.char_indices().rev().nth(TAIL - 1).map_or(0, |(at, _)| at);
    let (head, tail) = full.split_at_checked(from).unwrap_or(("", full));
    html! { span .id title=(visible(full)) { span .head { (visible(head)) } (visible(tail)) } }
}

/// Percent-encodes a path segment or a query value.
pub(in crate::web::console) fn link_path(part: &str) -> String {
    utf8_percent_encode(part, PLAIN).to_string()
}

/// A number with its noun, singular or plural.
pub(in crate::web::console) fn count(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(n), if n == 1 { one } else { many })
}

/// A time as the value of a `datetime-local` field, to the minute, in UTC.
pub(in crate::web::console) fn typed(at: OffsetDateTime) -> String {
    let at = at.to_offset(UtcOffset::UTC);
    format!("{}T{:02}:{:02}", at.date(), at.hour(), at.minute())
}

fn machine(at: OffsetDateTime) -> String {
    at.to_offset(UtcOffset::UTC).format(&Rfc3339).unwrap_or_default()
}

/// A duration, to the millisecond.
pub(in crate::web::console) fn took(span: Duration) -> String {
    let millis = span.whole_milliseconds().max(0);
    if millis < 1000 {
        return format!("{millis} ms");
    }
    format!("{}.{:02} s", millis / 1000, millis % 1000 / 10)
}

/// The distance of `at` from `now`.
fn distance(at: OffsetDateTime, now: OffsetDateTime) -> String {
    match at - now {
        span if span.abs() < Duration::SECOND => "now".to_owned(),
        span if span.is_positive() => format!("in {}", age(span)),
        span => format!("{} ago", age(span.abs())),
    }
}

/// A relative time, with the absolute time on hover.
pub(in crate::web::console) fn when(at: OffsetDateTime, now: OffsetDateTime) -> Markup {
    html! { time .nowrap datetime=(machine(at)) title={ (time(at)) " UTC" } { (distance(at, now)) } }
}

/// An absolute time, with the relative time on hover.
pub(in crate::web::console) fn stamp(at: OffsetDateTime, now: OffsetDateTime) -> Markup {
    html! { time .nowrap datetime=(machine(at)) title={ (time(at)) " UTC, " (distance(at, now)) } { (time(at)) } }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn invisible_and_bidirectional_characters_are_escaped() {
        assert_eq!(visible("plain\ttext\nof two lines"), "plain\ttext\nof two lines");
        assert_eq!(visible("a\u{202e}b\u{1b}[31m\u{0}"), "a\\u{202e}b\\u{1b}[31m\\u{0}");
        assert_eq!(short("first\nsecond", 40), "first\u{2026}");
        assert_eq!(short("abcdef", 3), "abc\u{2026}");
        assert_eq!(short("abc", 3), "abc");
    }

    #[test]
    fn names_wrap_at_separators_and_ids_are_complete() {
        let shown = name("to:legacy.app_one-two").into_string();
        assert!(shown.contains(">to:<wbr>legacy.<wbr>app_<wbr>one-two<"), "{shown}");
        assert!(name("ledger").into_string().contains(">ledger<"));
        assert!(!name("<b>").into_string().contains("<b>"));
        let whole = "01a1f8d3-ea00-76e7-8aa4-9d3367bd1df2";
        let shown = id(whole).into_string();
        assert!(shown.contains(&format!("title=\"{whole}\"")), "{shown}");
        assert!(shown.contains(">01a1f8d3-ea00-76e7-8aa4-</span>9d3367bd1df2</span>"), "{shown}");
        assert!(id("7").into_string().contains("></span>7</span>"));
    }

    #[test]
    fn unknown_words_are_marked() {
        assert_eq!(BadgeTone::of("a state of tomorrow"), BadgeTone::Unknown);
        assert!(badge("new", BadgeTone::of("new")).into_string().contains("new (unknown)"));
        assert!(!badge("dead", BadgeTone::of("dead")).into_string().contains("unknown"));
    }

    #[test]
    fn durations_are_readable() {
        assert_eq!([12, 1_234].map(|ms| took(Duration::milliseconds(ms))), ["12 ms", "1.23 s"]);
    }

    #[test]
    fn times_have_relative_and_machine_readable_forms() {
        let (at, now) = (datetime!(2026-11-20 12:00 UTC), datetime!(2026-11-20 12:05 UTC));
        let shown = when(at, now).into_string();
        assert!(shown.contains(r#"datetime="2026-11-20T12:00:00Z""#), "{shown}");
        assert!(shown.contains(r#"title="2026-11-20 12:00:00 UTC">5 min ago<"#), "{shown}");
        assert!(when(now, at).into_string().contains(">in 5 min<"));
        assert!(when(now, now).into_string().contains(">now<"));
        assert_eq!(typed(now), "2026-11-20T12:05");
    }
}
