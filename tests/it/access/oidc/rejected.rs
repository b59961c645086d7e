//! Rejected single sign-on.

use std::net::TcpListener;
use std::time::Duration;

use reqwest::header::{ACCEPT, LOCATION, SET_COOKIE};
use sealpost::admin::{Caller, Client, OidcCallback, OidcError};
use serde_json::{Value, json};

use super::{
    CLIENT_ID, DISCOVERY, Fault, Redirected, Sign, Stub, begin_sign_in, callback, gateway, get,
    invite, param, session, sign_in, token, with_token,
};
use crate::harness::{Answer, Gateway, because, sql};

/// The user is not signed in, the cause is not revealed, and the flow's cookie is removed.
fn assert_rejected(answer: &Answer, why: &str) {
    assert_eq!(answer.status, 403, "{why}: {}", answer.text);
    assert!(session(answer).is_none(), "{why}");
    assert!(answer.text.contains("The sign-in was not completed"), "{why}: {}", answer.text);
    let gone = answer.headers[SET_COOKIE].to_str().unwrap();
    assert!(gone.starts_with("__Host-sealpost-oidc=;") && gone.contains("Max-Age=0"), "{gone}");
}

async fn invited(stub: &Stub) -> Gateway {
    let gateway = gateway(&stub.url).start().await;
    invite(&gateway, "ada@example.org").await;
    gateway
}

/// A valid code for this sign-in.
fn code(gateway: &Gateway, stub: &Stub, sent: &Redirected) -> String {
    let claims = stub.claims(&sent.to, gateway.clock_seconds(), &json!({}));
    stub.grant(&sent.to, token(&claims, Sign::Rsa))
}

/// The logged reason for rejecting a token with these claims replaced.
async fn reason(gateway: &Gateway, stub: &Stub, other: &Value, sign: Sign) -> String {
    let peer: std::net::IpAddr = "192.0.2.1".parse().unwrap();
    let redirect = gateway.access().redirect_to_issuer("/", &Client::at(peer)).await.unwrap();
    let claims = stub.claims(&redirect.to, gateway.clock_seconds(), other);
    let code = stub.grant(&redirect.to, token(&claims, sign));
    let state = param(&redirect.to, "state");
    let given = OidcCallback {
        token: Some(&redirect.token),
        state: &state,
        code: Some(&code),
        error: None,
        iss: None,
        from: Client::at(peer),
    };
    match gateway.access().complete_sign_in(&given, None).await {
        Err(OidcError::Refused(why)) => why,
        other => panic!("{other:?}"),
    }
}

/// Waits until earlier attempts no longer count.
fn wait(gateway: &Gateway) {
    gateway.clock().advance(Duration::from_mins(15));
}

#[tokio::test]
async fn state_is_single_use_expires_and_is_bound_to_the_browser() {
    let stub = Stub::start().await;
    let gateway = invited(&stub).await;
    let (ours, theirs) = (begin_sign_in(&gateway, "/").await, begin_sign_in(&gateway, "/").await);
    let (good, state) = (code(&gateway, &stub, &ours), param(&ours.to, "state"));
    let query = [("code", &*good), ("state", &*state)];
    assert_rejected(&callback(&gateway, "", &query).await, "no cookie");
    assert_rejected(&callback(&gateway, "__Host-sealpost-oidc=short", &query).await, "no flow");
    assert_rejected(&callback(&gateway, &theirs.cookie, &query).await, "another browser");
    assert_rejected(&callback(&gateway, &ours.cookie, &[("code", &good)]).await, "no state");
    let twice = format!("/oidc/callback?code=a&state={state}&state={state}");
    assert_rejected(&get(&gateway, &twice, &ours.cookie).await, "two states");
    assert_eq!(stub.requests("/token"), 0, "no request to the issuer");
    assert_eq!(
        callback(&gateway, &ours.cookie, &query).await.status,
        200,
        "the flow is still valid"
    );
    assert_rejected(&callback(&gateway, &ours.cookie, &query).await, "used");

    let late = begin_sign_in(&gateway, "/").await;
    let (good, state) = (code(&gateway, &stub, &late), param(&late.to, "state"));
    gateway.clock().advance(Duration::from_mins(10));
    let answer = callback(&gateway, &late.cookie, &[("code", &good), ("state", &state)]).await;
    assert_rejected(&answer, "expired");
    gateway.access().remove_inactive().await;
    assert_eq!(gateway.rows("oidc_flows").await.len(), 0, "expired flows are removed");
}

#[tokio::test]
async fn stored_flow_contains_no_usable_secret() {
    let stub = Stub::start().await;
    let gateway = invited(&stub).await;
    let sent = begin_sign_in(&gateway, "/").await;
    let rows = format!("{:?}", gateway.rows("oidc_flows").await);
    let (_, cookie) = sent.cookie.split_once('=').unwrap();
    let parts = ["state", "nonce", "code_challenge"].map(|name| param(&sent.to, name));
    for part in parts.iter().map(String::as_str).chain([cookie]) {
        assert!(!rows.contains(part), "{rows}");
    }
}

#[tokio::test]
async fn code_of_another_sign_in_is_rejected() {
    let stub = Stub::start().await;
    let gateway = invited(&stub).await;
    let (ours, theirs) = (begin_sign_in(&gateway, "/").await, begin_sign_in(&gateway, "/").await);
    let (stolen, state) = (code(&gateway, &stub, &theirs), param(&ours.to, "state"));
    let answer = callback(&gateway, &ours.cookie, &[("code", &stolen), ("state", &state)]).await;
    assert_rejected(&answer, "another PKCE verifier");
    assert_eq!(stub.requests("/token"), 1);
}

#[tokio::test]
async fn issuer_error_ends_the_flow() {
    let stub = Stub::start().await;
    let gateway = invited(&stub).await;
    let sent = begin_sign_in(&gateway, "/").await;
    let state = param(&sent.to, "state");
    let no = [("error", "access_denied"), ("error_description", "<b>no"), ("state", &*state)];
    let answer = callback(&gateway, &sent.cookie, &no).await;
    assert_rejected(&answer, "denied");
    assert!(!answer.text.contains("denied") && !answer.text.contains("<b>no"), "{}", answer.text);
    let good = code(&gateway, &stub, &sent);
    let answer = callback(&gateway, &sent.cookie, &[("code", &good), ("state", &state)]).await;
    assert_rejected(&answer, "used");
    let sent = begin_sign_in(&gateway, "/").await;
    let answer = callback(&gateway, &sent.cookie, &[("state", &param(&sent.to, "state"))]).await;
    assert_rejected(&answer, "no code");
}

#[tokio::test]
async fn response_of_another_issuer_is_rejected() {
    let stub = Stub::start().await;
    let gateway = invited(&stub).await;
    let sent = begin_sign_in(&gateway, "/").await;
    let (good, state) = (code(&gateway, &stub, &sent), param(&sent.to, "state"));
    let query = [("code", &*good), ("state", &*state), ("iss", "https://evil.example")];
    assert_rejected(&callback(&gateway, &sent.cookie, &query).await, "another issuer");
    assert_eq!(stub.requests("/token"), 0, "the code was not redeemed");

    let stub = Stub::start().await;
    stub.set_metadata(json!({ "authorization_response_iss_parameter_supported": true }));
    let gateway = invited(&stub).await;
    assert_rejected(&sign_in(&gateway, &stub).await, "the issuer promises an `iss` parameter");
}

#[tokio::test]
async fn id_token_claims_are_checked() {
    let stub = Stub::start().await;
    let gateway = invited(&stub).await;
    let now = gateway.clock_seconds();
    for (other, why) in [
        (json!({ "nonce": "another" }), "nonce mismatch"),
        (json!({ "nonce": null }), "missing nonce"),
        (json!({ "aud": "another" }), "Invalid audiences: must contain"),
        (json!({ "aud": [CLIENT_ID, "another"] }), "Invalid audiences: `another` is not"),
        (json!({ "azp": "another" }), "issued for another client"),
        (json!({ "iss": "https://evil.example" }), "Invalid issuer"),
        (json!({ "iss": format!("{}/", stub.url) }), "Invalid issuer"),
        (json!({ "exp": now }), "Expired: ID token expired"),
        (json!({ "exp": now - 3600 }), "Expired: ID token expired"),
        (json!({ "iat": now - 901 }), "issued 901 seconds ago"),
        (json!({ "iat": now + 121 }), "issued -121 seconds ago"),
        (json!({ "sub": "" }), "no valid subject"),
        (json!({ "sub": "s".repeat(256) }), "no valid subject"),
    ] {
        // Failed attempts are limited.
        sql::execute(gateway.target(), "DELETE FROM sign_in_attempts").await;
        assert_rejected(&with_token(&gateway, &stub, &other, Sign::Rsa).await, why);
        let logged = reason(&gateway, &stub, &other, Sign::Rsa).await;
        assert!(logged.contains(why), "{other}: {logged}");
    }
    let linked = gateway.count("SELECT count(*) FROM users WHERE oidc_subject IS NOT NULL").await;
    assert_eq!(linked, 0);
}

#[tokio::test]
async fn token_expiry_uses_the_gateway_clock() {
    let stub = Stub::start().await;
    let gateway = invited(&stub).await;
    let sent = begin_sign_in(&gateway, "/").await;
    let (good, state) = (code(&gateway, &stub, &sent), param(&sent.to, "state"));
    gateway.clock().advance(Duration::from_mins(5));
    let answer = callback(&gateway, &sent.cookie, &[("code", &good), ("state", &state)]).await;
    assert_rejected(&answer, "expired after five minutes");
}

#[tokio::test]
async fn token_with_an_unknown_signature_is_rejected() {
    let stub = Stub::start().await;
    let gateway = invited(&stub).await;
    for (sign, why) in [
        (Sign::Foreign, "bad signature"),
        (Sign::Broken, "bad signature"),
        (Sign::Shared, "algorithm `HS256` is not one of"),
        (Sign::Unsigned, "No signature found"),
        (Sign::Edwards, "No matching key found"),
    ] {
        sql::execute(gateway.target(), "DELETE FROM sign_in_attempts").await;
        assert_rejected(&with_token(&gateway, &stub, &json!({}), sign).await, why);
        let logged = reason(&gateway, &stub, &json!({}), sign).await;
        assert!(logged.contains(why), "{sign:?}: {logged}");
    }
    let stub = Stub::start().await;
    stub.set_metadata(json!({ "id_token_signing_alg_values_supported": ["ES256"] }));
    let gateway = invited(&stub).await;
    let answer = sign_in(&gateway, &stub).await;
    assert_rejected(&answer, "not an algorithm of the issuer");
}

#[tokio::test]
async fn uninvited_user_is_rejected() {
    let stub = Stub::start().await;
    let gateway = invited(&stub).await;
    let mut pages = Vec::new();
    for (other, why) in [
        (json!({ "email": "eve@example.org" }), "or the name `eve@example.org`"),
        (json!({ "email_verified": false }), "no e-mail address is verified"),
        (json!({ "email_verified": null }), "no e-mail address is verified"),
        (json!({ "email": null }), "no e-mail address is verified"),
    ] {
        let answer = with_token(&gateway, &stub, &other, Sign::Rsa).await;
        assert_rejected(&answer, why);
        let logged = reason(&gateway, &stub, &other, Sign::Rsa).await;
        assert!(logged.contains(why), "{other}: {logged}");
        pages.push(answer.text);
    }
    wait(&gateway);
    let grace = Caller::local("grace");
    let access = gateway.access();
    access.disable_user(&grace, "ada@example.org", &because("left")).await.unwrap();
    pages.push(sign_in(&gateway, &stub).await.text);
    access.enable_user(&grace, "ada@example.org", &because("back")).await.unwrap();
    let cookie = session(&sign_in(&gateway, &stub).await).expect("a session");
    access.disable_user(&grace, "ada@example.org", &because("left")).await.unwrap();
    assert_eq!(get(&gateway, "/account", &cookie).await.status, 303, "the session ends at once");
    let answer = sign_in(&gateway, &stub).await;
    assert_rejected(&answer, "disabled");
    pages.push(answer.text);
    let first = &pages[0];
    assert!(pages.iter().all(|text| text == first), "{pages:#?}");
    assert_eq!(gateway.rows("users").await.len(), 1, "signing in creates no user");
}

#[tokio::test]
async fn password_user_is_not_linked_by_address() {
    let stub = Stub::start().await;
    let gateway = gateway(&stub.url).start().await;
    let link = invite(&gateway, "ada@example.org").await;
    gateway
        .access()
        .set_up(&link, None, "correct horse battery", &Client::at([192, 0, 2, 1].into()))
        .await
        .unwrap();
    assert_rejected(&sign_in(&gateway, &stub).await, "a user with a password");
    let logged = reason(&gateway, &stub, &json!({}), Sign::Rsa).await;
    assert!(logged.contains("uses another sign-in method"), "{logged}");
    let subject = gateway.query("SELECT oidc_subject FROM users").await;
    assert_eq!(subject, [json!({ "oidc_subject": null })]);
}

#[tokio::test]
async fn blocked_issuer_address_fails_at_start() {
    let text = "\n[operator.oidc]\nissuer = \"http://127.0.0.1:9\"\nclient_id = \"a\"\n\
                public_url = \"http://127.0.0.1:1\"\n";
    let logged = Gateway::builder().more_config(text).build_error();
    assert!(logged.starts_with("operator.oidc: invalid issuer: "), "{logged}");
    assert!(logged.contains("`outbound.allow`"), "{logged}");
}

#[tokio::test]
async fn unavailable_issuer_affects_only_single_sign_on() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gateway = gateway(&format!("http://{closed}")).start().await;
    assert_eq!(get(&gateway, "/healthz", "").await.status, 200);
    for _ in 0..6 {
        let answer = get(&gateway, "/oidc/start", "").await;
        assert_eq!(answer.status, 502, "it costs no attempt: {}", answer.text);
        assert!(answer.headers.contains_key("retry-after"));
        assert!(!answer.text.contains("127.0.0.1"), "{}", answer.text);
    }
    assert_eq!(gateway.rows("oidc_flows").await.len(), 0);
}

#[tokio::test]
async fn invalid_issuer_metadata_is_retried_later() {
    let stub = Stub::start().await;
    let gateway = invited(&stub).await;
    let other = json!({
        "issuer": "https://evil.example", "authorization_endpoint": "https://evil.example",
        "token_endpoint": "https://evil.example", "jwks_uri": format!("{}/jwks", stub.url),
        "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    });
    for (requests, fault) in [
        Fault::Status(500),
        Fault::Endless,
        Fault::Body(json!("nothing")),
        Fault::Body(other),
        Fault::Status(302),
    ]
    .into_iter()
    .enumerate()
    {
        stub.fault(DISCOVERY, Some(fault));
        for _ in 0..2 {
            assert_eq!(get(&gateway, "/oidc/start", "").await.status, 502);
        }
        assert_eq!(stub.requests(DISCOVERY), requests + 1);
        gateway.clock().advance(Duration::from_secs(10));
    }
    stub.fault(DISCOVERY, None);
    assert_eq!(sign_in(&gateway, &stub).await.status, 200, "available again");
}

#[tokio::test]
async fn failing_token_endpoint_is_rejected() {
    let stub = Stub::start().await;
    let gateway = invited(&stub).await;
    let no_token = json!({ "access_token": "a", "token_type": "Bearer" });
    for fault in [Fault::Status(500), Fault::Endless, Fault::Body(no_token), Fault::Silent] {
        stub.fault("/token", Some(fault.clone()));
        let answer = sign_in(&gateway, &stub).await;
        assert_eq!(answer.status, 502, "{fault:?}: {}", answer.text);
        assert!(session(&answer).is_none(), "{fault:?}");
    }
}

#[tokio::test]
async fn attempts_are_rate_limited() {
    let stub = Stub::start().await;
    let gateway = invited(&stub).await;
    for _ in 0..30 {
        begin_sign_in(&gateway, "/").await;
    }
    let answer = get(&gateway, "/oidc/start", "").await;
    assert_eq!(answer.status, 429, "{}", answer.text);
    assert_eq!(answer.headers["retry-after"], "900");
    assert!(!answer.headers.contains_key(SET_COOKIE));
    wait(&gateway);
    gateway.access().remove_inactive().await;
    for _ in 0..6 {
        assert_eq!(
            sign_in(&gateway, &stub).await.status,
            200,
            "a successful sign-in is not counted"
        );
    }
    let many = "INSERT INTO oidc_flows (digest, next, attempt, expires_at)
                SELECT sha256(n::text::bytea), '/', 0, '2027-01-01' FROM generate_series(1, 1000) n";
    sql::execute(gateway.target(), many).await;
    assert_eq!(get(&gateway, "/oidc/start", "").await.status, 429, "too many open flows");
}

#[tokio::test]
async fn other_sites_cannot_start_or_redirect_a_sign_in() {
    let stub = Stub::start().await;
    let gateway = invited(&stub).await;
    for (site, to) in [("cross-site", "/sign-in"), ("same-site", "/sign-in")] {
        let request = gateway.client().get(gateway.operator_url("/oidc/start"));
        let request = request.header(ACCEPT, "text/html").header("sec-fetch-site", site);
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert_eq!((answer.status, answer.headers[LOCATION].to_str().unwrap()), (303, to));
        assert!(!answer.headers.contains_key(SET_COOKIE));
    }
    let sent = begin_sign_in(&gateway, "%2F%2Fevil.example").await;
    let (good, state) = (code(&gateway, &stub, &sent), param(&sent.to, "state"));
    let answer = callback(&gateway, &sent.cookie, &[("code", &good), ("state", &state)]).await;
    assert!(answer.text.contains("content=\"0; url=/\""), "{}", answer.text);
}
