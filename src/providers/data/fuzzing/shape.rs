//! What the requests of a scheme look like, filled with values that nobody signed.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value as Json};
use sha2::{Digest as _, Sha512};
use url::form_urlencoded;

use super::super::example_secret::RSA;
use super::{NOW, OPTION};
use crate::verify::{Algorithm, SchemeDefinition, Secret};

/// The length of a signature that has no fixed one, in bytes: RSA with 2048 bits.
const RSA_LENGTH: usize = 256;

/// Choices that the input makes. When it is used up, it chooses the first of everything.
pub(super) struct Choices<'a>(pub(super) &'a [u8]);

impl<'a> Choices<'a> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        let wide = u16::from_be_bytes([self.byte(), self.byte()]);
        usize::from(wide) % limit.max(1)
    }

    pub(super) fn bytes(&mut self, most: usize) -> &'a [u8] {
        let length = self.below(most + 1).min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes
    }

    pub(super) fn text(&mut self) -> String {
        String::from_utf8_lossy(self.bytes(24)).into_owned()
    }
}

/// Where the requests of a scheme have values, and how a signature is written.
pub(super) struct Shape {
    prefix: String,
    pub(super) encoding: String,
    /// The length of a signature in bytes.
    length: usize,
    format: Option<String>,
    separator: String,
    /// The unit of the time.
    unit: String,
    is_token: bool,
    pointers: Vec<String>,
    fields: Vec<String>,
    parameters: Vec<String>,
    /// The form field with the signature.
    signature_field: Option<String>,
}

impl Shape {
    pub(super) fn of(definition: &SchemeDefinition) -> Option<Self> {
        let known = serde_json::to_value(definition).ok()?;
        let text = |pointer: &str| {
            known.pointer(pointer).and_then(Json::as_str).unwrap_or_default().to_owned()
        };
        let names = |kind: &str, of_signature: Option<&String>| {
            let mut found = BTreeSet::new();
            named(&known, kind, &mut found);
            found.extend(of_signature.cloned());
            found.into_iter().collect()
        };
        let signature = &definition.signature;
        Some(Self {
            prefix: signature.prefix.clone(),
            encoding: text("/signature/encoding"),
            length: definition.algorithm.length().unwrap_or(RSA_LENGTH),
            format: signature.format.clone(),
            separator: signature.separator.clone(),
            unit: text("/timestamp/unit"),
            is_token: definition.algorithm == Algorithm::Jwt,
            pointers: names("json:", signature.json.as_ref()),
            fields: names("form:", signature.form.as_ref()),
            parameters: names("query:", signature.query.as_ref()),
            signature_field: signature.form.clone(),
        })
    }

    /// Bodies that a sender may send; one of them has all that the signed text names.
    pub(super) fn bodies(&self) -> [Vec<u8>; 3] {
        let mut document = Json::Object(Map::new());
        for pointer in &self.pointers {
            set(&mut document, pointer, Json::from("1"));
        }
        let fields: Vec<String> = (self.fields.iter())
            .filter(|name| self.signature_field.as_ref() != Some(*name))
            .map(|name| format!("{name}=1"))
            .collect();
        let form: String =
            if fields.is_empty() { "sealpost_test=1&z=2".into() } else { fields.join("&") };
        [br#"{"sealpost_test":"1"}"#.to_vec(), document.to_string().into_bytes(), form.into_bytes()]
    }

    /// A signature that nobody made. Most have the right length.
    fn signature(&self, choices: &mut Choices<'_>) -> String {
        if self.is_token {
            return token(choices);
        }
        let digest = Sha512::digest(choices.bytes(8));
        let length = match choices.below(8) {
            1 => self.length + 1,
            2 => self.length.saturating_sub(1),
            _ => self.length,
        };
        let bytes: Vec<u8> = digest.iter().copied().cycle().take(length).collect();
        match self.encoding.as_str() {
            "base64" => STANDARD.encode(bytes),
            "base64url" => URL_SAFE_NO_PAD.encode(bytes),
            _ if choices.below(4) == 1 => hex::encode_upper(bytes),
            _ => hex::encode(bytes),
        }
    }

    /// A time in the unit of the scheme. Most are near the present.
    fn time(&self, choices: &mut Choices<'_>) -> String {
        let at = NOW + i64::from(choices.byte());
        match (choices.below(8), self.unit.as_str()) {
            (1, _) => choices.text(),
            (2, _) => i64::MAX.to_string(),
            (_, "milliseconds") => format!("{at}000"),
            (_, "rfc3339") => "2023-11-14T22:13:20Z".to_owned(),
            (_, "http-date") => "Tue, 14 Nov 2023 22:13:20 GMT".to_owned(),
            _ => at.to_string(),
        }
    }

    /// A signature as the sender writes it, with all that stands beside it.
    fn written(&self, choices: &mut Choices<'_>) -> String {
        let signature = format!("{}{}", self.prefix, self.signature(choices));
        let Some(format) = &self.format else { return signature };
        let mut rest = format.as_str();
        let mut text = String::new();
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            text.push_str(before);
            match name {
                "signature" => text.push_str(&signature),
                "timestamp" => text.push_str(&self.time(choices)),
                _ => text.push_str(OPTION),
            }
            rest = after;
        }
        text.push_str(rest);
        text
    }

    /// A value of a header, a query parameter, a form field or a JSON member.
    pub(super) fn value(&self, choices: &mut Choices<'_>) -> Vec<u8> {
        let text = match choices.below(16) {
            1 => return choices.bytes(64).to_vec(),
            2 => return [self.prefix.as_bytes(), choices.bytes(64)].concat(),
            3 => self.time(choices),
            4 => format!("\"{}\"", self.written(choices)),
            5 => format!("{0}, {0}", self.written(choices)),
            6 => vec![self.written(choices); 200].join(self.separator.as_str()),
            7 => {
                let several: Vec<String> = (0..20).map(|_| self.written(choices)).collect();
                several.join(self.separator.as_str())
            }
            8 => format!("\u{fc}{}\u{3042}", self.written(choices)),
            9 => format!("{}{}", self.prefix, token(choices)),
            10 => format!("Bearer {}", token(choices)),
            11 => format!("Basic {}", STANDARD.encode(choices.bytes(48))),
            12 => ",;= \"'\t,,".repeat(choices.below(600)),
            13 => String::new(),
            _ => self.written(choices),
        };
        text.into_bytes()
    }

    fn text(&self, choices: &mut Choices<'_>) -> String {
        String::from_utf8_lossy(&self.value(choices)).into_owned()
    }

    /// A query with the parameters that the scheme names.
    pub(super) fn query(&self, choices: &mut Choices<'_>) -> Option<String> {
        match choices.below(4) {
            1 => None,
            2 => Some(choices.text()),
            _ => Some(self.pairs(&self.parameters, choices)),
        }
    }

    fn pairs(&self, names: &[String], choices: &mut Choices<'_>) -> String {
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        for name in names {
            // A parameter may be absent, or there twice.
            for _ in 0..[1, 0, 2].get(choices.below(3)).copied().unwrap_or(1) {
                pairs.append_pair(name, &self.text(choices));
            }
        }
        pairs.append_pair("x", "1").finish()
    }

    /// A body, and what it says that it is.
    pub(super) fn body(&self, choices: &mut Choices<'_>) -> (Vec<u8>, Vec<u8>) {
        let (body, kind) = match choices.below(6) {
            1 => (choices.bytes(300).to_vec(), "application/octet-stream"),
            2 => {
                let form = self.pairs(&self.fields, choices);
                (form.into_bytes(), "application/x-www-form-urlencoded")
            }
            3 => {
                let document = self.document(choices);
                let part = format!(
                    "--x1\r\nContent-Disposition: form-data; name=\"json\"\r\n\r\n{document}\r\n\
                     --x1--\r\n"
                );
                (part.into_bytes(), "multipart/form-data; boundary=x1")
            }
            4 => (token(choices).into_bytes(), "text/plain"),
            _ => (self.document(choices).into_bytes(), "application/json"),
        };
        match choices.below(8) {
            1 => (body, choices.bytes(40).to_vec()),
            2 => (body, b"Application/X-WWW-Form-URLencoded ;charset=utf-8".to_vec()),
            _ => (body, kind.into()),
        }
    }

    /// A JSON document with the members that the scheme names.
    fn document(&self, choices: &mut Choices<'_>) -> String {
        let mut document = Json::Object(Map::new());
        for pointer in &self.pointers {
            let value = match choices.below(6) {
                1 => continue,
                2 => Json::from(choices.byte()),
                3 => Json::Null,
                4 => Json::from(vec![choices.text()]),
                _ => Json::from(self.text(choices)),
            };
            set(&mut document, pointer, value);
        }
        document.to_string()
    }
}

/// A JSON Web Token that nobody signed.
fn token(choices: &mut Choices<'_>) -> String {
    const HEADERS: [&str; 7] = [
        r#"{"alg":"HS256","typ":"JWT"}"#,
        r#"{"alg":"none"}"#,
        r#"{"alg":"HS384"}"#,
        r#"{"alg":"HS512"}"#,
        r#"{"alg":"RS256","kid":"rsa"}"#,
        r#"{"alg":"ES256","kid":"p256"}"#,
        r#"{"alg":"EdDSA","kid":"ed25519"}"#,
    ];
    let header = HEADERS.get(choices.below(HEADERS.len())).copied().unwrap_or_default();
    let claims = match choices.below(4) {
        1 => choices.text(),
        _ => format!(
            r#"{{"iat":{NOW},"exp":{},"iss":"{OPTION}","aud":"{OPTION}","email":"{OPTION}"}}"#,
            NOW + 60
        ),
    };
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let digest = Sha512::digest(choices.bytes(8));
    let signature = match choices.below(4) {
        1 => Vec::new(),
        2 => digest.to_vec(),
        // The public key is no secret.
        3 => {
            let key = Secret::new(RSA.trim());
            key.map(|key| key.sign(&[text.as_bytes()]).to_vec()).unwrap_or_default()
        }
        _ => digest.iter().copied().take(32).collect(),
    };
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Sets a member of a JSON document, and makes the objects on the way to it.
fn set(document: &mut Json, pointer: &str, value: Json) {
    let mut at = document;
    for name in pointer.split('/').skip(1) {
        if !at.is_object() {
            *at = Json::Object(Map::new());
        }
        let Json::Object(members) = at else { return };
        at = members.entry(name).or_insert(Json::Null);
    }
    *at = value;
}

/// The names that stand after `kind` anywhere in a definition, such as those of form fields.
pub(super) fn named(value: &Json, kind: &str, found: &mut BTreeSet<String>) {
    match value {
        Json::String(text) => add(text, kind, found),
        Json::Array(items) => items.iter().for_each(|item| named(item, kind, found)),
        Json::Object(members) => {
            for (name, value) in members {
                add(name, kind, found);
                named(value, kind, found);
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

fn add(text: &str, kind: &str, found: &mut BTreeSet<String>) {
    let names = text.split(kind).skip(1).filter_map(|rest| rest.split(['|', '}', '?']).next());
    found.extend(names.filter(|name| !name.is_empty()).map(str::to_owned));
}
