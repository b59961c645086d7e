//! Values in requests to the admin API, checked while they are read.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Number;
use utoipa::ToSchema;

use super::Reason;

/// An integer in JSON; `7.0` is accepted.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "Number")]
pub struct Whole(i64);

/// A numeric id, from 1.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(try_from = "Whole")]
#[schema(minimum = 1, maximum = 9_223_372_036_854_775_807_u64)]
pub struct Id(i64);

/// A count, at least 1.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(try_from = "Whole")]
#[schema(minimum = 1, maximum = 4_294_967_295_u64)]
pub struct Count(u32);

/// An age in whole seconds, at most a hundred years.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(try_from = "Whole")]
#[schema(minimum = 0, maximum = 3_155_760_000_u64)]
pub struct Age(u64);

/// The name of a source, handler or destination: 1 to 100 visible characters.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Name(pub String);

impl Whole {
    pub fn get(self) -> i64 {
        self.0
    }
}

impl Age {
    /// The largest age, in seconds: a hundred years.
    pub const MAX: u64 = 3_155_760_000;

    /// An age in whole seconds, for a request.
    pub fn seconds(age: Duration) -> u64 {
        age.as_secs().min(Self::MAX)
    }
}

impl TryFrom<Number> for Whole {
    type Error = &'static str;

    fn try_from(number: Number) -> Result<Self, Self::Error> {
        let written_out = || {
            let number = number.as_f64().filter(|number| number.fract() == 0.0)?;
            format!("{number:.0}").parse().ok()
        };
        number.as_i64().or_else(written_out).map(Self).ok_or("expected an integer")
    }
}

impl TryFrom<Whole> for Id {
    type Error = &'static str;

    fn try_from(Whole(id): Whole) -> Result<Self, Self::Error> {
        if id >= 1 { Ok(Self(id)) } else { Err("invalid id: expected a number from 1") }
    }
}

impl TryFrom<Whole> for Count {
    type Error = &'static str;

    fn try_from(Whole(count): Whole) -> Result<Self, Self::Error> {
        let count = u32::try_from(count).ok().filter(|count| *count >= 1);
        count.map(Self).ok_or("expected a number from 1 to 4294967295")
    }
}

impl TryFrom<Whole> for Age {
    type Error = &'static str;

    fn try_from(Whole(seconds): Whole) -> Result<Self, Self::Error> {
        let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds <= Self::MAX);
        seconds.map(Self).ok_or("invalid age: expected a number of seconds from 0 to 3155760000")
    }
}

impl TryFrom<String> for Name {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let shaped = (1..=100).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if shaped {
            Ok(Self(text))
        } else {
            Err("invalid name: expected 1 to 100 visible ASCII characters")
        }
    }
}

pub(super) fn id<'de, D: Deserializer<'de>>(input: D) -> Result<Option<i64>, D::Error> {
    Ok(Option::<Id>::deserialize(input)?.map(|Id(id)| id))
}

pub(super) fn ids<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<i64>, D::Error> {
    Ok(Vec::<Id>::deserialize(input)?.into_iter().map(|Id(id)| id).collect())
}

pub(super) fn count<'de, D: Deserializer<'de>>(input: D) -> Result<Option<u32>, D::Error> {
    Ok(Option::<Count>::deserialize(input)?.map(|Count(count)| count))
}

/// A struct, from an object only: serde also reads it from an array of its fields.
pub(super) fn object<'de, D, T>(input: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Object<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(fields))
        }
    }

    input.deserialize_map(Object(PhantomData))
}

pub(super) mod seconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::Age;

    #[expect(clippy::ref_option, reason = "the signature that serde calls")]
    pub(in crate::admin) fn serialize<S: Serializer>(
        age: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match age {
            Some(age) => to.serialize_u64(Age::seconds(*age)),
            None => to.serialize_none(),
        }
    }

    pub(in crate::admin) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<Age>::deserialize(from)?.map(|Age(seconds)| Duration::from_secs(seconds)))
    }
}

pub(super) fn name<'de, D: Deserializer<'de>>(input: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<Name>::deserialize(input)?.map(|Name(name)| name))
}

pub(super) fn reason<'de, D: Deserializer<'de>>(input: D) -> Result<String, D::Error> {
    Reason::deserialize(input).map(String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_may_have_a_zero_fraction() {
        for (text, whole) in [
            ("7", Some(7)),
            ("7.0", Some(7)),
            ("-0.0", Some(0)),
            ("1e3", Some(1000)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("1e300", None),
            ("7.5", None),
            ("\"7\"", None),
        ] {
            assert_eq!(serde_json::from_str(text).ok().map(Whole::get), whole, "{text}");
        }
    }
}
