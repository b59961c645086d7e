//! The moment of the commit: what the sender is told is never more than what is known.

use std::time::{Duration, Instant};

use sealpost::store::Target;

use super::driver::payment;
use super::proxy::{Point, Proxy};
use crate::harness::{Gateway, database, sql};

const RECORD: &str = "INSERT INTO events";
/// What senders are promised while nothing can be committed.
pub(super) const ANSWERED_WITHIN: Duration = Duration::from_secs(3);

/// A gateway whose database is behind a proxy, and the way around the proxy.
pub(super) async fn behind_proxy() -> (Target, Proxy, Gateway) {
    let direct = database::fresh().await;
    let proxy = Proxy::before(&direct).await;
    let gateway = Gateway::builder().on(proxy.target()).start().await;
    (direct, proxy, gateway)
}

/// Sends payment `number`; gives the answer's status.
pub(super) async fn pay(gateway: &Gateway, number: usize) -> u16 {
    gateway.send("billing", None, payment(number).to_string().as_bytes()).await.status
}

/// Sends payment `number`, which cannot be committed, and must be told so in time.
pub(super) async fn assert_refused_in_time(gateway: &Gateway, number: usize) {
    let begun = Instant::now();
    let answer = gateway.send("billing", None, payment(number).to_string().as_bytes()).await;
    let took = begun.elapsed();
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert!(answer.headers.contains_key("retry-after"), "{:?}", answer.headers);
    assert!(took < ANSWERED_WITHIN, "answered after {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_reply_is_lost_is_not_acknowledged_and_its_repetition_is_a_duplicate() {
    let (direct, proxy, gateway) = behind_proxy().await;
    let hold = proxy.hold(Point::Answered, RECORD);
    tokio::join!(assert_refused_in_time(&gateway, 1), async {
        hold.reached().await;
        hold.cut();
    });
    assert_eq!(sql::number(&direct, "SELECT count(*) FROM events").await, 1);
    assert_eq!(pay(&gateway, 1).await, 200);
    assert_eq!(sql::number(&direct, "SELECT count(*) FROM events").await, 1);
    gateway.run_until_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_never_reached_the_server_is_not_acknowledged_and_its_repetition_is_new() {
    for point in [Point::Before, Point::Uncommitted] {
        let (direct, proxy, gateway) = behind_proxy().await;
        let hold = proxy.hold(point, RECORD);
        tokio::join!(assert_refused_in_time(&gateway, 1), async {
            hold.reached().await;
            hold.cut();
        });
        assert_eq!(sql::number(&direct, "SELECT count(*) FROM events").await, 0, "{point:?}");
        assert_eq!(pay(&gateway, 1).await, 202, "{point:?}");
        assert_eq!(sql::number(&direct, "SELECT count(*) FROM events").await, 1, "{point:?}");
        gateway.run_until_idle().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_takes_too_long_is_not_acknowledged_even_if_it_succeeds() {
    let (direct, proxy, gateway) = behind_proxy().await;
    let hold = proxy.hold(Point::Answered, RECORD);
    assert_refused_in_time(&gateway, 1).await;
    hold.release();
    assert_eq!(pay(&gateway, 1).await, 200);
    assert_eq!(sql::number(&direct, "SELECT count(*) FROM events").await, 1);
    gateway.run_until_idle().await;
}
