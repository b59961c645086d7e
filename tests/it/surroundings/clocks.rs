//! Clocks that differ: nothing is forgotten while they do. Clocks that are set back: nothing takes
//! less than no time.

use std::sync::Arc;
use std::time::Duration;

use sealpost::clock::ManualClock;
use serde_json::json;

use super::pay;
use crate::access::log::Log;
use crate::faults::chunks;
use crate::harness::{Gateway, START};
use crate::isolation::{Told, until};
use crate::receive::event;
use crate::receive::raw::{Wire, head};

const DAY: Duration = Duration::from_hours(24);

async fn with_two_clocks() -> (Gateway, Arc<ManualClock>) {
    let theirs = Arc::new(ManualClock::at(START));
    let gateway = Gateway::builder().database_clock(theirs.clone()).leaves_work().start().await;
    assert_eq!(pay(&gateway, 1).await, 202);
    let answer = gateway.send("cards", Some("create"), chunks()[0].to_string().as_bytes()).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    (gateway, theirs)
}

/// How many keys are known and how many transfers are open.
async fn remembered(gateway: &Gateway) -> (i64, i64) {
    (
        gateway.count("SELECT count(*) FROM event_keys").await,
        gateway.count("SELECT count(*) FROM chunk_transfers WHERE state = 'open'").await,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_ahead_forgets_nothing_and_expires_nothing() {
    for ahead in [Duration::from_hours(2), 31 * DAY] {
        let (gateway, theirs) = with_two_clocks().await;
        gateway.clock().advance(ahead);
        gateway.tidy().await;
        assert_eq!(remembered(&gateway).await, (1, 1), "ours is {ahead:?} ahead");
        theirs.advance(ahead);
        gateway.tidy().await;
        // The transfer that is given up is a key of its own.
        let expected = if ahead > 30 * DAY { (1, 0) } else { (2, 0) };
        assert_eq!(remembered(&gateway).await, expected, "they agree");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_whose_clock_is_ahead_makes_nobody_forget() {
    let (gateway, theirs) = with_two_clocks().await;
    theirs.advance(31 * DAY);
    gateway.tidy().await;
    assert_eq!(remembered(&gateway).await, (1, 1));
    gateway.clock().advance(31 * DAY);
    gateway.tidy().await;
    assert_eq!(remembered(&gateway).await, (1, 0), "only the key of what was given up now");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_meanwhile_makes_no_time_negative() {
    let (log, told) = (Log::listen(), Told::new());
    let gateway = Gateway::builder().handler(told.clone()).start().await;
    let back = Duration::from_mins(2);
    let mut event = event();
    event["does"] = json!("hang");
    let body = event.to_string().into_bytes();
    let headers = gateway.sign("billing", &body, &[]);
    let lines = format!("Content-Length: {}\r\nExpect: 100-continue", body.len());
    let mut wire = Wire::open(gateway.address()).await;
    wire.write(&head("/hooks/billing", &headers, &lines)).await;
    assert_eq!(wire.answer().await.expect("an answer").status, 100, "it reads the body");
    gateway.clock().record_failure(back);
    wire.write(&body).await;
    let answer = wire.answer().await.expect("an answer").parsed();
    assert_eq!((answer.status, answer.what()), (202, "accepted"), "{}", answer.text);
    gateway.clock().advance(back);

    let handling = gateway.run_until_idle();
    let meanwhile = async {
        until(async || told.called(answer.id()) == 1).await;
        gateway.clock().record_failure(back);
        told.go_on.add_permits(1);
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
