//! Apify with a shared secret: runs registered by their actor run id, a secret in the query, and
//! custom payload templates.

use serde_json::{Value, json};

use crate::cli::Program;
use crate::harness::{Answer, Gateway, SECRETS};

const RUNS: &str = "/api/v1/apify/runs";
const DISPATCH: &str = "x-apify-webhook-dispatch-id";
/// A source in addition to those of every test.
const SOURCE: &str = "\n[[source]]\nname = \"scheduled\"\nprovider = \"apify\"\n\
    secrets = [{ env = \"SHARED\" }]\nkeep_rejected = \"1h\"\n\
    options = { purpose = \"run\", mode = \"token\", token_query = \"secret\" }\n";
const SHARED: &str = "shared-canary-0123456789abcdef";

async fn gateway() -> Gateway {
    Gateway::builder().more_config(SOURCE).variable("SHARED", SHARED).start().await
}

fn webhook(kind: &str, run: &str) -> Value {
    json!({ "eventType": kind, "eventData": { "actorRunId": run }, "resource": { "id": run } })
}

/// Sends with the secret in the query, which Apify's documentation recommends first.
async fn deliver(gateway: &Gateway, dispatch: Option<&str>, body: &Value) -> Answer {
    let headers: Vec<_> =
        dispatch.map(|id| (DISPATCH.to_owned(), id.to_owned())).into_iter().collect();
    let path = format!("/hooks/scheduled?secret={SHARED}");
    gateway.post(&path, &headers, body.to_string().as_bytes()).await
}

#[tokio::test]
async fn run_registered_by_actor_run_id_needs_no_token() {
    let gateway = gateway().await;
    let request =
        json!({ "source": "scheduled", "guild_id": "1", "actor_run_id": "r1", "posts": ["p1"] });
    let key = [("idempotency-key", "2b3f6a52-0d4c-4c5c-9f0e-6d0f5b1c8a11")];
    let registered = gateway.call(RUNS, &key, &request.to_string()).await;
    assert_eq!(registered.status, 201, "{}", registered.text);
    assert!(
        registered.json.get("token").is_none() && registered.json.get("headersTemplate").is_none()
    );
    assert_eq!(gateway.call(RUNS, &key, &request.to_string()).await.text, registered.text);

    for (dispatch, kind) in [("d1", "ACTOR.RUN.CREATED"), ("d2", "ACTOR.RUN.SUCCEEDED")] {
        let answer = deliver(&gateway, Some(dispatch), &webhook(kind, "r1")).await;
        assert_eq!((answer.status, answer.body_status()), (202, "accepted"));
    }
    gateway.run_until_idle().await;
    let run = &gateway.rows("apify_runs").await[0];
    assert_eq!(
        (&run["status"], &run["run_key"]),
        (&json!("succeeded"), &registered.json["run_key"])
    );
    assert_eq!(gateway.rows("apify_posts").await[0]["status"], "collected");
    assert_eq!(gateway.dead_letters().await, []);
}

#[tokio::test]
async fn run_can_be_registered_after_its_first_webhook() {
    let gateway = gateway().await;
    deliver(&gateway, Some("d1"), &webhook("ACTOR.RUN.SUCCEEDED", "r1")).await;
    gateway.run_until_idle().await;
    let request = json!({ "source": "scheduled", "guild_id": "1", "actor_run_id": "r1" });
    assert_eq!(gateway.call(RUNS, &[], &request.to_string()).await.status, 201);
    gateway.run_to_the_end().await;
    assert_eq!(gateway.rows("apify_runs").await[0]["status"], "succeeded");
    assert_eq!(gateway.dead_letters().await, []);
}

#[tokio::test]
async fn run_registration_requires_the_actor_run_id() {
    let gateway = gateway().await;
    let request = json!({ "source": "scheduled", "guild_id": "1" });
    let answer = gateway.call(RUNS, &[], &request.to_string()).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text.contains("actor_run_id"), "{}", answer.text);
}

#[tokio::test]
async fn cli_registers_a_run() {
    let gateway = gateway().await;
    let config = include_str!("../harness/config.toml").to_owned() + SOURCE;
    let mut program = Program::beside_with(&gateway, &config).await;
    program.set("SHARED", SHARED);
    program.set("SEALPOST_MASTER_KEY", crate::harness::MASTER_KEY);
    let mint = ["apify", "mint", "--source", "scheduled", "--guild", "1", "--actor-run", "r1"];
    let printed = program.json(&mint);
    assert_eq!((&printed["registered"], printed.get("token")), (&json!(true), None));
    deliver(&gateway, Some("d1"), &webhook("ACTOR.RUN.FAILED", "r1")).await;
    gateway.run_until_idle().await;
    assert_eq!(gateway.rows("apify_runs").await[0]["status"], "failed");
    let without = program.run(&mint[..6]);
    assert_eq!(without.code, 64, "{}", without.all());
}

#[tokio::test]
async fn secret_is_accepted_from_header_or_query_and_must_match_in_both() {
    let gateway = gateway().await;
    let header = |value: &str| vec![("x-apify-webhook-secret".to_owned(), value.to_owned())];
    let send = async |query: &str, headers: &[(String, String)]| {
        let body = json!({ "eventType": "TEST", "n": crate::receive::unique() }).to_string();
        gateway.post(&format!("/hooks/scheduled{query}"), headers, body.as_bytes()).await.status
    };
    let (right, wrong) = (format!("?secret={SHARED}"), "?secret=another-0123456789abcdef");
    assert_eq!(send(&right, &[]).await, 202);
    assert_eq!(send(&format!("{right}&x=1"), &[]).await, 202);
    assert_eq!(send(&right.replace('-', "%2D"), &[]).await, 202, "form-decoded");
    assert_eq!(send("", &header(SHARED)).await, 202);
    assert_eq!(send(&right, &header(SHARED)).await, 202);
    for (query, headers) in [
        (wrong, vec![]),
        ("", vec![]),
        ("?token=x", vec![]),
        (&*right, header("another-0123456789abcdef")),
        (wrong, header(SHARED)),
    ] {
        assert_eq!(send(query, &headers).await, 401, "{query} {headers:?}");
    }
    gateway.run_until_idle().await;
}

#[tokio::test]
async fn bearer_scheme_is_stripped_from_the_secret() {
    let source = SOURCE.replace("token_query = \"secret\"", "token_header = \"authorization\"");
    let gateway = Gateway::builder().more_config(&source).variable("SHARED", SHARED).start().await;
    for value in [SHARED.to_owned(), format!("Bearer {SHARED}"), format!("bearer {SHARED}")] {
        let headers = [("authorization".to_owned(), value)];
        let body = json!({ "eventType": "TEST", "n": crate::receive::unique() }).to_string();
        let answer = gateway.post("/hooks/scheduled", &headers, body.as_bytes()).await;
        assert_eq!(answer.status, 202);
    }
    gateway.run_until_idle().await;
}

#[tokio::test]
async fn query_secret_is_never_stored_or_shown() {
    let gateway = gateway().await;
    deliver(&gateway, Some("d1"), &webhook("TEST", "r1")).await;
    let typo = format!("/hooks/scheduled?secret={SHARED}-typo&other={SHARED}");
    assert_eq!(gateway.post(&typo, &[], b"{}").await.status, 401);
    gateway.post(&format!("/hooks/nobody?secret={SHARED}"), &[], b"{}").await;
    gateway.run_until_idle().await;
    let id = crate::rejected_requests::wait_for_rejected(&gateway, 1).await[0].id;
    let rejected = gateway.operator("/api/v1/rejected-requests").await;
    let mut seen =
        rejected.text + &gateway.operator(&format!("/api/v1/rejected-requests/{id}")).await.text;
    for path in [
        "/metrics",
        "/api/v1/audit",
        "/api/v1/sources/scheduled",
        "/rejected-requests",
        "/sources/scheduled",
        "/events",
    ] {
        seen += &gateway.operator(path).await.text;
    }
    for table in ["events", "deliveries", "audit_log", "counters", "alerts", "event_keys"] {
        seen += &json!(gateway.rows(table).await).to_string();
    }
    assert!(!seen.contains("canary"), "{seen}");
    assert!(SECRETS.iter().all(|(_, secret)| *secret != SHARED));
}

#[tokio::test]
async fn dispatch_id_distinguishes_retries_from_runs_with_equal_bodies() {
    let gateway = gateway().await;
    let body = json!({ "resource": { "defaultDatasetId": "dataset1" } });
    for (dispatch, status) in
        [(Some("d1"), 202), (Some("d1"), 200), (Some("d2"), 202), (None, 202), (None, 200)]
    {
        assert_eq!(deliver(&gateway, dispatch, &body).await.status, status, "{dispatch:?}");
    }
    // Apify may write a new time when it retries.
    let other = json!({ "resource": { "defaultDatasetId": "dataset1" }, "sentAt": 2 });
    assert_eq!(deliver(&gateway, Some("d2"), &other).await.status, 200);
    gateway.run_until_idle().await;
    let kinds = gateway.query("SELECT DISTINCT event_type FROM events").await;
    assert_eq!(kinds, [json!({ "event_type": "unknown" })]);
    assert_eq!(gateway.dead_letters().await, []);
}

#[tokio::test]
async fn payload_template_without_event_type_is_ignored() {
    let gateway = Gateway::start().await;
    let body = br#"{"runId":"r1","runStatus":"SUCCEEDED","myProp":"hello world"}"#;
    let draft = [("fixture-run-key".to_owned(), "5f0c6a3e-6f3e-4b52-9c39-0a8f3a8f3f10".to_owned())];
    let headers = gateway.sign("apify-runs", body, &draft);
    let answer = gateway.send_raw("apify-runs", None, &headers, body).await;
    assert_eq!((answer.status, answer.body_status()), (202, "accepted"));
    gateway.run_until_idle().await;
    let outcome = gateway.query("SELECT outcome FROM deliveries").await;
    assert_eq!(outcome, [json!({ "outcome": "ignored" })]);
    // In enforce mode the dispatch id proves nothing: the body is the key.
    let headers: Vec<_> =
        headers.into_iter().chain([(DISPATCH.to_owned(), "d9".to_owned())]).collect();
    assert_eq!(gateway.send_raw("apify-runs", None, &headers, body).await.status, 200);
}
