//! Applications that verify deliveries with the libraries of Standard Webhooks: they accept events
//! and retries, and reject them with one byte changed.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealpost::clock::{Clock, SystemClock};
use serde_json::{Value, json};

use super::application::Application;
use super::{LOOPBACK, payload, sha, text_file};
use crate::harness::Gateway;

const REPOSITORY: &str = "repo_0123456789abcdef01234567";
/// Longer than the first backoff, and within the tolerance of the libraries.
const PAUSE: Duration = Duration::from_secs(60);
/// Base64 characters in a chunk of Docora.
const SLICE: usize = 524_288;

/// A sent event.
struct Sent {
    id: String,
    source: &'static str,
    kind: &'static str,
    /// SHA-256 of the body; `None` if it was sent in chunks.
    body: Option<String>,
    /// SHA-256 of the file in it.
    file: Option<String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn node_application_verifies_events_and_rejects_altered_ones() {
    let Some(application) = Application::node("receive.cjs", &[], &[]).await else { return };
    assert_verified(application).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_application_verifies_events_and_rejects_altered_ones() {
    let Some(application) = Application::python("receive.py").await else { return };
    assert_verified(application).await;
}

async fn assert_verified(mut application: Application) {
    let destination = format!(
        "{LOOPBACK}\n[[destination]]\nname = \"app\"\nurl = \"{}\"\n\
         sources = [\"cards\", \"billing\", \"bot\"]\nsecret = {{ env = \"APP_SECRET\" }}\n",
        application.url("/hooks")
    );
    // The libraries use the system clock.
    let now = SystemClock.now();
    let gateway = Gateway::builder().start_at(now).more_config(&destination).start().await;
    let mut sent = vec![text(&gateway).await, chunked(&gateway).await];
    sent.extend([stripe(&gateway).await, bot(&gateway).await]);

    let mut reports = Vec::new();
    for _ in 0..2 {
        gateway.run_until_idle().await;
        for _ in &sent {
            reports.push(application.read_line().await);
        }
        gateway.clock().advance(PAUSE);
    }
    let signed = now.unix_timestamp();
    let retried = signed + i64::try_from(PAUSE.as_secs()).unwrap();
    for Sent { id, source, kind, body, file } in &sent {
        let own: Vec<&Value> = reports.iter().filter(|report| report["id"] == **id).collect();
        assert_eq!(own.len(), 2, "{source} {kind}: {reports:?}");
        for (report, signed) in own.into_iter().zip([signed, retried]) {
            assert_eq!((&report["accepted"], &report["taken"]), (&json!(true), &json!([])));
            assert_eq!(report["timestamp"], signed, "{report}");
            let about = (report["source"].as_str(), report["type"].as_str());
            assert_eq!(about, (Some(*source), Some(*kind)));
            assert!(body.is_none() || report["body"].as_str() == body.as_deref(), "{report}");
            assert_eq!(report["file"].as_str(), file.as_deref(), "{report}");
        }
    }
    // The handlers of the sources ran too.
    for (table, rows) in
        [("docora_cards", 1), ("docora_files", 2), ("stripe_payments", 1), ("bot_events", 1)]
    {
        assert_eq!(gateway.rows(table).await.len(), rows, "{table}");
    }
    assert_eq!(gateway.dead_letters().await, []);
}

async fn post(gateway: &Gateway, source: &str, action: Option<&str>, body: &str) -> String {
    let answer = gateway.send(source, action, body.as_bytes()).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    answer.id().to_owned()
}

async fn text(gateway: &Gateway) -> Sent {
    let content = "---\ntitle: Squat è\n---\n\"Body\" 🏋️ \\ </x> \u{2028}\n";
    // With whitespace, which no encoder here writes.
    let body = payload(REPOSITORY, &text_file("squat.md", content), 0);
    let body = serde_json::to_string_pretty(&body).unwrap();
    let id = post(gateway, "cards", Some("create"), &body).await;
    Sent { id, source: "cards", kind: "create", body: Some(sha(body)), file: Some(sha(content)) }
}

async fn chunked(gateway: &Gateway) -> Sent {
    let mut state = 7_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    let bytes: Vec<u8> = (0..1_200_000).map(|_| noise()).collect();
    let content = STANDARD.encode(&bytes);
    let total = content.len().div_ceil(SLICE);
    let mut id = String::new();
    for index in (0..total).rev() {
        let slice = &content[index * SLICE..content.len().min((index + 1) * SLICE)];
        let file = json!({
            "path": "squat.bin", "sha": sha(&bytes), "size": bytes.len(), "content": slice,
            "content_encoding": "base64", "chunk": {
                "id": "00000000-0000-4000-8000-000000000001", "index": index, "total": total,
            },
        });
        let body = payload(REPOSITORY, &file, 0).to_string();
        id = post(gateway, "cards", Some("create"), &body).await;
    }
    Sent { id, source: "cards", kind: "create", body: None, file: Some(sha(bytes)) }
}

async fn stripe(gateway: &Gateway) -> Sent {
    let kind = "checkout.session.completed";
    let body = json!({
        "id": "evt_1", "object": "event", "type": kind, "created": 1_763_600_000,
        "livemode": false, "data": { "object": {
            "id": "cs_1", "object": "checkout.session", "payment_status": "paid",
            "payment_intent": "pi_1", "amount_total": 12_100, "currency": "aud",
            "customer_details": { "name": "Zoë 🏋️" }, "metadata": { "invoice_id": "inv_1" },
        } },
    });
    let body = serde_json::to_string_pretty(&body).unwrap();
    let id = post(gateway, "billing", None, &body).await;
    Sent { id, source: "billing", kind, body: Some(sha(body)), file: None }
}

async fn bot(gateway: &Gateway) -> Sent {
    let body = r#"{ "event": "post.submitted", "text": "a\u0000b é" }"#;
    let id = post(gateway, "bot", None, body).await;
    Sent { id, source: "bot", kind: "post.submitted", body: Some(sha(body)), file: None }
}
