//! What holds for every provider of the catalogue, whatever a request contains.

mod answers;

use std::ops::Range;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use ed25519_dalek::Signer as _;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use serde_json::Value as Json;
use sha2::Sha256;
use url::form_urlencoded;

use super::super::{Draft, find};
use super::fuzzing::{EXAMPLES, Example, NOW};
use crate::verify::{Algorithm, RawRequest, Refusal, RequestHead, Strength, VerifiedRequest};

/// The key whose public half is in `example_secret/rsa.pem`.
const RSA: &str = include_str!("../../../tests/it/access/oidc/issuer.pem");
const BODY: &[u8] = br#"{"sealpost_test":"1"}"#;

/// Runs a test a few times. The input of a failure is made as small as possible.
fn repeat<S: Strategy>(cases: u32, strategy: &S, test: impl Fn(S::Value)) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(strategy, |value| {
        test(value);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// A request that its sender signed.
#[derive(Clone, Debug)]
struct Sent {
    query: Option<String>,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

/// A part of a request that can be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Header(String),
    Query,
    /// A text in the JSON document at this pointer, and the form field that has the document.
    Json(String, Option<String>),
    Body,
}

impl Sent {
    fn verify(&self, example: &Example) -> Result<VerifiedRequest, Refusal> {
        let method = example.verifier.provider.event_method().as_str();
        let head = example.head(method, self.query.as_deref(), &self.headers);
        example.verifier.precheck(&head, NOW)?;
        let body = Bytes::from(self.body.clone());
        RawRequest::new(head, body).verify(&example.verifier, NOW)
    }

    fn get(&self, place: &Place) -> Option<Vec<u8>> {
        match place {
            Place::Header(name) => {
                let mut lines = self.headers.iter().filter(|(known, _)| known == name);
                lines.next().map(|(_, value)| value.clone())
            }
            Place::Query => self.query.clone().map(String::into_bytes),
            Place::Json(pointer, field) => {
                let document = self.document(field.as_deref())?;
                document.pointer(pointer)?.as_str().map(|text| text.as_bytes().to_vec())
            }
            Place::Body => Some(self.body.clone()),
        }
    }

    fn document(&self, field: Option<&str>) -> Option<Json> {
        let Some(field) = field else { return serde_json::from_slice(&self.body).ok() };
        let mut pairs = form_urlencoded::parse(&self.body);
        let (_, document) = pairs.find(|(name, _)| name == field)?;
        serde_json::from_str(&document).ok()
    }

    fn with(&self, place: &Place, value: Vec<u8>) -> Self {
        let mut changed = self.clone();
        let text = String::from_utf8_lossy(&value).into_owned();
        match place {
            Place::Header(name) => {
                let mut lines = changed.headers.iter_mut().filter(|(known, _)| known == name);
                lines.next().unwrap().1 = value;
            }
            Place::Query => changed.query = Some(text),
            Place::Json(pointer, field) => {
                let mut document = self.document(field.as_deref()).unwrap();
                *document.pointer_mut(pointer).unwrap() = Json::String(text);
                let document = document.to_string();
                changed.body = match field {
                    Some(field) => form(&[(field.as_str(), document.as_str())]),
                    None => document.into_bytes(),
                };
            }
            Place::Body => changed.body = value,
        }
        changed
    }
}

fn form(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in fields {
        form.append_pair(name, value);
    }
    form.finish().into_bytes()
}

/// The requests that our keys can sign: all shared secrets, and the private keys that we know.
static SIGNED: LazyLock<Vec<(&Example, Sent)>> = LazyLock::new(|| {
    let signed = EXAMPLES.iter().filter_map(|example| {
        let sent = by_secret(example).or_else(|| by_private_key(example))?;
        if let Err(refusal) = sent.verify(example) {
            panic!("{}: {refusal}: {sent:?}", example.name);
        }
        Some((example, sent))
    });
    signed.collect()
});

fn by_secret(example: &Example) -> Option<Sent> {
    let secret = example.secret.as_ref()?;
    let entry = find(example.name).unwrap();
    let options = &example.options;
    example.bodies().iter().find_map(|body| {
        let draft = Draft { options, secret, token: None, at: NOW, headers: &[], body };
        let request = entry.sign_request(&draft, &example.source).ok()?;
        let headers = request.headers.into_iter();
        Some(Sent {
            query: request.query,
            headers: headers.map(|(name, value)| (name, value.into_bytes())).collect(),
            body: request.body.to_vec(),
        })
    })
}

fn by_private_key(example: &Example) -> Option<Sent> {
    let at = NOW.to_string();
    let ed25519 = |text: &[u8]| {
        ed25519_dalek::SigningKey::from_bytes(&[7; 32]).sign(text).to_bytes().to_vec()
    };
    let p256 = |text: &[u8]| {
        let key = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
        let signature: p256::ecdsa::Signature = key.sign(text);
        signature.to_der().as_bytes().to_vec()
    };
    let rsa = |text: &[u8]| {
        let key = rsa::PrivateKey::from_pkcs1_pem(RSA).unwrap();
        key.pkcs1v15_sign::<Sha256>(text).unwrap()
    };
    let after = |before: &str| [before.as_bytes(), BODY].concat();
    let (time, name, signature) = match example.name {
        "discord" => {
            let signature = hex::encode(ed25519(&after(&at)));
            ("x-signature-timestamp", "x-signature-ed25519", signature)
        }
        "telnyx" => {
            let signature = STANDARD.encode(ed25519(&after(&format!("{at}|"))));
            ("telnyx-timestamp", "telnyx-signature-ed25519", signature)
        }
        "sendgrid" => (
            "x-twilio-email-event-webhook-timestamp",
            "x-twilio-email-event-webhook-signature",
            STANDARD.encode(p256(&after(&at))),
        ),
        "wise" => ("x-unsigned", "x-signature-sha256", STANDARD.encode(rsa(BODY))),
        _ => return None,
    };
    let headers = [(time, at), (name, signature), ("content-type", "application/json".to_owned())];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.into_bytes())).to_vec();
    Some(Sent { query: None, headers, body: BODY.to_vec() })
}

fn signs_text(example: &Example) -> bool {
    example.definition.algorithm.signs_text()
}

/// Where the signature is.
fn signature_place(example: &Example) -> Place {
    let signature = &example.definition.signature;
    match (signature.header.iter().next(), &signature.query, &signature.json) {
        (Some(name), ..) => Place::Header(name.to_ascii_lowercase()),
        (None, Some(_), _) => Place::Query,
        (None, None, Some(pointer)) => {
            let payload = example.definition.event.payload.as_deref();
            let field = payload.and_then(|payload| payload.split_once(':'));
            Place::Json(pointer.clone(), field.map(|(_, name)| name.to_owned()))
        }
        (None, None, None) => Place::Body,
    }
}

/// The encoded signature in a text. Only one part of it has the right length and decodes.
fn signature_in(example: &Example, text: &[u8]) -> Range<usize> {
    let Some(length) = example.definition.algorithm.length() else {
        return example.definition.signature.prefix.len()..text.len();
    };
    let (encoded, decode): (usize, fn(&[u8]) -> bool) = match example.encoding() {
        "base64" => (length.div_ceil(3) * 4, |text| STANDARD.decode(text).is_ok()),
        "base64url" => ((length * 4).div_ceil(3), |text| URL_SAFE_NO_PAD.decode(text).is_ok()),
        _ => (length * 2, |text| hex::decode(text).is_ok()),
    };
    let start = (0..=text.len() - encoded).rev().find(|at| decode(&text[*at..at + encoded]));
    let start = start.unwrap_or_else(|| panic!("{}: no signature", example.name));
    start..start + encoded
}

/// The parts of a request that its signature covers.
fn covered_places(example: &Example, sent: &Sent) -> Vec<Place> {
    let scheme = example.verifier.provider.scheme(&RequestHead::default()).unwrap();
    let mut places = vec![signature_place(example)];
    if signs_text(example) {
        places.extend(scheme.covered().iter().map(|name| Place::Header((*name).to_owned())));
    }
    if scheme.strength() == Strength::Signed {
        places.push(Place::Body);
    }
    places.retain(|place| sent.get(place).is_some());
    places
}

/// The bytes of a place that are covered: not the values beside a signature that nobody signs.
fn covered_bytes(example: &Example, place: &Place, text: &[u8]) -> Range<usize> {
    let signature = &example.definition.signature;
    let has_others = signature.format.as_ref().is_some_and(|format| format.contains("{pair:"));
    if *place == signature_place(example) && has_others {
        return signature_in(example, text);
    }
    0..text.len()
}

/// Whether the case of a letter means nothing there.
fn ignores_case(example: &Example, place: &Place, text: &[u8], at: usize) -> bool {
    let signature = &example.definition.signature;
    if let (Place::Body, Some(field)) = (place, &signature.form) {
        // Escapes, and the digits of the signature.
        let name = format!("{field}=");
        let start = text.windows(name.len()).position(|part| part == name.as_bytes());
        return start.is_some_and(|start| at >= start);
    }
    if *place != signature_place(example) {
        return false;
    }
    if signs_text(example) {
        return example.encoding() == "hex" && signature_in(example, text).contains(&at);
    }
    // The name of an authentication scheme.
    let is_basic = example.definition.algorithm == Algorithm::Basic;
    at < if is_basic { 5 } else { signature.prefix.trim_end().len() }
}

#[test]
fn enough_providers_are_signed_for() {
    assert!(SIGNED.len() >= 160, "{}", SIGNED.len());
    for kind in ["discord", "telnyx", "sendgrid", "wise", "twilio", "braintree", "adyen-standard"] {
        assert!(SIGNED.iter().any(|(example, _)| example.name == kind), "{kind}");
    }
}

#[test]
fn request_that_nobody_signed_proves_nothing() {
    for example in EXAMPLES.iter() {
        repeat(16, &vec(any::<u8>(), 0..500), |input| example.check(&input));
    }
}

#[test]
fn changed_byte_is_refused() {
    let byte = prop_oneof![any::<u8>(), select(b" ,\"'=;:&|.+/_-\t0aAfFzZ".to_vec())];
    let change = (any::<Index>(), any::<Index>(), byte);
    for (example, sent) in SIGNED.iter() {
        let places = covered_places(example, sent);
        repeat(32, &change, |(place, at, byte)| {
            let place = place.get(&places);
            let before = sent.get(place).unwrap();
            let covered = covered_bytes(example, place, &before);
            let at = covered.start + at.index(covered.len());
            let is_same = before[at] == byte
                || before[at].eq_ignore_ascii_case(&byte)
                    && ignores_case(example, place, &before, at);
            let mut after = before;
            after[at] = byte;
            let changed = sent.with(place, after);
            assert!(is_same || changed.verify(example).is_err(), "{}: {changed:?}", example.name);
        });
    }
}

/// Other spellings of the bytes of a signature, and what is nearly one.
fn misspelled(encoding: &str, signature: &str) -> Vec<String> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let without_first = signature.split_at(1).1;
    let without_last = signature.split_at(signature.len() - 1).0;
    let mut others =
        vec![without_first.to_owned(), without_last.to_owned(), format!("0x{signature}")];
    if encoding == "hex" {
        others.extend(["0", "00"].map(|more| format!("{signature}{more}")));
        others.extend(["0", "00"].map(|more| format!("{more}{signature}")));
        return others;
    }
    others.push(format!("{signature}A"));
    let bare = signature.trim_end_matches('=');
    let padding = signature.split_at(bare.len()).1;
    if !padding.is_empty() {
        others.extend([bare.to_owned(), format!("{signature}="), format!("{bare}A{padding}")]);
    }
    if !bare.len().is_multiple_of(4) {
        // The last digit has bits that belong to no byte.
        let (start, digit) = bare.split_at(bare.len() - 1);
        let next = DIGITS.chars().nth(DIGITS.find(digit).unwrap() + 1).unwrap();
        others.push(format!("{start}{next}{padding}"));
    }
    others
}

#[test]
fn signature_has_one_spelling() {
    let mut tried = 0;
    for (example, sent) in SIGNED.iter().filter(|(example, _)| signs_text(example)) {
        let place = signature_place(example);
        let text = sent.get(&place).unwrap();
        let range = signature_in(example, &text);
        let signature = String::from_utf8(text[range.clone()].to_vec()).unwrap();
        for other in misspelled(example.encoding(), &signature) {
            let changed = [&text[..range.start], other.as_bytes(), &text[range.end..]].concat();
            let changed = sent.with(&place, changed);
            assert!(changed.verify(example).is_err(), "{}: {other}", example.name);
            tried += 1;
        }
    }
    assert!(tried >= 600, "{tried}");
}
