//! Reads and writes the signed time in the units that senders use.

use std::borrow::Cow;

use time::format_description::well_known::{Rfc2822, Rfc3339};
use time::{OffsetDateTime, PrimitiveDateTime};

use super::values::Values;
use super::{Time, TimePlace, TimeUnit};
use crate::verify::{Refusal, UnixSeconds, parse_timestamp};

impl Time {
    /// The time as the sender wrote it; `None` if it is not there, or stands beside the signature.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] if there are two.
    pub(super) fn text<'a>(&self, values: &Values<'a>) -> Result<Option<Cow<'a, str>>, Refusal> {
        let in_body = |_| Refusal::Malformed("body");
        Ok(match &self.place {
            // A date contains a comma.
            TimePlace::Header(name) if self.unit == TimeUnit::HttpDate => {
                values.head.headers.single(name)?.map(Cow::Borrowed)
            }
            TimePlace::Header(name) => values.head.headers.token(name)?.map(Cow::Borrowed),
            TimePlace::Signature => None,
            TimePlace::Json(pointer) => values.json(pointer).map_err(in_body)?.map(Cow::Owned),
            TimePlace::Form(field) => {
                let text = values.form(field).map_err(in_body)?;
                text.map(|text| Cow::Owned(text.to_owned()))
            }
        })
    }
}

impl TimeUnit {
    /// Parses a time strictly.
    ///
    /// # Errors
    /// [`Refusal::TimestampMalformed`].
    pub(super) fn parse(self, text: &str) -> Result<UnixSeconds, Refusal> {
        let malformed = || Refusal::TimestampMalformed;
        match (self, text.len()) {
            (Self::Seconds, _) | (Self::SecondsOrMilliseconds, 10) => parse_timestamp(text),
            (Self::Milliseconds | Self::SecondsOrMilliseconds, 13) => {
                let (seconds, millis) = text.split_at_checked(10).ok_or_else(malformed)?;
                if !millis.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(malformed());
                }
                parse_timestamp(seconds)
            }
            (Self::Rfc3339, ..=40) => OffsetDateTime::parse(text, &Rfc3339)
                .or_else(|_| OffsetDateTime::parse(&format!("{text}Z"), &Rfc3339))
                .map(OffsetDateTime::unix_timestamp)
                .map_err(|_| malformed()),
            (Self::HttpDate, ..=40) => {
                let zoned = text.strip_suffix(" GMT").map(|time| format!("{time} +0000"));
                OffsetDateTime::parse(zoned.as_deref().unwrap_or(text), &Rfc2822)
                    .map(OffsetDateTime::unix_timestamp)
                    .map_err(|_| malformed())
            }
            _ => Err(malformed()),
        }
    }

    /// Writes a time as the sender would.
    pub(super) fn write(self, at: UnixSeconds) -> String {
        let time = OffsetDateTime::from_unix_timestamp(at).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        match self {
            Self::Seconds | Self::SecondsOrMilliseconds => at.to_string(),
            Self::Milliseconds => format!("{at}000"),
            Self::Rfc3339 => time.format(&Rfc3339).unwrap_or_default(),
            Self::HttpDate => {
                let format = time::macros::format_description!(
                    "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
                );
                PrimitiveDateTime::new(time.date(), time.time()).format(format).unwrap_or_default()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_read_in_every_unit() {
        use TimeUnit::{HttpDate, Milliseconds, Rfc3339, Seconds, SecondsOrMilliseconds};
        for (unit, text, expected) in [
            (Seconds, "1700000000", Some(1_700_000_000)),
            (Seconds, "01700000000", None),
            (Seconds, "+1700000000", None),
            (Milliseconds, "1700000000123", Some(1_700_000_000)),
            (Milliseconds, "1700000000", None),
            (SecondsOrMilliseconds, "1700000000", Some(1_700_000_000)),
            (SecondsOrMilliseconds, "1700000000123", Some(1_700_000_000)),
            (SecondsOrMilliseconds, "170000000", None),
            (SecondsOrMilliseconds, "17000000000", None),
            (Rfc3339, "2023-11-14T22:13:20Z", Some(1_700_000_000)),
            (Rfc3339, "2023-11-14T23:13:20.123456+01:00", Some(1_700_000_000)),
            (Rfc3339, "2023-11-14T22:13:20.5", Some(1_700_000_000)),
            (Rfc3339, "14.11.2023", None),
            (HttpDate, "Tue, 14 Nov 2023 22:13:20 GMT", Some(1_700_000_000)),
            (HttpDate, "yesterday", None),
        ] {
            assert_eq!(unit.parse(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn written_time_is_read_again() {
        use TimeUnit::{HttpDate, Milliseconds, Rfc3339, Seconds, SecondsOrMilliseconds};
        for unit in [Seconds, Milliseconds, SecondsOrMilliseconds, Rfc3339, HttpDate] {
            assert_eq!(unit.parse(&unit.write(1_700_000_000)).unwrap(), 1_700_000_000, "{unit:?}");
        }
    }
}
