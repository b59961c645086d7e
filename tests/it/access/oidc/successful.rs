//! Successful single sign-on.

use std::time::Duration;

use sealpost::admin::Caller;
use serde_json::json;

use super::{
    Sign, Stub, begin_sign_in, gateway, get, invite, param, session, sign_in, token, with_token,
};
use crate::harness::{Gateway, because};

#[tokio::test]
async fn invited_user_signs_in_and_is_linked() {
    let stub = Stub::start().await;
    let gateway = gateway(&stub.url).start().await;
    assert_eq!(stub.requests("/jwks"), 0, "no request before the first sign-in");
    let link = invite(&gateway, "Ada@example.org").await;

    let sent = begin_sign_in(&gateway, "%2Falerts%3Fwhich%3Dall").await;
    assert_eq!(sent.to.path(), "/authorize");
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "sealpost"),
        ("redirect_uri", "http://127.0.0.1:1/oidc/callback"),
        ("scope", "openid email"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(param(&sent.to, name), value);
    }
    let claims = stub.claims(&sent.to, gateway.clock_seconds(), &json!({}));
    let code = stub.grant(&sent.to, token(&claims, Sign::Rsa));
    let state = param(&sent.to, "state");
    let query = [("code", &*code), ("state", &*state), ("iss", &*stub.url)];
    let answer = super::callback(&gateway, &sent.cookie, &query).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(answer.text.contains("content=\"0; url=/alerts?which=all\""), "{}", answer.text);
    assert!(answer.text.contains("href=\"/alerts?which=all\""), "{}", answer.text);
    let cookie = session(&answer).expect("a session");
    let page = get(&gateway, "/account", &cookie).await;
    assert!(page.text.contains("Ada@example.org"), "{}", page.text);
    assert!(!page.text.contains("New password"), "single sign-on users have no password");

    let late = gateway
        .access()
        .set_up(
            &link,
            None,
            "correct horse battery",
            &sealpost::admin::Client::at([192, 0, 2, 1].into()),
        )
        .await;
    assert!(late.is_err(), "the link was used");
    let rows = gateway.query("SELECT oidc_issuer, oidc_subject FROM users").await;
    assert_eq!(rows, [json!({ "oidc_issuer": stub.url, "oidc_subject": "subject-1" })]);
    let log = gateway.query("SELECT actor, action, reason FROM audit_log ORDER BY id").await;
    let [_, linked, signed_in] = &log[..] else { panic!("{log:?}") };
    let actor = "Ada@example.org";
    let reason = format!("to {}", stub.url);
    assert_eq!(*linked, json!({ "actor": actor, "action": "link user", "reason": reason }));
    let reason = "by OpenID Connect";
    assert_eq!(*signed_in, json!({ "actor": actor, "action": "sign in", "reason": reason }));
    assert_eq!(gateway.rows("sign_in_attempts").await.len(), 0, "a success is no failed attempt");
    assert_eq!(gateway.rows("oidc_flows").await.len(), 0);
}

#[tokio::test]
async fn linked_user_is_identified_by_subject() {
    let stub = Stub::start().await;
    let gateway = gateway(&stub.url).start().await;
    invite(&gateway, "ada@example.org").await;
    assert_eq!(sign_in(&gateway, &stub).await.status, 200);
    for other in [
        json!({ "email": null, "email_verified": null }),
        json!({ "email": "lovelace@example.org", "email_verified": false }),
    ] {
        let answer = with_token(&gateway, &stub, &other, Sign::Rsa).await;
        let cookie = session(&answer).expect("a session");
        assert!(get(&gateway, "/account", &cookie).await.text.contains("ada@example.org"));
    }
    let other = json!({ "sub": "subject-2" });
    let answer = with_token(&gateway, &stub, &other, Sign::Rsa).await;
    assert_eq!(answer.status, 403, "the address may belong to another person now");
    assert_eq!(stub.requests(super::DISCOVERY), 1, "the issuer's metadata is cached");
}

#[tokio::test]
async fn reset_user_can_be_linked_to_another_subject() {
    let stub = Stub::start().await;
    let gateway = gateway(&stub.url).start().await;
    invite(&gateway, "ada@example.org").await;
    let cookie = session(&sign_in(&gateway, &stub).await).expect("a session");
    let grace = Caller::local("grace");
    gateway.access().reset_user(&grace, "ada@example.org", false, &because("moved")).await.unwrap();
    assert_eq!(get(&gateway, "/account", &cookie).await.status, 303, "the session has ended");
    let other = json!({ "sub": "subject-2" });
    assert_eq!(with_token(&gateway, &stub, &other, Sign::Rsa).await.status, 200);
}

#[tokio::test]
async fn rotated_issuer_key_is_fetched() {
    let stub = Stub::start().await;
    let gateway = gateway(&stub.url).start().await;
    invite(&gateway, "ada@example.org").await;
    assert_eq!(sign_in(&gateway, &stub).await.status, 200);
    stub.publish_edwards();
    let unknown = with_token(&gateway, &stub, &json!({}), Sign::Edwards).await;
    assert_eq!(unknown.status, 403, "the keys were fetched less than a minute ago");
    gateway.clock().advance(Duration::from_mins(1));
    let answer = with_token(&gateway, &stub, &json!({}), Sign::Edwards).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(stub.requests("/jwks"), 2);
}

#[tokio::test]
async fn client_secret_is_sent_in_the_body_if_required() {
    let stub = Stub::start().await;
    stub.set_metadata(json!({ "token_endpoint_auth_methods_supported": ["client_secret_post"] }));
    let gateway = gateway(&stub.url).start().await;
    invite(&gateway, "ada@example.org").await;
    assert_eq!(sign_in(&gateway, &stub).await.status, 200);
}

#[tokio::test]
async fn sign_in_page_links_the_issuer_only_if_configured() {
    let stub = Stub::start().await;
    let gateway = gateway(&stub.url).start().await;
    let page = get(&gateway, "/sign-in?next=%2Fevents%3Fa%3Db", "").await.text;
    assert!(page.contains("href=\"/oidc/start?next=%2Fevents%3Fa%3Db\""), "{page}");
    assert!(page.contains("Sign in with the company"), "{page}");
    let plain = Gateway::start().await;
    assert!(!get(&plain, "/sign-in", "").await.text.contains("/oidc/"));
    for path in ["/oidc/start", "/oidc/callback?code=a&state=b"] {
        assert_eq!(get(&plain, path, "").await.status, 404, "{path}");
    }
}
