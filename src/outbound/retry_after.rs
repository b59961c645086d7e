//! Parses `Retry-After`.

use std::time::Duration;

use time::OffsetDateTime;
use time::PrimitiveDateTime;
use time::format_description::FormatItem;
use time::macros::format_description;

const MAX_DELAY: Duration = Duration::from_hours(24);

/// The only format of HTTP dates still in use.
const DATE: &[FormatItem<'_>] = format_description!(
    "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
);

/// Parses seconds or an HTTP date, bounded. A date in the past is no delay; invalid text is `None`.
pub(super) fn parse(text: &str, now: OffsetDateTime) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit: the maximum.
        return Some(text.parse().map_or(MAX_DELAY, Duration::from_secs).min(MAX_DELAY));
    }
    let at = PrimitiveDateTime::parse(text, DATE).ok()?.assume_utc();
    Some(Duration::try_from(at - now).unwrap_or_default().min(MAX_DELAY))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn seconds_and_dates_are_parsed_and_bounded() {
        let now = datetime!(2026-11-20 12:00:00.5 UTC);
        for (text, expected) in [
            ("0", Some(0.0)),
            ("7", Some(7.0)),
            (" 120 ", Some(120.0)),
            ("86400", Some(86_400.0)),
            ("86401", Some(86_400.0)),
            ("99999999999999999999999999", Some(86_400.0)),
            ("Fri, 20 Nov 2026 12:00:30 GMT", Some(29.5)),
            ("Fri, 20 Nov 2026 11:59:30 GMT", Some(0.0)),
            ("Tue, 20 Nov 2096 12:00:00 GMT", Some(86_400.0)),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("soon", None),
            ("١", None),
            ("Fri, 20 Nov 2026 12:00:30 +0000", None),
            ("Fri, 31 Feb 2026 12:00:30 GMT", None),
        ] {
            assert_eq!(parse(text, now), expected.map(Duration::from_secs_f64), "{text:?}");
        }
    }
}
