//! Brute-force protection, revoked users, and required two-factor authentication.

use std::net::IpAddr;

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE, USER_AGENT};
use sealpost::admin::{
    AdminError, Client, Credentials, Expiry, NewApiKey, NewUser, Scope, ShownKey, SignInError,
};
use serde_json::json;

use super::users::{PASSWORD, PEER, add, code, root, session, signed_in, try_from};
use super::{get_with, post_form};
use crate::harness::{Answer, Gateway};

fn peer(network: u8, last: u8) -> IpAddr {
    IpAddr::from([198, 51, network, last])
}

async fn in_browser(
    gateway: &Gateway,
    (peer, device): (IpAddr, Option<&str>),
    password: &str,
) -> Result<Option<String>, SignInError> {
    let from = Client { peer, behind: None, agent: "", device };
    let given = Credentials { name: "ada", password, code: None, from };
    let begun = gateway.access().sign_in(&given, None).await?;
    Ok(begun.device.map(|device| device.to_string()))
}

#[tokio::test]
async fn failed_attempts_on_a_name_do_not_lock_the_user_out() {
    let gateway = Gateway::start().await;
    signed_in(&gateway, "ada", Scope::Admin).await;
    let device =
        in_browser(&gateway, (PEER, None), PASSWORD).await.unwrap().expect("a device cookie");
    for last in 0..20 {
        let tried = in_browser(&gateway, (peer(100, last), None), "wrong horse battery").await;
        assert!(matches!(tried, Err(SignInError::Wrong)), "{tried:?}");
    }
    in_browser(&gateway, (peer(101, 1), None), PASSWORD)
        .await
        .expect("sign-in from another network");

    // Attempts from many networks block the name, but not a known device.
    for last in 21..60 {
        drop(in_browser(&gateway, (peer(100, last), None), "wrong horse battery").await);
    }
    let tried = in_browser(&gateway, (peer(101, 1), None), PASSWORD).await;
    assert!(matches!(tried, Err(SignInError::TooMany { .. })), "{tried:?}");
    let again = in_browser(&gateway, (peer(101, 1), Some(&device)), PASSWORD).await.unwrap();
    assert_eq!(again.as_deref(), Some(&*device), "the device stays known");

    // A known device has few attempts too, and a forged cookie is no known device.
    for _ in 0..5 {
        let tried = in_browser(&gateway, (PEER, Some(&device)), "wrong horse battery").await;
        assert!(matches!(tried, Err(SignInError::Wrong)), "{tried:?}");
    }
    for device in [&*device, &"A".repeat(43), "x", ""] {
        let tried = in_browser(&gateway, (PEER, Some(device)), PASSWORD).await;
        assert!(matches!(tried, Err(SignInError::TooMany { .. })), "{device}: {tried:?}");
    }
}

#[tokio::test]
async fn attempts_are_limited_per_network() {
    let gateway = Gateway::start().await;
    let tried = async |number: usize| {
        let name = format!("name{number}");
        try_from(&gateway, &name, ("wrong horse battery", None), PEER).await
    };
    for number in 0..30 {
        assert!(matches!(tried(number).await, Err(SignInError::Wrong)));
    }
    assert!(matches!(tried(30).await, Err(SignInError::TooMany { .. })));
}

#[tokio::test]
async fn names_are_case_folded_and_invalid_names_are_unknown() {
    let gateway = Gateway::start().await;
    signed_in(&gateway, "\u{130}nci", Scope::Admin).await;
    try_from(&gateway, " \u{130}NC\u{49}", (PASSWORD, None), PEER).await.expect("the same name");
    let twice = NewUser {
        name: "\u{130}NCI".to_owned(),
        scopes: [Scope::Admin].into_iter().collect(),
        tenant: None,
    };
    let refused = gateway.access().add_user(&root(), &twice).await;
    assert!(matches!(refused, Err(AdminError::Conflict(_))), "{refused:?}");

    for name in ["a%00b", "%00", "a%0Ab"] {
        let form = format!("name={name}&password=whatever-it-is");
        assert_eq!(post_form(&gateway, "/sign-in", &form).await.status, 403, "{name}");
    }
    for path in ["/api/v1/users/a%00b/sessions", "/events?source=a%00b", "/audit?actor=%00"] {
        let answer = get_with(&gateway, path, crate::harness::API_KEY).await;
        assert!((400..500).contains(&answer.status), "{path}: {} {}", answer.status, answer.text);
    }
}

#[tokio::test]
async fn reserved_names_are_rejected_and_tenants_learn_no_names() {
    let gateway = Gateway::start().await;
    let access = gateway.access();
    add(&gateway, "ada", Scope::Admin, None).await;
    gateway.key("exporter", &[Scope::EventsRead], None).await;
    let theirs = [Scope::Admin].into_iter().collect();
    let theirs = sealpost::admin::Caller::new("bob", Some("others".to_owned()), theirs);
    let new = |name: &str| NewUser {
        name: name.to_owned(),
        scopes: [Scope::EventsRead].into_iter().collect(),
        tenant: Some("others".to_owned()),
    };
    let error =
        async |name: &str| access.add_user(&theirs, &new(name)).await.unwrap_err().to_string();
    let reserved = error("Root").await;
    assert_eq!(error("ada").await.replace("ada", "Root"), reserved, "the same error");
    for name in ["root", "SEALPOST", "anonymous"] {
        let refused = access.add_user(&root(), &new(name)).await;
        assert!(matches!(refused, Err(AdminError::Conflict(_))), "{name}: {refused:?}");
    }
    let key = NewApiKey {
        name: "exporter".to_owned(),
        scopes: [Scope::EventsRead].into_iter().collect(),
        tenant: Some("others".to_owned()),
        expiry: Expiry::default(),
    };
    let refused = access.create_key(&theirs, &key).await.unwrap_err().to_string();
    assert_eq!(refused.replace("exporter", "Root"), reserved);
}

#[tokio::test]
async fn disabling_or_reset_revokes_all_access() {
    let gateway = Gateway::start().await;
    let access = gateway.access();
    let create_key = async |by: &sealpost::admin::Caller, name: &str, scope: Scope| {
        let new = NewApiKey {
            name: name.to_owned(),
            scopes: [scope].into_iter().collect(),
            tenant: None,
            expiry: Expiry::Never,
        };
        access.create_key(by, &new).await.unwrap().key
    };
    for (name, reset) in [("ada", false), ("bob", true)] {
        let token = signed_in(&gateway, name, Scope::Admin).await;
        let own = session(&gateway, &token).await.unwrap().caller;
        let first = create_key(&own, &format!("{name}-first"), Scope::Admin).await;
        let shown = ShownKey::read(first.as_bytes()).unwrap();
        let by_key = access.caller_of(&shown).await.unwrap().unwrap();
        let second = create_key(&by_key, &format!("{name}-second"), Scope::Admin).await;
        let others = create_key(&root(), &format!("{name}-others"), Scope::EventsRead).await;
        if !reset {
            in_browser(&gateway, (PEER, None), PASSWORD).await.unwrap().expect("a browser");
        }
        assert_eq!(get_with(&gateway, "/api/v1/users", &second).await.status, 200);

        let json = [("content-type", "application/json")];
        let verb = if reset { "reset" } else { "disable" };
        let path = format!("/api/v1/users/{name}/{verb}");
        let answer = gateway.call(&path, &json, r#"{"reason":"has left"}"#).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let ended = &answer.json["ended"];
        assert_eq!(ended["keys"].as_array().unwrap().len(), 2, "{}", answer.text);
        assert_eq!(ended["sessions"], json!(if reset { 1 } else { 2 }), "{}", answer.text);
        for (key, status) in [(&first, 401), (&second, 401), (&others, 200)] {
            assert_eq!(get_with(&gateway, "/api/v1/overview", key).await.status, status, "{name}");
        }
        assert!(session(&gateway, &token).await.is_none());
        let written = gateway
            .query(&format!(
                "SELECT action, target, reason FROM audit_log
                  WHERE reason = 'has left' AND target LIKE '%{name}%' ORDER BY id"
            ))
            .await;
        let actions: Vec<&str> =
            written.iter().map(|row| row["action"].as_str().unwrap()).collect();
        let last = if reset { "reset user" } else { "disable user" };
        assert_eq!(actions, ["revoke key", "revoke key", "end sessions", last], "{written:?}");
    }
    // No device of either is known any more.
    assert_eq!(gateway.count("SELECT count(*) FROM devices").await, 0);
}

#[tokio::test]
async fn sessions_show_their_client_and_can_be_ended_individually() {
    let gateway = Gateway::start().await;
    signed_in(&gateway, "ada", Scope::Admin).await;
    let agent = format!("Browser {}", "x".repeat(500));
    let sign_in = async || {
        let form = format!("name=ada&password={}", PASSWORD.replace(' ', "+"));
        let request = gateway.client().post(gateway.operator_url("/sign-in"));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.header(USER_AGENT, &agent).body(form).send().await.unwrap();
        let cookies: Vec<String> = answer
            .headers()
            .get_all(SET_COOKIE)
            .iter()
            .map(|cookie| cookie.to_str().unwrap().to_owned())
            .collect();
        assert_eq!(answer.status(), 303);
        cookies
    };
    let cookies = sign_in().await;
    let [own, device] = &cookies[..] else { panic!("{cookies:?}") };
    assert!(own.starts_with("__Host-sealpost=") && !own.contains("Max-Age"), "{own}");
    assert!(device.starts_with("__Host-sealpost-device="), "{device}");
    for flag in ["HttpOnly", "Secure", "SameSite=Strict", "Max-Age="] {
        assert!(device.contains(flag), "{flag}: {device}");
    }
    let token = own.split(['=', ';']).nth(1).unwrap();
    let other = sign_in().await[0].split(['=', ';']).nth(1).unwrap().to_owned();

    let listed = get_with(&gateway, "/api/v1/users/ada/sessions", crate::harness::API_KEY).await;
    let sessions = listed.json["items"].as_array().unwrap();
    assert_eq!(sessions.len(), 3);
    let here: Vec<_> = sessions.iter().filter(|one| one["address"] == "127.0.0.1").collect();
    assert_eq!(here.len(), 2, "{}", listed.text);
    let error = here[0]["agent"].as_str().unwrap();
    assert!(error.starts_with("Browser xxx") && error.len() == 200, "{error}");

    let page = page_with(&gateway, "/account", token).await;
    assert!(page.text.contains("127.0.0.1") && page.text.contains("Browser xxx"));
    let id = here.iter().map(|one| one["id"].as_i64().unwrap()).max().unwrap();
    let csrf = session(&gateway, token).await.unwrap().csrf;
    let request =
        gateway.client().post(gateway.operator_url(&format!("/account/sessions/{id}/end")));
    let request = request.header(COOKIE, format!("__Host-sealpost={token}"));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let answer = Answer::of(request.body(format!("csrf={csrf}")).send().await.unwrap()).await;
    assert_eq!(
        (answer.status, &answer.headers[LOCATION]),
        (303, &"/account?did=ended".parse().unwrap())
    );
    assert!(session(&gateway, &other).await.is_none() && session(&gateway, token).await.is_some());

    let json = [("content-type", "application/json")];
    let id = sessions.iter().find(|one| one["address"] != "127.0.0.1").unwrap()["id"].clone();
    let path = format!("/api/v1/users/ada/sessions/{id}/end");
    let left = gateway.call(&path, &json, r#"{"reason":"a lost laptop"}"#).await;
    assert_eq!(left.json["items"].as_array().unwrap().len(), 1, "{}", left.text);
    assert_eq!(gateway.call(&path, &json, r#"{"reason":"again"}"#).await.status, 404);
}

#[tokio::test]
async fn required_two_factor_must_be_set_up_first() {
    let required = "[operator]\nlisten = \"127.0.0.1:0\"\nrequire_second_factor = true\n";
    let gateway =
        Gateway::builder().config("[operator]\nlisten = \"127.0.0.1:0\"\n", required).start().await;
    let token = signed_in(&gateway, "ada", Scope::Admin).await;
    let asked = page_with(&gateway, "/events", &token).await;
    assert_eq!((asked.status, &asked.headers[LOCATION]), (303, &"/account".parse().unwrap()));
    let account = page_with(&gateway, "/account", &token).await;
    assert!(account.text.contains("Two-factor authentication is required."), "{}", account.text);
    assert!(!account.text.contains("href=\"/events\""), "no other page is linked");
    assert_eq!(page_with(&gateway, "/api/v1/overview", &token).await.status, 403);

    let ada = session(&gateway, &token).await.unwrap();
    let access = gateway.access();
    let secret = access.begin_codes(&ada, PASSWORD, &Client::at(PEER)).await.unwrap();
    access.confirm_codes(&ada, &code(&gateway, &secret.base32)).await.unwrap();
    assert_eq!(page_with(&gateway, "/events", &token).await.status, 200);
    assert_eq!(page_with(&gateway, "/api/v1/overview", &token).await.status, 200);
    let ada = session(&gateway, &token).await.unwrap();
    let off = access.turn_codes_off(&ada, PASSWORD, &Client::at(PEER)).await;
    assert!(matches!(off, Err(SignInError::Admin(AdminError::Conflict(_)))), "{off:?}");
    // API keys need no second factor.
    assert_eq!(get_with(&gateway, "/api/v1/overview", crate::harness::API_KEY).await.status, 200);
}

#[tokio::test]
async fn key_without_expiry_must_be_explicit() {
    let gateway = Gateway::start().await;
    let token = signed_in(&gateway, "ada", Scope::Admin).await;
    let csrf = session(&gateway, &token).await.unwrap().csrf;
    let make = async |name: &str, more: &str| {
        let form = format!("csrf={csrf}&name={name}&scope=events:read&tenant=&{more}");
        let request = gateway.client().post(gateway.operator_url("/keys"));
        let request = request.header(COOKIE, format!("__Host-sealpost={token}"));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        request.body(form).send().await.unwrap().status().as_u16()
    };
    for (name, more, status) in [
        ("empty", "days=", 400),
        ("none", "", 400),
        ("both", "days=90&never=yes", 400),
        ("long", "days=99999", 400),
        ("good", "days=90", 200),
        ("never", "days=&never=yes", 200),
    ] {
        assert_eq!(make(name, more).await, status, "{name}");
    }
    let created = gateway
        .query("SELECT name, expires_at IS NULL AS endless FROM api_keys WHERE created_by = 'ada' ORDER BY name")
        .await;
    assert_eq!(
        created,
        [json!({ "name": "good", "endless": false }), json!({ "name": "never", "endless": true })]
    );
}

async fn page_with(gateway: &Gateway, path: &str, token: &str) -> Answer {
    let request = gateway.client().get(gateway.operator_url(path)).header("accept", "text/html");
    let request = request.header(COOKIE, format!("__Host-sealpost={token}"));
    Answer::of(request.send().await.expect("an answer")).await
}
