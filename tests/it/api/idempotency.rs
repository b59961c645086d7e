//! Requests with an `Idempotency-Key`.

use serde_json::{Value, json};

use super::{dead_letters, get, post, problem};
use crate::harness::Gateway;

const KEY: [(&str, &str); 1] = [("idempotency-key", "once")];

/// A gateway with one dead letter, and the path of its discard and its replay.
async fn gateway() -> (Gateway, String, String) {
    let gateway = Gateway::builder().allow_unfinished().start().await;
    dead_letters(&gateway, 0..1).await;
    let page = get(&gateway, "/api/v1/dead-letters", &[]).await;
    let path = format!("/api/v1/dead-letters/{}", page.json["items"][0]["id"]);
    (gateway, format!("{path}/discard"), format!("{path}/replay"))
}

async fn audited(gateway: &Gateway) -> i64 {
    gateway.count("SELECT count(*) FROM audit_log WHERE action = 'discard'").await
}

fn because(reason: &str) -> String {
    json!({ "reason": reason }).to_string()
}

#[tokio::test]
async fn repeated_request_is_executed_once() {
    let (gateway, discard, replay) = gateway().await;
    let first = post(&gateway, &discard, &KEY, &because("noise")).await;
    assert_eq!(first.status, 200, "{}", first.text);
    assert_eq!(first.headers["idempotency-replayed"], "false");
    let again = post(&gateway, &discard, &KEY, &because("noise")).await;
    assert_eq!((again.status, &again.text), (200, &first.text));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(audited(&gateway).await, 1);

    let other = post(&gateway, &discard, &KEY, &because("another")).await;
    assert_eq!((other.status, problem(&other)), (422, "idempotency-key-reused"));
    let elsewhere = post(&gateway, &replay, &KEY, &because("noise")).await;
    assert_eq!(elsewhere.status, 422, "another path is another request");
    let without_key = post(&gateway, &discard, &[], &because("noise")).await;
    assert_eq!((without_key.status, problem(&without_key)), (409, "conflict"));
}

#[tokio::test]
async fn keys_expire_after_a_day() {
    let (gateway, discard, _) = gateway().await;
    assert_eq!(post(&gateway, &discard, &KEY, &because("noise")).await.status, 200);
    gateway.clock().advance(std::time::Duration::from_hours(24));
    let late = post(&gateway, &discard, &KEY, &because("another")).await;
    assert_eq!(late.status, 409, "executed again, and rejected: {}", late.text);
    gateway.run_maintenance().await;
    assert!(gateway.rows("idempotency_keys").await.is_empty());
}

#[tokio::test]
async fn failed_request_releases_its_key() {
    let (gateway, discard, _) = gateway().await;
    let wrong = post(&gateway, &discard, &KEY, "{}").await;
    assert_eq!((wrong.status, problem(&wrong)), (400, "invalid"));
    assert!(gateway.rows("idempotency_keys").await.is_empty());
    assert_eq!(post(&gateway, &discard, &KEY, &because("noise")).await.status, 200);
}

#[tokio::test]
async fn concurrent_requests_are_executed_once() {
    let (gateway, discard, _) = gateway().await;
    let body = because("noise");
    let (one, other) =
        tokio::join!(post(&gateway, &discard, &KEY, &body), post(&gateway, &discard, &KEY, &body));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    // The second waits and gets the same response, or gets 409 while the first runs.
    assert!(statuses == [200, 200] || statuses == [200, 409], "{statuses:?}");
    for answer in [one, other].iter().filter(|answer| answer.status == 409) {
        assert_eq!(problem(answer), "idempotency-in-progress");
    }
    assert_eq!(audited(&gateway).await, 1);
}

/// Resets the key to the state that a crashed process leaves.
async fn interrupt(gateway: &Gateway) {
    let cut = "UPDATE idempotency_keys SET answered_at = NULL, status = NULL, body = NULL";
    assert_eq!(gateway.execute(cut).await, 1);
}

#[tokio::test]
async fn interrupted_request_is_retried_or_reported_after_two_minutes() {
    let (gateway, discard, replay) = gateway().await;
    assert_eq!(post(&gateway, &discard, &KEY, &because("noise")).await.status, 200);
    interrupt(&gateway).await;
    let soon = post(&gateway, &discard, &KEY, &because("noise")).await;
    assert_eq!((soon.status, problem(&soon)), (409, "idempotency-in-progress"));
    assert_eq!(soon.headers["retry-after"], "1");
    gateway.clock().advance(std::time::Duration::from_mins(2));
    // It is executed again, and conflicts with the first execution.
    let later = post(&gateway, &discard, &KEY, &because("noise")).await;
    assert_eq!((later.status, problem(&later)), (409, "conflict"));
    assert_eq!(audited(&gateway).await, 1);

    let force = json!({ "reason": "again", "force": true }).to_string();
    assert_eq!(post(&gateway, &replay, &KEY, &force).await.status, 200);
    interrupt(&gateway).await;
    gateway.clock().advance(std::time::Duration::from_mins(2));
    let later = post(&gateway, &replay, &KEY, &force).await;
    assert_eq!((later.status, problem(&later)), (409, "idempotency-outcome-unknown"));
    let replays = "SELECT count(*) FROM deliveries WHERE replay_of IS NOT NULL";
    assert_eq!(
        gateway.count(replays).await,
        gateway.count("SELECT count(*) FROM operator_actions WHERE action = 'replay'").await
    );
    assert_eq!(gateway.count("SELECT count(*) FROM audit_log WHERE action = 'replay'").await, 1);
}

#[tokio::test]
async fn keys_are_scoped_to_their_caller() {
    let (gateway, discard, _) = gateway().await;
    assert_eq!(post(&gateway, &discard, &KEY, &because("noise")).await.status, 200);
    let other = gateway.key("other", &[sealpost::admin::Scope::Admin], None).await;
    let method = (reqwest::Method::POST, &*discard);
    let answer = super::send(&gateway, method, Some(&other), &KEY, Some(&because("noise"))).await;
    assert_eq!((answer.status, problem(&answer)), (409, "conflict"), "not a repeat");
    assert_eq!(answer.json["request_id"], answer.headers["x-request-id"].to_str().unwrap());
    assert_ne!(answer.json["detail"], Value::Null);
}
