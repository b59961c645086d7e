//! Trouble in one place stays there: a long lane, a transaction that somebody left open, a lock, a
//! handler that hangs or an application that closes connections.

mod burials;
mod connections;
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

/// Does what the event's `does` says, and counts how often it was called for each event.
#[derive(Clone)]
pub(super) struct Told {
    pub(super) calls: Arc<Mutex<HashMap<String, usize>>>,
    /// Those that are told to hang go on when there is a permit.
    pub(super) go_on: Arc<Semaphore>,
}

impl Told {
    pub(super) fn new() -> Self {
        Self { calls: Arc::default(), go_on: Arc::new(Semaphore::new(0)) }
    }

    pub(super) fn called(&self, event: &str) -> usize {
        self.calls.lock().unwrap().get(event).copied().unwrap_or_default()
    }
}

#[async_trait]
impl Handler for Told {
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
            "hang" => self.go_on.acquire().await.unwrap().forget(),
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

/// Runs one statement.
struct Statement(String);

#[async_trait]
impl Write for Statement {
    #[allow(clippy::disallowed_methods, reason = "the table is the test's own")]
    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Outcome, EffectError> {
        sqlx::query(trusted(&self.0)).execute(tx.connection()).await?;
        Ok(Outcome::Handled)
    }
}

/// Sends an event to a source of Stripe's kind whose handler does this; gives its id.
pub(super) async fn tell(gateway: &Gateway, does: &str) -> String {
    let number = unique();
    let event = json!({
        "id": format!("evt_{number}"), "object": "event", "type": "told", "created": 1_763_600_000,
        "livemode": false, "data": { "object": { "id": format!("of_{number}") } }, "does": does,
    });
    let answer = gateway.send("billing", None, event.to_string().as_bytes()).await;
    assert_eq!((answer.status, answer.what()), (202, "accepted"), "{}", answer.text);
    answer.id().to_owned()
}

/// State, attempts and last error of the deliveries.
pub(super) async fn standing(gateway: &Gateway) -> Vec<(String, i64, String)> {
    let query = "SELECT state, attempts, last_error FROM deliveries ORDER BY id";
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let row = |row: &Value| {
        (text(&row["state"]), row["attempts"].as_i64().unwrap(), text(&row["last_error"]))
    };
    gateway.query(query).await.iter().map(row).collect()
}

/// Looks until it holds; a test that waits for what never comes is stopped by its runner.
pub(super) async fn until(holds: impl AsyncFn() -> bool) {
    for _ in 0..3000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("it did not come to hold within fifteen seconds");
}
