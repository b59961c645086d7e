//! The bot's callbacks, from the socket to the tables.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Answer, Gateway};

const GUILD: (&str, &str) = ("x-guild-id", "123456789012345678");

fn sign(gateway: &Gateway, headers: &[(&str, &str)], body: &[u8]) -> Vec<(String, String)> {
    let headers: Vec<_> = headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    gateway.sign("bot", body, &headers)
}

pub(crate) async fn send(gateway: &Gateway, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let headers = sign(gateway, headers, body);
    gateway.send_raw("bot", None, &headers, body).await
}

#[tokio::test]
async fn callback_is_stored_with_its_signed_guild() {
    let gateway = Gateway::start().await;
    let body = br#"{"event":"post.submitted","text":"a\u0000b"}"#;
    assert_eq!(send(&gateway, &[GUILD], body).await.status, 202);
    assert_eq!(send(&gateway, &[("fixture-form", "native")], body).await.status, 202);
    gateway.run_until_idle().await;
    let mut guilds: Vec<_> =
        gateway.rows("bot_events").await.iter().map(|row| row["guild_id"].to_string()).collect();
    guilds.sort();
    assert_eq!(guilds, [format!("\"{}\"", GUILD.1), "null".into()]);
}

#[tokio::test]
async fn identical_request_is_deduplicated_by_its_nonce() {
    let gateway = Gateway::start().await;
    let body = br#"{"event":"post.submitted"}"#;
    let headers = sign(&gateway, &[GUILD], body);
    assert_eq!(gateway.send_raw("bot", None, &headers, body).await.status, 202);
    let again = gateway.send_raw("bot", None, &headers, body).await;
    assert_eq!((again.status, again.body_status()), (200, "duplicate"));
    gateway.run_until_idle().await;
    assert_eq!(gateway.rows("bot_events").await.len(), 1);
}

#[tokio::test]
async fn idempotency_key_deduplicates_a_newly_signed_request() {
    let gateway = Gateway::start().await;
    let key = ("idempotency-key", "2b3f6a52-0d4c-4c5c-9f0e-6d0f5b1c8a11");
    let body = br#"{"event":"post.submitted"}"#;
    let first = send(&gateway, &[key], body).await;
    gateway.clock().advance(Duration::from_secs(5));
    let second = send(&gateway, &[key], body).await;
    assert_eq!((first.status, &first.json), (second.status, &second.json));
    gateway.clock().advance(Duration::from_secs(5));
    let other = send(&gateway, &[key], br#"{"event":"post.deleted"}"#).await;
    assert_eq!(other.status, 422);
    gateway.run_until_idle().await;
    assert_eq!(gateway.rows("bot_events").await.len(), 1);
}

#[tokio::test]
async fn older_heartbeat_does_not_replace_a_newer_one() {
    let gateway = Gateway::start().await;
    let offline = br#"{"event":"bot.heartbeat","status":"offline"}"#;
    let early = sign(&gateway, &[], offline);
    gateway.clock().advance(Duration::from_secs(60));
    let online = br#"{"event":"bot.heartbeat","status":"online","shardCount":2}"#;
    assert_eq!(send(&gateway, &[], online).await.status, 202);
    gateway.run_until_idle().await;
    assert_eq!(gateway.send_raw("bot", None, &early, offline).await.status, 202);
    gateway.run_until_idle().await;
    let health = gateway.rows("bot_health").await;
    assert_eq!(health.len(), 1);
    assert_eq!((&health[0]["status"], &health[0]["shard_count"]), (&json!("online"), &json!(2)));
    assert!(gateway.rows("bot_events").await.is_empty());
}

#[tokio::test]
async fn unlisted_service_or_wrong_token_is_rejected() {
    let gateway = Gateway::start().await;
    let body = br#"{"event":"post.submitted"}"#;
    for headers in [("x-service-name", "dashboard"), ("x-callback-token", "another token")] {
        assert_eq!(send(&gateway, &[headers], body).await.status, 401, "{headers:?}");
    }
    assert!(gateway.rows("events").await.is_empty());
}

#[tokio::test]
async fn callbacks_are_found_by_guild_kind_and_service() {
    let gateway = Gateway::start().await;
    let body = br#"{"event":"post.submitted"}"#;
    send(&gateway, &[GUILD, ("fixture-form", "native")], body).await;
    gateway.clock().advance(Duration::from_secs(1));
    send(&gateway, &[GUILD], body).await;
    gateway.run_until_idle().await;
    let found = gateway
        .query("SELECT service FROM bot_events WHERE guild_id = '123456789012345678' AND kind = 'post.submitted' ORDER BY received_at")
        .await;
    assert_eq!(found, vec![json!({ "service": "api" }); 2]);
}

#[tokio::test]
async fn missing_heartbeat_raises_one_alert_until_the_next() {
    let options = r#"options = { allowed_services = ["api"]"#;
    let gateway = Gateway::builder()
        .config(options, &format!("{options}, heartbeat_timeout = 90"))
        .start()
        .await;
    let missing = async || gateway.rows("bot_health").await[0]["missing_since"].clone();
    let online = br#"{"event":"bot.heartbeat","status":"online"}"#;
    gateway.run_maintenance().await;
    assert!(gateway.rows("bot_health").await.is_empty(), "no heartbeat yet");
    send(&gateway, &[], online).await;
    gateway.run_until_idle().await;
    gateway.clock().advance(Duration::from_secs(90));
    gateway.run_maintenance().await;
    assert!(missing().await.is_null());
    gateway.clock().advance(Duration::from_secs(1));
    gateway.run_maintenance().await;
    let since = missing().await;
    assert_eq!(since, "2026-11-20T12:01:31+00:00");
    gateway.clock().advance(Duration::from_secs(60));
    gateway.run_maintenance().await;
    assert_eq!(missing().await, since, "unchanged");
    let alerts = "SELECT alert_type, severity, resolution, count FROM alerts ORDER BY id";
    let silent =
        json!({ "alert_type": "bot_silent", "severity": 3, "resolution": false, "count": 1 });
    assert_eq!(gateway.query(alerts).await, [silent]);
    send(&gateway, &[], online).await;
    gateway.run_until_idle().await;
    gateway.run_maintenance().await;
    assert!(missing().await.is_null());
    assert_eq!(gateway.query(alerts).await[1]["resolution"], true);
    send(&gateway, &[("x-nonce", "another-nonce-0001")], online).await;
    gateway.run_until_idle().await;
    assert_eq!(gateway.rows("alerts").await.len(), 2, "one alert, and its resolution");
}

#[tokio::test]
async fn heartbeat_is_never_missing_without_a_timeout() {
    let gateway = Gateway::start().await;
    send(&gateway, &[], br#"{"event":"bot.heartbeat","status":"online"}"#).await;
    gateway.run_until_idle().await;
    gateway.clock().advance(Duration::from_hours(24));
    gateway.run_maintenance().await;
    assert!(gateway.rows("bot_health").await[0]["missing_since"].is_null());
}
