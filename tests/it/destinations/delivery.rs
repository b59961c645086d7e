//! What is sent, and what becomes of a delivery.

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
    Own, builder, deliveries, destination, only, send, sending_to, three, until, verified,
    verified_under,
};
use crate::harness::{Gateway, SECRETS};

const LATER: Duration = Duration::from_hours(1);

#[tokio::test(flavor = "multi_thread")]
async fn an_event_arrives_byte_for_byte_and_signed_beside_its_own_handler() {
    let (receiver, own) = (Receiver::content().await, Own::default());
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
    assert_eq!(verified(&seen[0], &id), gateway.clock().now().unix_timestamp());
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
    assert_eq!(only(&gateway).await, three("done", "handled", "done"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_knows_only_the_older_names_gets_the_signature_under_these() {
    let receiver = Receiver::content().await;
    let gateway = sending_to(&receiver, "header_prefix = \"svix\"").start().await;
    let (id, body) = send(&gateway, "invoice.paid", "in_1").await;
    gateway.run_until_idle().await;
    let seen = receiver.seen();
    assert_eq!((seen.len(), &seen[0].body), (1, &body));
    let at = verified_under("svix", &seen[0], &id);
    assert_eq!(at, gateway.clock().now().unix_timestamp());
    assert!(!seen[0].headers.iter().any(|(name, _)| name.starts_with("webhook-")), "{seen:?}");
    assert_eq!(only(&gateway).await, three("done", "handled", "done"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_keeps_the_id_and_is_signed_afresh() {
    let receiver =
        Receiver::start(|_, number| Reply::status(if number < 2 { 500 } else { 204 })).await;
    let gateway = sending_to(&receiver, "").start().await;
    let (id, body) = send(&gateway, "invoice.paid", "in_1").await;
    for _ in 0..3 {
        gateway.run_until_idle().await;
        gateway.clock().advance(LATER);
    }
    let seen = receiver.seen();
    let times: Vec<i64> = seen.iter().map(|seen| verified(seen, &id)).collect();
    assert_eq!(times[1] - times[0], 3600);
    assert_eq!(times[2] - times[1], 3600);
    assert!(seen.iter().all(|seen| seen.body == body));
    let attempts: Vec<_> = seen.iter().map(|seen| seen.header("sealpost-attempt")).collect();
    assert_eq!(attempts, [Some("1"), Some("2"), Some("3")]);
    assert_eq!(only(&gateway).await, three("done", "handled", "retry retry done"));
}

#[tokio::test(flavor = "multi_thread")]
async fn types_and_sources_decide_before_there_is_a_delivery_and_a_filter_when_it_is_due() {
    let receiver = Receiver::content().await;
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
    verified(&seen[0], &id);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_headers_of_the_sender_go_with_it_on_request_and_no_signature_does() {
    let receiver = Receiver::content().await;
    let more = "sources = [\"cards\"]\nprovider_headers = true\ntoken = { env = \"BOT_TOKEN\" }";
    let gateway =
        builder().more_config(&destination("app", &receiver.url("/"), more)).start().await;
    let body = file(b"# A card").to_string();
    let answer = gateway.send("cards", Some("create"), body.as_bytes()).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    gateway.run_until_idle().await;
    let seen = receiver.seen();
    verified(&seen[0], answer.id());
    let app_id = "app_0123456789abcdef01234567";
    assert_eq!(seen[0].header("x-docora-app-id"), Some(app_id));
    assert_eq!(seen[0].header("x-docora-signature"), None);
    assert_eq!(seen[0].header("sealpost-type"), Some("create"));
    let bearer = seen[0].header("authorization");
    assert_eq!(bearer, Some("Bearer bot-token-0123456789abcdefghi"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_came_in_chunks_arrives_as_one_that_did_not() {
    let receiver = Receiver::content().await;
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
    verified(&seen[0], &id);
    // Text, so that every verifier takes it; and all that the whole would have had.
    let received: Value =
        serde_json::from_str(std::str::from_utf8(&seen[0].body).unwrap()).unwrap();
    assert_eq!(received, whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_one_lane_arrive_in_order_past_failures_and_other_lanes_do_not_wait() {
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
    assert_eq!(ids(&receiver), [lane[0].clone(), other.clone()], "the lane waits for its head");
    gateway.clock().advance(LATER);
    gateway.run_until_idle().await;
    let arrived: Vec<String> = ids(&receiver).into_iter().filter(|id| *id != other).collect();
    assert_eq!(arrived, lane);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_lane_that_waits_for_its_head_does_not_hide_the_others() {
    let receiver =
        Receiver::start(|_, number| Reply::status(if number == 0 { 422 } else { 204 })).await;
    let gateway = sending_to(&receiver, "").leaves_work().start().await;
    send(&gateway, "invoice.paid", "in_1").await;
    gateway.run_until_idle().await;
    let copies = gateway
        .execute(
            "INSERT INTO deliveries (event_id, source, handler, triggered_by, lane, lane_blocks,
                                     state, created_at, due_at)
             SELECT event_id, source, handler, triggered_by, lane, lane_blocks, 'ready',
                    created_at, created_at - interval '1s'
               FROM deliveries, generate_series(1, 1500) WHERE handler LIKE 'to:%'",
        )
        .await;
    assert_eq!(copies, 1500);
    let (id, _) = send(&gateway, "invoice.paid", "in_2").await;
    gateway.run_until_idle().await;
    let seen = receiver.seen();
    assert_eq!(seen.len(), 2, "the copies wait for their head");
    verified(&seen[1], &id);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_request_runs_no_connection_is_held_and_no_other_destination_waits() {
    let gate = Arc::new(Semaphore::new(0));
    let (held, quick) = (Arc::clone(&gate), Receiver::content().await);
    let slow = Receiver::start(move |_, _| Reply::status(204).gate(&held)).await;
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
    // The slow one has as many requests as it may, the other one answers all the same, and its
    // deliveries are settled on the only connection that there is.
    let done = "SELECT count(*) FROM deliveries WHERE state = 'done' AND handler = 'to:quick'";
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
async fn no_more_requests_begin_in_a_second_than_the_rate_allows() {
    let receiver = Receiver::content().await;
    let gateway = sending_to(&receiver, "rate = 4").start().await;
    for number in 0..7 {
        send(&gateway, "invoice.paid", &format!("in_{number}")).await;
    }
    let began = std::time::Instant::now();
    gateway.run_until_idle().await;
    // Four at once, then one each quarter of a second.
    assert_eq!(receiver.seen().len(), 7);
    assert!(began.elapsed() >= Duration::from_millis(700), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_on_this_machine_is_refused_unless_its_network_is_listed() {
    let receiver = Receiver::content().await;
    let config = destination("app", &receiver.url("/"), "");
    let error = Gateway::builder().more_config(&config).refused();
    assert!(error.contains("`app`") && error.contains("outbound.allow"), "{error}");
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bots_native_form_is_signed_with_a_new_nonce_each_time_and_taken_by_the_gateway() {
    // The other side is a gateway itself: its own verifier takes what it is sent.
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
    let taken: Vec<(String, String)> =
        seen[1].headers.iter().filter(|(name, _)| name != "content-length").cloned().collect();
    let again = gateway.send_raw("bot", None, &taken, &seen[1].body).await;
    assert_eq!((again.status, again.what()), (202, "accepted"), "{}", again.text);
    gateway.run_until_idle().await;
}

fn hmac_hex(key: &[u8], message: &[u8]) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message);
    hex::encode(mac.finalize().into_bytes())
}

/// A file of Docora's, sent in one piece.
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
