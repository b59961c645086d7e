//! Single sign-on in a browser. The issuer is another site than the console, so that the browser
//! withholds strict cookies as in production.

use std::net::TcpListener;

use serde_json::json;

use super::browser::{is_missing, with_browser};
use crate::access::oidc::{Stub, gateway_at, invite};

#[tokio::test]
async fn single_sign_on_redirects_back() {
    if is_missing() {
        return;
    }
    let stub = Stub::called("localhost").await;
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let builder = gateway_at(&stub.url, &format!("http://{address}"));
    let listen = |address: &str| format!("[operator]\nlisten = \"{address}\"");
    let builder = builder.config(&listen("127.0.0.1:0"), &listen(&address.to_string()));
    let gateway = builder.start().await;
    invite(&gateway, "ada@example.org").await;
    stub.expect(json!({}), gateway.clock_seconds());
    with_browser(&gateway, async |browser| {
        browser.keep("sign-in-issuer", "/sign-in").await;
        browser.open("/alerts?which=all").await;
        browser.wait_for_path("/sign-in?next=%2Falerts%3Fwhich%3Dall").await;
        browser.click("a[href^='/oidc/start']").await;
        browser.wait_for_path("/alerts?which=all").await;
        assert!(browser.text().await.contains("ada@example.org"));
        browser.open("/account").await;
        assert_eq!(browser.path().await, "/account", "the session cookie is sent");
    })
    .await;
    assert_eq!(stub.requests("/authorize"), 1);
}
