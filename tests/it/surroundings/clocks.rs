//! Clocks that differ: nothing is forgotten while they do.

use std::sync::Arc;
use std::time::Duration;

use sealpost::clock::ManualClock;

use super::pay;
use crate::faults::chunks;
use crate::harness::{Gateway, START};

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
