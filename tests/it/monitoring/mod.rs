//! Monitoring: counters, overview, search, event details, sources.

mod counters;
mod detail;
mod overview;
mod search;
mod sources;

use async_trait::async_trait;
use sealpost::dispatch::{Attempt, Failure, Handler};
use sealpost::store::{DeathReason, Effects, StoredEvent};
use serde_json::{Value, json};

use crate::harness::{Gateway, SECRETS};

/// Fails, ignores or handles an event by its id.
#[derive(Clone, Default)]
struct Obedient;

#[async_trait]
impl Handler for Obedient {
    fn name(&self) -> &'static str {
        "obedient"
    }

    async fn handle(&self, event: &StoredEvent, _: Attempt) -> Result<Effects, Failure> {
        let body: Value = serde_json::from_slice(&event.body).unwrap_or_default();
        match body["id"].as_str().unwrap_or_default() {
            id if id.contains("dies") => {
                Err(Failure::permanent(DeathReason::Permanent, "it is told to die"))
            }
            id if id.contains("ignored") => Ok(Effects::ignored()),
            _ => Ok(Effects::unchanged()),
        }
    }
}

async fn gateway() -> Gateway {
    Gateway::builder().handler(Obedient).start().await
}

/// An event of an account; all events of one account are in one lane.
pub(crate) fn event_of(account: &str, id: &str) -> Vec<u8> {
    let event = json!({
        "id": id, "object": "event", "type": "account.updated", "created": 1_763_600_000,
        "livemode": false, "account": account, "data": { "object": { "id": account } },
    });
    event.to_string().into_bytes()
}

fn event(id: &str) -> Vec<u8> {
    event_of("acct_a", id)
}

/// Sends a new event; returns its id in the gateway.
async fn send(gateway: &Gateway, id: &str) -> String {
    let answer = gateway.send("billing", None, &event(id)).await;
    assert_eq!(answer.body_status(), "accepted", "{}", answer.text);
    answer.id().to_owned()
}

/// The secret of the test configuration in a variable.
fn secret(variable: &str) -> sealpost::verify::Secret {
    let (_, secret) = SECRETS.iter().find(|(name, _)| *name == variable).expect("a secret");
    sealpost::verify::Secret::new(*secret).expect("a valid secret")
}
