//! Runs that verify a code in a profile.

use std::time::Duration;

use serde_json::{Value, json};

use super::stub::{ALLOW, Stub};
use super::{GUILD, HOUR, send_webhook, start};
use crate::harness::Gateway;

const CODE: &str = "SP-7K2M9QXA";

fn webhook(kind: &str, run: &str, items: Option<&Value>) -> Vec<u8> {
    let event = json!({
        "eventType": kind, "eventData": { "actorRunId": run },
        "resource": { "id": run, "defaultDatasetId": "ds1" }, "items": items,
    });
    serde_json::to_vec(&event).unwrap()
}

fn request(handle: &str) -> Value {
    json!({
        "source": "apify-verify", "guild_id": GUILD, "platform": "instagram", "handle": handle,
        "code": CODE,
    })
}

fn profile(handle: &str, bio: &str) -> Value {
    json!({ "username": handle, "biography": bio, "url": format!("https://www.instagram.com/{handle}") })
}

/// The verifications' results, in order of their handles.
async fn results(gateway: &Gateway) -> Vec<String> {
    let rows = gateway.query("SELECT result FROM apify_verifications ORDER BY handle").await;
    rows.iter().map(|row| row["result"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn verification_confirms_or_denies_the_code_of_a_handle() {
    let gateway = Gateway::start().await;
    for (handle, items) in [
        ("@Ada", Some(json!([profile("ada", "mine: sp-7k2m\n9qxa")]))),
        ("bea", Some(json!([profile("bea", "nothing here")]))),
        ("cleo", Some(json!([profile("eve", CODE)]))),
        ("dora", Some(json!([{ "username": "dora", "error": "private" }]))),
        ("eva", Some(json!([]))),
        ("fay", None),
        ("gwen", Some(json!([5, "x", profile("gwen", ""), profile("gwen", CODE)]))),
    ] {
        let started = start(&gateway, &request(handle)).await;
        assert_eq!(started["code"], CODE);
        let run = format!("run{}", handle.trim_start_matches('@'));
        send_webhook(&gateway, &started, &webhook("ACTOR.RUN.SUCCEEDED", &run, items.as_ref()))
            .await;
    }
    gateway.run_until_idle().await;
    let expected = [
        "confirmed",
        "denied",
        "unreachable",
        "unreachable",
        "unreachable",
        "unreachable",
        "confirmed",
    ];
    assert_eq!(results(&gateway).await, expected);
    assert!(gateway.rows("apify_metrics").await.is_empty(), "a profile is no metric");
    assert!(gateway.dead_letters().await.is_empty());
}

#[tokio::test]
async fn missing_code_is_generated_and_repeated_with_its_call() {
    let gateway = Gateway::start().await;
    let mut request = request("ada");
    request.as_object_mut().unwrap().remove("code");
    let key = [("idempotency-key", "once")];
    let first = gateway.call("/api/v1/apify/runs", &key, &request.to_string()).await;
    let again = gateway.call("/api/v1/apify/runs", &key, &request.to_string()).await;
    assert_eq!((first.status, &first.text), (201, &again.text));
    let code = first.json["code"].as_str().unwrap();
    assert!(code.len() == 11 && code.starts_with("SP-"), "{code}");
    let other = start(&gateway, &request).await;
    assert_ne!(other["code"], code);
}

#[tokio::test]
async fn failed_verification_is_unreachable_until_resurrected() {
    let gateway = Gateway::start().await;
    let started = start(&gateway, &request("ada")).await;
    for (kind, result) in [
        ("ACTOR.RUN.FAILED", "unreachable"),
        ("ACTOR.RUN.RESURRECTED", "pending"),
        ("ACTOR.RUN.TIMED_OUT", "unreachable"),
        ("ACTOR.RUN.RESURRECTED", "pending"),
        ("ACTOR.RUN.SUCCEEDED", "confirmed"),
        // A confirmed code stays confirmed.
        ("ACTOR.RUN.RESURRECTED", "confirmed"),
        ("ACTOR.RUN.FAILED", "confirmed"),
    ] {
        gateway.clock().advance(Duration::from_secs(10));
        let at = gateway.count("SELECT count(*) FROM events").await;
        let text =
            String::from_utf8(webhook(kind, "r1", Some(&json!([profile("ada", CODE)])))).unwrap();
        // A different body, so that it is not a duplicate.
        let body = text.replacen('{', &format!("{{\"number\":{at},"), 1);
        assert_eq!(send_webhook(&gateway, &started, body.as_bytes()).await.status, 202, "{kind}");
        gateway.run_until_idle().await;
        assert_eq!(results(&gateway).await, [result], "after {kind}");
    }
}

#[tokio::test]
async fn code_is_accepted_only_until_it_expires() {
    let gateway = Gateway::builder()
        .config(
            r#"options = { purpose = "verify" }"#,
            r#"options = { purpose = "verify", code_ttl = 600 }"#,
        )
        .start()
        .await;
    let (early, late) =
        (start(&gateway, &request("ada")).await, start(&gateway, &request("bea")).await);
    gateway.clock().advance(Duration::from_secs(601));
    gateway.run_maintenance().await;
    assert_eq!(results(&gateway).await, ["expired", "expired"]);
    // The run of the first ended in time; its webhook is late.
    let in_time = |run: &str, handle: &str, at: &str| {
        let event = json!({
            "eventType": "ACTOR.RUN.SUCCEEDED", "eventData": { "actorRunId": run },
            "resource": { "id": run, "finishedAt": at }, "items": [profile(handle, CODE)],
        });
        serde_json::to_vec(&event).unwrap()
    };
    send_webhook(&gateway, &early, &in_time("r1", "ada", "2026-11-20T12:10:00Z")).await;
    send_webhook(&gateway, &late, &in_time("r2", "bea", "2026-11-20T12:10:01Z")).await;
    gateway.run_until_idle().await;
    assert_eq!(results(&gateway).await, ["confirmed", "expired"]);
}

#[tokio::test]
async fn verification_without_webhooks_expires_with_its_run() {
    let gateway = Gateway::start().await;
    start(&gateway, &request("ada")).await;
    gateway.clock().advance(24 * HOUR + Duration::from_secs(1));
    gateway.run_maintenance().await;
    assert_eq!(results(&gateway).await, ["expired"]);
}

#[tokio::test]
async fn profile_is_fetched_if_the_webhook_has_none() {
    let stub =
        Stub::start(|_, _| (200, String::new(), json!([profile("ada", CODE)]).to_string())).await;
    let options = format!(
        "token = {{ env = \"BOT_TOKEN\" }}\noptions = {{ purpose = \"verify\", api_url = \"{}\" }}",
        stub.url
    );
    let gateway = Gateway::builder()
        .config(r#"options = { purpose = "verify" }"#, &options)
        .more_config(ALLOW)
        .start()
        .await;
    let started = start(&gateway, &request("ada")).await;
    send_webhook(&gateway, &started, &webhook("ACTOR.RUN.SUCCEEDED", "r1", None)).await;
    gateway.run_until_idle().await;
    assert_eq!(results(&gateway).await, ["confirmed"]);
}
