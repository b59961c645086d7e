//! Results of runs, and the status of their posts.

use serde_json::{Value, json};

use super::{GUILD, HOUR, send_webhook, start};
use crate::harness::Gateway;

pub(super) const DATASET: &str = "wmKPijuyDnPZAPRMk";

/// A webhook of a run with results in `DATASET`, with more fields.
pub(super) fn webhook(kind: &str, more: &Value) -> Vec<u8> {
    let mut event = json!({
        "eventType": kind,
        "eventData": { "actorId": "fW4MyDhgwtMLrB987", "actorRunId": "r1" },
        "resource": { "id": "r1", "defaultDatasetId": DATASET },
    });
    for (name, value) in more.as_object().unwrap() {
        event[name] = value.clone();
    }
    serde_json::to_vec(&event).unwrap()
}

pub(super) fn item(number: usize) -> Value {
    json!({
        "id": number.to_string(), "webVideoUrl": format!("https://www.tiktok.com/@ada/video/{number}"),
        "authorMeta": { "name": "ada" }, "playCount": number, "diggCount": 1,
    })
}

pub(super) async fn started(gateway: &Gateway) -> Value {
    let request = json!({ "source": "apify-runs", "guild_id": GUILD, "posts": ["post-1"] });
    start(gateway, &request).await
}

pub(super) async fn run(gateway: &Gateway) -> Value {
    gateway.rows("apify_runs").await[0].clone()
}

pub(super) async fn post(gateway: &Gateway) -> Value {
    gateway.rows("apify_posts").await[0]["status"].clone()
}

#[tokio::test]
async fn items_in_the_body_become_metrics_despite_invalid_ones() {
    let gateway = Gateway::start().await;
    let run_key = started(&gateway).await;
    let items = json!({ "items": [
        item(1),
        "not an object",
        { "title": "nothing of interest" },
        { "shortCode": "Abc", "ownerUsername": "ada", "likesCount": "1.2K", "commentsCount": "some" },
        item(2),
    ] });
    send_webhook(&gateway, &run_key, &webhook("ACTOR.RUN.SUCCEEDED", &items)).await;
    gateway.run_until_idle().await;
    let named = gateway
        .query(
            "SELECT platform, handle, post_id, views, likes, comments, shares, flag, origin,
                    item IS NOT NULL AS kept
               FROM apify_metrics ORDER BY flag NULLS FIRST, post_id",
        )
        .await;
    let clean = |number: usize| {
        json!({
            "platform": "tiktok", "handle": "ada", "post_id": number.to_string(), "views": number,
            "likes": 1, "comments": null, "shares": null, "flag": null, "origin": "payload",
            "kept": false,
        })
    };
    assert_eq!(named[..2], [clean(1), clean(2)]);
    let flags: Vec<_> = named[2..].iter().map(|row| (&row["flag"], &row["kept"])).collect();
    let kept = json!(true);
    assert_eq!(
        flags,
        [
            (&json!("bad_count"), &kept),
            (&json!("no_platform"), &kept),
            (&json!("not_an_object"), &kept)
        ]
    );
    assert_eq!((&named[2]["likes"], &named[2]["comments"]), (&json!(1200), &Value::Null));
    let run = run(&gateway).await;
    assert_eq!((&run["items"], &run["items_left_off"]), (&json!(5), &json!(false)));
    assert_eq!(post(&gateway).await, "collected");
}

#[tokio::test]
async fn repeated_success_adds_late_results_without_duplicates() {
    let gateway = Gateway::start().await;
    let run_key = started(&gateway).await;
    send_webhook(&gateway, &run_key, &webhook("ACTOR.RUN.SUCCEEDED", &json!({}))).await;
    gateway.run_until_idle().await;
    assert_eq!(run(&gateway).await["items"], Value::Null);
    for again in 0..2 {
        // Another body each time, so that it is not deduplicated by its digest.
        let items = json!({ "items": [item(1), item(2), item(2)], "createdAt": format!("2026-11-20T11:00:0{again}Z") });
        send_webhook(&gateway, &run_key, &webhook("ACTOR.RUN.SUCCEEDED", &items)).await;
        gateway.run_until_idle().await;
    }
    assert_eq!(gateway.rows("events").await.len(), 3);
    let rows = gateway.query("SELECT DISTINCT post_id FROM apify_metrics").await;
    assert_eq!(rows.len(), 2);
}

#[tokio::test]
async fn failed_run_marks_its_posts_unless_a_newer_run_has_them() {
    let gateway = Gateway::start().await;
    for kind in ["ACTOR.RUN.FAILED", "ACTOR.RUN.ABORTED", "ACTOR.RUN.TIMED_OUT"] {
        let first = started(&gateway).await;
        assert_eq!(post(&gateway).await, "pending");
        let failed = |run: &str| {
            let text = String::from_utf8(webhook(kind, &json!({}))).unwrap();
            text.replace("\"r1\"", &format!("\"{run}{}\"", kind.len())).into_bytes()
        };
        send_webhook(&gateway, &first, &failed("first")).await;
        gateway.run_until_idle().await;
        assert_eq!(post(&gateway).await, "failed");

        let (second, third) = (started(&gateway).await, started(&gateway).await);
        send_webhook(&gateway, &second, &failed("second")).await;
        gateway.run_until_idle().await;
        assert_eq!(post(&gateway).await, "pending", "the third run has it");
        send_webhook(&gateway, &third, &failed("third")).await;
        gateway.run_until_idle().await;
        assert_eq!(post(&gateway).await, "failed");
    }
}

#[tokio::test]
async fn failed_and_expired_runs_raise_alerts() {
    let gateway = Gateway::start().await;
    let kinds = ["FAILED", "TIMED_OUT", "SUCCEEDED", "SUCCEEDED"];
    for (number, kind) in kinds.iter().enumerate() {
        let run_key = started(&gateway).await;
        let webhook = webhook(&format!("ACTOR.RUN.{kind}"), &json!({}));
        let webhook =
            String::from_utf8(webhook).unwrap().replace("\"r1\"", &format!("\"r{number}\""));
        for _ in 0..2 {
            send_webhook(&gateway, &run_key, webhook.as_bytes()).await;
        }
        gateway.run_until_idle().await;
    }
    started(&gateway).await;
    gateway.clock().advance(25 * HOUR);
    gateway.run_maintenance().await;
    gateway.run_maintenance().await;
    let alerts =
        gateway.query("SELECT alert_type, count, resolution, text FROM alerts ORDER BY id").await;
    let raised: Vec<_> = alerts
        .iter()
        .map(|alert| (&alert["alert_type"], &alert["count"], &alert["resolution"]))
        .collect();
    let (failed, expired, resolved) = (json!("run_failed"), json!("runs_expired"), json!(true));
    let open = json!(false);
    assert_eq!(
        raised,
        [
            (&failed, &json!(2), &open),
            (&failed, &json!(1), &resolved),
            (&expired, &json!(1), &open),
        ]
    );
    let text = alerts[0]["text"].as_str().unwrap();
    assert!(text.contains("TIMED_OUT") && text.contains(GUILD) && text.contains("r1"), "{text}");
}
