//! Log lines contain no untrusted text.

use std::sync::{Arc, Mutex, OnceLock};

use async_trait::async_trait;
use sealpost::dispatch::{Attempt, Failure, Handler};
use sealpost::store::{DeathReason, EffectError, Effects, Outcome, StoredEvent, Tx, Write};
use serde_json::json;

use crate::destinations::receiver::{Receiver, Reply};
use crate::harness::{Builder, Gateway};
use crate::receive::{event, file_event};
use crate::rejected_requests::{KEEP_REJECTED, PLAIN, send_rejected};

/// The marker in all untrusted texts.
const CANARY: &str = "canary-4f1d Jane Doe";

/// The log lines of this process.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Starts recording, including our own `debug` lines.
    pub(crate) fn listen() -> Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        let log = LOG.get_or_init(|| {
            let log = Log::default();
            let writer = log.clone();
            let started = tracing_subscriber::fmt()
                .with_ansi(false)
                .with_env_filter("info,sealpost=debug")
                .with_writer(move || writer.clone())
                .try_init();
            started.expect("no other subscriber in this process");
            log
        });
        log.clone()
    }

    /// The lines that contain this.
    pub(crate) fn lines(&self, part: &str) -> Vec<String> {
        let bytes = self.0.lock().unwrap();
        let text = String::from_utf8_lossy(&bytes);
        text.lines().filter(|line| line.contains(part)).map(str::to_owned).collect()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        std::io::Write::write(&mut *self.0.lock().unwrap(), bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Fails in every way in which a handler can, with untrusted text.
struct Fails;

/// A write that fails with a database error that quotes the value.
struct RefusedValue;

#[async_trait]
impl Handler for Fails {
    fn name(&self) -> &'static str {
        "own"
    }

    async fn handle(&self, event: &StoredEvent, _: Attempt) -> Result<Effects, Failure> {
        let body = String::from_utf8_lossy(&event.body).into_owned();
        match &*event.event_type {
            "refused.value" => Ok(Effects::write(RefusedValue)),
            "for.good" => Err(Failure::permanent(DeathReason::Permanent, body)),
            "panic" => panic!("{body}"),
            _ => Err(Failure::transient(body)),
        }
    }
}

#[async_trait]
impl Write for RefusedValue {
    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Outcome, EffectError> {
        sqlx::query("SELECT $1::text::int").bind(CANARY).execute(tx.connection()).await?;
        Ok(Outcome::Handled)
    }
}

fn stripe(kind: &str) -> Vec<u8> {
    let mut event = event();
    event["type"] = kind.into();
    event["data"]["object"]["note"] = CANARY.into();
    event.to_string().into_bytes()
}

async fn send_all(gateway: &Gateway) {
    for kind in ["refused.value", "for.good", "panic", "for.now"] {
        let answer = gateway.send("billing", None, &stripe(kind)).await;
        assert_eq!(answer.body_status(), "accepted", "{}", answer.text);
    }
    let not_json = format!("{{\"{CANARY}\":");
    let wrong_shape = json!({ "id": "evt_x", "object": "event", "type": 7, "note": CANARY });
    for body in [not_json, wrong_shape.to_string()] {
        let answer = gateway.send("billing", None, body.as_bytes()).await;
        assert_eq!(answer.body_status(), "quarantined", "{}", answer.text);
    }
    let file = file_event(&format!("{CANARY}.md"), CANARY).to_string();
    gateway.send("cards", Some("delete"), file.as_bytes()).await;
    gateway.send("cards", Some("create"), file.as_bytes()).await;
    send_rejected(gateway, &format!("{{\"note\":\"{CANARY}\"}}")).await;
    let headers = [
        ("user-agent".to_owned(), CANARY.to_owned()),
        ("x-forwarded-for".to_owned(), CANARY.to_owned()),
        ("stripe-signature".to_owned(), CANARY.to_owned()),
    ];
    gateway.send_raw("billing", None, &headers, CANARY.as_bytes()).await;
    gateway.post(&format!("/hooks/{}", CANARY.replace(' ', "%20")), &headers, b"").await;
}

/// Reads and actions whose responses contain the canary.
async fn read_all(gateway: &Gateway) {
    let list = gateway.operator("/api/v1/dead-letters").await;
    assert!(list.text.contains("canary"), "visible with permission: {}", list.text);
    let rejected = gateway.operator("/api/v1/rejected-requests").await;
    for item in rejected.json["items"].as_array().unwrap() {
        let path = format!("/api/v1/rejected-requests/{}", item["id"].as_str().unwrap());
        assert_eq!(gateway.operator(&path).await.status, 200);
        let json = [("content-type", "application/json")];
        gateway.call(&format!("{path}/reprocess"), &json, r#"{"reason":"again"}"#).await;
    }
    let json = [("content-type", "application/json")];
    let wrong = json!({ "reason": CANARY, CANARY: CANARY }).to_string();
    for path in ["/api/v1/jobs", "/api/v1/explanations", "/api/v1/users", "/api/v1/apify/runs"] {
        let answer = gateway.call(path, &json, &wrong).await;
        assert!((400..500).contains(&answer.status), "{path}: {}", answer.text);
    }
    let signature = json!([{ "name": "stripe-signature", "value": CANARY }]);
    let body = json!({ "text": CANARY });
    let explain = json!({ "source": "billing", "headers": signature, "body": body }).to_string();
    assert_eq!(gateway.call("/api/v1/explanations", &json, &explain).await.status, 200);
}

#[tokio::test]
async fn untrusted_text_is_in_the_last_error_and_not_in_the_log() {
    let log = Log::listen();
    let handled: Builder =
        Gateway::builder().config(PLAIN, KEEP_REJECTED).handler(Fails).allow_unfinished();
    let handled = handled.start().await;
    send_all(&handled).await;
    handled.run_to_the_end().await;
    handled.run_maintenance().await;
    read_all(&handled).await;
    let (errors, lines) = (handled.dead_letters().await, log.lines("delivery dead-lettered"));
    let count = errors.iter().filter(|(_, error)| error.contains(CANARY)).count();
    assert!(count >= 4, "operators see the errors: {errors:?}");
    assert!(lines.len() >= 4, "each is logged: {lines:?}");
    assert!(lines.iter().all(|line| line.contains(" failure=\"")), "{lines:?}");

    // The response of a destination is untrusted too, and may repeat the request.
    let receiver =
        Receiver::start(|_, _| Reply::status(500).header("x-why", CANARY).body(CANARY.as_bytes()))
            .await;
    let more = format!(
        "\n[outbound]\nallow = [\"127.0.0.0/8\"]\n[[destination]]\nname = \"app\"\nurl = \"{}\"\n\
         secret = {{ env = \"APP_SECRET\" }}\nsources = [\"billing\"]\n",
        receiver.url(&format!("/{}", CANARY.replace(' ', "-")))
    );
    let sent = Gateway::builder().more_config(&more).allow_unfinished().start().await;
    sent.send("billing", None, &stripe("ping")).await;
    for _ in 0..8 {
        sent.run_until_idle().await;
        sent.clock().advance(std::time::Duration::from_secs(120));
    }
    let blocked = log.lines("destination blocked");
    assert!(!blocked.is_empty(), "the failure is logged");
    let found = log.lines("canary");
    assert!(found.is_empty(), "{found:#?}");
}
