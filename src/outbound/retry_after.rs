//! When an answer asks to be asked again.

use std::time::Duration;

use time::OffsetDateTime;
use time::PrimitiveDateTime;
use time::format_description::FormatItem;
use time::macros::format_description;

/// The longest wait that an answer may ask for.
const LONGEST: Duration = Duration::from_hours(24);

/// The one form of HTTP dates that is still written.
const DATE: &[FormatItem<'_>] = format_description!(
    "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
);

/// Reads a `Retry-After` field: seconds, or an HTTP date. Bounded; a time that has passed is no
/// wait, and what is neither says nothing.
pub(super) fn parse(text: &str, now: OffsetDateTime) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are a long time too.
        return Some(text.parse().map_or(LONGEST, Duration::from_secs).min(LONGEST));
    }
    let at = PrimitiveDateTime::parse(text, DATE).ok()?.assume_utc();
    Some(Duration::try_from(at - now).unwrap_or_default().min(LONGEST))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn seconds_and_dates_are_read_and_bounded() {
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
