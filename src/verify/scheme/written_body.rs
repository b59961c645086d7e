//! Writes values into a body, for signing: members of its JSON document, and fields of its form.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::{Map, Value as Json};
use url::form_urlencoded;

use super::{Scheme, multipart};

impl Scheme {
    /// Sets a member of the JSON document of a body, which may be in a field of a form.
    pub(super) fn set_member(
        &self,
        body: &mut Vec<u8>,
        pointer: &str,
        value: Json,
    ) -> Result<(), String> {
        let Some(field) = self.payload.as_deref() else {
            *body = with_member(body, pointer, value)?;
            return Ok(());
        };
        let before = Bytes::copy_from_slice(body);
        let Some(boundary) = boundary(&before) else {
            let mut pairs = form_urlencoded::parse(&before);
            let document = pairs.find(|(name, _)| name == field);
            let document = document.map_or(Cow::Borrowed("{}"), |(_, document)| document);
            let written = with_member(document.as_bytes(), pointer, value)?;
            set_field(body, field, &String::from_utf8_lossy(&written));
            return Ok(());
        };
        let fields = multipart::fields(&before, boundary).unwrap_or_default();
        let document = fields.iter().find(|(name, _)| name == field);
        let (_, document) = document.ok_or_else(|| format!("the form has no field `{field}`"))?;
        let written = with_member(document.as_bytes(), pointer, value)?;
        // The values of such a form stand in it as they are.
        let text = String::from_utf8_lossy(&before);
        *body = text.replacen(document, &String::from_utf8_lossy(&written), 1).into_bytes();
        Ok(())
    }
}

/// The boundary of a multipart form, which its first line has, too.
fn boundary(body: &[u8]) -> Option<&str> {
    let first = body.split(|byte| *byte == b'\r').next()?;
    std::str::from_utf8(first.strip_prefix(b"--")?).ok()
}

/// Sets a field of a form. The other fields stay as they are written.
pub(super) fn set_field(body: &mut Vec<u8>, name: &str, value: &str) {
    let pair = form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish();
    let mut pairs: Vec<&[u8]> =
        body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).collect();
    let is_same = |pair: &[u8]| form_urlencoded::parse(pair).any(|(known, _)| known == name);
    match pairs.iter_mut().find(|pair| is_same(pair)) {
        Some(same) => *same = pair.as_bytes(),
        None => pairs.push(pair.as_bytes()),
    }
    let written = pairs.join(&b'&');
    *body = written;
}

/// A JSON document with a member, and with the objects on the way to it.
fn with_member(document: &[u8], pointer: &str, value: Json) -> Result<Vec<u8>, String> {
    let mut document: Json =
        serde_json::from_slice(document).map_err(|_| "the body is not JSON".to_owned())?;
    let mut at = &mut document;
    for name in pointer.split('/').skip(1) {
        let next = match at {
            Json::Array(items) => name.parse::<usize>().ok().and_then(|index| items.get_mut(index)),
            Json::Object(members) => {
                let empty = Json::Object(Map::new());
                Some(members.entry(name.to_owned()).or_insert(empty))
            }
            _ => None,
        };
        at = next.ok_or_else(|| format!("the body has no place for `{pointer}`"))?;
    }
    *at = value;
    serde_json::to_vec(&document).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scheme(payload: &str) -> std::sync::Arc<Scheme> {
        Scheme::built_in(&format!(
            "algorithm = 'hmac-sha256'\nsigned = '{{body}}'\nsignature = {{ header = 'x-s' }}\n\
             {payload}"
        ))
        .unwrap()
    }

    fn written(payload: &str, body: &str) -> Result<String, String> {
        let mut body = body.as_bytes().to_vec();
        scheme(payload).set_member(&mut body, "/a/b", "c d".into())?;
        Ok(String::from_utf8(body).unwrap())
    }

    #[test]
    fn member_is_set_where_the_document_is() {
        let form = "event = { payload = 'form:json' }";
        assert_eq!(written("", r#"{"a":{}}"#).unwrap(), r#"{"a":{"b":"c d"}}"#);
        assert_eq!(
            written(form, "x=%31&json=%7B%7D").unwrap(),
            "x=%31&json=%7B%22a%22%3A%7B%22b%22%3A%22c+d%22%7D%7D"
        );
        let part = |value: &str| {
            format!("--x\r\nContent-Disposition: form-data; name=\"json\"\r\n\r\n{value}\r\n--x--")
        };
        let multipart = "event = { payload = 'multipart:json' }";
        assert_eq!(written(multipart, &part("{}")).unwrap(), part(r#"{"a":{"b":"c d"}}"#));
        for (payload, body) in [("", "a=1"), ("", r#"{"a":1}"#), (multipart, "--x\r\n--x--")] {
            assert!(written(payload, body).is_err(), "{body}");
        }
    }

    #[test]
    fn field_is_replaced_or_added() {
        for (body, expected) in
            [("", "b+c=1+2"), ("a=%41", "a=%41&b+c=1+2"), ("b%20c=0&a=1&", "b+c=1+2&a=1")]
        {
            let mut body = body.as_bytes().to_vec();
            set_field(&mut body, "b c", "1 2");
            assert_eq!(String::from_utf8(body).unwrap(), expected);
        }
    }
}
