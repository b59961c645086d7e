//! Requests to destinations, and the outcome of their deliveries.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealpost::clock::Clock;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::receiver::{Receiver, Reply};
use super::{
    OwnHandler, builder, deliveries, destination, send, sending_to, single_delivery, summary,
    until, verify, verify_with_prefix,
};
use crate::harness::{Gateway, SECRETS};

const LATER: Duration = Duration::from_hours(1);

#[tokio::test(flavor = "multi_thread")]
async fn event_is_delivered_unchanged_and_signed() {
    let (receiver, own) = (Receiver::accepting().await, OwnHandler::default());
    let gateway = sending_to(&receiver, "headers = { X-Team = \"cards\" }")
        .handler(own.clone())
        .start()
        .await;
    let (id, body) = send(&gateway, "invoice.paid", "in_1").await;
    gateway.run_until_idle().await;
    let seen = receiver.seen();
    assert_eq!((seen.len(), own.calls()), (1, 1));
    assert_eq!(seen[0].line, "POST /hooks");
    assert_eq!(seen[0].body, body);
    assert_eq!(verify(&seen[0], &id), gateway.clock().now().unix_timestamp());
    for (name, value) in [
        ("content-type", Some("application/json")),
        ("sealpost-source", Some("billing")),
        ("sealpost-type", Some("invoice.paid")),
        ("sealpost-attempt", Some("1")),
        ("x-team", Some("cards")),
        ("stripe-signature", None),
        ("authorization", None),
    ] {
        assert_eq!(seen[0].header(name), value, "{name}");
    }
    assert_eq!(single_delivery(&gateway).await, summary("done", "handled", "done"));
}

#[tokio::test(flavor = "multi_thread")]
async fn svix_prefix_renames_the_signature_headers() {
    let receiver = Receiver::accepting().await;
    let gateway = sending_to(&receiver, "header_prefix = \"svix\"").start().await;
    let (id, body) = send(&gateway, "invoice.paid", "in_1").await;
    gateway.run_until_idle().await;
    let seen = receiver.seen();
    assert_eq!((seen.len(), &seen[0].body), (1, &body));
    let at = verify_with_prefix("svix", &seen[0], &id);
    assert_eq!(at, gateway.clock().now().unix_timestamp());
    assert!(!seen[0].headers.iter().any(|(name, _)| name.starts_with("webhook-")), "{seen:?}");
    assert_eq!(single_delivery(&gateway).await, summary("done", "handled", "done"));
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_keeps_the_id_and_has_a_new_signature() {
    let receiver =
        Receiver::start(|_, number| Reply::status(if number < 2 { 500 } else { 204 })).await;
    let gateway = sending_to(&receiver, "").start().await;
    let (id, body) = send(&gateway, "invoice.paid", "in_1").await;
    for _ in 0..3 {
        gateway.run_until_idle().await;
        gateway.clock().advance(LATER);
    }
    let seen = receiver.seen();
    let times: Vec<i64> = seen.iter().map(|seen| verify(seen, &id)).collect();
    assert_eq!(times[1] - times[0], 3600);
    assert_eq!(times[2] - times[1], 3600);
    assert!(seen.iter().all(|seen| seen.body == body));
    let attempts: Vec<_> = seen.iter().map(|seen| seen.header("sealpost-attempt")).collect();
    assert_eq!(attempts, [Some("1"), Some("2"), Some("3")]);
    assert_eq!(single_delivery(&gateway).await, summary("done", "handled", "retry retry done"));
}

#[tokio::test(flavor = "multi_thread")]
async fn types_prevent_deliveries_and_filters_ignore_them() {
    let receiver = Receiver::accepting().await;
    let gateway = sending_to(
        &receiver,
        "types = [\"invoice.*\", \"!invoice.created\"]\nfilter = \"$[?$.data.object.id == 'in_1']\"",
    )
    .start()
    .await;
    let (id, _) = send(&gateway, "invoice.paid", "in_1").await;
    send(&gateway, "invoice.paid", "in_2").await;
    send(&gateway, "invoice.created", "in_1").await;
    send(&gateway, "charge.refunded", "in_1").await;
    let bot = br#"{"event":"invoice.paid","data":{"object":{"id":"in_1"}}}"#;
    assert_eq!(gateway.send("bot", None, bot).await.status, 202);
    gateway.run_until_idle().await;
    let outcomes: Vec<String> = deliveries(&gateway).await.into_iter().map(|row| row.2).collect();
    assert_eq!(outcomes, ["handled", "ignored"]);
    let seen = receiver.seen();
    assert_eq!(seen.len(), 1);
    verify(&seen[0], &id);
}

#[tokio::test(flavor = "multi_thread")]
async fn provider_headers_are_forwarded_without_signatures() {
    let receiver = Receiver::accepting().await;
    let more = "sources = [\"cards\"]\nprovider_headers = true\ntoken = { env = \"BOT_TOKEN\" }";
    let gateway =
        builder().more_config(&destination("app", &receiver.url("/"), more)).start().await;
    let body = file(b"# A card").to_string();
    let answer = gateway.send("cards", Some("create"), body.as_bytes()).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    gateway.run_until_idle().await;
    let seen = receiver.seen();
    verify(&seen[0], answer.id());
    let app_id = "app_0123456789abcdef01234567";
    assert_eq!(seen[0].header("x-docora-app-id"), Some(app_id));
    assert_eq!(seen[0].header("x-docora-signature"), None);
    assert_eq!(seen[0].header("sealpost-type"), Some("create"));
    let bearer = seen[0].header("authorization");
    assert_eq!(bearer, Some("Bearer bot-token-0123456789abcdefghi"));
}

#[tokio::test(flavor = "multi_thread")]
async fn chunked_file_is_delivered_as_one_event() {
    let receiver = Receiver::accepting().await;
    let more = "sources = [\"cards\"]\nfilter = \"$[?$.file.path == 'images/a.bin']\"";
    let gateway =
        builder().more_config(&destination("app", &receiver.url("/"), more)).start().await;
    let bytes: Vec<u8> = (0..=255).cycle().take(1000).collect();
    let whole = file(&bytes);
    let text = STANDARD.encode(&bytes);
    let mut id = String::new();
    for index in [1, 0, 2] {
        let mut chunk = whole.clone();
        let end = text.len().min((index + 1) * 500);
        chunk["file"]["content"] = json!(&text[index * 500..end]);
        chunk["file"]["chunk"] =
            json!({ "id": "00000000-0000-4000-8000-000000000001", "index": index, "total": 3 });
        let answer = gateway.send("cards", Some("create"), chunk.to_string().as_bytes()).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        id = answer.id().to_owned();
    }
    gateway.run_until_idle().await;
    let seen = receiver.seen();
    assert_eq!(seen.len(), 1);
    verify(&seen[0], &id);
    // Text, so that every verifier accepts it, with the same content as the whole file.
    let received: Value =
        serde_json::from_str(std::str::from_utf8(&seen[0].body).unwrap()).unwrap();
    assert_eq!(received, whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn lane_keeps_order_after_failures_and_others_proceed() {
    let receiver =
        Receiver::start(|_, number| Reply::status(if number == 0 { 500 } else { 204 })).await;
    let gateway = sending_to(&receiver, "concurrency = 8").start().await;
    let (first, _) = send(&gateway, "invoice.paid", "in_1").await;
    gateway.run_until_idle().await;
    let mut lane = vec![first.clone(), first];
    for _ in 0..5 {
        lane.push(send(&gateway, "invoice.paid", "in_1").await.0);
    }
    let (other, _) = send(&gateway, "invoice.paid", "in_2").await;
    gateway.run_until_idle().await;
    let ids = |receiver: &Receiver| -> Vec<String> {
        let seen = receiver.seen();
        seen.iter().map(|seen| seen.header("webhook-id").unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&receiver), [lane[0].clone(), other.clone()], "the head blocks its lane");
    gateway.clock().advance(LATER);
    gateway.run_until_idle().await;
    let arrived: Vec<String> = ids(&receiver).into_iter().filter(|id| *id != other).collect();
    assert_eq!(arrived, lane);
}

#[tokio::test(flavor = "multi_thread")]
async fn long_blocked_lane_does_not_hide_other_lanes() {
    let receiver =
        Receiver::start(|_, number| Reply::status(if number == 0 { 422 } else { 204 })).await;
    let gateway = sending_to(&receiver, "").allow_unfinished().start().await;
    send(&gateway, "invoice.paid", "in_1").await;
    gateway.run_until_idle().await;
    let copies = gateway
        .execute(
            "INSERT INTO deliveries (event_id, source, handler, destination, triggered_by, lane,
                                     lane_blocks, state, created_at, due_at)
             SELECT event_id, source, handler, destination, triggered_by, lane, lane_blocks, 'ready',
                    created_at, created_at - interval '1s'
               FROM deliveries, generate_series(1, 1500) WHERE destination IS NOT NULL",
        )
        .await;
    assert_eq!(copies, 1500);
    let (id, _) = send(&gateway, "invoice.paid", "in_2").await;
    gateway.run_until_idle().await;
    let seen = receiver.seen();
    assert_eq!(seen.len(), 2, "the head blocks the copies");
    verify(&seen[1], &id);
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_request_holds_no_connection_and_delays_no_destination() {
    let gate = Arc::new(Semaphore::new(0));
    let (receiver_gate, quick) = (Arc::clone(&gate), Receiver::accepting().await);
    let slow = Receiver::start(move |_, _| Reply::status(204).gate(&receiver_gate)).await;
    let gateway = sending_to(&slow, "")
        .config("dispatch_connections = 3", "dispatch_connections = 1")
        .more_config(&destination("quick", &quick.url("/"), "sources = [\"billing\"]"))
        .start()
        .await;
    for number in 0..10 {
        send(&gateway, "invoice.paid", &format!("in_{number}")).await;
    }
    let dispatcher = gateway.dispatcher().clone();
    let working = tokio::task::spawn(async move { dispatcher.step().await.unwrap() });
    // The slow destination is at its limit; the other one responds, and its deliveries are settled
    // on the only connection.
    let done = "SELECT count(*) FROM deliveries WHERE state = 'done' AND destination = 'quick'";
    until(async || slow.seen().len() == 4 && gateway.count(done).await == 4).await;
    let second = gateway.dispatcher().clone();
    let more = tokio::task::spawn(async move { second.step().await.unwrap() });
    until(async || gateway.count(done).await == 8).await;
    assert_eq!(slow.seen().len(), 4);
    let transactions = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    assert_eq!(gateway.count(transactions).await, 0);
    gate.add_permits(100);
    assert!(working.await.unwrap() + more.await.unwrap() > 0);
    gateway.run_until_idle().await;
    assert_eq!((slow.seen().len(), quick.seen().len()), (10, 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_respect_the_rate_limit() {
    let receiver = Receiver::accepting().await;
    let gateway = sending_to(&receiver, "rate = 4").start().await;
    for number in 0..7 {
        send(&gateway, "invoice.paid", &format!("in_{number}")).await;
    }
    let began = std::time::Instant::now();
    gateway.run_until_idle().await;
    // Four at once, then one every quarter of a second.
    assert_eq!(receiver.seen().len(), 7);
    assert!(began.elapsed() >= Duration::from_millis(700), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn loopback_destination_requires_outbound_allow() {
    let receiver = Receiver::accepting().await;
    let config = destination("app", &receiver.url("/"), "");
    let error = Gateway::builder().more_config(&config).build_error();
    assert!(error.contains("`app`") && error.contains("outbound.allow"), "{error}");
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn bot_signature_has_a_new_nonce_and_verifies_at_the_gateway() {
    // The receiver is a gateway too: its verifier accepts the request.
    let receiver =
        Receiver::start(|_, number| Reply::status(if number == 0 { 503 } else { 204 })).await;
    let bot = "[[destination]]\nname = \"bot\"\nsources = [\"bot\"]\nsign = \"bot\"\n\
               service = \"api\"\nsecret = { env = \"BOT_SECRET\" }\n\
               token = { env = \"BOT_TOKEN\" }\n";
    let gateway =
        builder().more_config(&format!("\n{bot}url = \"{}\"\n", receiver.url("/"))).start().await;
    let body = br#"{"event":"post.submitted","id":"1"}"#;
    let guild = [("x-guild-id".to_owned(), "123456789012345678".to_owned())];
    let headers = gateway.sign("bot", body, &guild);
    let answer = gateway.send_raw("bot", None, &headers, body).await;
    gateway.run_until_idle().await;
    gateway.clock().advance(LATER);
    gateway.run_until_idle().await;
    let seen = receiver.seen();
    assert_eq!(seen.len(), 2);
    let header = |number: usize, name: &str| {
        seen[number].header(name).unwrap_or_else(|| panic!("no {name}")).to_owned()
    };
    assert_ne!(header(0, "x-nonce"), header(1, "x-nonce"));
    for number in [0, 1] {
        assert_eq!(header(number, "idempotency-key"), answer.id());
        assert_eq!(header(number, "x-guild-id"), "123456789012345678");
        assert_eq!(header(number, "authorization"), "Bearer bot-token-0123456789abcdefghi");
        let text = format!(
            "v2:api:{}:{}:123456789012345678:",
            header(number, "x-timestamp"),
            header(number, "x-nonce")
        );
        let secret = SECRETS.iter().find(|(name, _)| *name == "BOT_SECRET").unwrap().1;
        let expected = hmac_hex(secret.as_bytes(), &[text.as_bytes(), &body[..]].concat());
        assert_eq!(header(number, "x-signature"), format!("v2={expected}"));
    }
    let forwarded: Vec<(String, String)> =
        seen[1].headers.iter().filter(|(name, _)| name != "content-length").cloned().collect();
    let again = gateway.send_raw("bot", None, &forwarded, &seen[1].body).await;
    assert_eq!((again.status, again.body_status()), (202, "accepted"), "{}", again.text);
    gateway.run_until_idle().await;
}

fn hmac_hex(key: &[u8], message: &[u8]) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message);
    hex::encode(mac.finalize().into_bytes())
}

/// An unchunked file of Docora.
fn file(bytes: &[u8]) -> Value {
    json!({
        "repository": {
            "repository_id": "repo_0123456789abcdef01234567",
            "github_url": "https://github.com/owner/repo", "owner": "owner", "name": "repo",
        },
        "file": {
            "path": "images/a.bin", "sha": hex::encode(Sha256::digest(bytes)),
            "size": bytes.len(), "content": STANDARD.encode(bytes), "content_encoding": "base64",
        },
        "commit_sha": "0123456789abcdef0123456789abcdef01234567",
        "timestamp": "2026-11-20T11:59:00.000Z",
    })
}
