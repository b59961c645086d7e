//! The console, in a real browser and over HTTP.

mod accounts;
mod browser;
mod busy;
mod counts;
mod dead_letters;
mod details;
mod explain;
mod first_event;
mod headers;
mod messages;
mod pages;
mod single_sign_on;
mod webdriver;
mod workflow;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use sealpost::dispatch::{Attempt, Failure, Handler};
use sealpost::store::{DeathReason, Effects, StoredEvent};
use serde_json::json;

use crate::harness::Gateway;

/// Untrusted text that tries to run a script in the operator's browser.
const HOSTILE: &str =
    "</pre><script>document.title='taken'</script>\"'><img src=x onerror=alert(1)>";

/// Fails with untrusted text until it is repaired.
#[derive(Clone, Default)]
struct FailingHandler(Arc<AtomicBool>);

#[async_trait]
impl Handler for FailingHandler {
    fn name(&self) -> &'static str {
        "ledger"
    }

    async fn handle(&self, _: &StoredEvent, _: Attempt) -> Result<Effects, Failure> {
        if self.0.load(Ordering::SeqCst) {
            return Ok(Effects::unchanged());
        }
        let error = format!("account acct_1 is not known: {HOSTILE}\nasked twice");
        Err(Failure::permanent(DeathReason::Permanent, error))
    }
}

impl FailingHandler {
    fn repair(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A gateway with some dead letters, the first of which is delivery 1.
async fn gateway(handler: &FailingHandler) -> Gateway {
    let gateway = Gateway::builder().handler(handler.clone()).start().await;
    for number in 1..=5 {
        let event = json!({
            "id": format!("evt_{number}"), "object": "event", "type": "invoice.paid",
            "created": 1_763_600_000, "livemode": false,
            "data": { "object": { "id": format!("in_{number}"), "note": HOSTILE } },
        });
        let answer = gateway.send("billing", None, event.to_string().as_bytes()).await;
        assert_eq!(answer.body_status(), "accepted", "{}", answer.text);
    }
    let answer = gateway.send("billing", None, HOSTILE.as_bytes()).await;
    assert_eq!(answer.body_status(), "quarantined");
    gateway.run_until_idle().await;
    gateway.clock().advance(std::time::Duration::from_mins(7));
    gateway
}

/// The pages of a new gateway, with the names of their pictures.
const QUIET: &[(&str, &str)] = &[
    ("quiet-overview", "/"),
    ("quiet-events", "/events"),
    ("quiet-groups", "/dead-letters"),
    ("quiet-dead-letters", "/dead-letters/all"),
    ("quiet-jobs", "/jobs"),
    ("quiet-transfers", "/transfers"),
    ("quiet-held", "/rejected-requests"),
    ("quiet-source", "/sources/cards"),
    ("quiet-set-up", "/sources/cards/set-up"),
    ("quiet-destinations", "/destinations"),
    ("quiet-alerts", "/alerts"),
    ("quiet-audit", "/audit"),
];
