//! Test events of senders that sign a part of the body, or write their proof into it. All that is
//! signed in such a body is the id of the test event, so that no request of the sender can be
//! taken for one, and none can be turned into one.

use bytes::Bytes;
use serde_json::{Map, Value as Json};
use url::form_urlencoded;

use super::signature_field::Place;
use super::value::Value;
use super::{EventMethod, Scheme, Template, TimePlace, Values};
use crate::verify::RequestHead;
use crate::verify::test_event::{MEMBER, test_body};

/// Longer bodies are not test events.
const MAX_BYTES: usize = 1024;

impl Scheme {
    /// The body of a test event with a unique `id`, before it is signed.
    pub fn test_body(&self, id: &str) -> Vec<u8> {
        let document = test_body(id);
        if !self.signs_form() {
            return document;
        }
        let mut form = form_urlencoded::Serializer::new(String::new());
        match &self.payload {
            Some(field) => form.append_pair(field, &String::from_utf8_lossy(&document)),
            None => form.append_pair(MEMBER, id),
        };
        form.finish().into_bytes()
    }

    /// The id in the body of a test event.
    pub(super) fn test_id(&self, values: &Values<'_>) -> Option<String> {
        let id = match &self.payload {
            None if self.signs_form() => values.form(MEMBER).ok()?.map(str::to_owned),
            _ => values.json(&format!("/{MEMBER}")).ok()?,
        };
        id.filter(|id| !id.is_empty())
    }

    /// Whether the body is that of a test event and what signing adds to it, and nothing else.
    pub(in crate::verify) fn is_test(&self, head: &RequestHead, body: &Bytes) -> bool {
        if body.len() > MAX_BYTES || !self.adds_to_body {
            return false;
        }
        let values = self.values(head, Some(body));
        let Some(id) = self.test_id(&values) else { return false };
        let is_test_document = || {
            let document = values.document();
            let document = document.and_then(|bytes| serde_json::from_slice(bytes).ok());
            document.is_some_and(|document| self.is_test_document(document, &id))
        };
        if !self.signs_form() {
            return is_test_document();
        }
        values.fields().unwrap_or_default().iter().all(|(name, text)| match &self.payload {
            Some(payload) if payload == name => is_test_document(),
            None if name == MEMBER => true,
            _ => self.adds_field(name) || (self.names(&Value::Form(name.clone())) && *text == id),
        })
    }

    /// Whether a document has the id and, beside it, only what signing adds.
    fn is_test_document(&self, mut document: Json, id: &str) -> bool {
        let added: Vec<&str> = self.added_members().collect();
        for value in self.named().chain(self.required()) {
            let Value::Json(pointer) = value else { continue };
            if added.contains(&pointer.as_str()) {
                continue;
            }
            let removed = remove(&mut document, pointer);
            if self.names(value) && removed.as_ref().and_then(Json::as_str) != Some(id) {
                return false;
            }
        }
        for pointer in added {
            remove(&mut document, pointer);
        }
        document == Json::Object(Map::from_iter([(MEMBER.to_owned(), id.into())]))
    }

    /// Whether the sender signs a form, so that nothing else could be signed for it.
    fn signs_form(&self) -> bool {
        let signs_fields = |text: &Template| {
            text.any(|value| matches!(value, Value::Params | Value::Php(_) | Value::Form(_)))
        };
        let first = self.texts.first();
        let has_whole = first.is_some_and(Template::covers_body);
        self.method == EventMethod::Get
            || matches!(self.field.place, Place::Form(_))
            || matches!(self.time.as_ref().map(|time| &time.place), Some(TimePlace::Form(_)))
            || (!has_whole && (self.payload.is_some() || first.is_some_and(signs_fields)))
    }

    /// Whether a body that is signed has more in it than the draft.
    pub(super) fn finds_what_it_adds(&self) -> bool {
        let is_in_body = |value: &Value| matches!(value, Value::Json(_) | Value::Form(_));
        self.signs_form()
            || self.added_members().next().is_some()
            || self.named().chain(self.required()).any(is_in_body)
    }

    /// The members that signing sets: the signature and its time.
    fn added_members(&self) -> impl Iterator<Item = &str> {
        let signature = match &self.field.place {
            Place::Json(pointer) => Some(pointer.as_str()),
            _ => None,
        };
        let time = match self.time.as_ref().map(|time| &time.place) {
            Some(TimePlace::Json(pointer)) => Some(pointer.as_str()),
            _ => None,
        };
        signature.into_iter().chain(time)
    }

    /// Whether signing sets this field of a form.
    fn adds_field(&self, name: &str) -> bool {
        matches!(&self.field.place, Place::Form(field) if field == name)
            || matches!(
                self.time.as_ref().map(|time| &time.place),
                Some(TimePlace::Form(field)) if field == name
            )
            || self.required().any(|value| matches!(value, Value::Form(field) if field == name))
    }

    /// What the signed text names.
    fn named(&self) -> impl Iterator<Item = &Value> {
        self.texts.first().into_iter().flat_map(Template::required)
    }

    fn names(&self, value: &Value) -> bool {
        self.named().any(|named| named == value)
    }

    /// What every request must contain.
    fn required(&self) -> impl Iterator<Item = &Value> {
        self.require.iter().flat_map(|(any, _)| any)
    }
}

/// Removes a member, and the objects that are empty without it.
fn remove(document: &mut Json, pointer: &str) -> Option<Json> {
    let (parent, name) = pointer.rsplit_once('/')?;
    let members = document.pointer_mut(parent)?.as_object_mut()?;
    let removed = members.remove(name)?;
    if members.is_empty() && !parent.is_empty() {
        remove(document, parent);
    }
    Some(removed)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::verify::{Headers, Secret, SenderInfo, ToSign};

    const IN_JSON: &str = r#"
algorithm = "hmac-sha256"
signed = "{json:/signature/timestamp}{json:/signature/token}"
signature = { json = "/signature/signature" }
timestamp = { from = "json:/signature/timestamp", tolerance = "5m" }
"#;
    const IN_FORM: &str = r#"
algorithm = "hmac-sha1"
signed = "{params?}"
signature = { header = "x-signature" }
"#;
    const IN_FIELD: &str = r#"
algorithm = "hmac-sha1"
signed = "{form:payload}"
signature = { form = "mac" }
event = { payload = "form:payload" }
"#;
    const BODY: &str = r#"
algorithm = "hmac-sha256"
signed = "{body}"
signature = { header = "x-signature" }
"#;

    fn scheme(table: &str) -> Arc<Scheme> {
        Scheme::built_in(table).unwrap()
    }

    fn head(body: &[u8]) -> RequestHead {
        let kind = if body.starts_with(b"{") {
            &b"application/json"[..]
        } else {
            b"application/x-www-form-urlencoded"
        };
        RequestHead {
            headers: Headers::default(),
            sender_info: SenderInfo::new(Some(kind), None),
            ..RequestHead::default()
        }
    }

    fn is_test(scheme: &Scheme, body: &str) -> bool {
        let body = Bytes::from(body.to_owned());
        scheme.is_test(&head(&body), &body)
    }

    fn signed(scheme: &Scheme) -> String {
        let (secret, body) = (Secret::unchecked("a secret of good length"), scheme.test_body("t1"));
        let kind = match body.first() {
            Some(b'{') => "application/json",
            _ => "application/x-www-form-urlencoded",
        };
        let headers = [("content-type".to_owned(), kind.to_owned())];
        let draft = ToSign {
            method: "POST",
            query: None,
            headers: &headers,
            body: &body,
            secret: &secret,
            at: 1_763_640_000,
        };
        String::from_utf8(scheme.sign(&draft).unwrap().body).unwrap()
    }

    #[test]
    fn signed_test_event_is_one() {
        for table in [IN_JSON, IN_FORM, IN_FIELD] {
            let scheme = scheme(table);
            let body = signed(&scheme);
            assert!(is_test(&scheme, &body), "{body}");
        }
    }

    #[test]
    fn all_that_is_signed_in_it_is_its_id() {
        let mut document: Json = serde_json::from_str(&signed(&scheme(IN_JSON))).unwrap();
        assert_eq!(document.pointer("/signature/token").unwrap(), "t1");
        let scheme = scheme(IN_JSON);
        *document.pointer_mut("/signature/token").unwrap() = "of-a-real-event".into();
        assert!(!is_test(&scheme, &document.to_string()), "a recorded proof with another body");
        document["event-data"] = serde_json::json!({});
        assert!(!is_test(&scheme, &document.to_string()));
    }

    #[test]
    fn requests_of_the_sender_are_not_test_events() {
        for (table, body) in [
            (IN_JSON, r#"{"signature":{"timestamp":1,"token":"x","signature":"00"}}"#),
            (IN_JSON, r#"{"sealpost_test":"","signature":{"timestamp":1,"token":""}}"#),
            (IN_JSON, r#"{"sealpost_test":{"a":1},"signature":{"timestamp":1,"token":"x"}}"#),
            (IN_FORM, "Body=sealpost_test&From=%2B1"),
            (IN_FORM, "sealpost_test=t1&From=%2B1"),
            (IN_FORM, r#"{"sealpost_test":"t1"}"#),
            (IN_FIELD, "payload=%7B%22sealpost_test%22%3A%22t1%22%2C%22a%22%3A1%7D&mac=00"),
            (IN_FIELD, "payload=%7B%22sealpost_test%22%3A%22t1%22%7D&mac=00&more=1"),
            (IN_FIELD, "sealpost_test=t1&mac=00"),
            // What is signed as a whole needs no other rule than the one for every sender.
            (BODY, r#"{"sealpost_test":"t1"}"#),
            (BODY, r#"{"sealpost_test":"t1","more":1}"#),
        ] {
            assert!(!is_test(&scheme(table), body), "{body}");
        }
        let long = format!(r#"{{"sealpost_test":"{}"}}"#, "t".repeat(MAX_BYTES));
        assert!(!is_test(&scheme(IN_JSON), &long));
    }
}
