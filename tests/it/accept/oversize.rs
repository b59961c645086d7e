//! Bodies over their source's `max_body`.

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::harness::{Answer, Gateway};
use crate::receive::raw::{Wire, head};
use crate::receive::{event, file_event, with};

const LIMIT: &str =
    "max_body = \"64 KiB\"\noptions = { app_id = \"app_0123456789abcdef01234567\" }";
const OPTIONS: &str = "options = { app_id = \"app_0123456789abcdef01234567\" }";

async fn gateway() -> Gateway {
    Gateway::builder().config(OPTIONS, LIMIT).start().await
}

/// A file sent in one request.
fn large(path: &str) -> Vec<u8> {
    file_event(path, &"x".repeat(200_000)).to_string().into_bytes()
}

async fn events(gateway: &Gateway) -> i64 {
    gateway.count("SELECT count(*) FROM events").await
}

/// Sends with chunked encoding, so that the size is not declared.
async fn chunked(
    gateway: &Gateway,
    path: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> Answer {
    let mut wire = Wire::open(gateway.address()).await;
    wire.write(&head(path, headers, "Transfer-Encoding: chunked")).await;
    for piece in body.chunks(30_000) {
        let framed = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
        wire.write(&framed).await;
    }
    wire.write(b"0\r\n\r\n").await;
    wire.answer().await.expect("an answer").parsed()
}

#[tokio::test]
async fn oversize_file_is_quarantined_without_its_body() {
    let gateway = gateway().await;
    let body = large("data/export.json");
    let answer = gateway.send("cards", Some("create"), &body).await;
    assert_eq!((answer.status, answer.body_status()), (202, "quarantined"), "{}", answer.text);

    let dead = gateway.dead_letters().await;
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].0, "too_large");
    for expected in [body.len().to_string(), "65536".into(), hex::encode(Sha256::digest(&body))] {
        assert!(dead[0].1.contains(&expected), "{expected}: {}", dead[0].1);
    }
    let row = &gateway
        .query("SELECT event_type, action, strength, octet_length(body) AS size FROM events")
        .await[0];
    let expected =
        json!({ "event_type": "create", "action": "create", "strength": "signed", "size": 0 });
    assert_eq!(*row, expected);

    let again = gateway.send("cards", Some("create"), &body).await;
    assert_eq!((again.status, again.body_status()), (200, "duplicate"));
    let small = file_event("data/small.md", "# A card").to_string();
    let next = gateway.send("cards", Some("create"), small.as_bytes()).await;
    assert_eq!((next.status, next.body_status()), (202, "accepted"));
    gateway.run_until_idle().await;
    assert_eq!(gateway.rows("docora_files").await.len(), 1);
}

#[tokio::test]
async fn oversize_event_is_accepted_after_the_limit_is_raised() {
    let first = gateway().await;
    let body = large("data/export.json");
    assert_eq!(first.send("cards", Some("create"), &body).await.body_status(), "quarantined");
    let second = Gateway::builder().sharing_database(&first).start().await;
    let answer = second.send("cards", Some("create"), &body).await;
    assert_eq!((answer.status, answer.body_status()), (202, "accepted"));
    second.run_until_idle().await;
    assert_eq!(second.rows("docora_files").await.len(), 1);
}

#[tokio::test]
async fn oversize_chunked_body_is_quarantined_like_a_declared_one() {
    let gateway = gateway().await;
    let body = large("data/export.json");
    let headers = gateway.sign("cards", &body, &[]);
    let answer = chunked(&gateway, "/hooks/cards/create", &headers, &body).await;
    assert_eq!((answer.status, answer.body_status()), (202, "quarantined"), "{}", answer.text);
    let declared = gateway.send_raw("cards", Some("create"), &headers, &body).await;
    assert_eq!((declared.status, declared.body_status()), (200, "duplicate"));
}

#[tokio::test]
async fn unsigned_oversize_request_is_rejected_and_stores_nothing() {
    let gateway = gateway().await;
    let body = large("data/export.json");
    let signed = gateway.sign("cards", &body, &[]);
    let refused = gateway.send_raw("cards", Some("create"), &[], b"{}").await.text;
    let mut other = body.clone();
    other[1000] ^= 1;
    let forged = with(&signed, "x-docora-signature", format!("sha256={}", "0".repeat(64)));
    let unknown = with(&signed, "x-docora-app-id", "app_aaaaaaaaaaaaaaaaaaaaaaaa");
    for (what, path, headers, body) in [
        ("another byte", "/hooks/cards/create", &signed, &other),
        ("one byte less", "/hooks/cards/create", &signed, &body[1..].to_vec()),
        ("a forged signature", "/hooks/cards/create", &forged, &body),
        ("another application", "/hooks/cards/create", &unknown, &body),
        ("an unknown source", "/hooks/nobody/create", &signed, &body),
    ] {
        let answers =
            [gateway.post(path, headers, body).await, chunked(&gateway, path, headers, body).await];
        for answer in answers {
            assert_eq!((answer.status, &answer.text), (401, &refused), "{what}");
        }
    }
    assert_eq!(events(&gateway).await, 0);
}

#[tokio::test]
async fn every_provider_quarantines_oversize_events() {
    let gateway = Gateway::builder()
        .config(
            "options = { allowed_services",
            "max_body = \"1 KiB\"\noptions = { allowed_services",
        )
        .config(
            "options = { purpose = \"run\" }",
            "max_body = \"1 KiB\"\noptions = { purpose = \"run\" }",
        )
        .start()
        .await;
    let padding = "x".repeat(3 * 1024 * 1024);
    let mut stripe = event();
    stripe["padding"] = json!(padding);
    let callback = json!({ "event": "post.submitted", "padding": "x".repeat(2_000) });
    let webhook = json!({ "eventType": "TEST", "padding": "x".repeat(2_000) });
    let token = [("fixture-run-key".to_owned(), "5f0c6a3e-6f3e-4b52-9c39-0a8f3a8f3f10".to_owned())];
    let cases = [
        ("billing", stripe, &[][..]),
        ("bot", callback, &[]),
        // By signature, and by a token in a header.
        ("apify-runs", webhook.clone(), &[]),
        ("apify-runs", webhook, &token),
    ];
    for (place, (source, body, draft)) in cases.iter().enumerate() {
        let body = format!("{body}{}", " ".repeat(place)).into_bytes();
        let headers = gateway.sign(source, &body, draft);
        let answer = gateway.send_raw(source, None, &headers, &body).await;
        assert_eq!((answer.status, answer.body_status()), (202, "quarantined"), "{source}");
    }
    let reasons: Vec<_> = gateway.dead_letters().await.into_iter().map(|dead| dead.0).collect();
    assert_eq!(reasons, ["too_large"; 4]);

    // The other credentials are still checked.
    let body = json!({ "event": "post.submitted", "padding": "x".repeat(2_000) }).to_string();
    let signed = gateway.sign("bot", body.as_bytes(), &[]);
    for (name, value) in [("authorization", "Bearer nothing"), ("x-service-name", "stranger")] {
        let headers = with(&signed, name, value);
        assert_eq!(gateway.send_raw("bot", None, &headers, body.as_bytes()).await.status, 401);
    }
}

#[tokio::test]
async fn content_length_over_the_hard_limit_gets_413_at_once() {
    let gateway = gateway().await;
    let body = large("data/export.json");
    let signed = gateway.sign("cards", &body, &[]);
    for path in ["/hooks/cards/create", "/hooks/billing", "/hooks/nobody"] {
        let mut wire = Wire::open(gateway.address()).await;
        wire.write(&head(path, &signed, "Content-Length: 536870913")).await;
        // Also without a signature that the source knows, and for an unknown source.
        let answer = wire.answer().await.expect("an answer").parsed();
        assert_eq!(answer.status, 413, "{path}");
        assert_eq!(answer.json["limit_bytes"], 536_870_912, "{path}");
    }
}
