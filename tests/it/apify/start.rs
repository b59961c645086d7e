//! Starting runs over the API.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{GUILD, body, send_webhook, start};
use crate::harness::Gateway;

const RUNS: &str = "/api/v1/apify/runs";

fn request(guild: &str) -> Value {
    json!({ "source": "apify-runs", "guild_id": guild })
}

#[tokio::test]
async fn started_run_is_registered_and_its_token_is_accepted() {
    let gateway = Gateway::start().await;
    let mut request = request(GUILD);
    request["posts"] = json!(["post-2", "post-1", "post-2"]);
    request["platform"] = json!("tiktok");
    let answer = gateway.call(RUNS, &[], &request.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(answer.headers["cache-control"], "no-store", "the response contains a token");
    let started = answer.json;
    assert_eq!((&started["purpose"], &started["registered"]), (&json!("run"), &json!(true)));
    let posts = "SELECT post_id, status FROM apify_posts ORDER BY post_id";
    let pending = json!([{ "post_id": "post-1", "status": "pending" }, { "post_id": "post-2", "status": "pending" }]);
    assert_eq!(json!(gateway.query(posts).await), pending);

    let webhook = body("ACTOR.RUN.SUCCEEDED", "r1");
    assert_eq!(send_webhook(&gateway, &started, &webhook).await.status, 202);
    gateway.run_until_idle().await;
    let run = &gateway.rows("apify_runs").await[0];
    assert_eq!((&run["status"], &run["platform"]), (&json!("succeeded"), &json!("tiktok")));
    assert_eq!((&run["run_key"], &run["items"]), (&started["run_key"], &Value::Null));
    let collected =
        gateway.count("SELECT count(*) FROM apify_posts WHERE status = 'collected'").await;
    assert_eq!(collected, 2);
}

#[tokio::test]
async fn repeated_call_returns_the_same_run_and_counts_once() {
    let gateway = Gateway::start().await;
    let key = [("idempotency-key", "2b3f6a52-0d4c-4c5c-9f0e-6d0f5b1c8a11")];
    let request = request(GUILD).to_string();
    // Concurrently, and once more later, when all random values would differ.
    let calls = (0..8).map(|_| gateway.call(RUNS, &key, &request));
    let mut answers = join_all(calls).await;
    gateway.clock().advance(Duration::from_secs(60));
    answers.push(gateway.call(RUNS, &key, &request).await);
    assert!(answers.iter().all(|answer| answer.status == 201), "{answers:?}");
    assert!(answers.iter().all(|answer| answer.text == answers[0].text), "{answers:?}");
    let replayed =
        answers.iter().filter(|answer| answer.headers.contains_key("idempotency-replayed"));
    assert_eq!(replayed.count(), 8);

    let other = gateway
        .call(RUNS, &key, &json!({ "source": "apify-runs", "guild_id": "1" }).to_string())
        .await;
    assert_eq!(other.status, 422);
    assert_eq!(other.json["type"], "urn:sealpost:problem:idempotency-key-reused");
    assert_eq!(gateway.rows("apify_runs").await.len(), 1);
    assert_eq!(gateway.rows("apify_usage").await[0]["runs"], 1);
}

#[tokio::test]
async fn daily_budget_holds_under_concurrent_calls() {
    let gateway = Gateway::builder()
        .config(
            r#"options = { purpose = "run" }"#,
            r#"options = { purpose = "run", daily_budget = 5 }"#,
        )
        .start()
        .await;
    let one = request(GUILD).to_string();
    let answers = join_all((0..20).map(|_| gateway.call(RUNS, &[], &one))).await;
    let started = answers.iter().filter(|answer| answer.status == 201).count();
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert_eq!((started, refused.len()), (5, 15), "{answers:?}");
    assert_eq!(gateway.rows("apify_runs").await.len(), 5, "a refused run leaves no trace");

    // It is noon, UTC.
    let refused = refused[0];
    assert_eq!(refused.headers["retry-after"], "43200");
    assert_eq!(refused.headers["content-type"], "application/problem+json");
    assert_eq!(refused.json["type"], "urn:sealpost:problem:budget-spent");
    assert_eq!(
        (&refused.json["limit"], &refused.json["resets_at"]),
        (&json!(5), &json!("2026-11-21T00:00:00Z"))
    );

    start(&gateway, &request("42")).await;
    gateway.clock().advance(Duration::from_secs(43_199));
    assert_eq!(gateway.call(RUNS, &[], &one).await.status, 429);
    gateway.clock().advance(Duration::from_secs(1));
    start(&gateway, &request(GUILD)).await;
}

#[tokio::test]
async fn budget_of_zero_starts_no_run() {
    let gateway = Gateway::builder()
        .config(
            r#"options = { purpose = "run" }"#,
            r#"options = { purpose = "run", daily_budget = 0 }"#,
        )
        .start()
        .await;
    assert_eq!(gateway.call(RUNS, &[], &request(GUILD).to_string()).await.status, 429);
    assert!(
        gateway.rows("apify_runs").await.is_empty() && gateway.rows("apify_usage").await.is_empty()
    );
}

#[tokio::test]
async fn run_key_identifies_one_run() {
    let gateway = Gateway::start().await;
    let mut one = request(GUILD);
    one["run_key"] = json!(super::KEY);
    let first = start(&gateway, &one).await;
    let again = gateway.call(RUNS, &[], &one.to_string()).await;
    assert_eq!((again.status, &again.json["registered"]), (200, &json!(false)));
    assert_eq!(again.json["run_key"], first["run_key"]);
    one["guild_id"] = json!("1");
    let other = gateway.call(RUNS, &[], &one.to_string()).await;
    assert_eq!(other.status, 409);
    assert_eq!(other.json["type"], "urn:sealpost:problem:conflict");
    assert_eq!(gateway.rows("apify_usage").await[0]["runs"], 1, "counted once");
}

#[tokio::test]
async fn invalid_run_requests_are_explained() {
    let gateway = Gateway::start().await;
    let many: Vec<String> = (0..1001).map(|number| number.to_string()).collect();
    for (body, detail) in [
        ("not json".to_owned(), "expected"),
        ("[\"apify-runs\"]".to_owned(), "not an object"),
        (json!({ "guild_id": "1" }).to_string(), "apify-runs, apify-verify"),
        (json!({ "source": "billing", "guild_id": "1" }).to_string(), "apify-runs, apify-verify"),
        (json!({ "source": "apify-runs" }).to_string(), "guild_id"),
        (json!({ "source": "apify-runs", "guild_id": "a b" }).to_string(), "a guild must be"),
        (json!({ "source": "apify-runs", "guild_id": "1", "guild": "1" }).to_string(), "unknown field"),
        (json!({ "source": "apify-runs", "guild_id": "1", "run_key": "1" }).to_string(), "UUID"),
        (json!({ "source": "apify-runs", "guild_id": "1", "actor_run_id": "../x" }).to_string(), "actor run id"),
        (json!({ "source": "apify-runs", "guild_id": "1", "actor_id": "a\nb" }).to_string(), "an actor"),
        (json!({ "source": "apify-runs", "guild_id": "1", "platform": "myspace" }).to_string(), "myspace"),
        (json!({ "source": "apify-runs", "guild_id": "1", "handle": "ada" }).to_string(), "verify"),
        (json!({ "source": "apify-runs", "guild_id": "1", "posts": [""] }).to_string(), "`posts`"),
        (json!({ "source": "apify-runs", "guild_id": "1", "posts": ["a\u{0}"] }).to_string(), "`posts`"),
        (json!({ "source": "apify-runs", "guild_id": "1", "posts": many }).to_string(), "`posts`"),
        (json!({ "source": "apify-verify", "guild_id": "1" }).to_string(), "a `handle`"),
        (json!({ "source": "apify-verify", "guild_id": "1", "platform": "x", "handle": "@" }).to_string(), "a handle"),
        (json!({ "source": "apify-verify", "guild_id": "1", "platform": "x", "handle": "a", "code": "short" }).to_string(), "a code"),
        (json!({ "source": "apify-verify", "guild_id": "1", "platform": "x", "handle": "a", "posts": ["p"] }).to_string(), "`posts`"),
    ] {
        let answer = gateway.call(RUNS, &[], &body).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.text);
        let actual = answer.json["detail"].as_str().unwrap();
        assert!(actual.contains(detail), "{body}: {actual}");
    }
    let one = request(GUILD).to_string();
    for key in ["", "a b", &"k".repeat(256)] {
        assert_eq!(
            gateway.call(RUNS, &[("idempotency-key", key)], &one).await.status,
            400,
            "{key}"
        );
    }
    let twice = [("idempotency-key", "a"), ("idempotency-key", "b")];
    assert_eq!(gateway.call(RUNS, &twice, &one).await.status, 400);
    assert_eq!(gateway.call(RUNS, &[("content-encoding", "gzip")], &one).await.status, 415);
    assert_eq!(gateway.call(RUNS, &[], &" ".repeat(256 * 1024 + 1)).await.status, 413);
    assert_eq!(gateway.call("/api/v1/apify/other", &[], &one).await.status, 404);
    assert_eq!(gateway.call("/api/v1/stripe/runs", &[], &one).await.status, 404);
    assert_eq!(gateway.operator(RUNS).await.status, 405);
    assert!(gateway.rows("apify_runs").await.is_empty());
}

#[tokio::test]
async fn run_is_not_started_without_an_api_key() {
    let gateway = Gateway::start().await;
    let call = gateway.client().post(gateway.operator_url(RUNS));
    let answer = call.body(request(GUILD).to_string()).send().await.unwrap();
    assert_eq!(answer.status(), 401);
    assert!(gateway.rows("apify_runs").await.is_empty());
}

#[tokio::test]
async fn source_is_optional_if_only_one_has_runs() {
    let gateway = Gateway::builder()
        .config(
            r#"options = { purpose = "verify" }"#,
            "enabled = false\noptions = { purpose = \"verify\" }",
        )
        .start()
        .await;
    let started = start(&gateway, &json!({ "guild_id": GUILD })).await;
    assert_eq!(started["source"], "apify-runs", "the other one is disabled");
}

#[tokio::test]
async fn failed_call_leaves_no_trace_and_can_be_repeated() {
    let gateway = Gateway::start().await;
    gateway.execute("ALTER TABLE apify_usage RENAME TO gone").await;
    let key = [("idempotency-key", "once")];
    assert_eq!(gateway.call(RUNS, &key, &request(GUILD).to_string()).await.status, 500);
    gateway.execute("ALTER TABLE gone RENAME TO apify_usage").await;
    let again = gateway.call(RUNS, &key, &request(GUILD).to_string()).await;
    assert_eq!(again.status, 201, "{}", again.text);
    assert!(!again.headers.contains_key("idempotency-replayed"), "the first left no trace");
}
