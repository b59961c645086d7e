//! Session cookies and cross-site protection.

use std::time::Duration;

use reqwest::Method;
use sealpost::admin::Scope;

use super::users::{session, signed_in};
use crate::harness::{Answer, Gateway};

const PAGE: (&str, &str) = ("accept", "text/html,application/xhtml+xml");

async fn ask(
    gateway: &Gateway,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut request = gateway.client().request(method, gateway.operator_url(path));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::of(request.body(body.to_owned()).send().await.expect("an answer")).await
}

fn cookie(token: &str) -> String {
    format!("other=1; __Host-sealpost={token}")
}

#[tokio::test]
async fn browser_without_a_session_is_redirected_to_sign_in() {
    let gateway = Gateway::start().await;
    let ended = cookie(&"A".repeat(43));
    for (path, way) in [
        ("/", "/sign-in"),
        ("/dead-letters", "/sign-in?next=%2Fdead-letters"),
        ("/nothing/here?a=b&c", "/sign-in?next=%2Fnothing%2Fhere%3Fa%3Db%26c"),
    ] {
        for headers in [&[PAGE][..], &[PAGE, ("cookie", &ended)]] {
            let answer = ask(&gateway, Method::GET, path, headers, "").await;
            assert_eq!(answer.status, 303, "{path}");
            assert_eq!(answer.headers["location"], way);
            assert_eq!(answer.headers["cache-control"], "no-store");
        }
    }
    for (method, path) in [
        (Method::GET, "/metrics"),
        (Method::GET, "/api/v1/stream"),
        (Method::GET, "/api/v1/nothing"),
        (Method::POST, "/dead-letters"),
    ] {
        assert_eq!(ask(&gateway, method, path, &[PAGE], "").await.status, 401, "{path}");
    }
    for path in ["/sign-in", "/setup", "/assets/nothing", "/oidc/nothing"] {
        let answer = ask(&gateway, Method::GET, path, &[PAGE], "").await;
        assert_ne!(answer.status, 303, "{path} is not sent in a circle");
    }
}

#[tokio::test]
async fn session_has_its_users_scopes_and_a_key_takes_precedence() {
    let gateway = Gateway::start().await;
    let token = cookie(&signed_in(&gateway, "ada", Scope::EventsRead).await);
    let cookie = ("cookie", &*token);
    assert_eq!(ask(&gateway, Method::GET, "/metrics", &[cookie], "").await.status, 200);
    let other = signed_in(&gateway, "bob", Scope::SourcesWrite).await;
    let other = self::cookie(&other);
    let answer = ask(&gateway, Method::GET, "/metrics", &[("cookie", &other)], "").await;
    assert_eq!(answer.status, 403);
    let bad = ("authorization", "Bearer slp_wrong");
    assert_eq!(ask(&gateway, Method::GET, "/metrics", &[cookie, bad], "").await.status, 401);
}

#[tokio::test]
async fn session_changes_require_the_csrf_token_and_same_origin() {
    let gateway = Gateway::start().await;
    let token = signed_in(&gateway, "ada", Scope::Admin).await;
    let other = signed_in(&gateway, "bob", Scope::Admin).await;
    let csrf = session(&gateway, &token).await.unwrap().csrf;
    let others = session(&gateway, &other).await.unwrap().csrf;
    let (token, path) = (cookie(&token), "/api/v1/apify/runs");
    let own = gateway.operator_url("");
    let host = own.strip_prefix("http://").unwrap();
    let cookie = ("cookie", &*token);
    let good = ("x-sealpost-csrf", &*csrf);
    // 400 is from the operation itself: the request was authenticated.
    let cases: &[(u16, &[(&str, &str)])] = &[
        (400, &[cookie, good]),
        (400, &[cookie, good, ("origin", &own), ("sec-fetch-site", "same-origin")]),
        (400, &[cookie, good, ("origin", "null"), ("sec-fetch-site", "same-origin")]),
        (403, &[cookie]),
        (403, &[cookie, ("x-sealpost-csrf", "")]),
        (403, &[cookie, ("x-sealpost-csrf", &others)]),
        (403, &[cookie, good, ("origin", "null")]),
        (403, &[cookie, good, ("origin", "http://evil.example")]),
        (403, &[cookie, good, ("origin", host)]),
        (403, &[cookie, good, ("sec-fetch-site", "cross-site")]),
        (403, &[cookie, good, ("sec-fetch-site", "same-site")]),
        (403, &[cookie, good, ("sec-fetch-site", "none")]),
    ];
    for (status, headers) in cases {
        let answer = ask(&gateway, Method::POST, path, headers, "{").await;
        assert_eq!(answer.status, *status, "{headers:?}: {}", answer.text);
    }
    let form = ("content-type", "application/x-www-form-urlencoded");
    let good = format!("a=1&csrf={csrf}&b=2");
    let answer = ask(&gateway, Method::POST, path, &[cookie, form], &good).await;
    assert_eq!(answer.status, 400, "the form is read, and handed on: {}", answer.text);
    for wrong in ["a=1", "csrf=", &format!("csrf={others}"), &format!("csrf=x&csrf={csrf}")] {
        let answer = ask(&gateway, Method::POST, path, &[cookie, form], wrong).await;
        assert_eq!(answer.status, 403, "{wrong}");
    }
    let plain = ("content-type", "text/plain");
    assert_eq!(ask(&gateway, Method::POST, path, &[cookie, plain], &good).await.status, 403);
    let large = format!("{good}&c={}", "x".repeat(4 * 1024 * 1024));
    let answer = ask(&gateway, Method::POST, path, &[cookie, form], &large).await;
    assert_eq!(answer.status, 413, "{}", answer.text);
    let evil = [("origin", "http://evil.example"), form];
    let answer = ask(&gateway, Method::POST, "/sign-in", &evil, "name=a").await;
    assert_eq!(answer.status, 403, "also before sign-in");
}

#[tokio::test]
async fn automatic_refresh_does_not_extend_a_session() {
    let gateway = Gateway::start().await;
    let token = cookie(&signed_in(&gateway, "ada", Scope::EventsRead).await);
    let poll = [("cookie", &*token), ("sec-fetch-mode", "cors")];
    for _ in 0..29 {
        gateway.clock().advance(Duration::from_mins(1));
        assert_eq!(ask(&gateway, Method::GET, "/metrics", &poll, "").await.status, 200);
    }
    gateway.clock().advance(Duration::from_mins(1));
    assert_eq!(ask(&gateway, Method::GET, "/metrics", &poll, "").await.status, 401);
}

#[tokio::test]
async fn database_outage_does_not_end_a_session() {
    let gateway = Gateway::start().await;
    let token = cookie(&signed_in(&gateway, "ada", Scope::EventsRead).await);
    let headers = [("cookie", &*token), PAGE];
    assert_eq!(ask(&gateway, Method::GET, "/metrics", &headers, "").await.status, 200);
    gateway.store().close().await;
    assert_eq!(ask(&gateway, Method::GET, "/", &headers, "").await.status, 503);
}
