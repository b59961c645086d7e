//! Methods, bodies, headers and rate limits of every call.

use reqwest::Method;

use super::{get, post, problem, send};
use crate::harness::{API_KEY, Gateway};

const LIST: &str = "/api/v1/dead-letters";
const DISCARD: &str = "/api/v1/dead-letters/1/discard";

#[tokio::test]
async fn allow_lists_the_methods_of_a_path() {
    let gateway = Gateway::start().await;
    for (path, allow) in [
        (LIST, "GET, HEAD, OPTIONS"),
        (DISCARD, "POST, OPTIONS"),
        ("/api/v1/stream", "GET, HEAD, OPTIONS"),
        ("/api/v1/apify/runs", "POST, OPTIONS"),
        ("/healthz", "GET, HEAD, OPTIONS"),
    ] {
        let refused = send(&gateway, (Method::DELETE, path), Some(API_KEY), &[], None).await;
        assert_eq!((refused.status, problem(&refused)), (405, "method-not-allowed"), "{path}");
        assert_eq!(refused.headers["allow"], allow, "{path}");
        let options = send(&gateway, (Method::OPTIONS, path), Some(API_KEY), &[], None).await;
        assert_eq!((options.status, &options.headers["allow"]), (204, &refused.headers["allow"]));
    }
    let (whole, head) = (
        get(&gateway, LIST, &[]).await,
        send(&gateway, (Method::HEAD, LIST), Some(API_KEY), &[], None).await,
    );
    assert_eq!((head.status, &*head.text), (200, ""));
    for name in ["etag", "content-type", "content-length"] {
        assert_eq!(head.headers[name], whole.headers[name], "{name}");
    }
}

#[tokio::test]
async fn responses_have_their_headers_and_no_cors() {
    let gateway = Gateway::start().await;
    let origin = [("origin", "https://elsewhere.example")];
    for path in [LIST, "/api/v1/nothing/at/all", "/api/v1/openapi.json"] {
        let answer = get(&gateway, path, &origin).await;
        assert_eq!(answer.headers["cache-control"], "no-store", "{path}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
        assert!(!answer.headers["x-request-id"].is_empty(), "{path}");
        assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control")));
    }
    let nothing = get(&gateway, "/api/v1/nothing/at/all", &[]).await;
    assert_eq!((nothing.status, problem(&nothing)), (404, "not-found"));
}

#[tokio::test]
async fn invalid_bodies_are_rejected() {
    let gateway = Gateway::start().await;
    let plain = [("content-type", "text/plain")];
    let answer = send(&gateway, (Method::POST, DISCARD), Some(API_KEY), &plain, None).await;
    assert_eq!((answer.status, problem(&answer)), (415, "not-json"));
    let encoded = post(&gateway, DISCARD, &[("content-encoding", "gzip")], "{}").await;
    assert_eq!((encoded.status, problem(&encoded)), (415, "content-encoding"));
    for body in [
        "",
        "[]",
        "{",
        "{\"reason\":\"\"}",
        "{\"reason\":7}",
        "{\"reason\":\"a\",\"colour\":\"red\"}",
        "{\"reason\":\"a\",\"reason\":\"b\"}",
        &format!("{{\"reason\":\"{}\"}}", "a".repeat(1001)),
    ] {
        let answer = post(&gateway, DISCARD, &[], body).await;
        assert_eq!((answer.status, problem(&answer)), (400, "invalid"), "{body}");
        assert!(answer.json["detail"].is_string(), "{body}");
    }
    let large = format!("{{\"reason\":\"{}\"}}", "a".repeat(256 * 1024));
    let answer = post(&gateway, DISCARD, &[], &large).await;
    assert_eq!((answer.status, problem(&answer)), (413, "too-large"));
    assert_eq!(answer.json["limit_bytes"], 256 * 1024);
}

#[tokio::test]
async fn callers_are_rate_limited_separately() {
    let gateway = Gateway::builder()
        .config(
            "[operator]\n",
            "[operator]\nreads = { per_second = 1, burst = 2 }\nchanges = { per_second = 1, burst = 1 }\n",
        )
        .start()
        .await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(get(&gateway, LIST, &[]).await.status);
    }
    assert_eq!(statuses[..2], [200, 200]);
    assert!(statuses.contains(&429), "{statuses:?}");
    let body = "{\"reason\":\"a\"}";
    let mut last = post(&gateway, DISCARD, &[], body).await;
    assert_eq!(last.status, 404, "changes have their own limit");
    for _ in 0..3 {
        last = post(&gateway, DISCARD, &[], body).await;
    }
    assert_eq!((last.status, problem(&last)), (429, "too-many-requests"));
    assert!(last.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    let other = gateway.key("other", &[sealpost::admin::Scope::Admin], None).await;
    let theirs = send(&gateway, (Method::GET, LIST), Some(&other), &[], None).await;
    assert_eq!(theirs.status, 200);
    assert_eq!(get(&gateway, "/healthz", &[]).await.status, 200);
}
