//! The console in a real browser, and what every page of it must have.

mod browser;
mod busy;
mod day;
mod dealing;
mod entry;
mod explain;
mod headers;
mod issuer;
mod looking;
mod newcomer;
mod numbers;
mod pages;
mod polish;
mod webdriver;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use sealpost::dispatch::{Attempt, Failure, Handler};
use sealpost::store::{DeathReason, Effects, StoredEvent};
use serde_json::json;

use crate::harness::Gateway;

/// What a stranger would write to have it run in an operator's browser.
const HOSTILE: &str =
    "</pre><script>document.title='taken'</script>\"'><img src=x onerror=alert(1)>";

/// Fails in a stranger's words until it is mended.
#[derive(Clone, Default)]
struct Fragile(Arc<AtomicBool>);

#[async_trait]
impl Handler for Fragile {
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

impl Fragile {
    fn mend(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A gateway with some dead letters, the first of which is delivery 1.
async fn gateway(handler: &Fragile) -> Gateway {
    let gateway = Gateway::builder().handler(handler.clone()).start().await;
    for number in 1..=5 {
        let event = json!({
            "id": format!("evt_{number}"), "object": "event", "type": "invoice.paid",
            "created": 1_763_600_000, "livemode": false,
            "data": { "object": { "id": format!("in_{number}"), "note": HOSTILE } },
        });
        let answer = gateway.send("billing", None, event.to_string().as_bytes()).await;
        assert_eq!(answer.what(), "accepted", "{}", answer.text);
    }
    let answer = gateway.send("billing", None, HOSTILE.as_bytes()).await;
    assert_eq!(answer.what(), "quarantined");
    gateway.run_until_idle().await;
    gateway.clock().advance(std::time::Duration::from_mins(7));
    gateway
}

/// The pages of a gateway where nothing has happened yet, with what each is called in pictures.
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
