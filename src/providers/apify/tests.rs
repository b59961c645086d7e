//! Tests of verification and classification.

use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::providers::{Draft, SourceScheme};
use crate::verify::{KeyRing, RawRequest, Secret, Strength, TransferLimits, Verifier};

const NOW: UnixSeconds = 1_700_000_000;
const BODY: &str = r#"{"eventType":"ACTOR.RUN.SUCCEEDED","resource":{"id":"r1"}}"#;
const RUN: (&str, &str) = ("fixture-run-key", "5f0c6a3e-6f3e-4b52-9c39-0a8f3a8f3f10");

struct Case {
    options: &'static str,
    helpers: Vec<(&'static str, &'static str)>,
    headers: Vec<(&'static str, String)>,
    query: Option<String>,
    body: String,
}

impl Default for Case {
    fn default() -> Self {
        let options = r#"purpose = "run""#;
        Self { options, helpers: vec![RUN], headers: vec![], query: None, body: BODY.into() }
    }
}

fn secret() -> Secret {
    Secret::new("apify-webhook-signing-secret-0123456789").unwrap()
}

fn spec(options: &str) -> SourceSpec {
    SourceSpec {
        name: "apify-runs".into(),
        tenant: "default".into(),
        scheme: SourceScheme::default(),
        options: options.parse().unwrap(),
        token: None,
        transfer_limits: TransferLimits { chunks: 1, bytes: 1 },
        services: crate::providers::Services::bare().unwrap(),
    }
}

/// The headers with which a draft is signed.
fn signed(helpers: &[(&str, &str)], body: &str) -> Vec<(String, String)> {
    let helpers: Vec<_> = helpers.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    sign::sign(&Draft {
        options: &spec(r#"purpose = "run""#).options,
        secret: &secret(),
        token: None,
        at: NOW,
        headers: &helpers,
        body: body.as_bytes(),
    })
}

fn token(helpers: &[(&str, &str)]) -> String {
    let helpers = [&[RUN], helpers].concat();
    signed(&helpers, BODY).into_iter().find(|(name, _)| name == TOKEN).unwrap().1
}

/// The same token with one digit of its MAC changed.
fn forged(token: &str) -> String {
    let (rest, last) = token.split_at(token.len() - 1);
    format!("{rest}{}", if last == "0" { "1" } else { "0" })
}

fn send_at(case: Case, now: UnixSeconds) -> Result<VerifiedRequest, Refusal> {
    let provider = build(&spec(case.options)).unwrap().provider;
    let mut head = RequestHead { query: case.query, ..RequestHead::default() };
    let own = case.headers.into_iter().map(|(name, value)| (name.to_owned(), value));
    let made = if case.helpers.is_empty() { vec![] } else { signed(&case.helpers, &case.body) };
    for (name, value) in made.into_iter().chain(own) {
        if let Some(name) = provider.headers().iter().find(|known| **known == name) {
            head.headers.push(name, value.into());
        }
    }
    let window = Window { max_age: 3600, max_future: 300 };
    let verifier = Verifier {
        provider: Arc::clone(&provider),
        keys: KeyRing::new(vec![secret()]).unwrap(),
        published: None,
        window,
    };
    let before = verifier.precheck(&head, now);
    let verified = RawRequest::new(head, Bytes::from(case.body)).verify(&verifier, now);
    if let (Err(before), Ok(_)) = (&before, &verified) {
        panic!("rejected before the body is read, but not after: {before}");
    }
    verified
}

fn send(case: Case) -> Result<VerifiedRequest, Refusal> {
    send_at(case, NOW)
}

fn reason(case: Case) -> &'static str {
    send(case).unwrap_err().reason()
}

#[test]
fn token_vouches_and_its_claims_are_kept() {
    let request = send(Case::default()).unwrap();
    assert_eq!(request.strength(), Strength::Vouched);
    assert!(std::str::from_utf8(request.claims().unwrap()).unwrap().contains(RUN.1));
}

#[test]
fn token_may_be_in_header_body_or_query_if_identical() {
    let one = token(&[]);
    let other = token(&[("fixture-guild", "2")]);
    let body = |token: &str| format!(r#"{{"eventType":"TEST","signedPayload":"{token}"}}"#);
    let query = |token: &str| Some(format!("a=b&signed_payload={token}"));
    let none = || Case { helpers: vec![], ..Case::default() };

    assert!(send(Case { body: body(&one), ..none() }).is_ok());
    assert!(send(Case { query: query(&one), ..none() }).is_ok());
    let header = || vec![(TOKEN, one.clone())];
    let all = || Case { headers: header(), query: query(&one), body: body(&one), ..none() };
    assert!(send(all()).is_ok());
    assert_eq!(reason(Case { query: query(&other), ..all() }), "sig_malformed");
    assert_eq!(reason(Case { body: body(&other), ..all() }), "sig_malformed");
    let twice = Some(format!("signed_payload={one}&signed_payload={other}"));
    assert_eq!(reason(Case { query: twice, ..none() }), "sig_malformed");
    assert_eq!(reason(none()), "sig_missing");
}

#[test]
fn token_is_valid_for_its_lifetime_and_late_afterwards() {
    let case = Case::default;
    assert!(send_at(case(), NOW - 300).is_ok());
    assert!(matches!(send_at(case(), NOW - 301), Err(Refusal::Future { seconds: 1 })));
    assert!(send_at(case(), NOW + 3600).is_ok());
    for beyond in [1, 86_400] {
        let late = send_at(case(), NOW + 3600 + beyond);
        let Err(Refusal::Late(late)) = late else { panic!("late") };
        assert!(late.claims().is_some());
        let refused = late.refuse();
        assert!(matches!(refused, Refusal::Stale { seconds } if seconds == beyond), "{refused}");
        assert!(late.admit().late());
    }
}

#[test]
fn claims_are_ignored_until_the_mac_is_verified() {
    let headers = vec![(TOKEN, forged(&token(&[("fixture-token-age", "7200")])))];
    let case = Case { helpers: vec![], headers, ..Case::default() };
    assert_eq!(reason(case), "sig_mismatch");
}

#[test]
fn token_for_another_purpose_is_rejected() {
    let helpers = vec![RUN, ("fixture-purpose", "verify")];
    assert_eq!(reason(Case { helpers, ..Case::default() }), "not_allowed");
}

#[test]
fn body_signature_is_sufficient_but_a_token_must_be_valid_too() {
    let alone = send(Case { helpers: vec![("x", "y")], ..Case::default() }).unwrap();
    assert_eq!((alone.strength(), alone.claims()), (Strength::Signed, None));

    let both = || vec![RUN, ("fixture-signature", "both")];
    let request = send(Case { helpers: both(), ..Case::default() }).unwrap();
    assert_eq!(request.strength(), Strength::Signed);
    assert!(request.claims().is_some());

    let headers = vec![(TOKEN, forged(&token(&[])))];
    let case = Case { helpers: vec![("x", "y")], headers, ..Case::default() };
    assert_eq!(reason(case), "sig_mismatch");
    let headers = vec![(SIGNATURE, format!("t={NOW},v1={}", "0".repeat(64)))];
    assert_eq!(reason(Case { headers, ..Case::default() }), "sig_mismatch");

    let helpers = [both(), vec![("fixture-token-age", "7200")]].concat();
    let late = send(Case { helpers, ..Case::default() });
    assert!(matches!(late, Err(Refusal::Late(_))));
}

#[test]
fn origin_is_optional_but_must_be_allowed() {
    for (headers, allowed) in [
        (vec![], true),
        (vec![("origin", "https://api.apify.com")], true),
        (vec![("referer", "https://my.apify.com/actors?x=y")], true),
        (vec![("origin", "https://api.apify.com"), ("referer", "https://evil.example/")], true),
        (vec![("origin", "https://evil.example")], false),
        (vec![("origin", "null")], false),
        (vec![("origin", "")], false),
        (vec![("origin", "https://api.apify.com@evil.example")], false),
        (vec![("origin", "https://api.apify.com.evil.example")], false),
        (vec![("referer", "https://evil.example/?api.apify.com")], false),
        (vec![("origin", "https://api.apify.com"), ("origin", "https://api.apify.com")], true),
        (vec![("origin", "https://api.apify.com"), ("origin", "https://evil.example")], false),
    ] {
        let headers = headers.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        let case = Case { headers, ..Case::default() };
        let shown = format!("{:?}", case.headers);
        assert_eq!(send(case).is_ok(), allowed, "{shown}");
    }
}

#[test]
fn token_mode_requires_the_secret_and_warns_about_its_weakness() {
    let options = "purpose = \"run\"\nmode = \"token\"\ntoken_header = \"x-webhook-token\"";
    let case = |headers| Case { options, helpers: vec![], headers, ..Case::default() };
    let right = "apify-webhook-signing-secret-0123456789";
    let request = send(case(vec![("x-webhook-token", right.into())])).unwrap();
    assert_eq!((request.strength(), request.claims()), (Strength::Vouched, None));
    assert_eq!(reason(case(vec![("x-webhook-token", right.to_uppercase())])), "sig_mismatch");
    assert_eq!(reason(case(vec![("x-apify-webhook-secret", right.into())])), "sig_missing");
    // A token is not the secret.
    assert_eq!(reason(case(vec![(TOKEN, token(&[]))])), "sig_missing");
    assert_eq!(build(&spec(options)).unwrap().warnings.len(), 1);
    assert!(build(&spec(r#"purpose = "run""#)).unwrap().warnings.is_empty());
}

#[test]
fn invalid_options_are_rejected() {
    for bad in [
        "",
        r#"purpose = "other""#,
        "purpose = \"run\"\nmode = \"none\"",
        "purpose = \"run\"\nmode = \"\"",
        "purpose = \"run\"\ntoken_header = \"x-webhook-token\"",
        "purpose = \"run\"\nmode = \"token\"\ntoken_header = \"x-other\"",
        "purpose = \"run\"\ntoken_ttl = 0",
        "purpose = \"run\"\ntoken_ttl = -1",
        "purpose = \"run\"\ntoken_ttl = 10\ndispatch_ttl = 9",
        "purpose = \"run\"\nallowed_origins = [\"https://api.apify.com\"]",
        "purpose = \"run\"\nallowed_origins = [\"API.apify.com\"]",
        "purpose = \"run\"\nalowed_origins = []",
        "purpose = \"run\"\ndaily_budget = -1",
        "purpose = \"run\"\nmax_items = 0",
        "purpose = \"verify\"\ncode_ttl = 0",
        "purpose = \"verify\"\ncode_ttl = 86401",
        "purpose = \"run\"\napi_url = \"api.apify.com\"",
        "purpose = \"run\"\napi_url = \"ftp://api.apify.com\"",
        "purpose = \"run\"\napi_url = \"https://user@api.apify.com\"",
        "purpose = \"run\"\napi_url = \"https://api.apify.com/?token=x\"",
    ] {
        assert!(build(&spec(bad)).is_err(), "{bad}");
    }
}

#[test]
fn events_of_a_run_share_a_lane_and_are_keyed_by_body() {
    let provider = build(&spec(r#"purpose = "run""#)).unwrap().provider;
    let Classified::Event(vouched) = provider.classify(&send(Case::default()).unwrap()) else {
        panic!("an event")
    };
    assert_eq!(vouched.lane.unwrap().as_str(), RUN.1);
    let EventKey::Signed(key) = &vouched.key else { panic!("the token's run is in the key") };
    assert!(key.starts_with(RUN.1.parse::<uuid::Uuid>().unwrap().as_bytes()));
    let request = send(Case { helpers: vec![("x", "y")], ..Case::default() }).unwrap();
    let Classified::Event(signed) = provider.classify(&request) else { panic!("an event") };
    assert_eq!(signed.lane.unwrap().as_str(), "r1");
    assert!(matches!(signed.key, EventKey::BodyDigest(_)));
    let request = send(Case { body: "not json".into(), ..Case::default() }).unwrap();
    assert!(matches!(provider.classify(&request), Classified::Quarantined(_)));
}
