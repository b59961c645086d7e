//! Isolation of problems: a long lane, an open transaction, a lock, a hanging handler or an
//! application that closes connections affects nothing else.

mod connections;
mod dead_letter_counts;
mod locks;
mod queues;
mod settlement;
mod takeover;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use sealpost::dispatch::{Attempt, Failure, Handler};
use sealpost::store::{EffectError, Effects, Outcome, StoreError, StoredEvent, Tx, Write};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::harness::Gateway;
use crate::harness::database::trusted;
use crate::receive::unique;

/// Runs the step in the field `does` of an event, and counts its calls for each event.
#[derive(Clone)]
pub(super) struct ScriptedHandler {
    pub(super) calls: Arc<Mutex<HashMap<String, usize>>>,
    /// Handlers at the step `hang` continue when there is a permit.
    pub(super) resume: Arc<Semaphore>,
}

impl ScriptedHandler {
    pub(super) fn new() -> Self {
        Self { calls: Arc::default(), resume: Arc::new(Semaphore::new(0)) }
    }

    pub(super) fn called(&self, event: &str) -> usize {
        self.calls.lock().unwrap().get(event).copied().unwrap_or_default()
    }
}

#[async_trait]
impl Handler for ScriptedHandler {
    fn name(&self) -> &'static str {
        "told"
    }

    async fn handle(&self, event: &StoredEvent, _: Attempt) -> Result<Effects, Failure> {
        let body: Value = serde_json::from_slice(&event.body).unwrap();
        let does = body["does"].as_str().unwrap_or_default().to_owned();
        let call = {
            let mut calls = self.calls.lock().unwrap();
            let call = calls.entry(event.id.to_string()).or_default();
            *call += 1;
            *call
        };
        match does.as_str() {
            "hang" => self.resume.acquire().await.unwrap().forget(),
            "ask the database" if call == 1 => {
                return Err(Failure::transient(StoreError::timed_out()));
            }
            "write" => {
                return Ok(Effects::write(Statement("INSERT INTO written VALUES (1)".into())));
            }
            _ => {}
        }
        match does.strip_prefix("raise ") {
            Some(code) => Ok(Effects::write(Statement(format!("SELECT raise_once('{code}')")))),
            None => Ok(Effects::unchanged()),
        }
    }
}

/// An effect of one statement.
struct Statement(String);

#[async_trait]
impl Write for Statement {
    #[allow(clippy::disallowed_methods, reason = "the table is the test's own")]
    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Outcome, EffectError> {
        sqlx::query(trusted(&self.0)).execute(tx.connection()).await?;
        Ok(Outcome::Handled)
    }
}

/// Sends a Stripe event whose handler runs this step; returns its id.
pub(super) async fn send_script(gateway: &Gateway, does: &str) -> String {
    let number = unique();
    let event = json!({
        "id": format!("evt_{number}"), "object": "event", "type": "told", "created": 1_763_600_000,
        "livemode": false, "data": { "object": { "id": format!("of_{number}") } }, "does": does,
    });
    let answer = gateway.send("billing", None, event.to_string().as_bytes()).await;
    assert_eq!((answer.status, answer.body_status()), (202, "accepted"), "{}", answer.text);
    answer.id().to_owned()
}

/// States, attempts and last errors of the deliveries.
pub(super) async fn delivery_states(gateway: &Gateway) -> Vec<(String, i64, String)> {
    let query = "SELECT state, attempts, last_error FROM deliveries ORDER BY id";
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let row = |row: &Value| {
        (text(&row["state"]), row["attempts"].as_i64().unwrap(), text(&row["last_error"]))
    };
    gateway.query(query).await.iter().map(row).collect()
}

/// Waits for a condition.
pub(super) async fn until(condition: impl AsyncFn() -> bool) {
    for _ in 0..3000 {
        if condition().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("timed out after fifteen seconds");
}
