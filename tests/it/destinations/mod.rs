//! Deliveries to applications: real requests to servers on the loopback. Their signatures are
//! verified by code of its own.

mod breaker;
mod delivery;
mod program;
pub(crate) mod receiver;
mod switches;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sealpost::dispatch::{Attempt, Failure, Handler};
use sealpost::store::{Effects, StoredEvent};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::harness::{Builder, Gateway, SECRETS};
use crate::receive::unique;
use receiver::{Receiver, Seen};

/// Replaces the handler of the source, and counts its calls.
#[derive(Clone, Default)]
pub(crate) struct OwnHandler(Arc<AtomicUsize>);

impl OwnHandler {
    fn calls(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Handler for OwnHandler {
    fn name(&self) -> &'static str {
        "own"
    }

    async fn handle(&self, _: &StoredEvent, _: Attempt) -> Result<Effects, Failure> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(Effects::unchanged())
    }
}

/// Configuration of a destination.
pub(crate) fn destination(name: &str, url: &str, more: &str) -> String {
    format!(
        "\n[[destination]]\nname = \"{name}\"\nurl = \"{url}\"\nsecret = {{ env = \"APP_SECRET\" }}\n\
         {more}\n"
    )
}

/// A gateway that delivers events of `billing` to `receiver`.
pub(crate) fn sending_to(receiver: &Receiver, more: &str) -> Builder {
    let more = format!("sources = [\"billing\"]\n{more}");
    builder().more_config(&destination("app", &receiver.url("/hooks"), &more))
}

/// A gateway that may reach the loopback.
pub(crate) fn builder() -> Builder {
    Gateway::builder()
        .handler(OwnHandler::default())
        .more_config("\n[outbound]\nallow = [\"127.0.0.0/8\"]\n")
}

/// Sends a Stripe event in the lane of its object; returns its id and body.
pub(crate) async fn send(gateway: &Gateway, kind: &str, lane: &str) -> (String, Vec<u8>) {
    let number = unique();
    let event = json!({
        "id": format!("evt_{number}"), "object": "event", "type": kind, "created": 1_763_600_000,
        "livemode": false, "data": { "object": { "id": lane, "number": number } },
    });
    let body = event.to_string().into_bytes();
    let answer = gateway.send("billing", None, &body).await;
    assert_eq!((answer.status, answer.body_status()), (202, "accepted"), "{}", answer.text);
    (answer.id().to_owned(), body)
}

/// Verifies a request by Standard Webhooks; returns the time of its signature.
pub(crate) fn verify(seen: &Seen, id: &str) -> i64 {
    verify_with_prefix("webhook", seen, id)
}

/// As [`verify`], with another prefix of the header names.
fn verify_with_prefix(prefix: &str, seen: &Seen, id: &str) -> i64 {
    let secret = SECRETS.iter().find(|(name, _)| *name == "APP_SECRET").unwrap().1;
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let header = |part: &str| {
        seen.header(&format!("{prefix}-{part}")).unwrap_or_else(|| panic!("no {part}: {seen:?}"))
    };
    assert_eq!(header("id"), id);
    let at = header("timestamp");
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(id.as_bytes());
    mac.update(b".");
    mac.update(at.as_bytes());
    mac.update(b".");
    mac.update(&seen.body);
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    assert_eq!(header("signature"), expected);
    at.parse().unwrap()
}

/// Deliveries to destinations: handler, state, outcome, and results of the attempts.
async fn deliveries(gateway: &Gateway) -> Vec<(String, String, String, Vec<String>)> {
    let rows = gateway
        .query(
            "SELECT handler, state, COALESCE(outcome, death_reason) AS why,
                    ARRAY(SELECT result FROM attempts
                           WHERE delivery_id = d.id ORDER BY number) AS results
               FROM deliveries d WHERE destination IS NOT NULL ORDER BY id",
        )
        .await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let row = |row: &Value| {
        let results = row["results"].as_array().unwrap().iter().map(text).collect();
        (text(&row["handler"]), text(&row["state"]), text(&row["why"]), results)
    };
    rows.iter().map(row).collect()
}

/// The only delivery: state, outcome or death reason, results of its attempts.
async fn single_delivery(gateway: &Gateway) -> (String, String, String) {
    let deliveries = deliveries(gateway).await;
    let [(_, state, why, results)] = &deliveries[..] else { panic!("{deliveries:?}") };
    (state.clone(), why.clone(), results.join(" "))
}

fn summary(state: &str, why: &str, results: &str) -> (String, String, String) {
    (state.to_owned(), why.to_owned(), results.to_owned())
}

/// Waits for a condition.
async fn until(condition: impl AsyncFn() -> bool) {
    for _ in 0..2000 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("timed out after ten seconds");
}
