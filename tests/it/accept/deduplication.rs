//! Deduplication keys: which requests are duplicates, and which are not.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::chunks::Transfer;
use crate::harness::Gateway;
use crate::receive::{event, file_event};

fn deletion(path: &str) -> Vec<u8> {
    let mut event = file_event(path, "# A card");
    let file = event["file"].as_object_mut().unwrap();
    file.remove("content");
    file.remove("size");
    event["timestamp"] = json!("2026-11-20T11:59:30.000Z");
    event.to_string().into_bytes()
}

#[tokio::test]
async fn event_sent_to_a_wrong_path_is_handled_when_sent_to_the_right_one() {
    let gateway = Gateway::start().await;
    let body = deletion("cards/a.md");
    let headers = gateway.sign("cards", &body, &[]);
    for (action, status, what) in [
        ("create", 202, "quarantined"),
        ("create", 200, "duplicate"),
        ("sync_failed", 200, "duplicate"),
        ("delete", 202, "accepted"),
        ("delete", 200, "duplicate"),
        ("create", 200, "duplicate"),
    ] {
        let answer = gateway.send_raw("cards", Some(action), &headers, &body).await;
        assert_eq!((answer.status, answer.body_status()), (status, what), "{action}");
    }
    gateway.run_until_idle().await;
    let found = gateway.operator(&format!("/api/v1/events?key={}", digest(&body))).await;
    assert_eq!(found.json["items"].as_array().map(Vec::len), Some(2), "{}", found.text);
    let handled =
        "SELECT count(*) FROM deliveries WHERE state = 'done' AND handler <> 'quarantine'";
    assert_eq!(gateway.count(handled).await, 1);
}

#[tokio::test]
async fn chunk_sent_to_a_wrong_path_does_not_block_its_transfer() {
    let gateway = Gateway::start().await;
    let transfer = Transfer::of(3);
    let first = transfer.chunk(0).to_string().into_bytes();
    let headers = gateway.sign("cards", &first, &[]);
    let stray = gateway.send_raw("cards", Some("update"), &headers, &first).await;
    assert_eq!(stray.status, 202, "{}", stray.text);
    for index in 0..3 {
        let answer = transfer.send(&gateway, index).await;
        assert!(
            matches!(answer.body_status(), "accepted" | "duplicate"),
            "{index}: {}",
            answer.text
        );
    }
    gateway.run_until_idle().await;
    assert_eq!(gateway.dead_letters().await, []);
    assert_eq!(gateway.rows("docora_files").await.len(), 1);
}

fn digest(body: &[u8]) -> String {
    hex::encode(Sha256::digest(body))
}

#[tokio::test]
async fn nonce_reused_with_another_body_is_a_dead_letter_with_both_digests() {
    let gateway = Gateway::start().await;
    let nonce = [("x-nonce".to_owned(), "AAAAAAAAAAAAAAAAAAAAAA".to_owned())];
    let send = async |body: &[u8], more: &[(&str, &str)]| {
        let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let draft: Vec<_> = nonce.iter().cloned().chain(more).collect();
        let headers = gateway.sign("bot", body, &draft);
        gateway.send_raw("bot", None, &headers, body).await
    };
    let (first, second) = (br#"{"event":"post.submitted"}"#, br#"{"event":"post.deleted"}"#);
    let third = br#"{"event":"post.hidden"}"#;
    assert_eq!(send(first, &[]).await.body_status(), "accepted");
    assert_eq!(send(first, &[]).await.body_status(), "duplicate");
    let answer = send(second, &[]).await;
    assert_eq!((answer.status, answer.body_status()), (202, "quarantined"));
    assert_eq!(send(second, &[]).await.body_status(), "duplicate", "stored once");
    // An idempotency key does not make the nonce a new one.
    let key = [("idempotency-key", "2b3f6a52-0d4c-4c5c-9f0e-6d0f5b1c8a11")];
    assert_eq!(send(third, &key).await.body_status(), "quarantined");

    gateway.run_until_idle().await;
    let dead = gateway.dead_letters().await;
    assert_eq!(dead.iter().map(|dead| &*dead.0).collect::<Vec<_>>(), ["id_reused", "id_reused"]);
    for (dead, body) in dead.iter().zip([&second[..], third]) {
        assert!(dead.1.contains(&digest(first)) && dead.1.contains(&digest(body)), "{}", dead.1);
    }
    assert_eq!(gateway.rows("bot_events").await.len(), 1, "only the first is handled");
    let bodies =
        gateway.query("SELECT convert_from(body, 'UTF8') AS body FROM events ORDER BY id").await;
    assert_eq!(bodies.len(), 3, "no body is lost: {bodies:?}");
}

#[tokio::test]
async fn stripe_event_id_with_another_body_is_a_counted_duplicate() {
    let gateway = Gateway::start().await;
    let first = event();
    let mut second = first.clone();
    second["pending_webhooks"] = json!(2);
    let send =
        async |body: &Value| gateway.send("billing", None, body.to_string().as_bytes()).await;
    let accepted = send(&first).await;
    for (body, what) in [(&first, "duplicate"), (&second, "duplicate"), (&second, "duplicate")] {
        let answer = send(body).await;
        assert_eq!((answer.body_status(), answer.id()), (what, accepted.id()));
    }
    let keys = gateway.query("SELECT seen_count, other_bodies FROM event_keys").await;
    assert_eq!(keys, [json!({ "seen_count": 4, "other_bodies": 2 })]);
    let page = gateway.operator("/metrics").await.text;
    assert!(page.contains("reason=\"seen_with_another_body\""), "{page}");
    let shown = gateway.operator(&format!("/api/v1/events/{}", accepted.id())).await.json;
    assert_eq!((&shown["seen_count"], &shown["other_bodies"]), (&json!(4), &json!(2)), "{shown}");
    gateway.run_until_idle().await;
}

#[tokio::test]
async fn concurrent_bodies_with_one_event_id_store_one_event() {
    let gateway = Gateway::start().await;
    let first = event();
    let bodies: Vec<Vec<u8>> = (0..8)
        .map(|number| {
            let mut body = first.clone();
            body["pending_webhooks"] = json!(number);
            body.to_string().into_bytes()
        })
        .collect();
    let sent = bodies.iter().map(|body| gateway.send("billing", None, body));
    let answers = futures_util::future::join_all(sent).await;
    let accepted = answers.iter().filter(|answer| answer.body_status() == "accepted").count();
    assert_eq!(accepted, 1);
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 202)));
    assert_eq!(gateway.count("SELECT count(*) FROM events").await, 1);
    gateway.run_until_idle().await;
}
