//! SIGKILL of the program at every point between a request and its effect. Afterwards another
//! gateway starts on the same database, and the sender retries.

use sealpost::store::Target;

use super::assertions::{
    assert_events, assert_payments, expire_leases, record_payment_writes, wait_until_settled,
};
use super::driver::{Server, payment};
use super::proxy::{Point, Proxy};
use crate::harness::{database, sql};

/// The statement that inserts a group of events and commits by itself.
const RECORD: &str = "INSERT INTO events";
const LOAD: &str = "FROM events WHERE id";
const EFFECT: &str = "INSERT INTO stripe_payments";
const SETTLE: &str = "SET state = 'done'";

async fn prepared() -> (Target, Proxy) {
    let direct = database::fresh().await;
    record_payment_writes(&direct).await;
    let proxy = Proxy::before(&direct).await;
    (direct, proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_before_commit_stores_nothing_and_the_retry_is_accepted() {
    let (direct, proxy) = prepared().await;
    let server = Server::start(proxy.url()).await;
    let pause = proxy.hold(Point::Uncommitted, RECORD);
    let unanswered = server.remote.start_send("billing", &payment(1));
    pause.reached().await;
    server.kill().await;
    pause.cut();
    assert_eq!(unanswered.await.unwrap(), None);
    assert_eq!(sql::number(&direct, "SELECT count(*) FROM events").await, 0);

    let server = Server::start(proxy.url()).await;
    let (status, answer) = server.remote.send("billing", &payment(1)).await.unwrap();
    assert_eq!((status, &answer["status"]), (202, &"accepted".into()));
    wait_until_settled(&direct).await;
    assert_events(&direct, 1).await;
    assert_payments(&direct, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_after_commit_keeps_the_event_and_the_retry_is_a_duplicate() {
    let (direct, proxy) = prepared().await;
    let server = Server::start(proxy.url()).await;
    let pause = proxy.hold(Point::Answered, RECORD);
    let unanswered = server.remote.start_send("billing", &payment(1));
    pause.reached().await;
    server.kill().await;
    pause.cut();
    assert_eq!(unanswered.await.unwrap(), None);
    assert_eq!(sql::number(&direct, "SELECT count(*) FROM events").await, 1);

    expire_leases(&direct).await;
    let server = Server::start(proxy.url()).await;
    let (status, answer) = server.remote.send("billing", &payment(1)).await.unwrap();
    assert_eq!((status, &answer["status"]), (200, &"duplicate".into()));
    wait_until_settled(&direct).await;
    assert_events(&direct, 1).await;
    assert_payments(&direct, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_after_responses_keeps_every_acknowledged_event() {
    let (direct, proxy) = prepared().await;
    let server = Server::start(proxy.url()).await;
    let sent: Vec<_> =
        (0..40).map(|number| server.remote.start_send("billing", &payment(number))).collect();
    for answer in sent {
        assert_eq!(answer.await.unwrap().unwrap().0, 202);
    }
    server.kill().await;
    assert_eq!(sql::number(&direct, "SELECT count(*) FROM events").await, 40);

    expire_leases(&direct).await;
    let _server = Server::start(proxy.url()).await;
    wait_until_settled(&direct).await;
    assert_events(&direct, 40).await;
    assert_payments(&direct, 40).await;
}

/// Kills the gateway when the attempt of the only delivery reaches the pause.
async fn kill_at(pause_at: impl FnOnce(&Proxy) -> super::proxy::Pause) -> (Target, Proxy) {
    let (direct, proxy) = prepared().await;
    let server = Server::start(proxy.url()).await;
    let pause = pause_at(&proxy);
    let (status, _) = server.remote.send("billing", &payment(1)).await.unwrap();
    assert_eq!(status, 202);
    pause.reached().await;
    server.kill().await;
    pause.cut();
    (direct, proxy)
}

/// Asserts that another gateway runs the delivery after the first attempt was lost.
async fn assert_taken_over(direct: &Target, proxy: &Proxy) {
    let leased = "SELECT count(*) FROM deliveries WHERE state = 'leased' AND attempts = 1";
    assert_eq!(sql::number(direct, leased).await, 1);
    expire_leases(direct).await;
    let _server = Server::start(proxy.url()).await;
    wait_until_settled(direct).await;
    assert_events(direct, 1).await;
    assert_payments(direct, 1).await;
    let results = sql::texts(direct, "SELECT result FROM attempts ORDER BY number").await;
    assert_eq!(results, ["lost", "done"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_between_claim_and_handler_counts_the_attempt() {
    let (direct, proxy) = kill_at(|proxy| proxy.hold(Point::Before, LOAD)).await;
    assert_taken_over(&direct, &proxy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_between_handler_and_effects_applies_them_elsewhere() {
    let (direct, proxy) = kill_at(|proxy| proxy.hold(Point::Before, EFFECT)).await;
    assert_taken_over(&direct, &proxy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_between_effects_and_settlement_applies_effects_once() {
    let (direct, proxy) = kill_at(|proxy| proxy.hold_after(EFFECT, Point::Before, SETTLE)).await;
    assert_taken_over(&direct, &proxy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_between_settlement_and_commit_applies_effects_once() {
    let (direct, proxy) = kill_at(|proxy| proxy.hold_after(SETTLE, Point::Before, "COMMIT")).await;
    assert_taken_over(&direct, &proxy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_after_settlement_commit_does_not_rerun_the_delivery() {
    let (direct, proxy) =
        kill_at(|proxy| proxy.hold_after(SETTLE, Point::Answered, "COMMIT")).await;
    let _server = Server::start(proxy.url()).await;
    wait_until_settled(&direct).await;
    assert_events(&direct, 1).await;
    assert_payments(&direct, 1).await;
    assert_eq!(sql::texts(&direct, "SELECT result FROM attempts").await, ["done"]);
}
