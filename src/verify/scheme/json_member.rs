//! Finds a member of a JSON document without building the document: the body of an unverified
//! request may be of any shape.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A member that occurs twice: two readers could disagree about which one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Repeated;

/// The member at a JSON pointer, as it is written; `None` if there is none, or no JSON.
pub(super) fn find<'b>(body: &'b [u8], pointer: &str) -> Result<Option<&'b RawValue>, Repeated> {
    let Ok(mut at) = serde_json::from_slice::<&RawValue>(body) else { return Ok(None) };
    for name in pointer.split('/').skip(1) {
        let name = name.replace("~1", "/").replace("~0", "~");
        let mut json = serde_json::Deserializer::from_str(at.get());
        match (Member { name: &name }).deserialize(&mut json) {
            Ok(Found::One(member)) => at = member,
            Ok(Found::Nothing) | Err(_) => return Ok(None),
            Ok(Found::Several) => return Err(Repeated),
        }
    }
    Ok(Some(at))
}

enum Found<'b> {
    Nothing,
    One(&'b RawValue),
    Several,
}

/// Reads one member of an object or a list, and skips the others.
struct Member<'n> {
    name: &'n str,
}

impl<'b> DeserializeSeed<'b> for Member<'_> {
    type Value = Found<'b>;

    fn deserialize<D: Deserializer<'b>>(self, json: D) -> Result<Found<'b>, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'b> Visitor<'b> for Member<'_> {
    type Value = Found<'b>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list")
    }

    fn visit_map<A: MapAccess<'b>>(self, mut members: A) -> Result<Found<'b>, A::Error> {
        let mut found = Found::Nothing;
        while let Some(is_it) = members.next_key_seed(IsName(self.name))? {
            if !is_it {
                members.next_value::<IgnoredAny>()?;
                continue;
            }
            let member = members.next_value()?;
            found = match found {
                Found::Nothing => Found::One(member),
                Found::One(_) | Found::Several => Found::Several,
            };
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'b>>(self, mut items: A) -> Result<Found<'b>, A::Error> {
        let mut found = Found::Nothing;
        let wanted: Option<usize> = self.name.parse().ok();
        let mut index = 0;
        loop {
            if Some(index) == wanted {
                match items.next_element()? {
                    Some(item) => found = Found::One(item),
                    None => return Ok(found),
                }
            } else if items.next_element::<IgnoredAny>()?.is_none() {
                return Ok(found);
            }
            index += 1;
        }
    }
}

/// Compares a member's name without a copy of it.
struct IsName<'n>(&'n str);

impl<'b> DeserializeSeed<'b> for IsName<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'b>>(self, json: D) -> Result<bool, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for IsName<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn member_is_found_by_its_pointer() {
        let body = br#"{"a":[1,{"b/c":"x","n":null}],"d":{"e":2.50}}"#;
        let found = |pointer| find(body, pointer).unwrap().map(RawValue::get);
        assert_eq!(found("/a/1/b~1c"), Some("\"x\""));
        assert_eq!(found("/d/e"), Some("2.50"));
        assert_eq!(found("/a/0"), Some("1"));
        for missing in ["/a/2", "/a/x", "/d/f", "/a/0/b", "/x"] {
            assert_eq!(found(missing), None, "{missing}");
        }
        assert_eq!(found("").map(str::len), Some(body.len()));
        assert!(find(b"{", "/a").unwrap().is_none());
        assert!(find(b"", "/a").unwrap().is_none());
    }

    #[test]
    fn repeated_member_is_a_fault() {
        assert!(find(br#"{"a":1,"b":2,"a":3}"#, "/a").is_err());
        assert!(find(br#"{"a":1,"b":2,"a":3}"#, "/b").unwrap().is_some());
    }
}
