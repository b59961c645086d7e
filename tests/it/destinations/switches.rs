//! Paused and disabled destinations, and destinations of several gateways.

use std::sync::Arc;
use std::time::Duration;

use sealpost::admin::Selection;
use sealpost::clock::Clock;
use sealpost::store::DestinationSwitch;
use tokio::sync::Semaphore;

use super::receiver::{Receiver, Reply};
use super::{builder, deliveries, destination, send, sending_to, single_delivery, summary, until};
use crate::dead_letters::replay;
use crate::harness::Gateway;

async fn switch(gateway: &Gateway, switch: DestinationSwitch) -> bool {
    let mut tx = gateway.store().begin().await.unwrap();
    let now = gateway.clock().now();
    let changed = tx.switch_destination("app", switch, "ada", "a test", now).await.unwrap();
    tx.commit(changed).await.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn paused_destination_keeps_deliveries_without_expiry() {
    let receiver = Receiver::accepting().await;
    let gateway = sending_to(&receiver, "").start().await;
    assert!(switch(&gateway, DestinationSwitch::Pause).await);
    assert!(!switch(&gateway, DestinationSwitch::Pause).await, "already paused");
    for number in 0..3 {
        send(&gateway, "invoice.paid", &format!("in_{number}")).await;
    }
    for _ in 0..40 {
        gateway.run_until_idle().await;
        gateway.clock().advance(Duration::from_hours(24));
    }
    assert_eq!(receiver.connections(), 0);
    assert!(deliveries(&gateway).await.iter().all(|row| row.1 == "ready" && row.3.is_empty()));
    assert!(switch(&gateway, DestinationSwitch::Resume).await);
    gateway.run_until_idle().await;
    assert_eq!(receiver.seen().len(), 3);
    assert!(deliveries(&gateway).await.iter().all(|row| row.1 == "done"));
}

#[tokio::test(flavor = "multi_thread")]
async fn first_failure_after_a_long_pause_is_not_too_old() {
    let receiver =
        Receiver::start(|_, number| Reply::status(if number == 0 { 500 } else { 204 })).await;
    let gateway = sending_to(&receiver, "").start().await;
    switch(&gateway, DestinationSwitch::Pause).await;
    send(&gateway, "invoice.paid", "in_1").await;
    gateway.clock().advance(Duration::from_hours(24 * 9));
    switch(&gateway, DestinationSwitch::Resume).await;
    gateway.run_until_idle().await;
    gateway.clock().advance(Duration::from_hours(1));
    gateway.run_until_idle().await;
    assert_eq!(single_delivery(&gateway).await, summary("done", "handled", "retry done"));
}

#[tokio::test(flavor = "multi_thread")]
async fn status_410_disables_until_an_operator_enables() {
    let receiver =
        Receiver::start(|_, number| Reply::status(if number == 0 { 410 } else { 204 })).await;
    let gateway = sending_to(&receiver, "concurrency = 1").start().await;
    send(&gateway, "invoice.paid", "in_1").await;
    send(&gateway, "invoice.paid", "in_2").await;
    for _ in 0..5 {
        gateway.run_until_idle().await;
        gateway.clock().advance(Duration::from_hours(24));
    }
    assert_eq!(receiver.seen().len(), 1);
    let row = &gateway.rows("destinations").await[0];
    assert_eq!(row["disabled_reason"], "destination responded 410 (Gone)");
    assert!(!switch(&gateway, DestinationSwitch::Resume).await, "resuming is not enabling");
    gateway.run_until_idle().await;
    assert_eq!(receiver.seen().len(), 1);
    assert!(switch(&gateway, DestinationSwitch::Enable).await);
    gateway.run_until_idle().await;
    assert_eq!(receiver.seen().len(), 3);
    let results: Vec<Vec<String>> =
        deliveries(&gateway).await.into_iter().map(|row| row.3).collect();
    assert_eq!(results, [vec!["deferred", "done"], vec!["done"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrency_limit_applies_across_gateways() {
    let gate = Arc::new(Semaphore::new(0));
    let receiver_gate = Arc::clone(&gate);
    let receiver = Receiver::start(move |_, _| Reply::status(204).gate(&receiver_gate)).await;
    let config = "concurrency = 3";
    let first = sending_to(&receiver, config).start().await;
    let mut gateways = Vec::new();
    for _ in 0..3 {
        gateways.push(sending_to(&receiver, config).sharing_database(&first).start().await);
    }
    for number in 0..20 {
        send(&first, "invoice.paid", &format!("in_{number}")).await;
    }
    gateways.push(first);
    let working: Vec<_> = gateways
        .iter()
        .map(|gateway| {
            let dispatcher = gateway.dispatcher().clone();
            tokio::task::spawn(async move { dispatcher.run_until_idle().await.unwrap() })
        })
        .collect();
    let leased =
        "SELECT count(*) FROM deliveries WHERE state = 'leased' AND destination IS NOT NULL";
    let mut most = 0;
    for round in 0..20 {
        until(async || receiver.seen().len() > round).await;
        most = most.max(gateways[0].count(leased).await);
        gate.add_permits(1);
    }
    gate.add_permits(1000);
    for worker in working {
        worker.await.unwrap();
    }
    gateways[0].run_until_idle().await;
    assert!(most <= 3, "{most} ran concurrently");
    assert_eq!(receiver.seen().len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_to_unknown_destinations_are_left_alone() {
    let receiver = Receiver::accepting().await;
    let configured = sending_to(&receiver, "").start().await;
    let unconfigured = builder().sharing_database(&configured).start().await;
    send(&configured, "invoice.paid", "in_1").await;
    unconfigured.run_until_idle().await;
    assert_eq!(single_delivery(&configured).await, summary("ready", "", ""));
    configured.run_until_idle().await;
    assert_eq!(single_delivery(&configured).await, summary("done", "handled", "done"));
    drop(unconfigured);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_request_is_resent_but_not_while_paused() {
    let receiver = Receiver::accepting().await;
    let gateway = sending_to(&receiver, "").start().await;
    let (id, _) = send(&gateway, "invoice.paid", "in_1").await;
    let lost = gateway
        .store()
        .claim_for_destination(
            "app",
            (4, None),
            &[("billing", crate::harness::START)],
            gateway.clock().now(),
            Duration::ZERO,
        )
        .await
        .unwrap()
        .leases;
    assert_eq!((lost.len(), lost[0].event.to_string()), (1, id));
    switch(&gateway, DestinationSwitch::Pause).await;
    gateway.run_until_idle().await;
    assert_eq!(receiver.connections(), 0);
    switch(&gateway, DestinationSwitch::Resume).await;
    gateway.run_until_idle().await;
    assert_eq!(single_delivery(&gateway).await, summary("done", "handled", "lost done"));
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letter_is_replayed_to_its_own_destination() {
    let receiver =
        Receiver::start(|_, number| Reply::status(if number < 20 { 422 } else { 204 })).await;
    let other = Receiver::accepting().await;
    let gateway = sending_to(&receiver, "")
        .more_config(&destination("other", &other.url("/"), "sources = [\"billing\"]"))
        .start()
        .await;
    send(&gateway, "invoice.paid", "in_1").await;
    gateway.run_to_the_end().await;
    let dead = gateway.query("SELECT id FROM deliveries WHERE state = 'dead'").await;
    let id = dead[0]["id"].as_i64().unwrap();
    replay(gateway.dead_letter_service(), &Selection::Ids(vec![id])).await;
    gateway.run_until_idle().await;
    assert_eq!((receiver.seen().len(), other.seen().len()), (21, 1));
}
