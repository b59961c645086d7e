//! Clocks that differ, during which nothing expires, and clocks that are set back, without negative
//! durations.

use std::sync::Arc;
use std::time::Duration;

use sealpost::clock::ManualClock;
use serde_json::json;

use super::pay;
use crate::access::log::Log;
use crate::faults::chunks;
use crate::harness::{Gateway, START};
use crate::isolation::{ScriptedHandler, until};
use crate::receive::event;
use crate::receive::raw::{Wire, head};

const DAY: Duration = Duration::from_hours(24);

async fn with_two_clocks() -> (Gateway, Arc<ManualClock>) {
    let database_clock = Arc::new(ManualClock::at(START));
    let gateway =
        Gateway::builder().database_clock(database_clock.clone()).allow_unfinished().start().await;
    assert_eq!(pay(&gateway, 1).await, 202);
    let answer = gateway.send("cards", Some("create"), chunks()[0].to_string().as_bytes()).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    (gateway, database_clock)
}

/// The numbers of dedup keys and open transfers.
async fn keys_and_transfers(gateway: &Gateway) -> (i64, i64) {
    (
        gateway.count("SELECT count(*) FROM event_keys").await,
        gateway.count("SELECT count(*) FROM chunk_transfers WHERE state = 'open'").await,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn gateway_clock_ahead_expires_nothing() {
    for ahead in [Duration::from_hours(2), 31 * DAY] {
        let (gateway, database_clock) = with_two_clocks().await;
        gateway.clock().advance(ahead);
        gateway.run_maintenance().await;
        assert_eq!(keys_and_transfers(&gateway).await, (1, 1), "the gateway is {ahead:?} ahead");
        database_clock.advance(ahead);
        gateway.run_maintenance().await;
        // The expired transfer has its own dedup key.
        let expected = if ahead > 30 * DAY { (1, 0) } else { (2, 0) };
        assert_eq!(keys_and_transfers(&gateway).await, expected, "the clocks agree");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn database_clock_ahead_expires_nothing() {
    let (gateway, database_clock) = with_two_clocks().await;
    database_clock.advance(31 * DAY);
    gateway.run_maintenance().await;
    assert_eq!(keys_and_transfers(&gateway).await, (1, 1));
    gateway.clock().advance(31 * DAY);
    gateway.run_maintenance().await;
    assert_eq!(keys_and_transfers(&gateway).await, (1, 0), "only the key of the expired transfer");
}

#[tokio::test(flavor = "multi_thread")]
async fn clock_set_back_makes_no_negative_duration() {
    let (log, handler) = (Log::listen(), ScriptedHandler::new());
    let gateway = Gateway::builder().handler(handler.clone()).start().await;
    let back = Duration::from_mins(2);
    let mut event = event();
    event["does"] = json!("hang");
    let body = event.to_string().into_bytes();
    let headers = gateway.sign("billing", &body, &[]);
    let lines = format!("Content-Length: {}\r\nExpect: 100-continue", body.len());
    let mut wire = Wire::open(gateway.address()).await;
    wire.write(&head("/hooks/billing", &headers, &lines)).await;
    assert_eq!(wire.answer().await.expect("an answer").status, 100, "the gateway reads the body");
    gateway.clock().set_back(back);
    wire.write(&body).await;
    let answer = wire.answer().await.expect("an answer").parsed();
    assert_eq!((answer.status, answer.body_status()), (202, "accepted"), "{}", answer.text);
    gateway.clock().advance(back);

    let handling = gateway.run_until_idle();
    let meanwhile = async {
        until(async || handler.called(answer.id()) == 1).await;
        gateway.clock().set_back(back);
        handler.resume.add_permits(1);
    };
    assert_eq!(tokio::join!(handling, meanwhile).0, 1);
    let shown = gateway.operator("/api/v1/deliveries/1").await;
    let [attempt] = &shown.json["attempts"].as_array().unwrap()[..] else { panic!("one attempt") };
    assert!(attempt["seconds"].as_f64().unwrap() >= 0.0, "{attempt}");
    assert_eq!(attempt["started_at"], attempt["finished_at"], "{attempt}");

    let took = || -> Vec<f64> {
        let lines = log.lines(answer.id());
        let took = lines.iter().filter_map(|line| line.split_once("duration_ms=")).map(|(_, t)| t);
        took.map(|took| took.split_whitespace().next().unwrap().parse().unwrap()).collect()
    };
    until(async || took().len() == 2).await;
    assert!(took().iter().all(|took| *took >= 0.0), "{:?}", took());
}
