//! Several gateways on one database, and a database that ends sessions as it likes: an event is
//! stored once and run once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use sealpost::dispatch::{Attempt, Failure, Handler};
use sealpost::store::{Effects, StoredEvent};

use super::commits::pay;
use super::driver::{Process, Server, payment, wait_for};
use super::ledger::{assert_attempts, assert_events, assert_payments, settled, watch_payments};
use super::proxy::{PATIENCE, Point, Proxy};
use crate::harness::{Gateway, database, sql};

#[tokio::test(flavor = "multi_thread")]
async fn of_two_gateways_that_get_the_same_event_at_once_one_accepts_it() {
    let one = Gateway::start().await;
    let other = Gateway::builder().beside(&one).start().await;
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

/// Counts how often it is called for each event.
#[derive(Clone, Default)]
struct StatsFlusher(Arc<Mutex<HashMap<String, usize>>>);

#[async_trait]
impl Handler for StatsFlusher {
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
async fn two_dispatchers_share_a_thousand_deliveries_and_run_each_once() {
    let counting = StatsFlusher::default();
    let one = Gateway::builder().handler(counting.clone()).start().await;
    let other = Gateway::builder().handler(counting.clone()).beside(&one).start().await;
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
    let (mine, theirs) = tokio::join!(one.run_until_idle(), other.run_until_idle());
    assert!(mine > 0 && theirs > 0, "{mine} and {theirs}");
    let calls = counting.0.lock().unwrap().clone();
    assert_eq!(calls.len(), 1000);
    assert!(calls.values().all(|calls| *calls == 1));
    assert_eq!(one.count("SELECT count(*) FROM deliveries WHERE state = 'done'").await, 1000);
    assert_eq!(one.count("SELECT count(*) FROM attempts").await, 1000);
    assert_attempts(one.target()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_session_is_ended_every_acknowledged_event_is_there_once() {
    const EVENTS: usize = 200;
    let direct = database::fresh().await;
    watch_payments(&direct).await;
    let server = Server::start(Proxy::before(&direct).await.url()).await;
    let over = AtomicBool::new(false);
    let end_sessions = async {
        let mut ended = 0;
        while !over.load(Ordering::Relaxed) {
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
            // Not all at once: each sender waits for the one before it to have begun.
            tokio::time::sleep(Duration::from_millis(10 * number as u64)).await;
            let answered = async || {
                let (status, _) = server.remote.send("billing", &payment(number)).await?;
                assert!(matches!(status, 200 | 202 | 503), "{status}");
                (status != 503).then_some(())
            };
            wait_for("the event is acknowledged", answered).await;
        }));
        sent.await;
        over.store(true, Ordering::Relaxed);
    };
    let (ended, ()) = tokio::join!(end_sessions, send);
    assert!(ended >= 5, "only {ended} sessions were ended");
    settled(&direct).await;
    assert_events(&direct, EVENTS).await;
    assert_payments(&direct, EVENTS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_no_longer_hears_of_work_finds_it() {
    let direct = database::fresh().await;
    let server = Server::start(Proxy::before(&direct).await.url()).await;
    let listening = "SELECT pid::text FROM pg_stat_activity WHERE datname = current_database() \
                     AND application_name = 'sealpost listen'";
    let heard = async || sql::texts(&direct, listening).await.pop();
    let first = wait_for("it listens", heard).await;
    sql::texts(&direct, &format!("SELECT pg_terminate_backend({first})::text")).await;
    // This one only records.
    let other = Gateway::builder().on(direct.clone()).start().await;
    assert_eq!(pay(&other, 1).await, 202);
    settled(&direct).await;
    assert_events(&direct, 1).await;
    let again = async || heard().await.filter(|pid| *pid != first);
    wait_for("it listens again", again).await;
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn four_processes_that_migrate_an_empty_database_at_once_all_succeed() {
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
async fn a_migration_that_was_killed_is_done_by_the_next() {
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
