//! The circuit breaker: retries, probes and Retry-After of a failing destination.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use serde_json::json;

use super::receiver::{Receiver, Reply};
use super::{deliveries, send, sending_to, single_delivery, summary, verify};
use crate::harness::Gateway;

/// A receiver that responds with a status that the test sets.
async fn answering(status: &Arc<AtomicU16>) -> Receiver {
    let status = Arc::clone(status);
    Receiver::start(move |_, _| Reply::status(status.load(Ordering::SeqCst))).await
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Runs deliveries after a time in seconds.
async fn after(gateway: &Gateway, later: u64) {
    gateway.clock().advance(seconds(later));
    gateway.run_until_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn breaker_opens_probes_singly_and_closes_on_success() {
    let status = Arc::new(AtomicU16::new(500));
    let receiver = answering(&status).await;
    let gateway = sending_to(&receiver, "concurrency = 2").start().await;
    let mut ids = Vec::new();
    for number in 0..20 {
        ids.push(send(&gateway, "invoice.paid", &format!("in_{number}")).await.0);
    }
    gateway.run_until_idle().await;
    // Five failures in a row, and one request that was in flight with the fifth.
    assert_eq!(receiver.seen().len(), 6);
    let status_row = &gateway.rows("destinations").await[0];
    assert_eq!(status_row["openings"], json!(1), "{status_row}");
    // Single probes after 30 s, another 60 s and another 120 s.
    for (pause, sent) in [(2, 6), (27, 6), (1, 7), (59, 7), (1, 8), (119, 8), (1, 9)] {
        after(&gateway, pause).await;
        assert_eq!(receiver.seen().len(), sent);
    }
    status.store(204, Ordering::SeqCst);
    after(&gateway, 239).await;
    assert_eq!(receiver.seen().len(), 9);
    after(&gateway, 1).await;
    // All are done, without a dead letter.
    assert!(deliveries(&gateway).await.iter().all(|row| row.1 == "done"));
    let mut arrived: Vec<String> = receiver.seen()[9..]
        .iter()
        .map(|seen| seen.header("webhook-id").unwrap().to_owned())
        .collect();
    arrived.sort();
    ids.sort();
    assert_eq!(arrived, ids);
    let status_row = &gateway.rows("destinations").await[0];
    assert_eq!((&status_row["failures"], &status_row["opened_at"]), (&json!(0), &json!(null)));
}

#[tokio::test(flavor = "multi_thread")]
async fn three_day_outage_uses_no_attempts_and_expires_nothing() {
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
    // It recovers, but rejects this event once: counting resumes where it was, and neither the
    // outage nor the probes exhaust the delivery.
    status.store(422, Ordering::SeqCst);
    gateway.run_until_idle().await;
    status.store(204, Ordering::SeqCst);
    gateway.clock().advance(Duration::from_hours(1));
    gateway.run_until_idle().await;
    let (state, outcome, results) = single_delivery(&gateway).await;
    assert_eq!((state.as_str(), outcome.as_str()), ("done", "handled"));
    let words: Vec<&str> = results.split(' ').collect();
    assert_eq!(
        words.iter().filter(|word| **word == "deferred").count(),
        words.len() - 6,
        "{results}"
    );
    verify(receiver.seen().last().unwrap(), &id);
}

#[tokio::test(flavor = "multi_thread")]
async fn event_errors_are_retried_until_attempts_are_exhausted() {
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
        let expected = summary("dead", "exhausted", &results);
        assert_eq!(single_delivery(&gateway).await, expected, "{status}");
        let error = gateway.dead_letters().await.remove(0).1;
        assert_eq!(error, format!("destination responded {status}: no such thing"));
        // No other delivery had to wait.
        send(&gateway, "invoice.paid", "in_2").await;
        gateway.run_until_idle().await;
        assert_eq!(deliveries(&gateway).await[1].1, "done");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_delays_the_whole_destination() {
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
async fn redirect_is_a_failure_and_not_followed() {
    let elsewhere = Receiver::accepting().await;
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
    assert_eq!(single_delivery(&gateway).await, summary("done", "handled", "retry done"));
    assert_eq!((receiver.seen().len(), elsewhere.connections()), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn breaker_opens_only_for_the_unreachable_destination() {
    let (unreachable, healthy) = (Receiver::accepting().await, Receiver::accepting().await);
    let url = unreachable.url("/");
    drop(unreachable);
    let more = super::destination("gone", &url, "sources = [\"billing\"]");
    let gateway = sending_to(&healthy, "").more_config(&more).allow_unfinished().start().await;
    for number in 0..10 {
        send(&gateway, "invoice.paid", &format!("in_{number}")).await;
    }
    for _ in 0..4 {
        after(&gateway, 5).await;
    }
    assert_eq!(healthy.seen().len(), 10);
    let rows = gateway.rows("destinations").await;
    assert_eq!(rows.len(), 1, "only failing destinations have a row: {rows:?}");
    assert_eq!(rows[0]["name"], json!("gone"));
    assert!(rows[0]["opened_at"].is_string());
    let ready = "SELECT count(*) FROM deliveries WHERE state = 'ready' AND destination = 'gone'";
    assert_eq!(gateway.count(ready).await, 10);
}
