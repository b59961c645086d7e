//! Security headers of pages, posted forms, and caching of assets.

use reqwest::header::{ACCEPT, HeaderMap};

use super::busy::{busy, pages};
use super::{FailingHandler, HOSTILE, gateway};
use crate::harness::{API_KEY, Answer, Gateway};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'";

pub(super) async fn page(gateway: &Gateway, path: &str) -> Answer {
    let request = gateway.client().get(gateway.operator_url(path)).bearer_auth(API_KEY);
    let request = request.header(ACCEPT, "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");
    Answer::of(request.send().await.expect("an answer")).await
}

pub(super) async fn post(
    gateway: &Gateway,
    path: &str,
    headers: &[(&str, &str)],
    form: &str,
) -> Answer {
    let mut request = gateway.client().post(gateway.operator_url(path)).bearer_auth(API_KEY);
    request = request.header("content-type", "application/x-www-form-urlencoded");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::of(request.body(form.to_owned()).send().await.expect("an answer")).await
}

fn check(what: &str, headers: &HeaderMap) {
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "no-store"),
    ] {
        let found: Vec<&str> = headers.get_all(name).iter().map(|v| v.to_str().unwrap()).collect();
        assert_eq!(found, [value], "{name} of {what}");
    }
    assert!(!headers.contains_key("access-control-allow-origin"), "{what}");
}

#[tokio::test]
async fn pages_have_security_headers_and_escape_untrusted_markup() {
    let busy = busy().await;
    for (name, path) in pages(&busy).await {
        let answer = page(&busy.gateway, &path).await;
        let status = match name {
            "nothing" | "nothing-of-that-id" => 404,
            "events-not-asked" => 422,
            _ => 200,
        };
        assert_eq!(answer.status, status, "{path}");
        check(&path, &answer.headers);
        assert!(!answer.text.contains(HOSTILE) && !answer.text.contains("<img"), "{path}");
    }
    for path in [
        "/deliveries/x",
        "/deliveries/999",
        "/deliveries/999/edit",
        "/dead-letters?class=x",
        "/dead-letters?after=x",
        "/dead-letters/groups/999",
        "/dead-letters/all?before=x",
        "/dead-letters/all?reason=x",
        "/jobs/999",
        "/jobs/new?group=x",
    ] {
        let answer = page(&busy.gateway, path).await;
        assert!(answer.status == 404 || answer.status == 400, "{path}: {}", answer.status);
        check(path, &answer.headers);
    }
}

#[tokio::test]
async fn posted_forms_redirect_and_require_the_same_origin() {
    let gateway = gateway(&FailingHandler::default()).await;
    let host = gateway.operator_url("");
    let elsewhere = [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")];
    for header in elsewhere {
        for path in ["/deliveries/1/discard", "/keys", "/users", "/audit/verify", "/nothing"] {
            let answer = post(&gateway, path, &[header], "reason=x").await;
            assert_eq!(answer.status, 403, "{path} {header:?}");
        }
    }
    let ours = [("origin", host.as_str()), ("sec-fetch-site", "same-origin")];
    for (form, path, status) in [
        ("reason=", "/deliveries/1/discard", 400),
        ("reason=x", "/deliveries/1/burn", 404),
        ("reason=x", "/deliveries/999/replay", 404),
        ("reason=x", "/destinations/nobody/pause", 404),
        ("reason=not+worth+it", "/deliveries/1/discard", 303),
        ("reason=again", "/deliveries/1/discard", 409),
    ] {
        let answer = post(&gateway, path, &ours, form).await;
        assert_eq!(answer.status, status, "{path} {form}: {}", answer.text);
    }
    let [audit] = &gateway.audited_changes().await[..] else { panic!("one line") };
    assert_eq!((&audit["action"], &audit["reason"]), (&"discard".into(), &"not worth it".into()));
}

#[tokio::test]
async fn assets_are_cached_by_content_hash() {
    let gateway = Gateway::start().await;
    let page = page(&gateway, "/dead-letters").await.text;
    for (begin, end, kind) in [
        ("console.", ".css", "text/css"),
        ("console.", ".js", "text/javascript"),
        ("icon.", ".svg", "image/svg+xml"),
    ] {
        let mut named = page.split('"').filter(|text| text.ends_with(end));
        let path = named.next().expect("the asset is named");
        assert!(path.starts_with(&format!("/assets/{begin}")), "{path}");
        let answer = gateway.operator(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.headers["content-type"].to_str().unwrap().starts_with(kind));
        assert_eq!(answer.headers["cache-control"], "public, max-age=31536000, immutable");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    }
    assert_eq!(gateway.operator("/assets/console.000000000000.css").await.status, 404);
}
