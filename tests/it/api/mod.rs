//! The admin API, over real HTTP.

mod coverage;
mod document;
mod idempotency;
mod limits;
mod pagination;

use reqwest::Method;

use crate::harness::{API_KEY, Answer, Gateway};

/// Sends a request with this key; a body goes as JSON.
async fn send(
    gateway: &Gateway,
    (method, path): (Method, &str),
    key: Option<&str>,
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> Answer {
    let mut request = gateway.client().request(method, gateway.operator_url(path));
    if let Some(key) = key {
        request = request.bearer_auth(key);
    }
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_owned());
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::of(request.send().await.expect("an answer")).await
}

async fn get(gateway: &Gateway, path: &str, headers: &[(&str, &str)]) -> Answer {
    send(gateway, (Method::GET, path), Some(API_KEY), headers, None).await
}

async fn post(gateway: &Gateway, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    send(gateway, (Method::POST, path), Some(API_KEY), headers, Some(body)).await
}

/// A dead letter of each number: authentic, and not what the provider sends.
pub(crate) async fn dead_letters(gateway: &Gateway, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let body = format!("{{\"nothing\":{number}}}");
        assert_eq!(
            gateway.send("billing", None, body.as_bytes()).await.body_status(),
            "quarantined"
        );
    }
}

/// The type of a problem.
fn problem(answer: &Answer) -> &str {
    assert_eq!(answer.headers["content-type"], "application/problem+json", "{}", answer.text);
    assert_eq!(answer.json["status"], answer.status, "{}", answer.text);
    let kind = answer.json["type"].as_str().expect("a type");
    kind.strip_prefix("urn:sealpost:problem:").expect("one of ours")
}
