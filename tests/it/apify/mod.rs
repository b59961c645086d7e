//! Apify: webhooks, registration of runs, starting runs, and their results.

mod dataset;
mod migration;
mod results;
mod start;
mod stub;
mod verify;

use std::time::Duration;

use sealpost::clock::Clock;
use sealpost::providers::apify::Purpose;
use sealpost::providers::apify::tables::{self, NewRun, Registration};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Answer, Gateway};

const KEY: &str = "5f0c6a3e-6f3e-4b52-9c39-0a8f3a8f3f10";
const GUILD: &str = "123456789012345678";
const HOUR: Duration = Duration::from_secs(3600);

fn body(kind: &str, run: &str) -> Vec<u8> {
    let event = json!({
        "eventType": kind,
        "eventData": { "actorId": "fW4MyDhgwtMLrB987", "actorRunId": run },
        "resource": { "id": run },
    });
    serde_json::to_vec(&event).unwrap()
}

/// Sends with a token for the run `KEY`, unless `helpers` say otherwise.
pub(crate) async fn send(
    gateway: &Gateway,
    source: &str,
    helpers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let defaults = [("fixture-run-key", KEY), ("fixture-guild", GUILD)];
    let chosen = defaults.iter().filter(|(name, _)| !helpers.iter().any(|(own, _)| own == name));
    let draft: Vec<_> =
        chosen.chain(helpers).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let headers = gateway.sign(source, body, &draft);
    gateway.send_raw(source, None, &headers, body).await
}

pub(crate) async fn register(gateway: &Gateway, actor_run_id: Option<&str>) {
    let mut tx = gateway.store().begin().await.unwrap();
    let run = NewRun {
        source: "apify-runs".into(),
        run_key: KEY.parse::<Uuid>().unwrap(),
        purpose: Purpose::Run,
        guild_id: GUILD.into(),
        actor_id: None,
        actor_run_id: actor_run_id.map(str::to_owned),
        initiated_at: gateway.clock().now(),
    };
    assert_eq!(tables::register(&mut tx, &run).await.unwrap(), Registration::Registered);
    tx.commit(()).await.unwrap();
}

/// Starts a run over the API, and returns the response.
async fn start(gateway: &Gateway, request: &Value) -> Value {
    let answer = gateway.call("/api/v1/apify/runs", &[], &request.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json
}

/// Sends a webhook with the headers in the template of the run.
async fn send_webhook(gateway: &Gateway, started: &Value, body: &[u8]) -> Answer {
    let template: Value =
        serde_json::from_str(started["headersTemplate"].as_str().unwrap()).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let headers = template.as_object().unwrap().iter();
    let headers: Vec<_> = headers.map(|(name, value)| (name.clone(), text(value))).collect();
    gateway.send_raw(&text(&started["source"]), None, &headers, body).await
}

async fn reasons(gateway: &Gateway) -> Vec<String> {
    gateway.dead_letters().await.into_iter().map(|(reason, _)| reason).collect()
}

async fn only_run(gateway: &Gateway) -> Value {
    let rows = gateway.rows("apify_runs").await;
    assert_eq!(rows.len(), 1);
    rows[0].clone()
}

#[tokio::test]
async fn success_with_a_token_finishes_its_run() {
    let gateway = Gateway::start().await;
    register(&gateway, None).await;
    let answer = send(&gateway, "apify-runs", &[], &body("ACTOR.RUN.SUCCEEDED", "r1")).await;
    assert_eq!((answer.status, answer.body_status()), (202, "accepted"));
    gateway.run_until_idle().await;
    let run = only_run(&gateway).await;
    assert_eq!((&run["status"], &run["actor_run_id"]), (&json!("succeeded"), &json!("r1")));
    assert_eq!(run["late"], false);
}

#[tokio::test]
async fn webhook_waits_for_the_registration_of_its_run() {
    let gateway = Gateway::start().await;
    send(&gateway, "apify-runs", &[], &body("ACTOR.RUN.FAILED", "r1")).await;
    gateway.run_until_idle().await;
    register(&gateway, None).await;
    gateway.clock().advance(HOUR);
    gateway.run_until_idle().await;
    assert_eq!(only_run(&gateway).await["status"], "failed");
    assert!(gateway.dead_letters().await.is_empty());
}

#[tokio::test]
async fn webhook_of_an_unregistered_run_becomes_a_dead_letter() {
    let gateway = Gateway::start().await;
    send(&gateway, "apify-runs", &[], &body("ACTOR.RUN.SUCCEEDED", "r1")).await;
    for _ in 0..60 {
        gateway.run_until_idle().await;
        gateway.clock().advance(Duration::from_secs(10));
    }
    assert!(gateway.dead_letters().await.is_empty(), "given up within ten minutes");
    gateway.run_to_the_end().await;
    assert_eq!(reasons(&gateway).await, ["unknown_run"]);
    assert!(gateway.rows("apify_runs").await.is_empty());
}

#[tokio::test]
async fn expired_token_is_accepted_only_while_its_run_is_pending() {
    let gateway = Gateway::start().await;
    let old = [("fixture-token-age", "7200")];
    let success = body("ACTOR.RUN.SUCCEEDED", "r1");
    assert_eq!(send(&gateway, "apify-runs", &old, &success).await.status, 401);

    register(&gateway, None).await;
    gateway.clock().advance(24 * HOUR);
    let other_guild = [old[0], ("fixture-guild", "1")];
    assert_eq!(send(&gateway, "apify-runs", &other_guild, &success).await.status, 401);
    assert_eq!(send(&gateway, "apify-runs", &old, &success).await.status, 202);
    gateway.run_until_idle().await;
    let run = only_run(&gateway).await;
    assert_eq!((&run["status"], &run["late"]), (&json!("succeeded"), &json!(true)));

    let again = body("ACTOR.RUN.FAILED", "r1");
    assert_eq!(send(&gateway, "apify-runs", &old, &again).await.status, 401);
}

#[tokio::test]
async fn expired_token_is_rejected_after_its_run_expires() {
    let gateway = Gateway::start().await;
    register(&gateway, None).await;
    gateway.clock().advance(24 * HOUR + Duration::from_secs(1));
    let old = [("fixture-token-age", "7200")];
    let answer = send(&gateway, "apify-runs", &old, &body("ACTOR.RUN.SUCCEEDED", "r1")).await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn run_without_webhooks_expires_and_may_still_succeed() {
    let gateway = Gateway::start().await;
    register(&gateway, Some("r1")).await;
    gateway.clock().advance(24 * HOUR);
    gateway.run_maintenance().await;
    assert_eq!(only_run(&gateway).await["status"], "initiated");
    gateway.clock().advance(Duration::from_secs(1));
    gateway.run_maintenance().await;
    assert_eq!(only_run(&gateway).await["status"], "expired");

    // Signed, and without a token: matched by the actor run id.
    gateway.send("apify-runs", None, &body("ACTOR.RUN.SUCCEEDED", "r1")).await;
    gateway.run_until_idle().await;
    let run = only_run(&gateway).await;
    assert_eq!((&run["status"], &run["late"]), (&json!("succeeded"), &json!(true)));
}

#[tokio::test]
async fn body_that_contradicts_the_registered_run_finishes_nothing() {
    let gateway = Gateway::start().await;
    register(&gateway, Some("r1")).await;
    send(&gateway, "apify-runs", &[], &body("ACTOR.RUN.SUCCEEDED", "r2")).await;
    let other_guild = [("fixture-guild", "1")];
    send(&gateway, "apify-runs", &other_guild, &body("ACTOR.RUN.SUCCEEDED", "r1")).await;
    gateway.run_until_idle().await;
    assert_eq!(reasons(&gateway).await, ["unknown_run", "unknown_run"]);
    assert_eq!(only_run(&gateway).await["status"], "initiated");
}

#[tokio::test]
async fn actor_run_id_with_a_path_is_quarantined() {
    let gateway = Gateway::start().await;
    register(&gateway, None).await;
    let bad = body("ACTOR.RUN.SUCCEEDED", "../../v2/users/me");
    let answer = send(&gateway, "apify-runs", &[], &bad).await;
    assert_eq!((answer.status, answer.body_status()), (202, "quarantined"));
    gateway.run_until_idle().await;
    assert_eq!(reasons(&gateway).await, ["schema"]);
    assert_eq!(only_run(&gateway).await["actor_run_id"], Value::Null);
}

#[tokio::test]
async fn token_is_valid_only_for_its_source() {
    let gateway = Gateway::start().await;
    let event = body("TEST", "r1");
    let run = [("fixture-purpose", "run")];
    assert_eq!(send(&gateway, "apify-verify", &run, &event).await.status, 401);
    assert_eq!(send(&gateway, "apify-verify", &[], &event).await.status, 202);
    gateway.run_until_idle().await;
}
