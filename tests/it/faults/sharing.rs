//! Several gateways on one database, and terminated database sessions: every event is stored once
//! and handled once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use sealpost::dispatch::{Attempt, Failure, Handler};
use sealpost::store::{Effects, StoredEvent};

use super::assertions::{
    assert_attempts, assert_events, assert_payments, record_payment_writes, wait_until_settled,
};
use super::commits::pay;
use super::driver::{Process, Server, payment, wait_for};
use super::proxy::{PATIENCE, Point, Proxy};
use crate::harness::{Gateway, database, sql};

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_duplicates_at_two_gateways_are_one_event() {
    let one = Gateway::start().await;
    let other = Gateway::builder().sharing_database(&one).start().await;
    for number in 0..100 {
        let body = payment(number).to_string();
        let (first, second) = tokio::join!(
            one.send("billing", None, body.as_bytes()),
            other.send("billing", None, body.as_bytes()),
        );
        let mut statuses = [first.status, second.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 202], "round {number}");
        assert_eq!(first.id(), second.id(), "round {number}");
    }
    one.run_until_idle().await;
    assert_events(one.target(), 100).await;
}

/// Counts its calls for each event.
#[derive(Clone, Default)]
struct CallCounter(Arc<Mutex<HashMap<String, usize>>>);

#[async_trait]
impl Handler for CallCounter {
    fn name(&self) -> &'static str {
        "counting"
    }

    async fn handle(&self, event: &StoredEvent, _: Attempt) -> Result<Effects, Failure> {
        *self.0.lock().unwrap().entry(event.id.to_string()).or_default() += 1;
        tokio::task::yield_now().await;
        Ok(Effects::unchanged())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_dispatchers_run_each_delivery_once() {
    let counter = CallCounter::default();
    let one = Gateway::builder().handler(counter.clone()).start().await;
    let other = Gateway::builder().handler(counter.clone()).sharing_database(&one).start().await;
    assert_eq!(pay(&one, 0).await, 202);
    // Events that differ only in their id.
    one.execute(
        "WITH more AS ( \
             INSERT INTO events SELECT (jsonb_populate_record(e, \
                 jsonb_build_object('id', gen_random_uuid()))).* \
               FROM events e, generate_series(2, 1000) RETURNING id) \
         INSERT INTO deliveries (event_id, source, handler, triggered_by, lane_blocks, state, \
                                 created_at, due_at) \
         SELECT more.id, d.source, d.handler, d.triggered_by, false, 'ready', d.created_at, d.due_at \
           FROM more, deliveries d",
    )
    .await;
    let (by_one, by_other) = tokio::join!(one.run_until_idle(), other.run_until_idle());
    assert!(by_one > 0 && by_other > 0, "{by_one} and {by_other}");
    let calls = counter.0.lock().unwrap().clone();
    assert_eq!(calls.len(), 1000);
    assert!(calls.values().all(|calls| *calls == 1));
    assert_eq!(one.count("SELECT count(*) FROM deliveries WHERE state = 'done'").await, 1000);
    assert_eq!(one.count("SELECT count(*) FROM attempts").await, 1000);
    assert_attempts(one.target()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn terminated_sessions_lose_no_acknowledged_event() {
    const EVENTS: usize = 200;
    let direct = database::fresh().await;
    record_payment_writes(&direct).await;
    let server = Server::start(Proxy::before(&direct).await.url()).await;
    let all_sent = AtomicBool::new(false);
    let end_sessions = async {
        let mut ended = 0;
        while !all_sent.load(Ordering::Relaxed) {
            let end = "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid \
                       FROM pg_stat_activity WHERE application_name LIKE 'sealpost %' \
                       AND datname = current_database() ORDER BY random() LIMIT 1) s";
            ended += sql::number(&direct, end).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        ended
    };
    let send = async {
        let sent = join_all((0..EVENTS).map(async |number| {
            // The senders start one after the other.
            tokio::time::sleep(Duration::from_millis(10 * number as u64)).await;
            let answered = async || {
                let (status, _) = server.remote.send("billing", &payment(number)).await?;
                assert!(matches!(status, 200 | 202 | 503), "{status}");
                (status != 503).then_some(())
            };
            wait_for("the event is acknowledged", answered).await;
        }));
        sent.await;
        all_sent.store(true, Ordering::Relaxed);
    };
    let (ended, ()) = tokio::join!(end_sessions, send);
    assert!(ended >= 5, "only {ended} sessions were ended");
    wait_until_settled(&direct).await;
    assert_events(&direct, EVENTS).await;
    assert_payments(&direct, EVENTS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gateway_without_its_listener_session_polls() {
    let direct = database::fresh().await;
    let server = Server::start(Proxy::before(&direct).await.url()).await;
    let listening = "SELECT pid::text FROM pg_stat_activity WHERE datname = current_database() \
                     AND application_name = 'sealpost listen'";
    let listener_pid = async || sql::texts(&direct, listening).await.pop();
    let first = wait_for("it listens", listener_pid).await;
    sql::texts(&direct, &format!("SELECT pg_terminate_backend({first})::text")).await;
    // This gateway only ingests.
    let other = Gateway::builder().on(direct.clone()).start().await;
    assert_eq!(pay(&other, 1).await, 202);
    wait_until_settled(&direct).await;
    assert_events(&direct, 1).await;
    let again = async || listener_pid().await.filter(|pid| *pid != first);
    wait_for("it listens again", again).await;
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_migrations_of_an_empty_database_succeed() {
    let direct = database::fresh().await;
    let proxy = Proxy::before(&direct).await;
    let url = proxy.url().replace("/test_", "/test_empty_");
    let mut processes: Vec<_> =
        (0..4).map(|_| Process::start(&["migrate"], Some(&url), "")).collect();
    for process in &mut processes {
        let status = process.ended(PATIENCE).await;
        assert!(status.success(), "{status}\n{}", process.log());
    }
    let empty = sealpost::store::Target::from_url(&url).unwrap();
    empty.check_migrated().await.unwrap();
    assert_eq!(sql::number(&empty, "SELECT count(*) FROM events").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_migration_is_completed_by_the_next() {
    let direct = database::fresh().await;
    let proxy = Proxy::before(&direct).await;
    let url = proxy.url().replace("/test_", "/test_half_");
    for (point, sql) in [
        (Point::Answered, "CREATE TABLE events"),
        (Point::Before, "COMMIT"),
        (Point::Answered, "COMMIT"),
    ] {
        let hold = proxy.hold(point, sql);
        let process = Process::start(&["migrate"], Some(&url), "");
        hold.reached().await;
        process.kill().await;
        hold.cut();
    }
    let mut process = Process::start(&["migrate"], Some(&url), "");
    let status = process.ended(PATIENCE).await;
    assert!(status.success(), "{status}\n{}", process.log());
    let half = sealpost::store::Target::from_url(&url).unwrap();
    half.check_migrated().await.unwrap();
    assert_eq!(sql::number(&half, "SELECT count(*) FROM deliveries").await, 0);
}
