//! Reading JSON that a sender signed: typed, and with a closed word for what is wrong.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;

use super::Quarantine;

/// Reads a body, a JSON object, as `T`.
///
/// # Errors
/// The [`Quarantine`] reason and what the parser said: never a refusal, since what is authentic
/// is kept whatever its content.
pub fn parse<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, (Quarantine, String)> {
    let read = serde_json::from_slice(body)
        .map_err(|error| (classify(body, &error), error.to_string()))?;
    // A struct is also read from an array, by position; no sender writes one so.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err((Quarantine::Schema, "the body is not an object".to_owned()));
    }
    Ok(read)
}

/// Which of the closed reasons a parser's error is.
pub fn classify(body: &[u8], error: &serde_json::Error) -> Quarantine {
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
        Category::Syntax | Category::Eof | Category::Io => Quarantine::NotJson,
    }
}

/// The text under `field` at the top level of a JSON object, if the body is one.
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
                    found = map.next_value::<serde_json::Value>()?.as_str().map(str::to_owned);
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
    #[expect(dead_code, reason = "only the reading is of interest")]
    struct Shape {
        id: u32,
    }

    #[test]
    fn every_kind_of_bad_body_has_its_word() {
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
            (b"null", Quarantine::Schema),
        ] {
            assert_eq!(parse::<Shape>(body).unwrap_err().0, reason, "{body:?}");
        }
    }

    #[test]
    fn a_token_is_found_at_the_top_level_only() {
        assert_eq!(top_level_text(br#"{"a":1,"t":"x","b":{}}"#, "t").as_deref(), Some("x"));
        assert_eq!(top_level_text(br#"{"a":{"t":"x"}}"#, "t"), None);
        assert_eq!(top_level_text(br#"{"t":5}"#, "t"), None);
        assert_eq!(top_level_text(b"not json", "t"), None);
    }
}
