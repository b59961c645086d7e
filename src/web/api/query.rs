//! What is asked for in the query: once each, and nothing that the call does not know.

use std::future::{Ready, ready};

use actix_web::error::QueryPayloadError;
use actix_web::{FromRequest, HttpRequest, dev, web};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::cursor;
use crate::web::denial::Denial;

/// The longest query, in bytes: a text that is looked for may be written in escapes.
const MAX: usize = 8 * 1024;
/// The most items of a page.
const MOST: u32 = 200;
/// How many items a page has where nobody says.
const USUAL: u32 = 50;

/// The query, as `T`; where `T` denies unknown fields, so does the call.
pub(in crate::web) struct Query<T>(pub(in crate::web) T);

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = Denial;
    type Future = Ready<Result<Self, Denial>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        ready(read(request.query_string()))
    }
}

fn read<T: DeserializeOwned>(text: &str) -> Result<Query<T>, Denial> {
    if text.len() > MAX {
        return Err(Denial::Malformed("the query is longer than 8 KiB".into()));
    }
    match web::Query::<T>::from_query(text) {
        Ok(query) => Ok(Query(query.into_inner())),
        Err(QueryPayloadError::Deserialize(error)) => {
            Err(Denial::Malformed(error.to_string().into()))
        }
        Err(_) => Err(Denial::Malformed("the query cannot be read".into())),
    }
}

/// How many items a page may have: 1 to 200, 50 where nobody says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Limit(u32);

impl Limit {
    /// As it is asked of the database: one more, so that it shows whether there is a next page.
    pub(super) fn and_one(self) -> u32 {
        self.0 + 1
    }

    /// As it is, for what tells by itself whether there is a next page.
    pub(super) fn exactly(self) -> u32 {
        self.0
    }

    /// The most items of the page.
    pub(super) fn most(self) -> usize {
        self.0 as usize
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(USUAL)
    }
}

impl TryFrom<String> for Limit {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let limit = whole(&text).filter(|limit| (1..=u64::from(MOST)).contains(limit));
        let limit = limit.and_then(|limit| u32::try_from(limit).ok());
        limit.map(Self).ok_or("`limit` is a number from 1 to 200")
    }
}

/// The id of something that is counted from 1, as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Number(pub(super) i64);

impl TryFrom<String> for Number {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let id = whole(&text).and_then(|id| i64::try_from(id).ok()).filter(|id| *id >= 1);
        id.map(Self).ok_or("an id is a number from 1")
    }
}

/// The name of a source, a handler or a destination, as it is asked for: 1 to 100 visible
/// characters.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Name(pub(super) String);

impl TryFrom<String> for Name {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let shaped = (1..=100).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if shaped { Ok(Self(text)) } else { Err("a name has 1 to 100 visible ASCII characters") }
    }
}

/// Something to compare with, as it is asked for: 1 to 256 characters, none of them a control
/// character.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Text(pub(super) String);

impl TryFrom<String> for Text {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let shaped = (1..=256).contains(&text.chars().count()) && !text.contains(char::is_control);
        if shaped { Ok(Self(text)) } else { Err("a text has 1 to 256 characters, none of control") }
    }
}

/// The beginning of an id: hexadecimal digits, with hyphens between them.
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
        if shaped { Ok(Self(text)) } else { Err("an id begins with 1 to 32 hexadecimal digits") }
    }
}

/// A time, as RFC 3339 writes it; within what the database can compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Time(pub(super) OffsetDateTime);

impl TryFrom<String> for Time {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let time = OffsetDateTime::parse(&text, &Rfc3339);
        time.map(|time| Self(cursor::within(time)))
            .map_err(|_| "a time is written as RFC 3339 says")
    }
}

/// An age in whole seconds, of at most a hundred years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Seconds(pub(super) u64);

/// The most [`Seconds`].
pub(super) const CENTURY: u64 = 3_155_760_000;

impl TryFrom<String> for Seconds {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let seconds = whole(&text).filter(|seconds| *seconds <= CENTURY);
        seconds.map(Self).ok_or("an age is a number of seconds from 0 to 3155760000")
    }
}

/// A number, as it is written in decimal and in no other way.
fn whole(text: &str) -> Option<u64> {
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
    fn a_limit_is_one_to_two_hundred_and_fifty_by_itself() {
        assert_eq!(asked("").unwrap().limit, Limit(50));
        assert_eq!(asked("limit=1").unwrap().limit, Limit(1));
        assert_eq!(asked("limit=200").unwrap().limit, Limit(200));
        for wrong in ["0", "201", "-1", "+1", "1.0", "", "99999999999999999999"] {
            let error = asked(&format!("limit={wrong}")).unwrap_err();
            assert!(error.contains("1 to 200"), "{wrong}: {error}");
        }
    }

    #[test]
    fn what_is_not_known_or_stands_twice_is_named() {
        assert_eq!(asked("source=a").unwrap().source, Some(Name("a".into())));
        assert!(asked("colour=red").unwrap_err().contains("`colour`"));
        assert!(asked("source=a&source=b").unwrap_err().contains("`source`"));
        assert!(asked("source=%00").unwrap_err().contains("visible"));
        assert!(asked(&format!("source={}", "a".repeat(8192))).is_err());
    }
}
