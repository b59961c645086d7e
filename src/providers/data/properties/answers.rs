//! What the gateway answers to requests that nobody verified: never a proof of an event.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Map, Value as Json};
use url::form_urlencoded;

use super::super::fuzzing::{EXAMPLES, Example, METHODS, OPTION};
use super::{Place, Sent, form, repeat, signature_place};
use crate::verify::{HandshakeMethod, RawRequest, Refusal};

/// Requests that ask for an answer to `text`, as each handshake of the provider wants them.
fn prompts(example: &Example, text: &str) -> Vec<Sent> {
    let prompt = |when: &BTreeMap<String, String>| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let mut headers = Vec::new();
        let mut document = Map::new();
        for (name, expected) in when {
            let value = match expected.as_str() {
                "*" => text,
                pattern if pattern.starts_with('/') => text,
                option if option.starts_with("{option:") => OPTION,
                fixed => fixed,
            };
            match name.split_once(':').unwrap_or((name, "")) {
                ("query", name) => {
                    query.append_pair(name, value);
                }
                ("header", name) => headers.push((name.to_owned(), value.as_bytes().to_vec())),
                (_, name) => {
                    document.insert(name.replace('/', ""), value.into());
                }
            }
        }
        let document = Json::Object(document).to_string();
        let query = Some(query.finish());
        let body = |body: &str| Sent {
            query: query.clone(),
            headers: headers.clone(),
            body: body.as_bytes().to_vec(),
        };
        [body(text), body(&document)]
    };
    example.definition.handshake.iter().flat_map(|handshake| prompt(&handshake.when)).collect()
}

/// An event whose content is `text`, with a proof that the gateway has given away.
fn forged(example: &Example, text: &str, proof: &str) -> Sent {
    let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    let signature = &example.definition.signature;
    let payload = example.definition.event.payload.as_deref();
    let payload = payload.and_then(|payload| payload.strip_prefix("form:"));
    let fields: Vec<(&str, &str)> = (payload.map(|name| (name, text)).into_iter())
        .chain(signature.form.as_deref().map(|name| (name, proof)))
        .collect();
    let mut headers = Vec::new();
    if let Place::Header(name) = signature_place(example) {
        headers.push(header(&name, proof));
    }
    let body = if fields.is_empty() {
        headers.push(header("content-type", "application/json"));
        text.as_bytes().to_vec()
    } else {
        headers.push(header("content-type", "application/x-www-form-urlencoded"));
        form(&fields)
    };
    Sent { query: None, headers, body }
}

/// What the gateway answers to a request that nobody verified: the body, and the texts in it.
fn answered(example: &Example, prompt: &Sent, method: HandshakeMethod) -> Vec<String> {
    let head = example.head("POST", prompt.query.as_deref(), &prompt.headers);
    let request = RawRequest::new(head, Bytes::from(prompt.body.clone()));
    let Some(answer) = request.handshake(&example.verifier, method) else { return Vec::new() };
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    let document: Json = serde_json::from_str(&body).unwrap_or_default();
    let members = document.as_object().into_iter().flat_map(Map::values);
    members.filter_map(Json::as_str).map(str::to_owned).chain([body]).collect()
}

#[test]
fn answer_to_unverified_request_proves_no_event() {
    let text = prop_oneof![
        "\\{\"[a-z_]{1,9}\":(\"[a-zA-Z0-9 .,:-]{0,40}\"|[1-9]{1,9})\\}",
        "\\[[1-9]{1,9}(,[1-9]{1,9}){0,3}\\]",
        "[ -~]{0,60}",
        "[a-f0-9]{20,32}",
        "<[a-zA-Z0-9<>/ =]{0,40}".prop_map(|xml| STANDARD.encode(xml)),
        "<[a-zA-Z0-9<>/ =]{0,40}".prop_map(|xml| format!("{}\n", STANDARD.encode(xml))),
    ];
    for example in EXAMPLES.iter().filter(|example| !example.definition.handshake.is_empty()) {
        repeat(128, &text, |text| {
            for (prompt, method) in prompts(example, &text)
                .iter()
                .flat_map(|prompt| METHODS.map(|method| (prompt, method)))
            {
                for proof in answered(example, prompt, method) {
                    let accepted = forged(example, &text, &proof).verify(example).is_ok();
                    assert!(!accepted, "{}: {text} {proof}", example.name);
                }
            }
        });
    }
}

#[test]
fn only_a_challenge_is_signed() {
    let base64 = STANDARD.encode("<notification/>");
    let line = format!("{base64}\n");
    for (name, text, is_answered) in [
        ("twitter", "MTIzNDU2Nzg5MA==", true),
        ("twitter", r#"{"for_user_id":"1"}"#, false),
        ("twitter", "[]", false),
        ("braintree", "0123456789abcdef0123", true),
        ("braintree", base64.as_str(), false),
        ("braintree", line.as_str(), false),
        ("braintree", "0123456789abcdef0123\n", false),
    ] {
        let example = EXAMPLES.iter().find(|example| example.name == name).unwrap();
        let prompts = prompts(example, text);
        let answers = answered(example, &prompts[0], HandshakeMethod::Get);
        assert_eq!(!answers.is_empty(), is_answered, "{name}: {text}");
        for proof in answers {
            let refusal = forged(example, text, &proof).verify(example).unwrap_err();
            assert!(matches!(refusal, Refusal::NotAllowed(_) | Refusal::Malformed(_)), "{proof}");
        }
    }
}
