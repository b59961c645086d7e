//! Tests of senders that sign in several ways.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use ed25519_dalek::Signer as _;

use super::*;
use crate::verify::test_sender::TestSender;
use crate::verify::{Classified, EventKey, RawRequest, Verifier, Window};

const SVIX: &str = include_str!("../../../providers/catalogue/svix.toml");
const STANDARD_WEBHOOKS: &str = include_str!("../../../providers/catalogue/standard-webhooks.toml");
const NOW: UnixSeconds = 1_700_000_000;
const BODY: &[u8] = br#"{"type":"a.b"}"#;
const SECRET: &str = "whsec_c2VjcmV0LW9mLWdvb2QtbGVuZ3Ro";

fn definition(file: &str) -> SchemeDefinition {
    let mut table: toml::Table = toml::from_str(file).unwrap();
    table.remove("scheme").unwrap().try_into().unwrap()
}

fn source(definition: &SchemeDefinition, secrets: &[&str], options: &SchemeOptions) -> Verifier {
    let schemes = Schemes::compile(definition, options).unwrap();
    let secrets = secrets.iter().map(|text| Secret::unchecked(text)).collect();
    let keys = schemes.key_ring(secrets, false).unwrap();
    let window = Window { max_age: 300, max_future: 300 };
    Verifier { provider: Arc::new(TestSender(schemes)), keys, published: None, window }
}

fn verify(verifier: &Verifier, headers: &[(&str, String)]) -> Result<Classified, Refusal> {
    let mut head = RequestHead::default();
    for (name, value) in headers {
        head.headers.push(intern(name), Bytes::from(value.clone()));
    }
    verifier.precheck(&head, NOW)?;
    let verified = RawRequest::new(head, Bytes::from_static(BODY)).verify(verifier, NOW)?;
    Ok(verifier.provider.classify(&verified))
}

/// The headers of a request with this id.
fn signed(prefix: &str, id: &str, key: &str) -> Vec<(&'static str, String)> {
    let key = Secret::new(STANDARD.decode(key.trim_start_matches("whsec_")).unwrap()).unwrap();
    let mac = key.sign(&[id.as_bytes(), b".1700000000.", BODY]);
    vec![
        (intern(&format!("{prefix}-id")), id.to_owned()),
        (intern(&format!("{prefix}-timestamp")), NOW.to_string()),
        (intern(&format!("{prefix}-signature")), format!("v1,{}", STANDARD.encode(mac))),
    ]
}

fn id(classified: Result<Classified, Refusal>) -> Vec<u8> {
    match classified {
        Ok(Classified::Event(meta)) => match meta.key {
            EventKey::Signed(id) => id,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn request_with_either_set_of_headers_is_accepted() {
    let svix = source(&definition(SVIX), &[SECRET], &SchemeOptions::default());
    for prefix in ["svix", "webhook"] {
        assert_eq!(id(verify(&svix, &signed(prefix, "msg_1", SECRET))), b"msg_1", "{prefix}");
    }
}

#[test]
fn unsigned_set_of_headers_means_nothing() {
    let svix = source(&definition(SVIX), &[SECRET], &SchemeOptions::default());
    for (one, other) in [("svix", "webhook"), ("webhook", "svix")] {
        let mut headers = signed(one, "msg_1", SECRET);
        headers.extend(signed(other, "msg_2", "b3RoZXItc2VjcmV0LW9mLWxlbmd0aA=="));
        assert_eq!(id(verify(&svix, &headers)), b"msg_1", "{one}");
    }
    // One set is not completed by the other.
    let mut mixed = signed("svix", "msg_1", SECRET);
    mixed[0] = signed("webhook", "msg_1", SECRET).swap_remove(0);
    assert!(verify(&svix, &mixed).is_err());
}

#[test]
fn refusal_is_that_of_the_claimed_way() {
    let svix = source(&definition(SVIX), &[SECRET], &SchemeOptions::default());
    let mut old = signed("webhook", "msg_1", SECRET);
    old[1].1 = "1600000000".to_owned();
    assert!(matches!(verify(&svix, &old), Err(Refusal::Stale { .. })));
    assert!(matches!(verify(&svix, &[]), Err(Refusal::Missing("svix-signature"))));
}

#[test]
fn key_decides_which_algorithm_counts() {
    let pair = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let public = format!("whpk_{}", STANDARD.encode(pair.verifying_key().to_bytes()));
    let by_key = || {
        let text = [b"msg_1.1700000000.", BODY].concat();
        let signature = STANDARD.encode(pair.sign(&text).to_bytes());
        let mut headers = signed("webhook", "msg_1", SECRET);
        headers[2].1 = format!("v1a,{signature}");
        headers
    };
    let definition = definition(STANDARD_WEBHOOKS);
    let options = SchemeOptions::default();
    let by_secret = || signed("webhook", "msg_1", SECRET);
    // Somebody takes the public key for the secret.
    let forged = || {
        let text = public.strip_prefix("whpk_").unwrap();
        signed("webhook", "msg_1", text)
    };
    for (secrets, accepted) in [
        (&[SECRET][..], [true, false, false]),
        (&[&public], [false, true, false]),
        (&[SECRET, &public], [true, true, false]),
    ] {
        let verifier = source(&definition, secrets, &options);
        let found =
            [by_secret(), by_key(), forged()].map(|headers| verify(&verifier, &headers).is_ok());
        assert_eq!(found, accepted, "{secrets:?}");
    }
    // One of the signatures in a header with both is enough.
    let mut both = by_key();
    both[2].1 = format!("{} {}", by_secret()[2].1, both[2].1);
    for secrets in [&[SECRET][..], &[&public]] {
        assert!(verify(&source(&definition, secrets, &options), &both).is_ok());
    }
}

#[test]
fn disabled_alternative_names_its_option() {
    let table = "
        algorithm = 'hmac-sha256'
        signed = '{body}'
        signature = { header = 'x-new' }
        [[alternative]]
        option = 'old'
        algorithm = 'hmac-sha1'
        signature = { header = 'x-old' }
    ";
    let definition: SchemeDefinition = toml::from_str(table).unwrap();
    let key = "a-secret-of-good-length";
    let mac = {
        use hmac::{Hmac, KeyInit as _, Mac as _};
        let mac = Hmac::<sha1::Sha1>::new_from_slice(key.as_bytes()).unwrap();
        hex::encode(mac.chain_update(BODY).finalize().into_bytes())
    };
    let headers = [("x-old", mac)];
    let without = source(&definition, &[key], &SchemeOptions::default());
    assert!(matches!(verify(&without, &headers), Err(Refusal::NotEnabled("old"))));
    let enabled = std::iter::once("old".to_owned()).collect();
    let with = source(&definition, &[key], &SchemeOptions { enabled, ..SchemeOptions::default() });
    assert!(verify(&with, &headers).is_ok());
}

#[test]
fn alternatives_that_could_be_taken_for_each_other_are_errors() {
    let table = "
        algorithm = 'hmac-sha256'
        signed = '{header:x-id}.{timestamp}.{body}'
        signature = { header = 'x-signature' }
        timestamp = { from = 'header:x-time', tolerance = '5m' }
        [[alternative]]
    ";
    for (alternative, error) in [
        ("signed = '{body}'", "alternative[0].timestamp: "),
        ("signed = '{timestamp}.{body}'", "alternative[0].signed: differs"),
        ("key = { encoding = 'base64' }", "alternative[0].key: must be the same"),
        (
            "algorithm = 'hmac-sha1'\ntimestamp = { from = 'header:x-time', tolerance = '1h' }",
            "alternative[0].timestamp.tolerance",
        ),
        (
            "algorithm = 'ed25519'\nkey = { fetch = { url = 'https://example.com/' } }",
            "alternative[0].key: either",
        ),
    ] {
        let definition: SchemeDefinition =
            toml::from_str(&format!("{table}{alternative}")).unwrap();
        let found = Schemes::compile(&definition, &SchemeOptions::default()).unwrap_err();
        assert!(found.starts_with(error), "{alternative}: {found}");
    }
}
