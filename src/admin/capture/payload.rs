//! The body of a fixture: what a stored event has, without what proves its sender, without secrets
//! and personal data.

use serde_json::Value;
use sha2::{Digest, Sha256};
use url::form_urlencoded;

use super::{Scrubbed, invalid, scrub};
use crate::admin::AdminError;
use crate::verify::{BodyPlace, Scheme};

/// A scrubbed body.
#[derive(Debug)]
pub(super) struct Payload {
    /// The key in the fixture: `body` for JSON, `body_text` for a form.
    pub(super) key: &'static str,
    pub(super) value: Value,
    pub(super) scrubbed: Vec<Scrubbed>,
}

impl Payload {
    /// Scrubs a body, except for the fields in `keep` and the type that the scheme reads.
    pub(super) fn of(
        body: &[u8],
        is_form: bool,
        scheme: Option<&Scheme>,
        keep: &[String],
    ) -> Result<Self, AdminError> {
        if let Ok(mut document) = serde_json::from_slice(body) {
            let mut scrubbed = clean(&mut document, scheme, keep);
            scrubbed.extend(file(&mut document));
            return Ok(Self { key: "body", value: document, scrubbed });
        }
        if !is_form {
            return Err(invalid("the body is neither JSON nor a form and cannot be scrubbed"));
        }
        let mut scrubbed = Vec::new();
        let mut form = form_urlencoded::Serializer::new(String::new());
        for (name, text) in form_urlencoded::parse(body) {
            let place = Some(BodyPlace::Field(&name));
            if scheme.and_then(Scheme::proof_place) == place {
                continue;
            }
            let is_type = scheme.and_then(Scheme::type_place) == place;
            let is_kept = is_type || keep.iter().any(|kept| *kept == name);
            let text = if is_kept {
                text.into_owned()
            } else {
                field(&name, &text, scheme, keep, &mut scrubbed)
            };
            form.append_pair(&name, &text);
        }
        Ok(Self { key: "body_text", value: form.finish().into(), scrubbed })
    }

    /// Whether a sender says `application/json` where the fixture does not say anything.
    pub(super) fn is_document(&self) -> bool {
        matches!(self.value, Value::Object(_) | Value::Array(_))
    }
}

/// Scrubs a field of a form. Some contain a JSON document.
fn field(
    name: &str,
    text: &str,
    scheme: Option<&Scheme>,
    keep: &[String],
    scrubbed: &mut Vec<Scrubbed>,
) -> String {
    let parsed = serde_json::from_str(text);
    if let Ok(mut document @ (Value::Object(_) | Value::Array(_))) = parsed {
        let scheme = scheme.filter(|scheme| scheme.payload_field().is_none_or(|own| own == name));
        let inside = clean(&mut document, scheme, keep).into_iter();
        scrubbed.extend(
            inside.map(|one| Scrubbed { place: format!("/{name}{}", one.place), rule: one.rule }),
        );
        return document.to_string();
    }
    match scrub::replaced(name, text) {
        Some((rule, replacement)) => {
            scrubbed.push(Scrubbed { place: format!("/{name}"), rule: rule.to_owned() });
            replacement
        }
        None => text.to_owned(),
    }
}

/// Scrubs a document, and removes the proof.
fn clean(document: &mut Value, scheme: Option<&Scheme>, keep: &[String]) -> Vec<Scrubbed> {
    if let Some(BodyPlace::Member(pointer)) = scheme.and_then(Scheme::proof_place) {
        remove(document, pointer);
    }
    let kind = match scheme.and_then(Scheme::type_place) {
        Some(BodyPlace::Member(pointer)) => document.pointer(pointer).cloned().zip(Some(pointer)),
        _ => None,
    };
    let mut scrubbed = scrub::scrub(document, keep);
    if let Some((kind, pointer)) = kind
        && let Some(changed) = document.pointer_mut(pointer)
    {
        *changed = kind;
        scrubbed.retain(|one| one.place != pointer);
    }
    scrubbed
}

fn remove(document: &mut Value, pointer: &str) -> Option<Value> {
    let (parent, name) = pointer.rsplit_once('/')?;
    document.pointer_mut(parent)?.as_object_mut()?.remove(name)
}

/// Masks the text of a file in the payload, and corrects its size and digest.
fn file(value: &mut Value) -> Option<Scrubbed> {
    let file = value.get_mut("file")?.as_object_mut()?;
    if file.contains_key("content_encoding") {
        return None;
    }
    let content = file.get("content")?.as_str()?;
    let mut front_matter = false;
    let lines = content.split_inclusive('\n').enumerate().map(|(number, line)| {
        if line.trim_end() == "---" {
            front_matter = number == 0;
            return line.to_owned();
        }
        match line.split_once(':') {
            Some((key, text)) if front_matter => format!("{key}:{}", scrub::masked(text)),
            _ => scrub::masked(line),
        }
    });
    let content: String = lines.collect();
    file.insert("sha".into(), hex::encode(Sha256::digest(&content)).into());
    file.insert("size".into(), content.len().into());
    file.insert("content".into(), content.into());
    Some(Scrubbed { place: "/file/content".to_owned(), rule: "free text".to_owned() })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn scheme(table: &str) -> Arc<Scheme> {
        Scheme::built_in(table).unwrap()
    }

    fn payload(body: &str, table: &str) -> Payload {
        Payload::of(body.as_bytes(), true, Some(&scheme(table)), &[]).unwrap()
    }

    #[test]
    fn proof_in_the_body_is_removed_and_the_type_stays() {
        let table = "algorithm = 'token'\nsignature = { json = '/passcode' }\n\
                     event = { type = 'json:/event/name' }";
        let body =
            r#"{"passcode":"the-secret-of-all","event":{"name":"FILE_UPDATE"},"name":"Ada"}"#;
        let payload = payload(body, table);
        assert_eq!(payload.value.get("passcode"), None);
        assert_eq!(payload.value["event"]["name"], "FILE_UPDATE");
        assert_ne!(payload.value["name"], "Ada");
        let places: Vec<&str> = payload.scrubbed.iter().map(|one| one.place.as_str()).collect();
        assert_eq!(places, ["/name"]);
    }

    #[test]
    fn form_is_scrubbed_field_by_field() {
        let table = "algorithm = 'hmac-sha1'\nsigned = '{form:payload}'\n\
                     signature = { form = 'mac' }\n\
                     event = { type = 'json:/type', payload = 'form:payload' }";
        let body = "From=%2B4915112345678&To=ada%40example.org&n=1&mac=00ff\
                    &payload=%7B%22type%22%3A%22x%22%2C%22email%22%3A%22ada%40example.org%22%7D";
        let payload = payload(body, table);
        assert_eq!(payload.key, "body_text");
        let text = payload.value.as_str().unwrap();
        let fields: Vec<(String, String)> =
            form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["From", "To", "n", "payload"]);
        assert!(fields[0].1.starts_with('+') && fields[0].1 != "+4915112345678", "{text}");
        assert!(fields[1].1.ends_with("@example.com"), "{text}");
        let inner: Value = serde_json::from_str(&fields[3].1).unwrap();
        assert_eq!(inner["type"], "x");
        assert_ne!(inner["email"], "ada@example.org");
        let places: Vec<&str> = payload.scrubbed.iter().map(|one| one.place.as_str()).collect();
        assert_eq!(places, ["/From", "/To", "/payload/email"]);
    }

    #[test]
    fn other_bodies_cannot_be_scrubbed() {
        for (body, is_form) in [(&b"<a/>"[..], false), (b"a=1", false), (b"\xff", false)] {
            let error = Payload::of(body, is_form, None, &[]).unwrap_err();
            assert!(error.to_string().contains("neither JSON nor a form"), "{error}");
        }
    }
}
