//! Tests of verification and classification.

use std::sync::Arc;

use bytes::Bytes;
use time::macros::datetime;

use super::*;
use crate::providers::{Draft, SourceScheme};
use crate::verify::{KeyRing, RawRequest, TransferLimits, Verifier};

const NOW: UnixSeconds = 1_700_000_000;
const BODY: &str = r#"{"event":"post.submitted","id":"1"}"#;
const ANY: &str = r#"allowed_services = ["api", "worker"]"#;

fn secret() -> Secret {
    Secret::new("bot-callback-signing-secret-0123456789").unwrap()
}

fn token() -> Secret {
    Secret::new("bot-callback-token-0123456789").unwrap()
}

fn spec(options: &str, token: Option<Secret>) -> SourceSpec {
    SourceSpec {
        name: "bot".into(),
        tenant: "default".into(),
        scheme: SourceScheme::default(),
        options: options.parse().unwrap(),
        token,
        transfer_limits: TransferLimits { chunks: 1, bytes: 1 },
        services: crate::providers::Services::bare().unwrap(),
    }
}

/// Signs with these headers, applies `change` to the result, and sends it.
fn send_with(
    spec: &SourceSpec,
    headers: &[(&str, &str)],
    change: impl FnOnce(&mut Vec<(String, String)>),
) -> Result<VerifiedRequest, Refusal> {
    let headers: Vec<_> = headers.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    let mut signed = sign(&Draft {
        options: &spec.options,
        secret: &secret(),
        token: spec.token.as_ref(),
        at: NOW,
        headers: &headers,
        body: BODY.as_bytes(),
    });
    change(&mut signed);
    let provider = build(spec).unwrap().provider;
    let mut head = RequestHead::default();
    for (name, value) in signed {
        if let Some(name) = provider.headers().iter().find(|known| **known == name) {
            head.headers.push(name, value.into());
        }
    }
    let window = Window { max_age: 300, max_future: 300 };
    let keys = KeyRing::new(vec![secret()]).unwrap();
    let verifier = Verifier { provider: Arc::clone(&provider), keys, published: None, window };
    let before = verifier.precheck(&head, NOW).err().map(|refusal| refusal.reason());
    let verified =
        RawRequest::new(head, Bytes::from_static(BODY.as_bytes())).verify(&verifier, NOW);
    let after = verified.as_ref().err().map(Refusal::reason);
    assert!(before.is_none() || before == after, "{before:?} before the body, {after:?} after");
    verified
}

fn send(spec: &SourceSpec, headers: &[(&str, &str)]) -> Result<VerifiedRequest, Refusal> {
    send_with(spec, headers, |_| {})
}

fn set(name: &str, value: &str) -> impl FnOnce(&mut Vec<(String, String)>) {
    move |headers| {
        headers.retain(|(header, _)| header != name);
        headers.push((name.to_owned(), value.to_owned()));
    }
}

fn reason(result: Result<VerifiedRequest, Refusal>) -> &'static str {
    result.unwrap_err().reason()
}

#[test]
fn both_forms_are_accepted_unless_the_source_requires_one() {
    let (compat, native) = ([], [("fixture-form", "native")]);
    assert!(send(&spec(ANY, None), &compat).is_ok());
    assert!(send(&spec(ANY, None), &native).is_ok());
    let only_compat = spec(&format!("{ANY}\nform = \"compat\""), None);
    assert!(send(&only_compat, &compat).is_ok());
    assert_eq!(reason(send(&only_compat, &native)), "sig_malformed");
    let only_native = spec(&format!("{ANY}\nform = \"native\""), None);
    assert!(send(&only_native, &native).is_ok());
    assert_eq!(reason(send(&only_native, &[("fixture-form", "compat")])), "sig_malformed");
}

#[test]
fn native_form_signs_the_service_and_compat_form_does_not() {
    let source = spec(ANY, None);
    let native = [("fixture-form", "native")];
    let swapped = send_with(&source, &native, set(SERVICE, "worker"));
    assert_eq!(reason(swapped), "sig_mismatch");
    let swapped = send_with(&source, &[], set(SERVICE, "worker")).unwrap();
    assert_eq!(swapped.header(SERVICE), None);
}

#[test]
fn unlisted_service_is_rejected() {
    let source = spec(ANY, None);
    assert_eq!(reason(send(&source, &[(SERVICE, "dashboard")])), "not_allowed");
    let drop = |headers: &mut Vec<(String, String)>| headers.retain(|(name, _)| name != SERVICE);
    assert_eq!(reason(send_with(&source, &[], drop)), "sig_missing");
}

#[test]
fn separator_in_a_signed_value_is_rejected() {
    let source = spec(ANY, None);
    for (name, value) in [
        (NONCE, "AAAAAAAAAAAAAAAA:1"),
        (NONCE, "AAAAAAAAAAAAAAA"),
        (NONCE, ""),
        (GUILD, "1:2"),
        (GUILD, "123456789012345678901"),
        (GUILD, "guild"),
    ] {
        let result = send(&source, &[(name, value)]);
        assert_eq!(reason(result), "id_charset", "{name}: {value}");
    }
    for time in ["170000000", "17000000000", "17000 0000", "+170000000", "170000000x"] {
        assert_eq!(reason(send_with(&source, &[], set(TIMESTAMP, time))), "ts_malformed", "{time}");
    }
}

#[test]
fn absent_guild_is_the_empty_guild() {
    let source = spec(ANY, None);
    let provider = build(&source).unwrap().provider;
    for (headers, lane) in
        [(vec![], None), (vec![(GUILD, "")], None), (vec![(GUILD, "7")], Some("7"))]
    {
        let Classified::Event(event) = provider.classify(&send(&source, &headers).unwrap()) else {
            panic!("an event")
        };
        assert_eq!(event.lane.as_ref().map(Lane::as_str), lane);
        assert_eq!(event.occurred_at, Some(datetime!(2023-11-14 22:13:20 UTC)));
    }
    let drop = |headers: &mut Vec<(String, String)>| headers.retain(|(name, _)| name != GUILD);
    assert_eq!(reason(send_with(&source, &[(GUILD, "7")], drop)), "sig_mismatch");
}

#[test]
fn configured_token_is_required_in_either_header() {
    let source = spec(ANY, Some(token()));
    let right = "bot-callback-token-0123456789";
    assert!(send(&source, &[]).is_ok());
    assert!(send(&source, &[(TOKEN, right)]).is_ok());
    let bearer = format!("bearer {right}");
    assert!(send(&source, &[(AUTHORIZATION, &bearer), (TOKEN, right)]).is_ok());
    let drop = |headers: &mut Vec<(String, String)>| headers.retain(|(k, _)| k != AUTHORIZATION);
    assert_eq!(reason(send_with(&source, &[], drop)), "sig_missing");
    assert_eq!(reason(send(&source, &[(TOKEN, "wrong")])), "sig_mismatch");
    assert_eq!(
        reason(send(&source, &[(AUTHORIZATION, &bearer), (TOKEN, "wrong")])),
        "sig_mismatch"
    );
    assert_eq!(reason(send(&source, &[(AUTHORIZATION, right)])), "sig_malformed");
}

#[test]
fn idempotency_key_is_scoped_to_service_and_token() {
    let key = |source: &SourceSpec, headers: &[(&str, &str)]| {
        send(source, headers).unwrap().request_key()
    };
    let (open, keyed) = (spec(ANY, None), spec(ANY, Some(token())));
    assert_eq!(key(&open, &[]), None);
    let first = key(&open, &[(IDEMPOTENCY_KEY, "k")]);
    assert!(first.is_some());
    assert_eq!(key(&open, &[(IDEMPOTENCY_KEY, "k"), (GUILD, "7")]), first);
    assert_ne!(key(&open, &[(IDEMPOTENCY_KEY, "l")]), first);
    assert_ne!(key(&open, &[(IDEMPOTENCY_KEY, "k"), (SERVICE, "worker")]), first);
    assert_ne!(key(&keyed, &[(IDEMPOTENCY_KEY, "k")]), first);
    let long = "k".repeat(256);
    for bad in ["", "a b", &long] {
        assert_eq!(reason(send(&open, &[(IDEMPOTENCY_KEY, bad)])), "sig_malformed", "{bad}");
    }
}

#[test]
fn millisecond_timestamp_is_read_to_the_millisecond() {
    assert_eq!(signed_at("1700000000123"), Some(datetime!(2023-11-14 22:13:20.123 UTC)));
    assert_eq!(signed_at("1700000000"), Some(datetime!(2023-11-14 22:13:20 UTC)));
}

#[test]
fn options_without_a_valid_service_list_are_rejected() {
    for bad in [
        "",
        "allowed_services = []",
        "allowed_services = [\"a:b\"]",
        "allowed_services = [\"\"]",
        "allowed_services = \"api\"",
        "allowed_services = [\"api\"]\nform = \"none\"",
        "allowed_services = [\"api\"]\nsigned_mode = \"off\"",
    ] {
        assert!(build(&spec(bad, None)).is_err(), "{bad}");
    }
}
