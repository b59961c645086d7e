//! Reads signed JSON into typed values, with a closed set of reasons for failures.

mod fault;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use super::Quarantine;

/// Reads a JSON object as `T`.
///
/// # Errors
/// The [`Quarantine`] reason and a description. It is never a refusal: an authentic request is
/// stored whatever its content.
pub fn parse<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, (Quarantine, String)> {
    parse_at(body, "")
}

/// As [`parse`], for an object inside a body, at the JSON pointer `at`.
///
/// # Errors
/// As [`parse`]; paths are relative to the whole body.
pub fn parse_at<'de, T: Deserialize<'de>>(
    json: &'de [u8],
    at: &str,
) -> Result<T, (Quarantine, String)> {
    let to_error =
        |error| (quarantine_reason(json, &error), fault::describe::<T>(json, &error, at));
    let read = serde_json::from_slice(json).map_err(to_error)?;
    // serde also reads a struct from an array, by position; no sender writes that.
    if json.trim_ascii_start().first() != Some(&b'{') {
        let what = if at.is_empty() { "the body".to_owned() } else { format!("`{at}`") };
        return Err((Quarantine::Schema, format!("{what} is not an object")));
    }
    Ok(read)
}

/// Maps a parser error to a quarantine reason.
pub fn quarantine_reason(body: &[u8], error: &serde_json::Error) -> Quarantine {
    if body.is_empty() {
        return Quarantine::EmptyBody;
    }
    if std::str::from_utf8(body).is_err() {
        return Quarantine::NotUtf8;
    }
    let text = error.to_string();
    if text.starts_with("number out of range") {
        return Quarantine::NumberRange;
    }
    match error.classify() {
        Category::Data if text.starts_with("duplicate field") => Quarantine::DuplicateKey,
        Category::Data => Quarantine::Schema,
        // serde also reads a struct from an array, by position: an array that is too long counts as
        // a syntax error, although it is JSON.
        Category::Syntax if is_array(body) => Quarantine::Schema,
        Category::Syntax | Category::Eof | Category::Io => Quarantine::NotJson,
    }
}

fn is_array(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'[')
        && serde_json::from_slice::<IgnoredAny>(body).is_ok()
}

/// A string of at most `MAX` bytes; any other value is skipped without being built.
struct Text<const MAX: usize>(Option<String>);

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Find<const MAX: usize>;

        impl<'de, const MAX: usize> Visitor<'de> for Find<MAX> {
            type Value = Text<MAX>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("any value")
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text((text.len() <= MAX).then(|| text.to_owned())))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Text(None))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
                Ok(Text(None))
            }

            fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
                Ok(Text(None))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Text(None))
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Text(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Text(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Text(None))
            }
        }

        deserializer.deserialize_any(Find::<MAX>)
    }
}

/// The maximum length of a string that is read from an unverified body, in bytes.
const MAX_TEXT: usize = 8 * 1024;

/// The string under `field` at the top level of a JSON object, if the body is one.
pub(super) fn top_level_text(body: &[u8], field: &str) -> Option<String> {
    struct Find<'f>(&'f str);

    impl<'de> Visitor<'de> for Find<'_> {
        type Value = Option<String>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = None;
            while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                if key == self.0 {
                    found = map.next_value::<Text<MAX_TEXT>>()?.0;
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(found)
        }
    }

    serde_json::Deserializer::from_slice(body).deserialize_map(Find(field)).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only deserialization is tested")]
    struct Shape {
        id: u32,
    }

    #[test]
    fn each_invalid_body_has_its_reason() {
        for (body, reason) in [
            (&b""[..], Quarantine::EmptyBody),
            (b"\xff\xfe\x00\x80", Quarantine::NotUtf8),
            (b"\xef\xbb\xbf{\"id\":1}", Quarantine::NotJson),
            (b"{\"id\":1", Quarantine::NotJson),
            (b"{\"id\":\"\0\"}", Quarantine::NotJson),
            (b"a=b&c=d", Quarantine::NotJson),
            (b"{\"id\":1,\"id\":2}", Quarantine::DuplicateKey),
            (b"{\"id\":1,\"\\u0069d\":2}", Quarantine::DuplicateKey),
            (b"{\"id\":1e999999}", Quarantine::NumberRange),
            (b"{\"id\":\"x\"}", Quarantine::Schema),
            (b"{}", Quarantine::Schema),
            (b"[]", Quarantine::Schema),
            (b"[1]", Quarantine::Schema),
            (b"[1,2]", Quarantine::Schema),
            (b"[1,[2],{}]", Quarantine::Schema),
            (b"[1,2", Quarantine::NotJson),
            (b"[1,2]]", Quarantine::NotJson),
            (b"null", Quarantine::Schema),
        ] {
            assert_eq!(parse::<Shape>(body).unwrap_err().0, reason, "{body:?}");
        }
    }

    #[test]
    fn token_is_found_at_the_top_level_only() {
        assert_eq!(top_level_text(br#"{"a":1,"t":"x","b":{}}"#, "t").as_deref(), Some("x"));
        assert_eq!(top_level_text(br#"{"a":{"t":"x"}}"#, "t"), None);
        assert_eq!(top_level_text(br#"{"t":5}"#, "t"), None);
        for other in ["null", "true", "-1", "1.5", "[\"x\"]", "{\"t\":\"x\"}"] {
            assert_eq!(top_level_text(format!("{{\"t\":{other}}}").as_bytes(), "t"), None);
        }
        let long = format!("{{\"t\":\"{}\"}}", "x".repeat(MAX_TEXT + 1));
        assert_eq!(top_level_text(long.as_bytes(), "t"), None);
        assert_eq!(top_level_text(b"not json", "t"), None);
    }
}
