//! A destination that does not take what it is sent: who waits, for how long, and what it costs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use serde_json::json;

use super::receiver::{Receiver, Reply};
use super::{deliveries, only, send, sending_to, three, verified};
use crate::harness::Gateway;

/// Answers what it is told to.
async fn answering(status: &Arc<AtomicU16>) -> Receiver {
    let status = Arc::clone(status);
    Receiver::start(move |_, _| Reply::status(status.load(Ordering::SeqCst))).await
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Works again, so much later.
async fn after(gateway: &Gateway, later: u64) {
    gateway.clock().advance(seconds(later));
    gateway.run_until_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breaker_opens_probes_one_at_a_time_and_closes_when_a_probe_comes_through() {
    let status = Arc::new(AtomicU16::new(500));
    let receiver = answering(&status).await;
    let gateway = sending_to(&receiver, "concurrency = 2").start().await;
    let mut ids = Vec::new();
    for number in 0..20 {
        ids.push(send(&gateway, "invoice.paid", &format!("in_{number}")).await.0);
    }
    gateway.run_until_idle().await;
    // Five in a row, and what was on its way with the fifth.
    assert_eq!(receiver.seen().len(), 6);
    let standing = &gateway.rows("destinations").await[0];
    assert_eq!(standing["openings"], json!(1), "{standing}");
    // A probe after 30 s, then after 60 s more, and 120 s: one each.
    for (pause, sent) in [(2, 6), (27, 6), (1, 7), (59, 7), (1, 8), (119, 8), (1, 9)] {
        after(&gateway, pause).await;
        assert_eq!(receiver.seen().len(), sent);
    }
    status.store(204, Ordering::SeqCst);
    after(&gateway, 239).await;
    assert_eq!(receiver.seen().len(), 9);
    after(&gateway, 1).await;
    // All of them are done, and none has become a dead letter.
    assert!(deliveries(&gateway).await.iter().all(|row| row.1 == "done"));
    let mut arrived: Vec<String> = receiver.seen()[9..]
        .iter()
        .map(|seen| seen.header("webhook-id").unwrap().to_owned())
        .collect();
    arrived.sort();
    ids.sort();
    assert_eq!(arrived, ids);
    let standing = &gateway.rows("destinations").await[0];
    assert_eq!((&standing["failures"], &standing["opened_at"]), (&json!(0), &json!(null)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_three_days_spends_no_attempts_and_makes_nothing_too_old() {
    let status = Arc::new(AtomicU16::new(503));
    let receiver = answering(&status).await;
    let gateway = sending_to(&receiver, "").start().await;
    let (id, _) = send(&gateway, "invoice.paid", "in_1").await;
    for _ in 0..5 {
        gateway.run_until_idle().await;
        gateway.clock().advance(seconds(60));
    }
    for _ in 0..72 {
        gateway.run_until_idle().await;
        gateway.clock().advance(Duration::from_hours(1));
    }
    assert!(receiver.seen().len() > 70);
    // It comes back, but does not want this event the first time: that is counted again from
    // where it was, and neither days nor probes end it.
    status.store(422, Ordering::SeqCst);
    gateway.run_until_idle().await;
    status.store(204, Ordering::SeqCst);
    gateway.clock().advance(Duration::from_hours(1));
    gateway.run_until_idle().await;
    let (state, outcome, results) = only(&gateway).await;
    assert_eq!((state.as_str(), outcome.as_str()), ("done", "handled"));
    let words: Vec<&str> = results.split(' ').collect();
    assert_eq!(
        words.iter().filter(|word| **word == "deferred").count(),
        words.len() - 6,
        "{results}"
    );
    verified(receiver.seen().last().unwrap(), &id);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_about_the_event_is_tried_again_until_its_attempts_are_used_up() {
    for status in [400, 401, 404, 422] {
        let receiver = Receiver::start(move |seen, _| {
            let bad = String::from_utf8_lossy(&seen.body).contains("\"in_1\"");
            Reply::status(if bad { status } else { 204 }).body(b"no such thing")
        })
        .await;
        let gateway = sending_to(&receiver, "").start().await;
        send(&gateway, "invoice.paid", "in_1").await;
        for _ in 0..20 {
            gateway.run_until_idle().await;
            gateway.clock().advance(Duration::from_hours(1));
        }
        let results = format!("{}dead", "retry ".repeat(19));
        let expected = three("dead", "exhausted", &results);
        assert_eq!(only(&gateway).await, expected, "{status}");
        let error = gateway.dead_letters().await.remove(0).1;
        assert_eq!(error, format!("destination responded {status}: no such thing"));
        // Nobody else had to wait for it.
        send(&gateway, "invoice.paid", "in_2").await;
        gateway.run_until_idle().await;
        assert_eq!(deliveries(&gateway).await[1].1, "done");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_after_holds_back_the_whole_destination() {
    for (status, header, seconds_until) in [
        (429, "120", 120),
        (503, "Fri, 20 Nov 2026 12:02:00 GMT", 120),
        (503, "99999999", 3600),
        (500, "120", 0),
    ] {
        let receiver = Receiver::start(move |_, number| match number {
            0 => Reply::status(status).header("retry-after", header),
            _ => Reply::status(204),
        })
        .await;
        let gateway = sending_to(&receiver, "concurrency = 1").start().await;
        send(&gateway, "invoice.paid", "in_1").await;
        gateway.run_until_idle().await;
        send(&gateway, "invoice.paid", "in_2").await;
        if seconds_until > 0 {
            gateway.clock().advance(seconds(seconds_until - 1));
            gateway.run_until_idle().await;
            assert_eq!(receiver.seen().len(), 1, "{status} {header}");
            gateway.clock().advance(seconds(1));
        }
        gateway.run_until_idle().await;
        assert!(receiver.seen().len() >= 2, "{status} {header}");
        gateway.clock().advance(Duration::from_hours(1));
        gateway.run_until_idle().await;
        assert_eq!(receiver.seen().len(), 3, "{status} {header}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let elsewhere = Receiver::content().await;
    let location = elsewhere.url("/");
    let receiver = Receiver::start(move |_, number| match number {
        0 => Reply::status(308).header("location", &location),
        _ => Reply::status(204),
    })
    .await;
    let gateway = sending_to(&receiver, "").start().await;
    send(&gateway, "invoice.paid", "in_1").await;
    gateway.run_until_idle().await;
    gateway.clock().advance(Duration::from_hours(1));
    gateway.run_until_idle().await;
    assert_eq!(only(&gateway).await, three("done", "handled", "retry done"));
    assert_eq!((receiver.seen().len(), elsewhere.connections()), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_cannot_be_reached_is_held_back_and_another_one_is_not() {
    let (gone, well) = (Receiver::content().await, Receiver::content().await);
    let url = gone.url("/");
    drop(gone);
    let more = super::destination("gone", &url, "sources = [\"billing\"]");
    let gateway = sending_to(&well, "").more_config(&more).leaves_work().start().await;
    for number in 0..10 {
        send(&gateway, "invoice.paid", &format!("in_{number}")).await;
    }
    for _ in 0..4 {
        after(&gateway, 5).await;
    }
    assert_eq!(well.seen().len(), 10);
    let standing = gateway.rows("destinations").await;
    assert_eq!(standing.len(), 1, "only what is wrong stands there: {standing:?}");
    assert_eq!(standing[0]["handler"], json!("to:gone"));
    assert!(standing[0]["opened_at"].is_string());
    let ready = "SELECT count(*) FROM deliveries WHERE state = 'ready' AND handler = 'to:gone'";
    assert_eq!(gateway.count(ready).await, 10);
}
