//! Tests of verification and classification.

mod chunks;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::*;
use crate::providers::SourceScheme;
use crate::store::{EventId, StoredEvent};
use crate::verify::{KeyRing, RawRequest, Secret, Strength, Verifier};

const APP: &str = "app_0123456789abcdef01234567";
const REPOSITORY: &str = "repo_0123456789abcdef01234567";
const NOW: UnixSeconds = 1_704_700_000;
const SLICES: [&str; 2] = ["ABkyS2R9", "lq/I4Q=="];

fn spec(options: &str) -> SourceSpec {
    SourceSpec {
        name: "cards".into(),
        tenant: "default".into(),
        scheme: SourceScheme::default(),
        options: toml::from_str(options).unwrap(),
        token: None,
        transfer_limits: TransferLimits { chunks: 64, bytes: 25 << 20 },
        services: crate::providers::Services::bare().unwrap(),
    }
}

fn secret() -> Secret {
    Secret::new("docora-test-auth-key-0123456789").unwrap()
}

/// Signs, verifies and classifies `body`.
fn classify(action: &'static str, body: &[u8]) -> Classified {
    let spec = spec(&format!("app_id = '{APP}'"));
    let provider = (ENTRY.build)(&spec).unwrap().provider;
    let draft = Draft {
        options: &spec.options,
        secret: &secret(),
        token: None,
        at: NOW,
        headers: &[],
        body,
    };
    let mut head = RequestHead { action: Some(action), ..RequestHead::default() };
    for (name, value) in ENTRY.sign.unwrap()(&draft) {
        if let Some(name) = provider.headers().iter().find(|known| **known == name) {
            head.headers.push(name, value.into());
        }
    }
    let verifier = Verifier {
        provider: Arc::clone(&provider),
        keys: KeyRing::new(vec![secret()]).unwrap(),
        published: None,
        window: Window { max_age: 300, max_future: 300 },
    };
    verifier.precheck(&head, NOW).unwrap();
    let request =
        RawRequest::new(head, Bytes::copy_from_slice(body)).verify(&verifier, NOW).unwrap();
    provider.classify(&request)
}

fn classify_json(action: &'static str, body: &Value) -> Classified {
    classify(action, body.to_string().as_bytes())
}

fn reason(action: &'static str, body: &Value) -> Option<Quarantine> {
    match classify_json(action, body) {
        Classified::Quarantined(quarantined) => {
            // A body that declares itself a failure is one, whatever its path: it may contain a
            // token.
            let failure = body["event"] == "sync_failed";
            let expected_type = if failure { "sync_failed" } else { action };
            assert_eq!(quarantined.event_type.as_deref(), Some(expected_type));
            assert!(!quarantined.detail.is_empty());
            Some(quarantined.reason)
        }
        Classified::Event(_) | Classified::Batch(_) | Classified::Chunk(_) => None,
    }
}

fn sha(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

fn common() -> Value {
    json!({
        "repository": {
            "repository_id": REPOSITORY, "github_url": "https://github.com/owner/repo",
            "owner": "owner", "name": "repo",
        },
        "commit_sha": "0123456789abcdef0123456789abcdef01234567",
        "timestamp": "2024-01-08T07:46:40.123Z",
    })
}

fn text() -> Value {
    let mut body = common();
    body["file"] = json!({ "path": "cards/a.md", "sha": sha(b"x"), "size": 1, "content": "x" });
    body
}

fn binary() -> Value {
    let bytes = [0, 25, 50, 75, 100, 125, 150, 175, 200, 225];
    let mut body = common();
    body["file"] = json!({
        "path": "img/a.png", "sha": sha(&bytes), "size": 10, "content": SLICES.concat(),
        "content_encoding": "base64",
    });
    body
}

fn chunk(index: usize) -> Value {
    let mut body = binary();
    body["file"]["content"] = SLICES[index].into();
    body["file"]["chunk"] =
        json!({ "id": "550e8400-e29b-41d4-a716-446655440000", "index": index, "total": 2 });
    body
}

fn delete() -> Value {
    let mut body = common();
    body["file"] = json!({ "path": "cards/a.md", "sha": sha(b"x") });
    body
}

fn sync_failed() -> Value {
    let mut body = common();
    body.as_object_mut().unwrap().remove("commit_sha");
    body["event"] = "sync_failed".into();
    body["error"] = json!({ "type": "git_failure", "message": "fatal: no" });
    body["circuit_breaker"] = json!({
        "status": "open", "consecutive_failures": 5, "threshold": 5,
        "cooldown_until": "2024-01-08T08:16:40.123Z",
    });
    body["retry_count"] = 4.into();
    body
}

/// `body` with the value at `pointer` replaced or added.
fn with(mut body: Value, pointer: &str, value: Value) -> Value {
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[field] = value;
    body
}

fn without(mut body: Value, pointer: &str) -> Value {
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(field).unwrap();
    body
}

#[test]
fn options_require_a_valid_app_id_and_known_names() {
    assert!((ENTRY.build)(&spec(&format!("app_id = '{APP}'"))).is_ok());
    for options in ["", "app_id = ''", "app_id = 'app_0123'", "app_id = 5"] {
        assert!((ENTRY.build)(&spec(options)).is_err(), "{options}");
    }
    let error = (ENTRY.build)(&spec(&format!("app_id = '{APP}'\nappid = 1"))).err().unwrap();
    assert!(error.0.contains("appid"), "{error}");
}

#[test]
fn other_app_id_is_an_unknown_source_and_none_a_missing_header() {
    let provider = (ENTRY.build)(&spec(&format!("app_id = '{APP}'"))).unwrap().provider;
    let window = Window { max_age: 300, max_future: 300 };
    let refusal = |head: &RequestHead| provider.precheck(head, window, NOW).unwrap_err();
    let mut head = RequestHead::default();
    assert_eq!(refusal(&head).reason(), "sig_missing");
    head.headers.push(APP_ID, "app_ffffffffffffffffffffffff".into());
    assert_eq!(refusal(&head).reason(), "unknown_source");
}

#[test]
fn each_action_requires_its_shape_and_names_its_event() {
    let with_previous = with(text(), "/previous_sha", sha(b"w").into());
    for (action, body, lane) in [
        ("create", text(), Lane::of(&[REPOSITORY, "cards/a.md"])),
        ("create", binary(), Lane::of(&[REPOSITORY, "img/a.png"])),
        ("update", with_previous, Lane::of(&[REPOSITORY, "cards/a.md"])),
        // If the sender does not know the previous digest, it omits it.
        ("update", text(), Lane::of(&[REPOSITORY, "cards/a.md"])),
        ("delete", delete(), Lane::of(&[REPOSITORY, "cards/a.md"])),
        ("sync_failed", sync_failed(), Lane::of(&[REPOSITORY])),
        ("sync_failed", without(sync_failed(), "/circuit_breaker"), Lane::of(&[REPOSITORY])),
        (
            "create",
            with(text(), "/file/sha", sha(b"y").into()),
            Lane::of(&[REPOSITORY, "cards/a.md"]),
        ),
        ("create", with(text(), "/file/unknown", json!({})), Lane::of(&[REPOSITORY, "cards/a.md"])),
    ] {
        let Classified::Event(envelope) = classify_json(action, &body) else {
            panic!("{action}: {body}")
        };
        assert_eq!(envelope.event_type, action);
        assert_eq!(envelope.lane, Some(lane));
        assert_eq!(envelope.occurred_at.unwrap().unix_timestamp_nanos(), 1_704_700_000_123_000_000);
        let digest = Sha256::digest(body.to_string()).into();
        assert_eq!(envelope.key, EventKey::BodyDigest(digest));
    }
}

#[test]
fn body_with_the_shape_of_another_action_is_a_mismatch() {
    let with_previous = with(text(), "/previous_sha", sha(b"w").into());
    for (action, body) in [
        ("delete", text()),
        ("delete", chunk(0)),
        ("delete", with(delete(), "/file/chunk", json!({ "index": 0 }))),
        ("delete", with(delete(), "/file/size", 5.into())),
        ("create", delete()),
        ("update", delete()),
        ("create", with_previous),
        ("create", sync_failed()),
        ("delete", sync_failed()),
        ("sync_failed", text()),
        ("sync_failed", delete()),
    ] {
        assert_eq!(reason(action, &body), Some(Quarantine::ActionMismatch), "{action}: {body}");
    }
}

#[test]
fn missing_field_or_wrong_type_is_a_schema_error() {
    let wrong = [json!(null), json!("x"), json!(-1), json!([]), json!({}), json!(true), json!(1.5)];
    for (action, body, pointers) in [
        (
            "create",
            text(),
            &[
                "/repository",
                "/repository/repository_id",
                "/file",
                "/file/sha",
                "/file/size",
                "/timestamp",
                "/commit_sha",
            ][..],
        ),
        ("delete", delete(), &["/file", "/file/sha", "/commit_sha", "/timestamp"]),
        ("sync_failed", sync_failed(), &["/repository", "/error", "/timestamp"]),
    ] {
        for pointer in pointers {
            assert_eq!(
                reason(action, &without(body.clone(), pointer)),
                Some(Quarantine::Schema),
                "{pointer}"
            );
            for value in &wrong {
                let body = with(body.clone(), pointer, value.clone());
                assert_eq!(reason(action, &body), Some(Quarantine::Schema), "{pointer} {value}");
            }
        }
    }
    for (pointer, value) in [
        ("/file/path", json!(5)),
        ("/file/content", json!(5)),
        ("/file/content", json!(null)),
        ("/file/content_encoding", json!("plain")),
        ("/file/size", json!(1_u64 << 53)),
        ("/previous_sha", json!("")),
        ("/repository/owner", json!("a\0b")),
        ("/timestamp", json!("9999-12-31T23:59:59.999-23:59")),
        ("/timestamp", json!("1704700000")),
    ] {
        assert_eq!(
            reason("update", &with(text(), pointer, value)),
            Some(Quarantine::Schema),
            "{pointer}"
        );
    }
    let long = with(text(), "/repository/owner", "a".repeat(256).into());
    assert_eq!(reason("create", &long), Some(Quarantine::FieldLength));
}

#[test]
fn unsafe_path_is_invalid() {
    for (action, body) in [("create", text()), ("delete", delete())] {
        for path in ["../../etc/passwd", "/a", "a\u{0}b", "%2e%2e%2fa", ""] {
            let body = with(body.clone(), "/file/path", path.into());
            assert_eq!(reason(action, &body), Some(Quarantine::PathInvalid), "{path:?}");
        }
    }
}

#[test]
fn invalid_json_is_quarantined_with_a_reason() {
    let good = text().to_string();
    for (body, expected) in [
        (String::new(), Quarantine::EmptyBody),
        (good.clone() + "x", Quarantine::NotJson),
        (good.replacen('{', r#"{"\u0074imestamp":"","#, 1), Quarantine::DuplicateKey),
        (good.replace(r#""size":1"#, r#""size":1e999999"#), Quarantine::NumberRange),
    ] {
        let Classified::Quarantined(quarantined) = classify("create", body.as_bytes()) else {
            panic!("{body}")
        };
        assert_eq!(quarantined.reason, expected, "{body}");
    }
}

#[test]
fn parser_error_does_not_repeat_a_credential() {
    let body = with(sync_failed(), "/error", "https://ghp_0123456789@github.com".into());
    let Classified::Quarantined(quarantined) = classify_json("sync_failed", &body) else {
        panic!()
    };
    assert!(!quarantined.detail.contains("ghp_"), "{}", quarantined.detail);
}

#[test]
fn base64_must_match_size_and_digest() {
    for (pointer, value, expected) in [
        ("/file/content", json!("ABkyS2R9lq/I4Q"), Quarantine::Base64),
        ("/file/content", json!("ABkyS2R9\nlq/I4Q=="), Quarantine::Base64),
        ("/file/size", json!(11), Quarantine::SizeMismatch),
        ("/file/sha", json!(sha(b"x")), Quarantine::DigestMismatch),
    ] {
        assert_eq!(reason("create", &with(binary(), pointer, value)), Some(expected), "{pointer}");
    }
}
