//! Tests with schemes that no built-in provider has.

mod tokens;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use ed25519_dalek::{Signer as _, SigningKey};
use url::Url;

use super::*;
use crate::verify::test_sender::TestSender;
use crate::verify::{
    KeyCache, KeyRing, Scheme, SchemeOptions, Schemes, SignedRequest, ToSign, Window,
};

const NOW: UnixSeconds = 1_763_640_000;
const SECRET: &str = "whsec_c2VhbHBvc3QtZXhwbGFpbi10ZXN0";
const OLD: &str = "whsec_YW4tb2xkZXItc2VjcmV0LW9mLXRlc3Rz";
const OTHER: &str = "whsec_YS1zdHJhbmdlci1zZWNyZXQtMDEy";
const BODY: &[u8] = b"{\"a\":1}";

const LISTED: &str = r#"
algorithm = "hmac-sha256"
signed = "{header:webhook-id}.{timestamp}.{body}"
signature = { header = "webhook-signature", format = "v1,{signature}", separator = " ", encoding = "base64" }
timestamp = { from = "header:webhook-timestamp", tolerance = "5m" }
"#;
const DECODED: &str = "key = { encoding = \"base64\", strip = [\"whsec_\"] }";
const HASHED: &str = r#"
algorithm = "sha1"
signed = "{body}{timestamp}{secret}"
signature = { header = "x-signature" }
timestamp = { from = "header:x-timestamp", tolerance = "5m" }
"#;
const UNTIMED: &str = r#"
algorithm = "hmac-sha512"
signed = "{header:x-id}.{body}"
signature = { header = "x-signature", prefix = "sha512=" }
"#;
const DATED: &str = r#"
algorithm = "hmac-sha384"
signed = "{timestamp}.{body}"
signature = { header = "x-signature" }
timestamp = { from = "header:x-timestamp", unit = "rfc3339", tolerance = "5m" }
"#;
const TOKEN: &str = r#"
algorithm = "token"
signature = { header = "x-token" }
"#;

const PREFIXED: &str = r#"
algorithm = "token"
signature = { header = "authorization", prefix = "Bearer " }
"#;
const BASIC: &str = r#"
algorithm = "basic"
signature = { header = "authorization" }
"#;
const CLAIMS: &str = r#"
algorithm = "jwt"
signature = { header = "x-token" }
jwt = { algorithms = ["HS256"], claims = { iss = "acme" }, body_hash = { claim = "sha256", hash = "sha256" } }
"#;
const PUBLIC: &str = r#"
algorithm = "ed25519"
signed = "{timestamp}{body}"
signature = { header = "x-signature" }
timestamp = { from = "header:x-timestamp", tolerance = "5m" }
key = { encoding = "raw-hex" }
"#;
const PUBLISHED: &str = r#"
algorithm = "ed25519"
signed = "{body}"
signature = { header = "x-signature" }
key = { fetch = { url = "https://acme.example.com/keys.json" } }
"#;
const FORM: &str = r#"
algorithm = "hmac-sha1"
signed = "{params?}"
signature = { header = "x-signature" }
"#;

struct Known(Option<String>);

impl KeyCache for Known {
    fn get(&self, _: &Url) -> Option<Arc<str>> {
        self.0.as_deref().map(Arc::from)
    }
}

/// Signs by one scheme with `key`, applies `change`, and explains how another scheme judges it.
fn between(
    signs: &str,
    verifies: &str,
    key: &str,
    change: impl FnOnce(&mut SignedRequest),
) -> Explanation {
    let secret = Secret::new(key).unwrap();
    let draft =
        ToSign { method: "POST", query: None, headers: &[], body: BODY, secret: &secret, at: NOW };
    let mut request = Scheme::built_in(signs).unwrap().sign(&draft).unwrap();
    change(&mut request);
    judged(verifies, request, SECRET, None, NOW)
}

/// Explains how a scheme judges a request that arrives at this time. `known` is what is known of the
/// keys that the sender publishes.
fn judged(
    table: &str,
    request: SignedRequest,
    configured: &str,
    known: Option<Known>,
    at: UnixSeconds,
) -> Explanation {
    let definition = toml::from_str(table).unwrap();
    let schemes = Schemes::compile(&definition, &SchemeOptions::default()).unwrap();
    let mut head = RequestHead::default();
    for name in schemes.headers() {
        for (_, value) in request.headers.iter().filter(|(header, _)| header == name) {
            head.headers.push(name, Bytes::from(value.clone()));
        }
    }
    let configured = vec![Secret::new(configured).unwrap()];
    let keys = match &known {
        Some(_) => KeyRing::without_secrets(),
        None => schemes.key_ring(configured, false).unwrap(),
    };
    let published = known.map(|known| -> Arc<dyn KeyCache> { Arc::new(known) });
    let window = Window { max_age: 300, max_future: 300 };
    let verifier = Verifier { provider: Arc::new(TestSender(schemes)), keys, published, window };
    let (body, retired) = (Bytes::from(request.body), [Secret::new(OLD).unwrap()]);
    let case = Case { retired: &retired, offered: &[], head: &head, body: &body, at };
    explain(&verifier, &case)
}

/// A request that the owner of a private key signed over this text, with a body.
fn by_private_key(text: &str, body: &[u8]) -> SignedRequest {
    let signature = hex::encode(private_key().sign(text.as_bytes()).to_bytes());
    let headers = [("x-signature", signature), ("x-timestamp", NOW.to_string())];
    let headers = headers.map(|(name, value)| (name.to_owned(), value)).to_vec();
    SignedRequest { query: None, headers, body: body.to_vec() }
}

fn private_key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn public_key() -> String {
    hex::encode(private_key().verifying_key().to_bytes())
}

fn explained(table: &str, key: &str, change: impl FnOnce(&mut SignedRequest)) -> Explanation {
    between(table, table, key, change)
}

fn set(name: &str, value: impl FnOnce(&str) -> String) -> impl FnOnce(&mut SignedRequest) {
    move |request| {
        let header = request.headers.iter_mut().find(|(header, _)| header == name).unwrap();
        header.1 = value(&header.1);
    }
}

fn deviations(explanation: Explanation) -> Vec<Deviation> {
    assert_eq!(explanation.finding, Finding::InvalidSignature);
    explanation.made.unwrap().deviations
}

#[test]
fn every_algorithm_distinguishes_known_secrets() {
    let decoded = format!("{LISTED}{DECODED}");
    for table in [LISTED, &decoded, HASHED, UNTIMED, DATED, TOKEN] {
        assert!(explained(table, SECRET, |_| {}).verifies(), "{table}");
        let retired = explained(table, OLD, |_| {});
        assert_eq!(retired.kind().as_str(), "retired_secret", "{table}");
        let unknown = explained(table, OTHER, |_| {});
        assert_eq!((unknown.finding, unknown.made), (Finding::NoMatch, None), "{table}");
    }
}

#[test]
fn changed_body_is_recognised_for_every_signed_text() {
    for table in [LISTED, HASHED, UNTIMED, DATED] {
        let explanation = explained(table, SECRET, |request| request.body.push(b'\n'));
        let expected = [Deviation::Body(BodyForm::GainedBlanks)];
        assert_eq!(deviations(explanation), expected, "{table}");
    }
}

#[test]
fn signature_in_another_form_is_recognised() {
    let decode = |value: &str| STANDARD.decode(value.strip_prefix("v1,").unwrap()).unwrap();
    let hex = set("webhook-signature", |value| format!("v1,{}", hex::encode(decode(value))));
    assert_eq!(
        deviations(explained(LISTED, SECRET, hex)),
        [Deviation::HeaderFormat(HeaderFormat::Hex)]
    );
    let unpadded = set("webhook-signature", |value| value.trim_end_matches('=').to_owned());
    assert_eq!(
        deviations(explained(LISTED, SECRET, unpadded)),
        [Deviation::HeaderFormat(HeaderFormat::OtherBase64)]
    );
    let bare = set("webhook-signature", |value| value.replace("v1,", "v2,"));
    let explanation = explained(LISTED, SECRET, bare);
    assert!(explanation.text().contains("has no `v1,`"), "{}", explanation.text());
    let longer = set("x-signature", |_| "0".repeat(64));
    assert_eq!(
        explained(HASHED, SECRET, longer).finding,
        Finding::HeaderFormat("x-signature", HeaderFormat::Length { found: 32, expected: 20 })
    );
}

#[test]
fn undecoded_secret_is_recognised() {
    let decoded = format!("{LISTED}{DECODED}");
    let explanation = between(LISTED, &decoded, SECRET, |_| {});
    assert_eq!(deviations(explanation), [Deviation::Secret(SecretForm::Undecoded)]);
}

#[test]
fn body_alone_is_recognised_where_more_is_expected() {
    let alone = UNTIMED.replace("{header:x-id}.", "");
    let explanation = between(&alone, UNTIMED, SECRET, |request| {
        request.headers.push(("x-id".to_owned(), "1".to_owned()));
    });
    assert_eq!(deviations(explanation), [Deviation::Text(TextForm::BodyOnly)]);
}

#[test]
fn timestamp_in_another_unit_is_recognised() {
    let seconds = set("x-timestamp", |_| NOW.to_string());
    let explanation = explained(DATED, SECRET, seconds);
    assert_eq!(explanation.finding, Finding::Timestamp(TimeFault::Unit));
}

#[test]
fn public_key_finds_a_changed_body_and_another_format() {
    let text = format!("{NOW}{}", String::from_utf8_lossy(BODY));
    let explain = |request: SignedRequest, key: &str| judged(PUBLIC, request, key, None, NOW);
    let right = explain(by_private_key(&text, BODY), &public_key());
    assert!(right.verifies() && right.text().contains("(public key "), "{}", right.text());
    let longer = explain(by_private_key(&text, b"{\"a\":1}\n"), &public_key());
    assert!(longer.text().contains("signed with public key"), "{}", longer.text());
    assert_eq!(deviations(longer), [Deviation::Body(BodyForm::GainedBlanks)]);
    let alone = by_private_key(&String::from_utf8_lossy(BODY), BODY);
    assert_eq!(deviations(explain(alone, &public_key())), [Deviation::Text(TextForm::BodyAlone)]);
    let mut base64 = by_private_key(&text, BODY);
    base64.headers[0].1 = STANDARD.encode(hex::decode(&base64.headers[0].1).unwrap());
    assert_eq!(
        deviations(explain(base64, &public_key())),
        [Deviation::HeaderFormat(HeaderFormat::Base64)]
    );
    let other = hex::encode(SigningKey::from_bytes(&[8; 32]).verifying_key().to_bytes());
    let wrong = explain(by_private_key(&text, BODY), &other);
    assert_eq!((&wrong.finding, &wrong.made), (&Finding::NoMatch, &None));
    assert!(wrong.text().starts_with("no configured public key matches"), "{}", wrong.text());
    assert!(wrong.hint().unwrap().starts_with("copy the public key"), "{wrong:?}");
}

#[test]
fn body_of_another_kind_is_named() {
    let scheme = Scheme::built_in(FORM).unwrap();
    let secret = Secret::new(SECRET).unwrap();
    let kind = ("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned());
    let draft = ToSign {
        method: "POST",
        query: None,
        headers: &[kind],
        body: b"a=1",
        secret: &secret,
        at: NOW,
    };
    // The recording has no content type.
    let explanation = judged(FORM, scheme.sign(&draft).unwrap(), SECRET, None, NOW);
    assert!(matches!(explanation.finding, Finding::Lacks(_)), "{explanation:?}");
    let expected = "the body is not of the kind that the sender signs, such as a form";
    assert_eq!(explanation.text(), expected);
    assert_eq!(explanation.kind().as_str(), "header_missing");
}
