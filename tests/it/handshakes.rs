//! Handshakes of senders: answered exactly as they require, and never recorded.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use sealpost::verify::Secret;
use serde_json::{Value, json};

use crate::harness::{Answer, Gateway};
use crate::rejected_requests::wait_for_rejected;

const SLACK: &str = "slack-secret-0123456789abcdef";
const ZOOM: &str = "zoom-secret-0123456789abcdef0";
const META: &str = "meta-secret-0123456789abcdef0";
const TWITTER: &str = "twitter-secret-0123456789abcd";
const OKTA: &str = "okta-secret-0123456789abcdef0";
const CLOUDS: &str = "clouds-secret-0123456789abcde";
const OWN: &str = "own-secret-0123456789abcdef01";

const SOURCES: &str = r#"
[[source]]
name = "chat"
provider = "slack"
secrets = [{ env = "SLACK_SECRET" }]

[[source]]
name = "calls"
provider = "zoom"
secrets = [{ env = "ZOOM_SECRET" }]

[[source]]
name = "pages"
provider = "meta"
secrets = [{ env = "META_SECRET" }]
options = { verify_token = "a-token-of-our-own" }

[[source]]
name = "posts"
provider = "twitter"
secrets = [{ env = "TWITTER_SECRET" }]

[[source]]
name = "staff"
provider = "okta"
secrets = [{ env = "OKTA_SECRET" }]

[[source]]
name = "clouds"
provider = "cloudevents"
secrets = [{ env = "CLOUDS_SECRET" }]

[[source]]
name = "own"
provider = "custom"
secrets = [{ env = "OWN_SECRET" }]
keep_rejected = "1h"

[source.scheme]
algorithm = "hmac-sha256"
signed = "{body}"
signature = { header = "x-own-signature" }
event = { repeats = true }
answer = { status = 200, content_type = "text/xml", body = "<ok/>" }

[[source.scheme.handshake]]
method = "HEAD"
status = 204

[[source.scheme.handshake]]
verified = false
when = { "json:/challenge" = "*" }
body = '{{"challenge":{json:/challenge|json}}}'

[[source]]
name = "published"
provider = "custom"

[source.scheme]
algorithm = "jwt"
signature = { header = "authorization", prefix = "Bearer " }
jwt = { algorithms = ["RS256"] }
key = { fetch = { url = "https://127.0.0.1:1/keys.json" } }
"#;

async fn gateway() -> Gateway {
    Gateway::builder()
        .more_config(SOURCES)
        .variable("SLACK_SECRET", SLACK)
        .variable("ZOOM_SECRET", ZOOM)
        .variable("META_SECRET", META)
        .variable("TWITTER_SECRET", TWITTER)
        .variable("OKTA_SECRET", OKTA)
        .variable("CLOUDS_SECRET", CLOUDS)
        .variable("OWN_SECRET", OWN)
        .start()
        .await
}

fn mac(secret: &str, message: &[u8]) -> [u8; 32] {
    Secret::new(secret).unwrap().sign(&[message])
}

fn lines(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The headers of a sender that signs `v0:{timestamp}:{body}`.
fn versioned(prefix: &str, secret: &str, at: i64, body: &str) -> Vec<(String, String)> {
    let signature = hex::encode(mac(secret, format!("v0:{at}:{body}").as_bytes()));
    lines(&[
        (&*format!("{prefix}-request-timestamp"), &*at.to_string()),
        (&*format!("{prefix}-signature"), &*format!("v0={signature}")),
    ])
}

async fn ask(gateway: &Gateway, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = gateway.client().request(method, gateway.url(path));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::of(request.send().await.expect("an answer")).await
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

fn assert_answered(answer: &Answer, content_type: &str, body: &str) {
    assert_eq!((answer.status, &*answer.text), (200, body));
    assert_eq!(header(answer, "content-type"), content_type);
    assert_eq!(header(answer, "x-content-type-options"), "nosniff");
    assert_eq!(header(answer, "cache-control"), "no-store");
    assert!(!header(answer, "x-request-id").is_empty());
}

/// Asserts that the response is the one to a path of no source.
async fn assert_not_found(gateway: &Gateway, answer: &Answer) {
    let nothing = ask(gateway, Method::GET, "/nowhere", &[]).await;
    let without_id = |answer: &Answer| {
        let mut json = answer.json.clone();
        json["request_id"] = Value::Null;
        let mut names: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
        names.sort();
        (answer.status, json, names)
    };
    assert_eq!(without_id(answer), without_id(&nothing));
    assert_eq!(answer.status, 404);
}

async fn recorded(gateway: &Gateway) -> i64 {
    let query = "SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM event_keys)
                      + (SELECT count(*) FROM deliveries)";
    gateway.count(query).await
}

#[tokio::test]
async fn signed_challenge_is_answered_and_not_recorded() {
    let gateway = gateway().await;
    let now = gateway.clock_seconds();
    let challenge = r#"{"type":"url_verification","token":"t","challenge":"3eZbrw1aBm2rZgRN"}"#;
    let headers = versioned("x-slack", SLACK, now, challenge);
    let answer = gateway.send_raw("chat", None, &headers, challenge.as_bytes()).await;
    assert_answered(&answer, "text/plain", "3eZbrw1aBm2rZgRN");

    let validation =
        r#"{"event":"endpoint.url_validation","payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"}}"#;
    let headers = versioned("x-zm", ZOOM, now, validation);
    let answer = gateway.send_raw("calls", None, &headers, validation.as_bytes()).await;
    let encrypted = hex::encode(mac(ZOOM, b"qgg8vlvZRS6UYooatFL8Aw"));
    let expected =
        format!(r#"{{"plainToken":"qgg8vlvZRS6UYooatFL8Aw","encryptedToken":"{encrypted}"}}"#);
    assert_answered(&answer, "application/json", &expected);
    assert_eq!(recorded(&gateway).await, 0);

    let unknown = gateway.send_raw("nobody", None, &[], b"{}").await;
    for (what, headers) in [
        ("another secret", versioned("x-slack", ZOOM, now, challenge)),
        ("an old signature", versioned("x-slack", SLACK, now - 1_000, challenge)),
        ("no signature", Vec::new()),
    ] {
        let answer = gateway.send_raw("chat", None, &headers, challenge.as_bytes()).await;
        assert_eq!((answer.status, answer.text), (401, unknown.text.clone()), "{what}");
    }
    let page = gateway.operator("/metrics").await.text;
    assert!(page.contains("sealpost_handshakes_total{source=\"chat\"}"), "{page}");
    assert_eq!(recorded(&gateway).await, 0);

    let event = r#"{"type":"event_callback","event_id":"Ev1","event":{"type":"message"}}"#;
    let headers = versioned("x-slack", SLACK, now, event);
    let answer = gateway.send_raw("chat", None, &headers, event.as_bytes()).await;
    assert_eq!((answer.status, answer.body_status()), (202, "accepted"));
}

#[tokio::test]
async fn verify_token_is_answered_and_a_wrong_one_is_not_found() {
    let gateway = gateway().await;
    let right = "hub.mode=subscribe&hub.verify_token=a-token-of-our-own&hub.challenge=1158201444";
    let path = format!("/hooks/pages?{right}");
    assert_answered(&ask(&gateway, Method::GET, &path, &[]).await, "text/plain", "1158201444");
    for query in [
        "",
        "?hub.mode=subscribe&hub.challenge=1",
        "?hub.mode=subscribe&hub.verify_token=&hub.challenge=1",
        "?hub.mode=subscribe&hub.verify_token=a-token-of-our-owm&hub.challenge=1",
        "?hub.mode=subscribe&hub.verify_token=a-token&hub.challenge=1",
        "?hub.mode=unsubscribe&hub.verify_token=a-token-of-our-own&hub.challenge=1",
        "?hub.mode=subscribe&hub.verify_token=a-token-of-our-own",
    ] {
        let path = format!("/hooks/pages{query}");
        let answer = ask(&gateway, Method::GET, &path, &[]).await;
        assert_not_found(&gateway, &answer).await;
    }
    for method in [Method::HEAD, Method::PUT, Method::OPTIONS, Method::DELETE] {
        let answer = ask(&gateway, method, &path, &[]).await;
        assert_eq!((answer.status, header(&answer, "allow")), (405, "GET, POST"));
    }
    assert_eq!(gateway.post(&path, &[], b"{}").await.status, 401);
    // Unknown sources look like known ones that answer nothing.
    for number in 0..20 {
        let path = format!("/hooks/nobody-{number}?{right}");
        let answer = ask(&gateway, Method::GET, &path, &[]).await;
        if answer.status == 404 {
            assert_not_found(&gateway, &answer).await;
        } else {
            assert_eq!(answer.status, 405);
        }
    }
    assert_eq!(recorded(&gateway).await, 0);
}

#[tokio::test]
async fn challenge_in_the_query_or_in_a_header_is_answered() {
    let gateway = gateway().await;
    let answer = ask(&gateway, Method::GET, "/hooks/posts?crc_token=abc-123_x", &[]).await;
    let token = STANDARD.encode(mac(TWITTER, b"abc-123_x"));
    let expected = format!(r#"{{"response_token":"sha256={token}"}}"#);
    assert_answered(&answer, "application/json", &expected);
    // It would be the signature of an event.
    for query in ["crc_token=%7B%22a%22%3A1%7D", "crc_token="] {
        let answer = ask(&gateway, Method::GET, &format!("/hooks/posts?{query}"), &[]).await;
        assert_not_found(&gateway, &answer).await;
    }

    let challenge = [("x-okta-verification-challenge", "a \"quoted\" text")];
    let answer = ask(&gateway, Method::GET, "/hooks/staff", &challenge).await;
    let expected = r#"{"verification":"a \"quoted\" text"}"#;
    assert_answered(&answer, "application/json", expected);
    assert_not_found(&gateway, &ask(&gateway, Method::GET, "/hooks/staff", &[]).await).await;

    let origin = [("webhook-request-origin", "emitter.example.com")];
    let answer = ask(&gateway, Method::OPTIONS, "/hooks/clouds", &origin).await;
    assert_eq!((answer.status, &*answer.text), (200, ""));
    assert_eq!(header(&answer, "webhook-allowed-origin"), "emitter.example.com");
    assert_eq!(header(&answer, "webhook-allowed-rate"), "*");
    assert_eq!(header(&answer, "allow"), "POST");
    let answer = ask(&gateway, Method::GET, "/hooks/clouds", &origin).await;
    assert_eq!((answer.status, header(&answer, "allow")), (405, "OPTIONS, POST"));

    let answer = ask(&gateway, Method::HEAD, "/hooks/own", &[]).await;
    assert_eq!((answer.status, &*answer.text), (204, ""));
    assert_eq!(recorded(&gateway).await, 0);
}

#[tokio::test]
async fn unsigned_challenge_is_answered_whatever_its_signature() {
    let gateway = gateway().await;
    let challenge = r#"{"challenge":"\"x\" 1"}"#;
    let zeros = "0".repeat(64);
    let signature = hex::encode(mac(OWN, challenge.as_bytes()));
    for signature in [None, Some("nonsense"), Some(&*zeros), Some(&*signature)] {
        let headers = signature.map_or_else(Vec::new, |value| lines(&[("x-own-signature", value)]));
        let answer = gateway.send_raw("own", None, &headers, challenge.as_bytes()).await;
        assert_answered(&answer, "application/json", challenge);
    }
    let wrong = lines(&[("x-own-signature", &*zeros)]);
    let large = json!({ "challenge": "x".repeat(70_000) }).to_string();
    let unknown = gateway.send_raw("nobody", None, &[], b"{}").await;
    for body in [r#"{"id":1}"#, "not JSON", "", &*large] {
        let answer = gateway.send_raw("own", None, &wrong, body.as_bytes()).await;
        assert_eq!((answer.status, &*answer.text), (401, &*unknown.text));
        let answer = gateway.send_raw("own", None, &[], body.as_bytes()).await;
        assert_eq!((answer.status, &*answer.text), (401, &*unknown.text));
    }
    // An unknown source never answers.
    for number in 0..20 {
        let name = format!("nobody-{number}");
        let answer = gateway.send_raw(&name, None, &[], challenge.as_bytes()).await;
        assert_eq!((answer.status, &*answer.text), (401, &*unknown.text));
    }
    // The others with a signature are kept, the challenges are not.
    assert_eq!(wait_for_rejected(&gateway, 4).await.len(), 4);
    assert_eq!(recorded(&gateway).await, 0);
}

#[tokio::test]
async fn sender_gets_the_response_that_it_requires() {
    let gateway = gateway().await;
    let event = r#"{"event":"meeting.started","payload":{}}"#;
    for _ in 0..2 {
        let headers = versioned("x-zm", ZOOM, gateway.clock_seconds(), event);
        let answer = gateway.send_raw("calls", None, &headers, event.as_bytes()).await;
        assert_eq!((answer.status, &*answer.text), (200, ""));
        assert!(!header(&answer, "x-request-id").is_empty());
    }
    assert_eq!(gateway.count("SELECT count(*) FROM events").await, 1, "the second is a duplicate");

    let headers = lines(&[("x-own-signature", &*hex::encode(mac(OWN, b"changed")))]);
    for _ in 0..2 {
        let answer = gateway.send_raw("own", None, &headers, b"changed").await;
        assert_eq!((answer.status, &*answer.text), (200, "<ok/>"));
        assert_eq!(header(&answer, "content-type"), "text/xml");
    }
    let query = "SELECT count(*) FROM events WHERE source = 'own'";
    assert_eq!(gateway.count(query).await, 2, "equal bodies are different events");
}

#[tokio::test]
async fn key_that_cannot_be_fetched_is_no_failure_of_the_sender() {
    let gateway = gateway().await;
    // {"alg":"RS256"}, {} and a signature.
    let token = "Bearer eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl";
    let headers = lines(&[("authorization", token)]);
    for _ in 0..2 {
        let answer = gateway.send_raw("published", None, &headers, b"{}").await;
        assert_eq!(answer.status, 503, "{}", answer.text);
        assert_eq!(answer.json["type"], "urn:sealpost:problem:unavailable");
        assert!(header(&answer, "retry-after").parse::<u32>().unwrap() > 0);
    }
    let answer = gateway.send_raw("published", None, &[], b"{}").await;
    assert_eq!(answer.status, 401, "its head is checked first");
    assert_eq!(recorded(&gateway).await, 0);
}
