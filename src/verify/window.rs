//! Freshness: the accepted age of a signed timestamp.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Refusal;

/// Seconds since 1970-01-01T00:00:00Z.
pub type UnixSeconds = i64;

/// The freshness window of a source. Past and future have separate limits: with an absolute
/// difference a captured request would live twice as long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The maximum age, in seconds.
    pub max_age: i64,
    /// The maximum distance into the future, in seconds.
    pub max_future: i64,
}

/// Where the sender signs a time: in a timestamp, to which the window applies, in a token, which says
/// itself how long it is valid, or nowhere.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, strum::Display,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum SignedTime {
    /// In a timestamp.
    #[default]
    Timestamp,
    /// In the claims of a token.
    Token,
    /// Nowhere: an old request is recognized by its deduplication key only.
    None,
}

impl Window {
    /// Checks `signed_at` against `now`; returns the skew, `now − signed_at` in seconds.
    ///
    /// # Errors
    /// [`Refusal::Stale`] or [`Refusal::Future`]; the limits are inclusive.
    pub fn check(&self, signed_at: UnixSeconds, now: UnixSeconds) -> Result<i64, Refusal> {
        let skew = now.checked_sub(signed_at).ok_or(Refusal::TimestampMalformed)?;
        if skew > self.max_age {
            return Err(Refusal::Stale { seconds: skew - self.max_age });
        }
        if skew < -self.max_future {
            return Err(Refusal::Future { seconds: -(skew + self.max_future) });
        }
        Ok(skew)
    }
}

/// Parses a timestamp as senders write it: ASCII digits without sign, space or leading zero.
///
/// `i64::from_str` would also accept `+1` and `01`: other bytes for the same number, so a signed
/// text would have more than one spelling.
///
/// # Errors
/// [`Refusal::TimestampMalformed`] for anything else, and for more than 11 digits.
pub fn parse_timestamp(text: &str) -> Result<UnixSeconds, Refusal> {
    let digits = text.as_bytes();
    let shaped = matches!(digits.len(), 1..=11)
        && digits.iter().all(u8::is_ascii_digit)
        && digits.first().is_some_and(|first| *first != b'0');
    if !shaped {
        return Err(Refusal::TimestampMalformed);
    }
    text.parse().map_err(|_| Refusal::TimestampMalformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { max_age: 300, max_future: 60 };

    #[test]
    fn limits_are_inclusive() {
        assert_eq!(WINDOW.check(1_000, 1_300).unwrap(), 300);
        assert!(matches!(WINDOW.check(1_000, 1_301), Err(Refusal::Stale { seconds: 1 })));
        assert_eq!(WINDOW.check(1_060, 1_000).unwrap(), -60);
        assert!(matches!(WINDOW.check(1_061, 1_000), Err(Refusal::Future { seconds: 1 })));
    }

    #[test]
    fn extreme_timestamp_does_not_wrap() {
        assert!(WINDOW.check(i64::MIN, 1_700_000_000).is_err());
        assert!(WINDOW.check(i64::MAX, 1_700_000_000).is_err());
    }

    #[test]
    fn only_plain_decimal_digits_are_accepted() {
        assert_eq!(parse_timestamp("1700000000").unwrap(), 1_700_000_000);
        for bad in [
            "",
            "0",
            "01700000000",
            "+1700000000",
            "-1",
            " 1700000000",
            "1700000000 ",
            "1.7e9",
            "1_700_000_000",
            "0x65",
            "１７００００００００",
            "1700000000.5",
            "170000000000",
            "9223372036854775807",
            "Infinity",
            "NaN",
        ] {
            assert!(parse_timestamp(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
