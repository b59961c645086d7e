//! A value at a place in a body.

use std::str::FromStr;

use serde_json::{Map, Value};
use url::form_urlencoded;

/// A JSON pointer and the value there, such as `/data/object/customer=cus_123`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldValue {
    pub pointer: String,
    pub value: String,
}

impl FromStr for FieldValue {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected a JSON pointer and a value, such as `/data/customer=cus_123`";
        let (pointer, value) = text.split_once('=').ok_or(expected)?;
        if !pointer.starts_with('/') || value.is_empty() {
            return Err(expected.to_owned());
        }
        Ok(Self { pointer: pointer.to_owned(), value: value.to_owned() })
    }
}

impl FieldValue {
    /// Whether a body has this value there. A body that is no JSON is read as a form.
    pub(super) fn is_in(&self, body: &[u8]) -> bool {
        if let Ok(document) = serde_json::from_slice::<Value>(body) {
            return self.is_at(&document);
        }
        let fields = form_urlencoded::parse(body).map(|(name, text)| {
            // Some fields contain a document.
            let inner = serde_json::from_str::<Value>(&text);
            let inner = inner.ok().filter(|value| value.is_object() || value.is_array());
            (name.into_owned(), inner.unwrap_or_else(|| Value::String(text.into_owned())))
        });
        self.is_at(&Value::Object(fields.collect::<Map<_, _>>()))
    }

    fn is_at(&self, document: &Value) -> bool {
        match document.pointer(&self.pointer) {
            Some(Value::String(text)) => *text == self.value,
            Some(Value::Array(_) | Value::Object(_)) | None => false,
            Some(other) => {
                let text = other.to_string();
                text == self.value
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_in(field: &str, body: &str) -> bool {
        field.parse::<FieldValue>().unwrap().is_in(body.as_bytes())
    }

    #[test]
    fn value_is_found_in_json_and_in_forms() {
        let body = r#"{"data":{"customer":"cus_1","n":7,"a/b":["x","y"]},"ok":true}"#;
        for field in ["/data/customer=cus_1", "/data/n=7", "/data/a~1b/1=y", "/ok=true"] {
            assert!(is_in(field, body), "{field}");
        }
        for field in ["/data/customer=cus_2", "/customer=cus_1", "/data=x", "/data/a~1b=x"] {
            assert!(!is_in(field, body), "{field}");
        }
        assert!(is_in("/From=+39 1", "From=%2B39+1&payload=%7B%22id%22%3A3%7D"));
        assert!(is_in("/payload/id=3", "From=%2B39+1&payload=%7B%22id%22%3A3%7D"));
        assert!(!is_in("/a=1", "\u{0}"));
    }

    #[test]
    fn an_escaped_string_is_compared_as_text() {
        assert!(is_in("/name=José=", r#"{"name":"Jos\u00e9="}"#));
    }

    #[test]
    fn a_field_needs_a_pointer_and_a_value() {
        for wrong in ["", "customer", "customer=1", "/customer", "/customer="] {
            assert!(wrong.parse::<FieldValue>().is_err(), "{wrong:?}");
        }
    }
}
