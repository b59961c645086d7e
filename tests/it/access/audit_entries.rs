//! Audit log entries without a change: failed sign-ins, denials, payload reads. And the validation
//! of reasons.

use std::collections::BTreeSet;

use sealpost::admin::Scope;
use serde_json::{Value, json};

use super::users::{PEER, signed_in, try_from};
use super::{get_with, post_form};
use crate::harness::{API_KEY, Gateway};
use crate::receive::event;

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

/// Entries of these actions: actor, address, target, reason, count.
async fn entries(gateway: &Gateway, action: &str) -> Vec<Value> {
    let query = format!(
        "SELECT actor, tenant, address, target, reason, count FROM audit_log
          WHERE action = '{action}' ORDER BY id"
    );
    gateway.query(&query).await
}

#[tokio::test]
async fn failed_sign_ins_are_audited_and_bounded() {
    let gateway = Gateway::start().await;
    signed_in(&gateway, "ada", Scope::Admin).await;
    for _ in 0..5 {
        drop(try_from(&gateway, "ada", ("wrong horse battery", None), PEER).await);
    }
    for _ in 0..20 {
        drop(try_from(&gateway, "my-password-by-mistake", ("ada", None), PEER).await);
    }
    let seen = entries(&gateway, "sign-in rejected").await;
    let of_ada = json!({
        "actor": "anonymous", "tenant": null, "address": "192.0.2.1", "target": "user ada",
        "reason": "wrong password", "count": 1,
    });
    assert_eq!(seen[0], of_ada);
    assert!(seen.len() <= 3, "{seen:#?}");
    assert!(!format!("{seen:?}").contains("mistake"), "an unknown name may be a password");
    gateway.clock().advance(std::time::Duration::from_secs(61));
    gateway.access().remove_inactive().await;
    let seen = entries(&gateway, "sign-in rejected").await;
    let total: i64 = seen.iter().map(|row| row["count"].as_i64().unwrap()).sum();
    assert_eq!(total, 25, "every attempt is counted: {seen:#?}");

    // Attempts from many addresses add a bounded number of entries.
    let before = gateway.count("SELECT count(*) FROM audit_log").await;
    for last in 0..=255 {
        let peer = [203, 0, 113, last].into();
        drop(try_from(&gateway, "nobody-has-this", ("wrong horse battery", None), peer).await);
    }
    let lines = gateway.count("SELECT count(*) FROM audit_log").await - before;
    assert!(lines <= 110, "{lines}");
    let over_http = post_form(&gateway, "/sign-in", "name=ada&password=wrong-horse-battery").await;
    assert_eq!(over_http.status, 403);
    let checked = gateway.operator("/api/v1/audit/verification").await;
    assert_eq!(checked.json["intact"], json!(true), "{}", checked.text);
}

#[tokio::test]
async fn denials_are_audited() {
    let gateway = Gateway::start().await;
    let reader = gateway.key("reader", &[Scope::EventsRead], None).await;
    let theirs = gateway.key("theirs", &[Scope::Admin], Some("other")).await;
    let sent = gateway.send("billing", None, event().to_string().as_bytes()).await;
    gateway.run_until_idle().await;
    for _ in 0..3 {
        assert_eq!(get_with(&gateway, "/api/v1/users", &reader).await.status, 403);
    }
    let path = format!("/api/v1/events/{}", sent.id());
    assert_eq!(get_with(&gateway, &path, &theirs).await.status, 404);
    assert_eq!(get_with(&gateway, "/api/v1/settings", &theirs).await.status, 403);
    let seen = entries(&gateway, "denied").await;
    let row = |actor: &str, tenant: Value, target: &str, reason: &str| {
        json!({ "actor": actor, "tenant": tenant, "address": "127.0.0.1", "target": target,
                "reason": reason, "count": 1 })
    };
    let (missing_scope, other_tenant) = ("missing scope", "not found, or owned by another tenant");
    assert_eq!(
        seen,
        [
            row("key:reader", Value::Null, "GET /api/v1/users", missing_scope),
            row("key:theirs", json!("other"), &format!("GET {path}"), other_tenant),
            row("key:theirs", json!("other"), "GET /api/v1/settings", missing_scope),
        ]
    );
    gateway.clock().advance(std::time::Duration::from_secs(61));
    gateway.access().remove_inactive().await;
    assert_eq!(entries(&gateway, "denied").await[3]["count"], 2, "the others are counted");
}

#[tokio::test]
async fn payload_reads_are_audited() {
    let gateway = Gateway::start().await;
    let key = gateway.key("analyst", &[Scope::EventsRead, Scope::PayloadRead], None).await;
    let blind = gateway.key("blind", &[Scope::EventsRead], None).await;
    let sent = gateway.send("billing", None, event().to_string().as_bytes()).await;
    gateway.run_until_idle().await;
    let event = sent.id().to_owned();
    for key in [&key, &blind] {
        for path in [
            format!("/api/v1/events/{event}/body"),
            format!("/events/{event}/body"),
            format!("/events/{event}"),
            "/api/v1/deliveries/1".to_owned(),
            "/deliveries/1".to_owned(),
        ] {
            get_with(&gateway, &path, key).await;
        }
    }
    let mut seen = entries(&gateway, "read payload").await;
    seen.extend(entries(&gateway, "download payload").await);
    let targets: BTreeSet<&str> = seen.iter().map(|row| row["target"].as_str().unwrap()).collect();
    let (whole, at) = (format!("event {event}"), format!("event {event}, at delivery 1"));
    assert_eq!(targets, BTreeSet::from([&*whole, &*at]));
    for row in &seen {
        assert_eq!((&row["actor"], &row["address"]), (&json!("key:analyst"), &json!("127.0.0.1")));
    }
    assert!(!entries(&gateway, "download payload").await.is_empty());
}

/// Every change in the API with a reason, and the other required fields of its body.
const CHANGES: [(&str, &str); 18] = [
    ("/api/v1/dead-letters/1/replay", ""),
    ("/api/v1/dead-letters/1/discard", ""),
    ("/api/v1/dead-letters/1/unblock", ""),
    ("/api/v1/dead-letters/1/edit", r#","body":"{}""#),
    ("/api/v1/jobs", r#","action":"replay","selection":{"matching":{}}"#),
    ("/api/v1/jobs/1/cancel", ""),
    ("/api/v1/sources/billing/pause", ""),
    ("/api/v1/sources/billing/resume", ""),
    ("/api/v1/handlers/stripe/pause", ""),
    ("/api/v1/destinations/app/pause", ""),
    ("/api/v1/destinations/app/enable", ""),
    ("/api/v1/destinations/app/forget", ""),
    ("/api/v1/rejected-requests/018f6f3e-0000-7000-8000-000000000000/reprocess", ""),
    ("/api/v1/rejected-requests/018f6f3e-0000-7000-8000-000000000000/discard", ""),
    ("/api/v1/api-keys/0123456789abcdef/revoke", ""),
    ("/api/v1/users/ada/disable", ""),
    ("/api/v1/users/ada/reset", ""),
    ("/api/v1/users/ada/sessions/1/end", ""),
];

#[tokio::test]
async fn reasons_are_validated_for_every_change() {
    let often = "[operator]\nchanges = { per_second = 1000, burst = 1000 }\n";
    let gateway = Gateway::builder().config("[operator]\n", often).start().await;
    let long = "x".repeat(501);
    for reason in ["", " ", "\u{a0}", "two\nlines", "a\tb", "\u{1b}[2J", "nul\0", &long] {
        for (path, more) in CHANGES {
            let reason = serde_json::to_string(reason).unwrap();
            let body = format!("{{\"reason\":{reason}{more}}}");
            let answer = gateway.call(path, &JSON, &body).await;
            let is_mounted = answer.status != 404 || !answer.json["detail"].is_null();
            assert!(is_mounted, "{path} is not a route: {}", answer.text);
            assert_eq!(answer.status, 400, "{path} {reason}: {}", answer.text);
        }
    }
    // The same rules apply below the API.
    signed_in(&gateway, "ada", Scope::Admin).await;
    for reason in ["", " \u{2003}", "a\u{7}b", &long] {
        let error = sealpost::admin::Reason::new(reason).unwrap_err();
        let is_invalid = matches!(error, sealpost::admin::AdminError::Invalid(_));
        assert!(is_invalid, "{reason:?}: {error:?}");
    }
    let written = gateway.query("SELECT action FROM audit_log WHERE reason = '' ORDER BY id").await;
    let actions: BTreeSet<&str> =
        written.iter().map(|row| row["action"].as_str().unwrap()).collect();
    assert_eq!(
        actions,
        BTreeSet::from(["add user", "set password"]),
        "creations, which need no reason"
    );
    assert_eq!(get_with(&gateway, "/api/v1/overview", API_KEY).await.status, 200);
}
