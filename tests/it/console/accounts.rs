//! Sign-in, sign-out, accounts, keys and users in the console, over HTTP and in a browser.

use reqwest::header::{ACCEPT, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use url::form_urlencoded;

use super::browser::{is_missing, with_browser};
use crate::harness::{API_KEY, Answer, Gateway};

const PASSWORD: &str = "correct horse battery";

async fn link(gateway: &Gateway) -> String {
    gateway.access().first_invitation().await.unwrap().expect("a link").token().to_string()
}

async fn get(gateway: &Gateway, path: &str, cookie: &str) -> Answer {
    let request = gateway.client().get(gateway.operator_url(path));
    let request = request.header(ACCEPT, "text/html").header(COOKIE, cookie);
    Answer::of(request.send().await.expect("an answer")).await
}

async fn post(gateway: &Gateway, path: &str, cookie: &str, form: &[(&str, &str)]) -> Answer {
    let request = gateway.client().post(gateway.operator_url(path)).header(COOKIE, cookie);
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
    Answer::of(request.send().await.expect("an answer")).await
}

/// The cookie that a response sets, as a browser sends it.
fn cookie(answer: &Answer) -> String {
    let set = answer.headers[SET_COOKIE].to_str().unwrap();
    for part in ["__Host-sealpost=", "Path=/", "Secure", "HttpOnly", "SameSite=Strict"] {
        assert!(set.contains(part), "{part} of {set}");
    }
    set.split(';').next().unwrap().to_owned()
}

/// The CSRF token of a page.
fn csrf(page: &str) -> &str {
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").expect("a form");
    rest.split_once('"').expect("its end").0
}

/// The session cookie of the first user, signed in by the set-up link.
async fn first(gateway: &Gateway) -> String {
    let token = link(gateway).await;
    let form = [("token", &*token), ("name", "ada"), ("password", PASSWORD)];
    cookie(&post(gateway, "/setup", "", &form).await)
}

#[tokio::test]
async fn setup_link_creates_a_user_once() {
    let gateway = Gateway::start().await;
    let token = link(&gateway).await;
    let path = format!("/setup?token={token}");
    assert_eq!(get(&gateway, &path, "").await.status, 200);
    let form = [("token", &*token), ("name", "ada"), ("password", "short")];
    let answer = post(&gateway, "/setup", "", &form).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    assert!(
        answer.text.contains("The password must have at least 12 characters."),
        "{}",
        answer.text
    );
    let form = [("token", &*token), ("name", "ada"), ("password", PASSWORD)];
    let answer = post(&gateway, "/setup", "", &form).await;
    assert_eq!((answer.status, &answer.headers[LOCATION]), (303, &"/".parse().unwrap()));
    let page = get(&gateway, "/dead-letters", &cookie(&answer)).await;
    assert!(page.text.contains("Signed in as") && page.text.contains("Sign out"), "{}", page.text);
    assert_eq!(get(&gateway, &path, "").await.status, 404);
    assert_eq!(post(&gateway, "/setup", "", &form).await.status, 404);
}

#[tokio::test]
async fn sign_in_redirects_only_within_the_console() {
    let gateway = Gateway::start().await;
    first(&gateway).await;
    let sent = get(&gateway, "/alerts?which=all", "").await;
    assert_eq!(sent.status, 303);
    assert_eq!(sent.headers[LOCATION], "/sign-in?next=%2Falerts%3Fwhich%3Dall");
    let page = get(&gateway, "/sign-in?next=%2Falerts%3Fwhich%3Dall", "").await;
    assert!(page.text.contains("name=\"next\" value=\"/alerts?which=all\""), "{}", page.text);
    for (next, to) in [("/alerts?which=all", "/alerts?which=all"), ("//evil.example", "/")] {
        let form = [("name", "ada"), ("password", PASSWORD), ("next", next)];
        let answer = post(&gateway, "/sign-in", "", &form).await;
        assert_eq!((answer.status, answer.headers[LOCATION].to_str().unwrap()), (303, to));
    }
    let wrong = [("name", "ada"), ("password", "wrong horse battery")];
    for attempt in 1..=5 {
        let answer = post(&gateway, "/sign-in", "", &wrong).await;
        assert_eq!(answer.status, 403, "attempt {attempt}");
        assert!(answer.text.contains("password or two-factor code"), "{}", answer.text);
        assert!(!answer.headers.contains_key(SET_COOKIE));
    }
    let answer = post(&gateway, "/sign-in", "", &wrong).await;
    assert_eq!(answer.status, 429);
    assert!(answer.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn forms_require_the_csrf_token_and_sign_out_ends_the_session() {
    let gateway = Gateway::start().await;
    let cookie = first(&gateway).await;
    let page = get(&gateway, "/account", &cookie).await;
    assert_eq!(page.status, 200, "{}", page.text);
    for path in ["/sign-out", "/account/codes", "/keys", "/users", "/audit/verify"] {
        assert_eq!(post(&gateway, path, &cookie, &[("csrf", "")]).await.status, 403, "{path}");
    }
    assert_eq!(get(&gateway, "/account", &cookie).await.status, 200, "still signed in");
    let out = post(&gateway, "/sign-out", &cookie, &[("csrf", csrf(&page.text))]).await;
    assert_eq!((out.status, &out.headers[LOCATION]), (303, &"/sign-in".parse().unwrap()));
    assert_eq!(get(&gateway, "/account", &cookie).await.status, 303);
}

#[tokio::test]
async fn account_page_lists_and_ends_sessions() {
    let gateway = Gateway::start().await;
    let here = first(&gateway).await;
    let form = [("name", "ada"), ("password", PASSWORD)];
    let there = cookie(&post(&gateway, "/sign-in", "", &form).await);
    let page = get(&gateway, "/account", &here).await.text;
    assert_eq!(page.matches(">current</span>").count(), 1, "{page}");
    assert!(page.contains("action=\"/account/sessions/end\""), "{page}");
    let end = "/account/sessions/end";
    assert_eq!(post(&gateway, end, &here, &[("csrf", "")]).await.status, 403);
    let ended = post(&gateway, end, &here, &[("csrf", csrf(&page))]).await;
    assert_eq!(ended.headers[LOCATION], "/account?did=elsewhere");
    assert_eq!(get(&gateway, "/account", &there).await.status, 303, "signed out");
    let page = get(&gateway, "/account", &here).await.text;
    assert!(!page.contains("/account/sessions/end"), "there is no other: {page}");
    let log = "SELECT actor, target, count FROM audit_log WHERE action = 'sign out elsewhere'";
    let [entry] = &gateway.query(log).await[..] else { panic!("one entry") };
    assert_eq!((&entry["actor"], &entry["count"]), (&"ada".into(), &1.into()));
}

#[tokio::test]
async fn keys_and_users_are_managed_and_secrets_are_shown_once() {
    let gateway = Gateway::start().await;
    let cookie = first(&gateway).await;
    let page = get(&gateway, "/keys", &cookie).await.text;
    let word = ("csrf", csrf(&page));
    let scopes = [("scope", "events:read"), ("scope", "payload:read")];
    let form = [&[word, ("name", "exporter"), ("days", "90")][..], &scopes].concat();
    let made = post(&gateway, "/keys", &cookie, &form).await;
    assert!(made.status == 200 && made.text.contains("slp_"), "{}", made.text);
    assert_eq!(
        post(&gateway, "/keys", &cookie, &form).await.status,
        409,
        "the form was sent before"
    );
    assert!(!get(&gateway, "/keys", &cookie).await.text.contains("slp_"), "shown once");
    let [key] = &gateway.query("SELECT id FROM api_keys WHERE name = 'exporter'").await[..] else {
        panic!("one key")
    };
    let path = format!("/keys/{}/revoke", key["id"].as_str().unwrap());
    let answer = post(&gateway, &path, &cookie, &[word, ("reason", "left")]).await;
    assert_eq!(answer.headers[LOCATION], "/keys?did=api-keys-revoke");

    let form = [word, ("name", "linus"), ("scope", "events:read")];
    let added = post(&gateway, "/users", &cookie, &form).await;
    let link = format!("{}?token=", gateway.operator_url("/setup"));
    assert!(added.text.contains(&link), "{}", added.text);
    for (verb, status) in [("disable", 303), ("enable", 303), ("reset", 200), ("burn", 404)] {
        let path = format!("/users/linus/{verb}");
        let answer = post(&gateway, &path, &cookie, &[word, ("reason", "why not")]).await;
        assert_eq!(answer.status, status, "{verb}: {}", answer.text);
    }

    let log = get(&gateway, "/audit?actor=ada&action=revoke+key", &cookie).await.text;
    assert!(log.contains("left") && !log.contains("why not"), "{log}");
    let none = get(&gateway, "/audit?since=2026-11-21", &cookie).await.text;
    assert!(none.contains("No entries"), "{none}");
    let good = post(&gateway, "/audit/verify", &cookie, &[word]).await.text;
    assert!(good.contains("chain valid") && good.contains("the head is entry"), "{good}");
    let other = [word, ("head", &*"0".repeat(64))];
    let cut = post(&gateway, "/audit/verify", &cookie, &other).await.text;
    assert!(cut.contains("chain broken"), "{cut}");
}

#[tokio::test]
async fn api_keys_have_no_account_page() {
    let gateway = Gateway::start().await;
    let request = gateway.client().get(gateway.operator_url("/keys")).bearer_auth(API_KEY);
    let page = Answer::of(request.send().await.unwrap()).await;
    assert_eq!(page.status, 200, "{}", page.text);
    for part in ["Signed in as", "/sign-out", "/account"] {
        assert!(!page.text.contains(part), "{part}");
    }
}

#[tokio::test]
async fn setup_sign_out_and_sign_in_in_a_browser() {
    if is_missing() {
        return;
    }
    let gateway = Gateway::start().await;
    let path = format!("/setup?token={}", link(&gateway).await);
    with_browser(&gateway, async |browser| {
        browser.keep("setup", &path).await;
        browser.write("#name", "ada").await;
        browser.write("#password", PASSWORD).await;
        browser.click("form[action='/setup'] button").await;
        browser.wait_for_path("/").await;
        for (name, path) in
            [("account", "/account"), ("keys", "/keys"), ("users", "/users"), ("audit", "/audit")]
        {
            browser.keep(name, path).await;
        }
        browser.open("/account").await;
        browser.write("#password", PASSWORD).await;
        browser.click("form[action='/account/codes'] button").await;
        browser.wait_for_path("/account/codes").await;
        assert_eq!(browser.ask(include_str!("page_rules.js")).await, serde_json::json!([]));
        for (theme, width) in [("dark", 1280), ("light", 390)] {
            browser.look(theme, width).await;
            browser.picture(&format!("codes-{theme}-{width}")).await;
        }
        browser.look("light", 1280).await;
        browser.click(".side > .who form[action='/sign-out'] button").await;
        browser.wait_for_path("/sign-in").await;
        browser.keep("sign-in", "/sign-in").await;
        browser.open("/account").await;
        assert_eq!(browser.path().await, "/sign-in?next=%2Faccount");
        browser.write("#name", "ada").await;
        browser.write("#password", PASSWORD).await;
        browser.click("form[action='/sign-in'] button").await;
        browser.wait_for_path("/account").await;
        browser.wait_for_text("Signed in as").await;
    })
    .await;
}
