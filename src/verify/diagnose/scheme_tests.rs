//! Tests with schemes that no built-in provider has.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::*;
use crate::verify::{
    Classified, KeyRing, Proof, Provider, Quarantine, Scheme, SignedRequest, ToSign,
    VerifiedRequest, Window,
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

struct Sender(Arc<Scheme>);

impl Provider for Sender {
    fn name(&self) -> &'static str {
        "sender"
    }

    fn headers(&self) -> &[&'static str] {
        self.0.headers()
    }

    fn precheck(
        &self,
        head: &RequestHead,
        window: Window,
        now: UnixSeconds,
    ) -> Result<(), Refusal> {
        self.0.precheck(head, window, now)
    }

    fn verify(&self, request: &VerifyContext<'_>) -> Result<Proof, Refusal> {
        request.signed(&self.0)
    }

    fn claimed_proofs(&self, _: &VerifyContext<'_>) -> Vec<ProofMethod<'_>> {
        vec![ProofMethod::Signature(&self.0)]
    }

    fn classify(&self, _: &VerifiedRequest) -> Classified {
        Classified::Quarantined((Quarantine::Schema, String::new()).into())
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
    let scheme = Scheme::built_in(verifies).unwrap();
    let mut head = RequestHead::default();
    for name in scheme.headers() {
        for (_, value) in request.headers.iter().filter(|(header, _)| header == name) {
            head.headers.push(name, Bytes::from(value.clone()));
        }
    }
    let configured = vec![Secret::new(SECRET).unwrap()];
    let keys = KeyRing::of_scheme(configured, scheme.algorithm(), scheme.key()).unwrap();
    let window = Window { max_age: 300, max_future: 300 };
    let verifier = Verifier { provider: Arc::new(Sender(scheme)), keys, published: None, window };
    let (body, retired) = (Bytes::from(request.body), [Secret::new(OLD).unwrap()]);
    let case = Case { retired: &retired, offered: &[], head: &head, body: &body, at: NOW };
    explain(&verifier, &case)
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
fn token_is_compared_with_the_secrets() {
    let prefixed = explained(TOKEN, SECRET, set("x-token", |value| format!("Bearer {value}")));
    let found = "Bearer ".to_owned();
    let format = HeaderFormat::Prefix { expected: None, found };
    assert_eq!(deviations(prefixed), [Deviation::HeaderFormat(format)]);
    let missing = explained(TOKEN, SECRET, |request| request.headers.clear());
    assert_eq!(missing.finding, Finding::Header("x-token", HeaderFault::Missing));
}
