//! An event that crashes the process during delivery: deliveries in flight with it lose no attempt.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::Duration;

use sealpost::clock::Clock;
use sealpost::store::Queue;
use serde_json::json;

use crate::destinations::receiver::{Receiver, Reply};
use crate::destinations::{send, sending_to};
use crate::faults::assertions::expire_leases;
use crate::harness::Gateway;

const SOURCE: &str = "billing";
const APP: &str = "app";
const LEASE: Duration = Duration::from_mins(1);

/// Claims what is due for the destination, and what is isolated, like a gateway that then crashes:
/// nothing is settled, and the leases expire. Returns the number of claims.
async fn claim_and_crash(gateway: &Gateway) -> usize {
    let (store, now) = (gateway.store(), gateway.clock().now());
    let queue = Queue { source: SOURCE.to_owned(), handler: format!("to:{APP}") };
    let mut claimed_count = 0;
    if let [Some(oldest)] = store.oldest_due(&[(&queue, None)], now).await.unwrap()[..] {
        let claimed =
            store.claim_for_destination(APP, (16, None), &[(SOURCE, oldest)], now, LEASE).await;
        claimed_count += claimed.unwrap().leases.len();
    }
    let isolated = store.claim_isolated(&[SOURCE.to_owned()], "", now, LEASE).await.unwrap();
    expire_leases(gateway.target()).await;
    claimed_count + usize::from(isolated.is_some())
}

#[tokio::test(flavor = "multi_thread")]
async fn event_that_crashes_the_process_uses_no_attempts_of_others() {
    // Each first attempt fails: of two attempts, one must remain after the crashes.
    let known = Mutex::new(HashSet::new());
    let receiver = Receiver::start(move |seen, _| {
        let id = seen.header("webhook-id").unwrap().to_owned();
        Reply::status(if known.lock().unwrap().insert(id) { 422 } else { 204 })
    })
    .await;
    let twice = "\n[dispatch]\nmax_attempts = 2\n";
    let gateway = sending_to(&receiver, "").more_config(twice).start().await;
    let (deadly, _) = send(&gateway, "invoice.paid", "in_deadly").await;
    for number in 0..3 {
        send(&gateway, "invoice.paid", &format!("in_{number}")).await;
    }
    assert_eq!(claim_and_crash(&gateway).await, 4);
    assert_eq!(gateway.dispatcher().recover_expired_leases().await.unwrap(), 0);
    // The culprit is unknown yet: the next gateway runs one in isolation, next to the new ones, and
    // crashes again.
    for number in 3..5 {
        send(&gateway, "invoice.paid", &format!("in_{number}")).await;
    }
    assert_eq!(claim_and_crash(&gateway).await, 3);
    assert_eq!(
        gateway.dispatcher().recover_expired_leases().await.unwrap(),
        1,
        "it was isolated every time"
    );

    gateway.run_to_the_end().await;
    let deliveries = gateway
        .query(
            "SELECT event_id, state, death_reason,
                    ARRAY(SELECT result FROM attempts
                           WHERE delivery_id = d.id ORDER BY number) AS results
               FROM deliveries d WHERE destination = 'app' ORDER BY id",
        )
        .await;
    assert_eq!(deliveries.len(), 6);
    for delivery in &deliveries {
        let (state, reason, results) = if delivery["event_id"] == deadly {
            ("dead", json!("lease_lost"), json!(["lost", "lost"]))
        } else {
            ("done", json!(null), json!(["lost", "retry", "done"]))
        };
        assert_eq!(delivery["state"], state, "{delivery}");
        assert_eq!((&delivery["death_reason"], &delivery["results"]), (&reason, &results));
    }
    let seen = receiver.seen();
    assert!(seen.iter().all(|seen| seen.header("webhook-id") != Some(deadly.as_str())), "{seen:?}");
    assert_eq!(seen.len(), 10);
}
