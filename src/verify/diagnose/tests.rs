mod bodies;

use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;
use crate::providers::{
    CATALOGUE, Draft, Entry, Services, SourceScheme, SourceSpec, find as provider,
};
use crate::verify::{KeyRing, Provider, TransferLimits};

const NOW: i64 = 1_763_640_000;
const SECRET: &str = "whsec_c2VhbHBvc3QtZXhwbGFpbi10ZXN0";
const OLD: &str = "an-older-secret-0123456789abcdef";
const OTHER: &str = "a-stranger-secret-0123456789abcd";
static SERVICES: LazyLock<Services> = LazyLock::new(|| Services::bare().unwrap());
const BODY: &str = "{\"b\":1.50,\"a\":[\"è/<\",null]}";

fn options(name: &str) -> toml::Table {
    let text = match name {
        "docora" => "app_id = \"app_0123456789abcdef01234567\"",
        "stripe" => "livemode = false",
        "apify" => "purpose = \"run\"",
        "bot" => "allowed_services = [\"api\"]",
        other => panic!("no options for {other}"),
    };
    toml::from_str(text).unwrap()
}

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes()).unwrap()
}

/// A source, and a request that arrives at it.
struct Scene {
    entry: &'static Entry,
    verifier: Verifier,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Scene {
    /// The request as the sender sends it, signed with `key`.
    fn with(name: &str, key: &str, at: i64, body: &str) -> Self {
        let entry = provider(name).unwrap();
        let spec = SourceSpec {
            name: "here".into(),
            tenant: "default".into(),
            scheme: SourceScheme::default(),
            options: options(name),
            token: None,
            transfer_limits: TransferLimits { chunks: 8, bytes: 1 << 20 },
            services: SERVICES.clone(),
        };
        let provider: Arc<dyn Provider> = (entry.build)(&spec).unwrap().provider;
        let keys = KeyRing::new(vec![secret(SECRET)]).unwrap();
        let window = crate::verify::Window { max_age: 300, max_future: 300 };
        let headers = entry.sign.unwrap()(&Draft {
            options: &spec.options,
            secret: &secret(key),
            token: None,
            at,
            headers: &[],
            body: body.as_bytes(),
        });
        let verifier = Verifier { provider, keys, published: None, window };
        Self { entry, verifier, headers, body: body.as_bytes().to_vec() }
    }

    fn of(name: &str) -> Self {
        Self::with(name, SECRET, NOW, BODY)
    }

    fn head(&self) -> RequestHead {
        let mut head = RequestHead::default();
        for (name, value) in &self.headers {
            if let Some(name) = self.verifier.provider.headers().iter().find(|known| *known == name)
            {
                head.headers.push(name, Bytes::from(value.clone()));
            }
        }
        head
    }

    fn explain(&self) -> Explanation {
        let (head, body) = (self.head(), Bytes::from(self.body.clone()));
        let (retired, offered) = ([secret(OLD)], []);
        let case = Case { retired: &retired, offered: &offered, head: &head, body: &body, at: NOW };
        let explanation = explain(&self.verifier, &case);
        self.assert_no_signature(&explanation);
        explanation
    }

    /// Asserts that the explanation contains no part of a valid signature or of a secret.
    fn assert_no_signature(&self, explanation: &Explanation) {
        let output = format!(
            "{explanation:?} {} {}",
            explanation.text(),
            explanation.hint().unwrap_or_default()
        );
        let mut forbidden = vec![SECRET.to_owned(), OLD.to_owned()];
        for key in [SECRET, OLD] {
            let right = self.entry.sign.unwrap()(&Draft {
                options: &options(self.entry.name),
                secret: &secret(key),
                token: None,
                at: NOW,
                headers: &[],
                body: &self.body,
            });
            forbidden
                .extend(right.into_iter().filter(|(name, _)| name.contains("sign")).map(|h| h.1));
        }
        for text in forbidden {
            for part in text.split(['=', ',']).filter(|part| part.len() > 16) {
                assert!(!output.contains(part), "{output}");
            }
        }
    }

    fn change(&mut self, name: &str, change: impl Fn(&str) -> String) {
        let header = self.headers.iter_mut().find(|(header, _)| header == name).unwrap();
        header.1 = change(&header.1);
    }

    fn signature(&self) -> &'static str {
        match self.entry.name {
            "docora" => "x-docora-signature",
            "stripe" => "stripe-signature",
            "apify" => "x-apify-webhook-signature",
            _ => "x-signature",
        }
    }

    /// Writes the digits of the signature in another format.
    fn reformat(&mut self, spell: impl Fn(&[u8]) -> String) {
        self.change(self.signature(), |value| {
            let at = value.rfind(['=']).map_or(0, |at| at + 1);
            let (before, digits) = value.split_at(at);
            format!("{before}{}", spell(&hex::decode(digits).unwrap()))
        });
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    CATALOGUE.iter().map(|entry| entry.name)
}

#[test]
fn accepted_request_verifies() {
    for name in names() {
        let explanation = Scene::with(name, SECRET, NOW - 3, BODY).explain();
        assert_eq!(explanation.finding, Finding::Verifies { skew: Some(3) }, "{name}");
        assert!(explanation.verifies() && explanation.hint().is_none(), "{name}");
        assert!(explanation.text().contains(&secret(SECRET).fingerprint().to_string()), "{name}");
    }
}

#[test]
fn stale_or_future_request_names_distance_and_validity() {
    for name in names() {
        let explanation = Scene::with(name, SECRET, NOW - 420, BODY).explain();
        assert_eq!(explanation.finding, Finding::Stale { beyond: 120, age: 420 }, "{name}");
        assert!(explanation.text().contains("otherwise valid"), "{}", explanation.text());
        let explanation = Scene::with(name, SECRET, NOW + 310, BODY).explain();
        assert_eq!(explanation.finding, Finding::Future { beyond: 10, ahead: 310 }, "{name}");
        let explanation = Scene::with(name, OTHER, NOW - 420, BODY).explain();
        assert!(explanation.text().contains("no configured secret"), "{}", explanation.text());
    }
}

#[test]
fn unknown_and_retired_secrets_are_distinguished() {
    for name in names() {
        let explanation = Scene::with(name, OTHER, NOW, BODY).explain();
        assert_eq!((explanation.finding, explanation.made), (Finding::NoMatch, None), "{name}");
        let explanation = Scene::with(name, OLD, NOW, BODY).explain();
        assert_eq!(explanation.kind().as_str(), "retired_secret", "{name}");
        let made = explanation.made.unwrap();
        assert_eq!(made.secret, secret(OLD).fingerprint());
        assert_eq!(made.origin, Origin::Retired);
    }
}

#[test]
fn missing_repeated_or_empty_header_is_named() {
    for name in names() {
        let mut scene = Scene::of(name);
        let signature = scene.signature();
        scene.change(signature, |_| String::new());
        let empty = Finding::Header(signature, HeaderFault::Empty);
        assert_eq!(scene.explain().finding, empty, "{name}");
        let mut scene = Scene::of(name);
        let first = scene.headers.iter().find(|(header, _)| header == signature).unwrap();
        let again = (first.0.clone(), first.1.replace('1', "2"));
        scene.headers.push(again);
        let repeated = Finding::Header(signature, HeaderFault::Repeated);
        assert_eq!(scene.explain().finding, repeated, "{name}");
        let mut scene = Scene::of(name);
        scene.headers.retain(|(header, _)| header != signature);
        let explanation = scene.explain();
        assert_eq!(explanation.kind().as_str(), "header_missing", "{name}: {explanation:?}");
    }
}

#[test]
fn signature_in_another_encoding_is_recognised() {
    type Spell = fn(&[u8]) -> String;
    let formats: [(Spell, HeaderFormat); 4] = [
        (|mac| STANDARD.encode(mac), HeaderFormat::Base64),
        (|mac| URL_SAFE_NO_PAD.encode(mac), HeaderFormat::Base64),
        (|mac| hex::encode(&mac[..20]), HeaderFormat::Digits(40)),
        (|_| "nonsense".into(), HeaderFormat::Unreadable),
    ];
    for name in names() {
        for (spell, expected) in &formats {
            let mut scene = Scene::of(name);
            scene.reformat(spell);
            let explanation = scene.explain();
            let format = match (&explanation.finding, &explanation.made) {
                (Finding::HeaderFormat(_, format), None) => format.clone(),
                (Finding::InvalidSignature, Some(SignedBy { deviations, .. })) => {
                    match deviations.as_slice() {
                        [Deviation::HeaderFormat(format)] => format.clone(),
                        other => panic!("{name}: {other:?}"),
                    }
                }
                other => panic!("{name}: {other:?}"),
            };
            let url_safe = format == HeaderFormat::Base64Url && *expected == HeaderFormat::Base64;
            assert!(format == *expected || url_safe, "{name}: {format:?}");
            assert!(explanation.hint().is_some());
        }
    }
}

#[test]
fn wrong_prefix_is_recognised() {
    let mut scene = Scene::of("docora");
    scene.change("x-docora-signature", |value| value.replace("sha256=", ""));
    let explanation = scene.explain();
    let deviations = explanation.made.unwrap().deviations;
    assert_eq!(deviations, [Deviation::HeaderFormat(HeaderFormat::NoPrefix("sha256="))]);
    scene.change("x-docora-signature", |value| format!("v1={value}"));
    let text = scene.explain().text();
    assert!(text.contains("begins with `v1=`, expected `sha256=`"), "{text}");
    let mut scene = Scene::of("stripe");
    scene.change("stripe-signature", |value| value.replace(",v1=", ",v1 ="));
    let text = scene.explain().text();
    assert!(text.contains("spaces or quotes"), "{text}");
    scene.change("stripe-signature", |value| value.replace("v1 =", "v0="));
    let text = scene.explain().text();
    assert!(text.contains("has no `v1=`"), "{text}");
}

#[test]
fn unsigned_stale_request_gets_no_max_age_hint() {
    for name in names() {
        let mut scene = Scene::with(name, "whsec_a_stranger_s_0123456789", NOW - 1_000, BODY);
        scene.body = BODY.as_bytes().to_vec();
        let explanation = scene.explain();
        assert_eq!(explanation.kind().as_str(), "stale", "{name}");
        let hint = explanation.hint().unwrap();
        assert!(!hint.contains("max_age") && hint.contains("fingerprints"), "{name}: {hint}");
    }
}

#[test]
fn secret_in_another_form_is_recognised() {
    let bare = SECRET.strip_prefix("whsec_").unwrap();
    let decoded = STANDARD.decode(bare).unwrap();
    let cases: [(&[u8], SecretForm); 4] = [
        (&[SECRET.as_bytes(), b"\n"].concat(), SecretForm::Newline),
        (&[SECRET.as_bytes(), b" "].concat(), SecretForm::Blanks),
        (bare.as_bytes(), SecretForm::WithoutPrefix),
        (&decoded, SecretForm::Base64Decoded),
    ];
    for (key, form) in cases {
        let mut scene = Scene::of("docora");
        let mac = mac(key, &[NOW.to_string().as_bytes(), b".", BODY.as_bytes()]);
        scene.change("x-docora-signature", |_| format!("sha256={mac}"));
        let made = scene.explain().made.unwrap();
        assert_eq!(made.deviations, [Deviation::Secret(form)]);
    }
}

#[test]
fn invalid_or_unsigned_timestamp_is_recognised() {
    let sign = |text: &str| format!("sha256={}", mac(SECRET.as_bytes(), &[text.as_bytes()]));
    let mut scene = Scene::of("docora");
    scene.change("x-docora-signature", |_| sign(&format!("{NOW}000.{BODY}")));
    let deviations = scene.explain().made.unwrap().deviations;
    assert_eq!(deviations, [Deviation::Text(TextForm::Millis)]);
    scene.change("x-docora-timestamp", |_| format!("{NOW}000"));
    let explanation = scene.explain();
    assert_eq!(explanation.finding, Finding::Timestamp(TimeFault::Millis));
    assert!(explanation.text().contains("otherwise valid"), "{}", explanation.text());
    for (time, fault) in [
        ("2026-11-20T12:00:00Z", TimeFault::Date),
        ("1763640000.5", TimeFault::Fraction),
        ("+1763640000", TimeFault::Number),
    ] {
        scene.change("x-docora-timestamp", |_| time.to_owned());
        assert_eq!(scene.explain().finding, Finding::Timestamp(fault));
    }
    let mut scene = Scene::of("docora");
    scene.change("x-docora-signature", |_| sign(BODY));
    let deviations = scene.explain().made.unwrap().deviations;
    assert_eq!(deviations, [Deviation::Text(TextForm::BodyAlone)]);
}

#[test]
fn unlisted_value_and_other_source_are_named() {
    let mut scene = Scene::of("bot");
    scene.change("x-service-name", |_| "stranger".into());
    assert_eq!(scene.explain().finding, Finding::NotAllowed("the service"));
    let mut scene = Scene::of("docora");
    scene.change("x-docora-app-id", |_| "app_ffffffffffffffffffffffff".into());
    assert_eq!(scene.explain().finding, Finding::AnotherSource);
}

/// The MAC of a text, in hexadecimal.
fn mac(key: &[u8], parts: &[&[u8]]) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key).unwrap();
    for part in parts {
        mac.update(part);
    }
    hex::encode(mac.finalize().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn accepted_request_always_verifies(body in "\\PC{0,60}", age in -300i64..=300) {
        for name in names() {
            let explanation = Scene::with(name, SECRET, NOW - age, &body).explain();
            prop_assert_eq!(explanation.finding, Finding::Verifies { skew: Some(age) });
        }
    }

    #[test]
    fn mutated_request_never_verifies_by_chance(
        place in 0usize..64, byte in any::<u8>(), header in 0usize..8, cut in 0usize..120,
    ) {
        for name in names() {
            let mut scene = Scene::of(name);
            let at = place % scene.body.len();
            let changed = scene.body[at] != byte;
            scene.body[at] = byte;
            prop_assert_eq!(scene.explain().verifies(), !changed);
            let mut scene = Scene::of(name);
            let count = scene.headers.len();
            let value = &mut scene.headers[header % count].1;
            value.truncate(cut.min(value.len()));
            value.push(char::from(byte));
            let explanation = scene.explain();
            prop_assert!(!explanation.text().is_empty());
        }
    }
}
