//! Lost and slow commits: only a confirmed commit is acknowledged.

use std::time::{Duration, Instant};

use sealpost::store::Target;

use super::driver::payment;
use super::proxy::{Point, Proxy};
use crate::harness::{Gateway, database, sql};

const RECORD: &str = "INSERT INTO events";
/// Response time while nothing can be committed.
pub(super) const RESPONSE_DEADLINE: Duration = Duration::from_secs(3);

/// A gateway whose database is behind a proxy; the target is the database itself.
pub(super) async fn behind_proxy() -> (Target, Proxy, Gateway) {
    let direct = database::fresh().await;
    let proxy = Proxy::before(&direct).await;
    let gateway = Gateway::builder().on(proxy.target()).start().await;
    (direct, proxy, gateway)
}

/// Sends payment `number`; returns the status.
pub(super) async fn pay(gateway: &Gateway, number: usize) -> u16 {
    gateway.send("billing", None, payment(number).to_string().as_bytes()).await.status
}

/// Sends payment `number`, which cannot be committed, and asserts a 503 in time.
pub(super) async fn assert_503_in_time(gateway: &Gateway, number: usize) {
    let started = Instant::now();
    let answer = gateway.send("billing", None, payment(number).to_string().as_bytes()).await;
    let took = started.elapsed();
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert!(answer.headers.contains_key("retry-after"), "{:?}", answer.headers);
    assert!(took < RESPONSE_DEADLINE, "response after {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_commit_reply_gives_503_and_the_retry_is_a_duplicate() {
    let (direct, proxy, gateway) = behind_proxy().await;
    let pause = proxy.hold(Point::Answered, RECORD);
    tokio::join!(assert_503_in_time(&gateway, 1), async {
        pause.reached().await;
        pause.cut();
    });
    assert_eq!(sql::number(&direct, "SELECT count(*) FROM events").await, 1);
    assert_eq!(pay(&gateway, 1).await, 200);
    assert_eq!(sql::number(&direct, "SELECT count(*) FROM events").await, 1);
    gateway.run_until_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_commit_gives_503_and_the_retry_is_new() {
    for point in [Point::Before, Point::Uncommitted] {
        let (direct, proxy, gateway) = behind_proxy().await;
        let pause = proxy.hold(point, RECORD);
        tokio::join!(assert_503_in_time(&gateway, 1), async {
            pause.reached().await;
            pause.cut();
        });
        assert_eq!(sql::number(&direct, "SELECT count(*) FROM events").await, 0, "{point:?}");
        assert_eq!(pay(&gateway, 1).await, 202, "{point:?}");
        assert_eq!(sql::number(&direct, "SELECT count(*) FROM events").await, 1, "{point:?}");
        gateway.run_until_idle().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_commit_gives_503_even_if_it_succeeds() {
    let (direct, proxy, gateway) = behind_proxy().await;
    let pause = proxy.hold(Point::Answered, RECORD);
    assert_503_in_time(&gateway, 1).await;
    pause.release();
    assert_eq!(pay(&gateway, 1).await, 200);
    assert_eq!(sql::number(&direct, "SELECT count(*) FROM events").await, 1);
    gateway.run_until_idle().await;
}
