//! Tests with repeated secrets, JSON Web Tokens and published keys.

use super::*;

#[test]
fn token_is_compared_with_the_secrets() {
    let prefixed = explained(TOKEN, SECRET, set("x-token", |value| format!("Bearer {value}")));
    let found = "Bearer ".to_owned();
    let format = HeaderFormat::Prefix { expected: None, found };
    assert_eq!(deviations(prefixed), [Deviation::HeaderFormat(format)]);
    let missing = explained(TOKEN, SECRET, |request| request.headers.clear());
    assert_eq!(missing.finding, Finding::Header("x-token", HeaderFault::Missing));
}

#[test]
fn token_without_its_prefix_is_compared_too() {
    let bare = explained(
        PREFIXED,
        SECRET,
        set("authorization", |value| value.trim_start_matches("Bearer ").to_owned()),
    );
    let format = HeaderFormat::NoPrefix("Bearer ");
    assert_eq!(
        bare.text(),
        format!(
            "wrong token: it is secret {}, but it lacks the prefix `Bearer `",
            Secret::new(SECRET).unwrap().fingerprint()
        )
    );
    assert_eq!(deviations(bare), [Deviation::HeaderFormat(format.clone())]);
    let other = explained(
        PREFIXED,
        OTHER,
        set("authorization", |value| value.trim_start_matches("Bearer ").to_owned()),
    );
    assert_eq!(other.finding, Finding::HeaderFormat("authorization", format));
}

#[test]
fn repeated_secret_says_nothing_about_the_body() {
    for table in [TOKEN, PREFIXED, BASIC] {
        let wrong = explained(table, OTHER, |request| request.body.clear());
        assert_eq!(wrong.finding, Finding::NoMatch, "{table}");
        let text = wrong.text();
        assert_eq!(text, "no configured secret is the one in the request", "{table}");
        assert_eq!(explained(table, OLD, |_| {}).kind().as_str(), "retired_secret", "{table}");
    }
}

#[test]
fn unknown_published_key_is_no_wrong_key() {
    let x = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .encode(private_key().verifying_key().to_bytes());
    let set = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}]}}"#);
    let request = || by_private_key(&String::from_utf8_lossy(BODY), BODY);
    let explain = |request, known: Option<&str>| {
        judged(PUBLISHED, request, SECRET, Some(Known(known.map(str::to_owned))), NOW)
    };
    let right = explain(request(), Some(&set));
    assert!(right.verifies() && right.text().contains("published key"), "{}", right.text());
    let mut longer = request();
    longer.body.push(b'\n');
    assert_eq!(deviations(explain(longer, Some(&set))), [Deviation::Body(BodyForm::GainedBlanks)]);
    let unknown = explain(request(), None);
    assert_eq!(unknown.finding, Finding::NoMatch);
    assert_eq!(unknown.text(), "the key that the sender publishes is not known here");
    assert!(unknown.hint().unwrap().contains("--url"), "{unknown:?}");
    let other = explain(request(), Some(r#"{"keys":[]}"#));
    assert!(other.text().starts_with("no published key"), "{}", other.text());
}

#[test]
fn token_with_claims_is_explained() {
    let changed = explained(CLAIMS, SECRET, |request| request.body.push(b'\n'));
    assert!(changed.text().starts_with("invalid token: signed with secret"), "{}", changed.text());
    assert_eq!(deviations(changed), [Deviation::Body(BodyForm::GainedBlanks)]);
    let other = explained(CLAIMS, SECRET, |request| request.body = b"{\"b\":2}".to_vec());
    assert_eq!(deviations(other), [Deviation::Body(BodyForm::Unknown)]);
    assert_eq!(explained(CLAIMS, OLD, |_| {}).kind().as_str(), "retired_secret");
    let unknown = explained(CLAIMS, OTHER, |_| {});
    assert_eq!(unknown.text(), "no configured secret matches the token: wrong secret");
    let receiver = CLAIMS.replace("\"acme\"", "\"other\"");
    let claim = between(CLAIMS, &receiver, SECRET, |_| {});
    assert_eq!(claim.finding, Finding::Differs(Requirement::Claim));
    assert!(claim.text().contains("; otherwise valid (secret"), "{}", claim.text());

    let secret = Secret::new(SECRET).unwrap();
    let draft =
        ToSign { method: "POST", query: None, headers: &[], body: BODY, secret: &secret, at: NOW };
    let request = Scheme::built_in(CLAIMS).unwrap().sign(&draft).unwrap();
    let late = judged(CLAIMS, request, SECRET, None, NOW + 1000);
    assert!(late.text().starts_with("too old: the token was valid until 700 s"), "{}", late.text());
    assert!(late.text().contains("otherwise valid"), "{}", late.text());
}
