//! Where links lead to: to where we are, as it is configured or as the browser itself says; never
//! where a header of a proxy says.

use reqwest::Method;

use crate::harness::{API_KEY, Answer, Gateway};

/// The link that stands on the page after somebody was added.
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
async fn a_link_leads_to_the_configured_address_or_to_the_host_that_the_browser_names() {
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
