//! Routing of paths; responses do not reveal which sources exist.

use super::raw::{Wire, head, request};
use super::{Bench, RequestOutcome, card, event, value, with};
use crate::harness::Answer;

const UNKNOWN: RequestOutcome = RequestOutcome::Unauthorized("unknown_source");
const NOTHING: RequestOutcome = RequestOutcome::Refused(404, "not_found");

/// Sends a request to an unmodified path.
async fn to(bench: &Bench, path: &str, headers: &[(String, String)], body: &[u8]) -> Answer {
    let mut wire = Wire::open(bench.gateway.address()).await;
    wire.write(&request(path, headers, body)).await;
    let raw = wire.answer().await.expect("an answer");
    assert!(!(300..400).contains(&raw.status), "never a redirect: {path}");
    raw.parsed()
}

#[tokio::test]
async fn unknown_or_disabled_source_responds_like_a_bad_signature() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let body = event().to_string().into_bytes();
    let signed = gateway.sign("closed", &body, &[]);
    let bad = with(&signed, "stripe-signature", {
        let (time, _) = value(&signed, "stripe-signature").split_once(',').unwrap();
        format!("{time},v1={}", "0".repeat(64))
    });
    let long = "a".repeat(1_500);
    for name in
        ["closed", "nobody", "%2e%2e", "a%2Fb", "a%00", "a%ff", "BILLING", "billing%20", &long]
    {
        let path = format!("/hooks/{name}");
        for (what, headers) in [("unsigned", &[][..]), ("signed", &signed), ("bad", &bad)] {
            let what = format!("{name} {what}");
            bench.check(&what, "none", UNKNOWN, to(&bench, &path, headers, &body)).await;
        }
        let path = format!("/hooks/{name}/create");
        bench.check(&path, "none", UNKNOWN, to(&bench, &path, &signed, &body)).await;
    }
    let sent = to(&bench, "/hooks/billing", &bad, &body);
    bench.check("bad", "stripe", RequestOutcome::Unauthorized("sig_mismatch"), sent).await;
    bench.finish().await;
}

#[tokio::test]
async fn unknown_source_and_bad_signature_responses_are_identical() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    // Above the limit of most sources, and within that of one.
    let body = vec![b'x'; 3 * 1024 * 1024];
    let signed = gateway.sign("cards", &body, &[]);
    let bad = with(&signed, "x-docora-signature", format!("sha256={}", "0".repeat(64)));
    let known = gateway.send_raw("cards", Some("create"), &bad, &body).await;
    let unknown = gateway.send_raw("nobody", Some("create"), &bad, &body).await;
    assert_eq!((known.status, unknown.status), (401, 401));
    assert_eq!(known.text, unknown.text);
    let names = |answer: &Answer| {
        let mut lines: Vec<_> = answer
            .headers
            .iter()
            .filter(|(name, _)| *name != "date")
            .map(|(name, value)| (name.to_string(), value.clone()))
            .collect();
        lines.sort();
        lines
    };
    assert_eq!(names(&known), names(&unknown));
    bench.finish().await;
}

#[tokio::test]
async fn invalid_head_is_rejected_as_late_as_an_unknown_source() {
    let bench = Bench::start().await;
    for signature in ["", "t=1", "nonsense"] {
        let headers = [("stripe-signature".to_owned(), signature.to_owned())];
        let mut answers = Vec::new();
        for path in ["/hooks/billing", "/hooks/nobody"] {
            // A response before the body would be 401; reading it gives 413.
            let mut wire = Wire::open(bench.gateway.address()).await;
            wire.write(&head(path, &headers, "Content-Length: 1000000000")).await;
            let answer = wire.answer().await.expect("an answer");
            let (same, _) = answer.body.split_once("request_id").expect("an id");
            answers.push((answer.status, same.to_owned()));
        }
        assert_eq!(answers[0], answers[1], "{signature}");
        assert_eq!(answers[0].0, 413, "{signature}");
    }
    bench.finish().await;
}

#[tokio::test]
async fn only_documented_paths_are_routed() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let stripe = event().to_string().into_bytes();
    let stripe_headers = gateway.sign("billing", &stripe, &[]);
    let docora = card().to_string().into_bytes();
    let docora_headers = gateway.sign("cards", &docora, &[]);
    for path in [
        "/",
        "/hooks",
        "/hooks/",
        "/hooks/billing/x",
        "/hooks/./billing/.",
        "/hook/billing",
        "/api/stripe",
        "/metrics",
        "/healthz",
        "/readyz",
        "/debug",
        "/HOOKS/billing",
        "/hooks/../hooks/billing",
    ] {
        bench.check(path, "none", NOTHING, to(&bench, path, &stripe_headers, &stripe)).await;
    }
    for path in [
        "/hooks/cards/destroy",
        "/hooks/cards/create/x",
        "/hooks/cards/CREATE",
        "/functions/v1/docora-webhook",
        "/functions/v1/docora-webhook/destroy",
        "/functions/v1/docora-webhook/{action}",
    ] {
        bench.check(path, "none", NOTHING, to(&bench, path, &docora_headers, &docora)).await;
    }
    for path in ["/hooks/cards", "/hooks/billing/create", "/hooks/billing%2Fcreate"] {
        let sent = to(&bench, path, &docora_headers, &docora);
        bench.check(path, "none", UNKNOWN, sent).await;
    }
    bench.finish().await;
}

#[tokio::test]
async fn double_slashes_and_queries_are_ignored() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    for path in [
        "/hooks/cards//create",
        "//hooks///cards/create",
        "/functions/v1/docora-webhook//create",
        "/hooks/cards/create?app_id=1",
        "/hooks/cards/create#x",
    ] {
        let body = card().to_string().into_bytes();
        let headers = gateway.sign("cards", &body, &[]);
        bench
            .check(path, "docora", RequestOutcome::Accepted, to(&bench, path, &headers, &body))
            .await;
    }
    bench.finish().await;
}

#[tokio::test]
async fn sources_sharing_a_path_are_distinguished_by_app_id() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let path = "/functions/v1/docora-webhook/create";
    for source in ["cards", "cards-too"] {
        let body = card().to_string().into_bytes();
        let headers = gateway.sign(source, &body, &[]);
        let answer = gateway.post(path, &headers, &body).await;
        assert_eq!(answer.status, 202, "{source}");
        let query = format!("SELECT * FROM events WHERE id = '{}'", answer.id());
        let row = gateway.query(&query).await.remove(0);
        assert_eq!(row["source"], source);
    }
    let body = card().to_string().into_bytes();
    let headers = gateway.sign("cards", &body, &[]);
    let mismatch = RequestOutcome::Unauthorized("sig_mismatch");
    let swapped = with(&headers, "x-docora-app-id", "app_ffffffffffffffffffffffff");
    bench.check("swapped", "docora", mismatch, gateway.post(path, &swapped, &body)).await;
    let other_app = with(&headers, "x-docora-app-id", "app_000000000000000000000000");
    bench.check("a stranger", "docora", UNKNOWN, gateway.post(path, &other_app, &body)).await;
    bench.finish().await;
}

#[tokio::test]
async fn other_methods_get_405_on_every_source_path() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let mut bodies = Vec::new();
    for path in ["/hooks/billing", "/hooks/closed", "/hooks/nobody", "/hooks/cards/create"] {
        for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"] {
            let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
            let request = gateway.client().request(method.clone(), gateway.url(path));
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 405, "{method} {path}");
            assert_eq!(response.headers()["allow"], "POST", "{method} {path}");
            let names = response.headers().keys();
            assert!(!names.into_iter().any(|name| name.as_str().starts_with("access-control")));
            if method == reqwest::Method::GET {
                let text = response.text().await.unwrap();
                let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
                json["request_id"] = serde_json::Value::Null;
                bodies.push(json);
            }
        }
    }
    assert!(bodies.windows(2).all(|two| two[0] == two[1]), "{bodies:?}");
    let response = gateway.client().get(gateway.url("/nowhere")).send().await.unwrap();
    assert_eq!(response.status(), 404);
    bench.assert_other_source_works("methods", "none").await;
    bench.finish().await;
}
