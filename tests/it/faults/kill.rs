//! kill -9 of the real program, at every point between a request and its effect. Afterwards
//! another gateway starts on the same database, and the sender sends again what was not answered.

use sealpost::store::Target;

use super::driver::{Server, payment};
use super::ledger::{assert_events, assert_payments, expire_leases, settled, watch_payments};
use super::proxy::{Point, Proxy};
use crate::harness::{database, sql};

/// The statement that records a group of events and commits by itself.
const RECORD: &str = "INSERT INTO events";
const LOAD: &str = "FROM events WHERE id";
const EFFECT: &str = "INSERT INTO stripe_payments";
const SETTLE: &str = "SET state = 'done'";

async fn prepared() -> (Target, Proxy) {
    let direct = database::fresh().await;
    watch_payments(&direct).await;
    let proxy = Proxy::before(&direct).await;
    (direct, proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_the_commit_it_has_nothing_and_the_repetition_is_accepted() {
    let (direct, proxy) = prepared().await;
    let server = Server::start(proxy.url()).await;
    let hold = proxy.hold(Point::Uncommitted, RECORD);
    let unanswered = server.remote.begin("billing", &payment(1));
    hold.reached().await;
    server.kill().await;
    hold.cut();
    assert_eq!(unanswered.await.unwrap(), None);
    assert_eq!(sql::number(&direct, "SELECT count(*) FROM events").await, 0);

    let server = Server::start(proxy.url()).await;
    let (status, answer) = server.remote.send("billing", &payment(1)).await.unwrap();
    assert_eq!((status, &answer["status"]), (202, &"accepted".into()));
    settled(&direct).await;
    assert_events(&direct, 1).await;
    assert_payments(&direct, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_commit_and_answer_it_has_the_event_and_the_repetition_is_a_duplicate() {
    let (direct, proxy) = prepared().await;
    let server = Server::start(proxy.url()).await;
    let hold = proxy.hold(Point::Answered, RECORD);
    let unanswered = server.remote.begin("billing", &payment(1));
    hold.reached().await;
    server.kill().await;
    hold.cut();
    assert_eq!(unanswered.await.unwrap(), None);
    assert_eq!(sql::number(&direct, "SELECT count(*) FROM events").await, 1);

    expire_leases(&direct).await;
    let server = Server::start(proxy.url()).await;
    let (status, answer) = server.remote.send("billing", &payment(1)).await.unwrap();
    assert_eq!((status, &answer["status"]), (200, &"duplicate".into()));
    settled(&direct).await;
    assert_events(&direct, 1).await;
    assert_payments(&direct, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_right_after_its_answers_it_has_every_event_that_it_acknowledged() {
    let (direct, proxy) = prepared().await;
    let server = Server::start(proxy.url()).await;
    let sent: Vec<_> =
        (0..40).map(|number| server.remote.begin("billing", &payment(number))).collect();
    for answer in sent {
        assert_eq!(answer.await.unwrap().unwrap().0, 202);
    }
    server.kill().await;
    assert_eq!(sql::number(&direct, "SELECT count(*) FROM events").await, 40);

    expire_leases(&direct).await;
    let _server = Server::start(proxy.url()).await;
    settled(&direct).await;
    assert_events(&direct, 40).await;
    assert_payments(&direct, 40).await;
}

/// Kills the gateway when its attempt at the only delivery comes to this point.
async fn kill_at(hold_at: impl FnOnce(&Proxy) -> super::proxy::Pause) -> (Target, Proxy) {
    let (direct, proxy) = prepared().await;
    let server = Server::start(proxy.url()).await;
    let hold = hold_at(&proxy);
    let (status, _) = server.remote.send("billing", &payment(1)).await.unwrap();
    assert_eq!(status, 202);
    hold.reached().await;
    server.kill().await;
    hold.cut();
    (direct, proxy)
}

/// Another gateway runs the delivery, whose first attempt was lost.
async fn assert_taken_over(direct: &Target, proxy: &Proxy) {
    let leased = "SELECT count(*) FROM deliveries WHERE state = 'leased' AND attempts = 1";
    assert_eq!(sql::number(direct, leased).await, 1);
    expire_leases(direct).await;
    let _server = Server::start(proxy.url()).await;
    settled(direct).await;
    assert_events(direct, 1).await;
    assert_payments(direct, 1).await;
    let results = sql::texts(direct, "SELECT result FROM attempts ORDER BY number").await;
    assert_eq!(results, ["lost", "done"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_claim_and_handler_the_attempt_counts_and_another_runs_it() {
    let (direct, proxy) = kill_at(|proxy| proxy.hold(Point::Before, LOAD)).await;
    assert_taken_over(&direct, &proxy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_handler_and_effects_another_applies_them() {
    let (direct, proxy) = kill_at(|proxy| proxy.hold(Point::Before, EFFECT)).await;
    assert_taken_over(&direct, &proxy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_effects_and_settling_the_effects_happen_once() {
    let (direct, proxy) = kill_at(|proxy| proxy.hold_after(EFFECT, Point::Before, SETTLE)).await;
    assert_taken_over(&direct, &proxy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_settling_and_its_commit_the_effects_happen_once() {
    let (direct, proxy) = kill_at(|proxy| proxy.hold_after(SETTLE, Point::Before, "COMMIT")).await;
    assert_taken_over(&direct, &proxy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_it_knows_that_it_has_settled_nobody_runs_it_again() {
    let (direct, proxy) =
        kill_at(|proxy| proxy.hold_after(SETTLE, Point::Answered, "COMMIT")).await;
    let _server = Server::start(proxy.url()).await;
    settled(&direct).await;
    assert_events(&direct, 1).await;
    assert_payments(&direct, 1).await;
    assert_eq!(sql::texts(&direct, "SELECT result FROM attempts").await, ["done"]);
}
