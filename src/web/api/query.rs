//! Query parameters: unknown and repeated parameters are rejected.

use std::future::{Ready, ready};

use actix_web::error::QueryPayloadError;
use actix_web::{FromRequest, HttpRequest, dev, web};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::cursor;
use crate::admin::Age;
pub(super) use crate::admin::Name;
use crate::web::denial::Denial;

/// The longest query, in bytes; a search text may be percent-encoded.
const MAX_QUERY: usize = 8 * 1024;
const MAX_LIMIT: u32 = 200;
const DEFAULT_LIMIT: u32 = 50;

/// The query, as `T`, which must deny unknown fields.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = Denial;
    type Future = Ready<Result<Self, Denial>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        ready(read(request.query_string()))
    }
}

fn read<T: DeserializeOwned>(text: &str) -> Result<Query<T>, Denial> {
    if text.len() > MAX_QUERY {
        return Err(Denial::Malformed("query string longer than 8 KiB".into()));
    }
    match web::Query::<T>::from_query(text) {
        Ok(query) => Ok(Query(query.into_inner())),
        Err(QueryPayloadError::Deserialize(error)) => {
            Err(Denial::Malformed(error.to_string().into()))
        }
        Err(_) => Err(Denial::Malformed("invalid query string".into())),
    }
}

/// Page size: 1 to 200, default 50.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Limit(u32);

impl Limit {
    /// The number of rows to query: one extra row shows whether there is a next page.
    pub(super) fn and_one(self) -> u32 {
        self.0 + 1
    }

    /// The page size, for queries that report a next page themselves.
    pub(super) fn exactly(self) -> u32 {
        self.0
    }

    pub(super) fn most(self) -> usize {
        self.0 as usize
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(DEFAULT_LIMIT)
    }
}

impl TryFrom<String> for Limit {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let limit = decimal(&text).filter(|limit| (1..=u64::from(MAX_LIMIT)).contains(limit));
        let limit = limit.and_then(|limit| u32::try_from(limit).ok());
        limit.map(Self).ok_or("invalid `limit`: expected a number from 1 to 200")
    }
}

/// A numeric id, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Number(pub(super) i64);

impl TryFrom<String> for Number {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let id = decimal(&text).and_then(|id| i64::try_from(id).ok()).filter(|id| *id >= 1);
        id.map(Self).ok_or("invalid id: expected a number from 1")
    }
}

/// A text to compare with: 1 to 256 characters without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Text(pub(super) String);

impl TryFrom<String> for Text {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let shaped = (1..=256).contains(&text.chars().count()) && !text.contains(char::is_control);
        if shaped {
            Ok(Self(text))
        } else {
            Err("invalid text: expected 1 to 256 characters without control characters")
        }
    }
}

/// A prefix of an id: hexadecimal digits and hyphens.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Beginning(pub(super) String);

impl TryFrom<String> for Beginning {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let digits = text.bytes().filter(u8::is_ascii_hexdigit).count();
        let shaped = (1..=32).contains(&digits)
            && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
            && !text.starts_with('-')
            && !text.contains("--");
        if shaped {
            Ok(Self(text))
        } else {
            Err("invalid id prefix: expected 1 to 32 hexadecimal digits")
        }
    }
}

/// A time in RFC 3339, within the range of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Time(pub(super) OffsetDateTime);

impl TryFrom<String> for Time {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let time = OffsetDateTime::parse(&text, &Rfc3339);
        time.map(|time| Self(cursor::within(time))).map_err(|_| "invalid time: expected RFC 3339")
    }
}

/// An age in whole seconds, at most a hundred years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Seconds(pub(super) u64);

impl TryFrom<String> for Seconds {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let seconds = decimal(&text).filter(|seconds| *seconds <= Age::MAX);
        seconds.map(Self).ok_or("invalid age: expected a number of seconds from 0 to 3155760000")
    }
}

/// A number in canonical decimal form.
fn decimal(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Asked {
        #[serde(default)]
        limit: Limit,
        source: Option<Name>,
    }

    fn asked(text: &str) -> Result<Asked, String> {
        match read::<Asked>(text) {
            Ok(Query(asked)) => Ok(asked),
            Err(Denial::Malformed(detail)) => Err(detail.into_owned()),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn limit_is_1_to_200_and_defaults_to_50() {
        assert_eq!(asked("").unwrap().limit, Limit(50));
        assert_eq!(asked("limit=1").unwrap().limit, Limit(1));
        assert_eq!(asked("limit=200").unwrap().limit, Limit(200));
        for wrong in ["0", "201", "-1", "+1", "1.0", "", "99999999999999999999"] {
            let error = asked(&format!("limit={wrong}")).unwrap_err();
            assert!(error.contains("1 to 200"), "{wrong}: {error}");
        }
    }

    #[test]
    fn unknown_and_repeated_parameters_are_named() {
        assert_eq!(asked("source=a").unwrap().source, Some(Name("a".into())));
        assert!(asked("colour=red").unwrap_err().contains("`colour`"));
        assert!(asked("source=a&source=b").unwrap_err().contains("`source`"));
        assert!(asked("source=%00").unwrap_err().contains("visible"));
        assert!(asked(&format!("source={}", "a".repeat(8192))).is_err());
    }
}
