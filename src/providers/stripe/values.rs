//! Ids, amounts and times in Stripe's payloads, restricted to what the database can store. Money is
//! a whole number of minor units.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// The id of an object, ours or Stripe's, restricted to what fits into an index and a message.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Id(String);

/// The text is not an id.
#[derive(Debug, thiserror::Error)]
#[error("an id is empty, longer than {MAX} characters, or contains control \
         characters", MAX = Id::MAX)]
pub(super) struct BadId;

impl Id {
    /// Metadata values have at most 500 characters, Stripe's own ids at most 255.
    const MAX: usize = 500;

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Id {
    type Error = BadId;

    fn try_from(text: String) -> Result<Self, BadId> {
        let fits = (1..=Self::MAX).contains(&text.chars().count());
        if fits && !text.contains(char::is_control) { Ok(Self(text)) } else { Err(BadId) }
    }
}

/// A non-negative count: of minor units, items or attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "i64")]
pub(super) struct Amount(i64);

impl Amount {
    pub(super) fn get(self) -> i64 {
        self.0
    }
}

impl TryFrom<i64> for Amount {
    type Error = &'static str;

    fn try_from(units: i64) -> Result<Self, Self::Error> {
        if units < 0 { Err("an amount is negative") } else { Ok(Self(units)) }
    }
}

/// A currency: three lower-case letters.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Currency(String);

impl Currency {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Currency {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let shaped = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_lowercase());
        if shaped { Ok(Self(text)) } else { Err("a currency is not three lower-case letters") }
    }
}

/// A value from one of Stripe's lists, such as a status. The lists may grow, so any well-formed
/// value is stored unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Word(String);

impl Word {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Word {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let letter = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
        if (1..=60).contains(&text.len()) && text.bytes().all(letter) {
            Ok(Self(text))
        } else {
            Err("invalid status, expected a name such as `past_due`")
        }
    }
}

/// A time as Stripe writes it: whole seconds in a snapshot event, ISO 8601 in a thin one. Converted
/// to UTC and not before 1970, so that the database can store it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment(pub(super) OffsetDateTime);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl Visitor<'_> for Read {
            type Value = Moment;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("seconds since 1970 or an ISO 8601 time")
            }

            fn visit_u64<E: serde::de::Error>(self, seconds: u64) -> Result<Moment, E> {
                let time = i64::try_from(seconds).ok();
                let time = time.and_then(|time| OffsetDateTime::from_unix_timestamp(time).ok());
                time.map(Moment).ok_or_else(|| E::custom("the time is beyond the year 9999"))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Moment, E> {
                let time = OffsetDateTime::parse(text, &Rfc3339).map_err(E::custom)?;
                let time = time.checked_to_offset(UtcOffset::UTC);
                time.filter(|time| *time >= OffsetDateTime::UNIX_EPOCH)
                    .map(Moment)
                    .ok_or_else(|| E::custom("the time is not between 1970 and 9999"))
            }
        }

        deserializer.deserialize_any(Read)
    }
}
