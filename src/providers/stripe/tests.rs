//! Tests of the file above.

use time::macros::datetime;

use super::*;
use crate::providers::SourceScheme;

const DIGEST: [u8; 32] = [7; 32];

fn classified(body: &str) -> Result<EventMeta, Quarantined> {
    classify(body.as_bytes(), || DIGEST)
}

#[test]
fn snapshot_event_is_keyed_by_its_id_and_laned_by_its_object() {
    let envelope = classified(
        r#"{"id":"evt_1","object":"event","type":"payment_intent.succeeded","created":1700000000,
            "livemode":false,"account":"acct_1","data":{"object":{"object":"payment_intent",
            "id":"pi_1","metadata":{"id":"decoy"}}},"request":null}"#,
    )
    .unwrap();
    assert_eq!(envelope.event_type, "payment_intent.succeeded");
    assert_eq!(envelope.key, EventKey::Signed(b"evt_1".to_vec()));
    assert_eq!(envelope.lane, Some(Lane::of(&["acct_1", "pi_1"])));
    assert_eq!(envelope.occurred_at, Some(datetime!(2023-11-14 22:13:20 UTC)));
}

#[test]
fn thin_event_is_classified_like_a_snapshot() {
    let envelope = classified(
        r#"{"id":"evt_test_2","object":"v2.core.event","type":"v1.billing.meter.no_meter_found",
            "created":"2026-01-02T04:04:05.250+01:00","livemode":false,"context":"acct_2",
            "related_object":{"id":"mtr_1","type":"billing.meter","url":"/v1/mtr_1"}}"#,
    )
    .unwrap();
    assert_eq!(envelope.key, EventKey::Signed(b"evt_test_2".to_vec()));
    assert_eq!(envelope.lane, Some(Lane::of(&["acct_2", "mtr_1"])));
    assert_eq!(envelope.occurred_at, Some(datetime!(2026-01-02 03:04:05.250 UTC)));
}

#[test]
fn same_object_id_in_two_accounts_has_two_lanes() {
    let lane = |account: &str| {
        let body =
            format!(r#"{{"type":"x","account":"{account}","data":{{"object":{{"id":"o"}}}}}}"#);
        classified(&body).unwrap().lane
    };
    assert_ne!(lane("acct_1"), lane("acct_2"));
}

#[test]
fn event_without_id_is_keyed_by_digest_and_without_object_has_no_lane() {
    for body in [
        r#"{"type":"balance.available"}"#,
        r#"{"type":"balance.available","id":""}"#,
        r#"{"type":"balance.available","id":null,"data":{"object":{"object":"balance"}}}"#,
    ] {
        let envelope = classified(body).unwrap();
        assert_eq!(envelope.key, EventKey::BodyDigest(DIGEST), "{body}");
        assert_eq!(envelope.lane, None, "{body}");
    }
}

#[test]
fn body_that_is_not_an_event_is_quarantined_with_a_reason() {
    let long = format!(r#"{{"id":"evt_1","type":"{}"}}"#, "x".repeat(201));
    for (body, reason) in [
        ("", Quarantine::EmptyBody),
        ("not json", Quarantine::NotJson),
        ("{}", Quarantine::Schema),
        ("[]", Quarantine::Schema),
        ("null", Quarantine::Schema),
        (r#"["evt_1","event","x",1,null,null,null,null]"#, Quarantine::Schema),
        (r#"{"obj1":"hello","obj2":"world"}"#, Quarantine::Schema),
        (r#"{"id":7,"type":"x"}"#, Quarantine::Schema),
        (r#"{"id":"evt_1","type":""}"#, Quarantine::Schema),
        (r#"{"id":"evt_1","type":"a\u0000b"}"#, Quarantine::Schema),
        (r#"{"id":"ch_1","object":"charge","type":"x"}"#, Quarantine::Schema),
        (r#"{"type":"x","created":1.5}"#, Quarantine::Schema),
        (r#"{"type":"x","created":-1}"#, Quarantine::Schema),
        (r#"{"type":"x","created":999999999999999}"#, Quarantine::Schema),
        (r#"{"type":"x","created":"9999-12-31T23:59:59-23:59"}"#, Quarantine::Schema),
        (r#"{"id":"evt_1","type":"x","id":"evt_2"}"#, Quarantine::DuplicateKey),
        (r#"{"id":"evt_1","type":"x","\u0069d":"evt_2"}"#, Quarantine::DuplicateKey),
        (long.as_str(), Quarantine::FieldLength),
    ] {
        assert_eq!(classified(body).unwrap_err().reason, reason, "{body}");
    }
}

#[test]
fn longest_type_is_accepted() {
    let body = format!(r#"{{"type":"{}"}}"#, "x".repeat(200));
    assert_eq!(classified(&body).unwrap().event_type.len(), EventMeta::MAX_EVENT_TYPE);
}

fn built(options: &str, key: Option<&str>) -> Result<Built, OptionsError> {
    build(&SourceSpec {
        name: "billing".into(),
        tenant: "default".into(),
        scheme: SourceScheme::default(),
        options: options.parse().unwrap(),
        token: key.map(|key| Secret::new(key).unwrap()),
        transfer_limits: crate::verify::TransferLimits { chunks: 1, bytes: 1 },
        services: crate::providers::Services::bare().unwrap(),
    })
}

#[test]
fn options_require_livemode_and_a_valid_account() {
    assert!(built("livemode = true", None).is_ok());
    assert!(built("livemode = false\naccount = 'acct_1'", None).is_ok());
    for (options, expected) in [
        ("", "livemode"),
        ("livemode = 'no'", "boolean"),
        ("livemode = true\naccount = 'cus_1'", "cus_1"),
        ("livemode = true\naccount = 'acct_'", "acct_"),
        ("livemode = true\ntolerance = 0", "tolerance"),
        ("livemode = true\napi_base = 'https://api.stripe.com'", "token"),
    ] {
        let error = built(options, None).err().unwrap().to_string();
        assert!(error.contains(expected), "{options}: {error}");
    }
}

#[test]
fn api_key_must_match_the_mode() {
    for (options, key) in [
        ("livemode = true", "sk_live_0123456789abcdef"),
        ("livemode = false", "sk_test_0123456789abcdef"),
        ("livemode = false", "rk_test_0123456789_abcdef"),
        ("livemode = true", "sk_org_live_0123456789abcdef"),
        ("livemode = true\napi_version = '2026-10-29.clover'", "rk_live_0123456789abcdef"),
    ] {
        assert!(built(options, Some(key)).is_ok(), "{options}, {key}");
    }
    for (options, key, expected) in [
        ("livemode = true", "sk_test_0123456789abcdef", "test or live mode"),
        ("livemode = false", "sk_live_0123456789abcdef", "test or live mode"),
        ("livemode = true", "pk_live_0123456789abcdef", "not an API key"),
        ("livemode = true", "whsec_0123456789abcdef", "not an API key"),
        ("livemode = true", "sk_live_0123456789 abcdef", "not an API key"),
        ("livemode = true\napi_base = 'stripe'", "sk_live_0123456789abcdef", "api_base"),
        ("livemode = true\napi_base = 'ftp://a'", "sk_live_0123456789abcdef", "api_base"),
        ("livemode = true\napi_base = 'https://10.0.0.1'", "sk_live_0123456789abcdef", "10.0.0.1"),
        ("livemode = true\napi_version = 'a b'", "sk_live_0123456789abcdef", "api_version"),
    ] {
        let error = built(options, Some(key)).err().unwrap().to_string();
        assert!(error.contains(expected), "{options}, {key}: {error}");
        assert!(!error.contains("0123456789"), "{error}");
    }
}
