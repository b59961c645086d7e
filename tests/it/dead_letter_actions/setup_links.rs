//! Base URL of setup links: the configured one, or the host header; never a proxy header.

use reqwest::Method;

use crate::harness::{API_KEY, Answer, Gateway};

/// Base URL of the setup link shown after a user was added.
async fn link(gateway: &Gateway, name: &str, host: &str) -> String {
    let request = gateway.client().request(Method::POST, gateway.operator_url("/users"));
    let request = request
        .bearer_auth(API_KEY)
        .header("host", host)
        .header("x-forwarded-host", "evil.example")
        .header("x-forwarded-proto", "gopher")
        .header("forwarded", "host=evil.example;proto=gopher")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("name={name}&scope=events:read"));
    let answer = Answer::of(request.send().await.unwrap()).await;
    let text = &answer.text;
    assert!(!text.contains("evil.example") && !text.contains("gopher"), "{text}");
    let end = text.find("/setup?token=").unwrap_or_else(|| panic!("{} {text}", answer.status));
    let begin = text[..end].rfind(|c: char| c == '"' || c == '>' || c.is_whitespace()).unwrap();
    text[begin + 1..end].to_owned()
}

#[tokio::test]
async fn setup_link_uses_public_url_or_host_header() {
    let gateway = Gateway::start().await;
    assert_eq!(link(&gateway, "ada", "console.example.org").await, "https://console.example.org");
    assert_eq!(link(&gateway, "bob", "localhost:8081").await, "http://localhost:8081");
    assert_eq!(link(&gateway, "eve", "[::1]:8081").await, "http://[::1]:8081");
    let configured = Gateway::builder()
        .config("[operator]\n", "[operator]\npublic_url = \"https://sealpost.example.com/\"\n")
        .start()
        .await;
    assert_eq!(link(&configured, "ada", "elsewhere").await, "https://sealpost.example.com");
}
