//! Database outages: frozen, gone, refusing connections, locked. Requests get 503 in time, and the
//! gateway recovers without a restart.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sealpost::store::Target;

use super::assertions::{assert_events, expire_leases};
use super::commits::{RESPONSE_DEADLINE, assert_503_in_time, behind_proxy, pay};
use super::proxy::Proxy;
use super::transfer::chunks;
use crate::harness::{Gateway, sql};

/// Time to recover after an outage.
const RECOVERY_DEADLINE: Duration = Duration::from_secs(10);

async fn readyz(gateway: &Gateway) -> u16 {
    gateway.operator("/readyz").await.status
}

async fn send_chunk(gateway: &Gateway, index: usize) -> u16 {
    let body = chunks()[index].to_string();
    gateway.send("cards", Some("create"), body.as_bytes()).await.status
}

/// Asserts that ingest, readiness and dispatch recover in time.
async fn assert_recovered(gateway: &Gateway, number: usize) {
    let ends = Instant::now() + RECOVERY_DEADLINE;
    while !matches!(pay(gateway, number).await, 200 | 202) {
        assert!(Instant::now() < ends, "ingest does not recover");
    }
    while !matches!(send_chunk(gateway, 1).await, 200 | 202) {
        assert!(Instant::now() < ends, "chunk ingest does not recover");
    }
    while readyz(gateway).await != 200 {
        assert!(Instant::now() < ends, "it does not become ready");
    }
    let working = async {
        while gateway.dispatcher().run_until_idle().await.is_err() {}
        while gateway.store().begin().await.is_err() {}
    };
    let left = ends.saturating_duration_since(Instant::now());
    tokio::time::timeout(left, working).await.expect("dispatch recovers");
}

/// Runs the remaining deliveries, including those whose lease or attempt was lost.
async fn finish(direct: &Target, gateway: &Gateway) {
    expire_leases(direct).await;
    gateway.run_to_the_end().await;
}

/// Opens connections in every pool.
async fn warm_up(gateway: &Gateway) {
    let paid = join_all((0..8).map(|number| pay(gateway, number))).await;
    assert_eq!(paid, [202; 8]);
    assert_eq!(send_chunk(gateway, 0).await, 202);
    gateway.run_until_idle().await;
    assert_eq!(readyz(gateway).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn frozen_database_gives_503_in_time() {
    let (direct, proxy, gateway) = behind_proxy().await;
    warm_up(&gateway).await;
    proxy.freeze();
    let payments = join_all((8..40).map(|number| assert_503_in_time(&gateway, number)));
    let refused_chunks = join_all((1..4).map(async |index| {
        let started = Instant::now();
        assert_eq!(send_chunk(&gateway, index).await, 503);
        assert!(started.elapsed() < RESPONSE_DEADLINE, "response after {:?}", started.elapsed());
    }));
    let (_, _, ready) = tokio::join!(payments, refused_chunks, readyz(&gateway));
    assert_eq!(ready, 503);
    // In a second wave, every connection is stuck from the start.
    join_all((8..40).map(|number| assert_503_in_time(&gateway, number))).await;
    proxy.thaw();
    assert_recovered(&gateway, 8).await;
    for number in 8..40 {
        assert!(matches!(pay(&gateway, number).await, 200 | 202));
    }
    finish(&direct, &gateway).await;
    assert_events(&direct, 40).await;
}

/// As after a power failure and a failover: the old connections are not reset.
#[tokio::test(flavor = "multi_thread")]
async fn dead_connections_are_closed() {
    let (direct, proxy, gateway) = behind_proxy().await;
    warm_up(&gateway).await;
    proxy.lose();
    assert_recovered(&gateway, 8).await;
    finish(&direct, &gateway).await;
    assert_events(&direct, 9).await;
}

/// As above, with connections in use.
#[tokio::test(flavor = "multi_thread")]
async fn connections_lost_in_use_are_closed() {
    let (direct, proxy, gateway) = behind_proxy().await;
    warm_up(&gateway).await;
    assert_eq!(pay(&gateway, 8).await, 202);
    proxy.freeze();
    let chunks = join_all((1..4).map(|index| send_chunk(&gateway, index)));
    let pings = join_all((0..4).map(|_| readyz(&gateway)));
    let payments = join_all((9..12).map(|number| pay(&gateway, number)));
    let dispatch = tokio::time::timeout(RECOVERY_DEADLINE, gateway.dispatcher().step());
    let (chunks, pings, payments, dispatch) = tokio::join!(chunks, pings, payments, dispatch);
    assert_eq!((chunks, pings, payments), (vec![503; 3], vec![503; 4], vec![503; 3]));
    assert!(dispatch.expect("dispatch does not hang").is_err());
    proxy.lose();
    proxy.thaw();
    for number in 9..12 {
        assert_recovered(&gateway, number).await;
    }
    finish(&direct, &gateway).await;
    assert_events(&direct, 12).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reset_and_refused_connections_give_503_in_time() {
    let (direct, proxy, gateway) = behind_proxy().await;
    warm_up(&gateway).await;
    proxy.refuse(true);
    proxy.reset();
    join_all((8..24).map(|number| assert_503_in_time(&gateway, number))).await;
    assert_eq!(readyz(&gateway).await, 503);
    proxy.refuse(false);
    for number in 8..24 {
        assert_recovered(&gateway, number).await;
    }
    finish(&direct, &gateway).await;
    assert_events(&direct, 24).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn locked_table_gives_503_in_time() {
    let (direct, _proxy, gateway) = behind_proxy().await;
    warm_up(&gateway).await;
    for table in ["events", "event_keys", "deliveries", "chunk_transfers"] {
        let mut locker = sql::connect(&direct).await;
        for statement in ["BEGIN", &format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")] {
            sql::run(&mut locker, statement).await;
        }
        if table == "chunk_transfers" {
            let started = Instant::now();
            assert_eq!(send_chunk(&gateway, 1).await, 503);
            assert!(
                started.elapsed() < RESPONSE_DEADLINE,
                "response after {:?}",
                started.elapsed()
            );
        } else {
            join_all((8..16).map(|number| assert_503_in_time(&gateway, number))).await;
        }
        sql::run(&mut locker, "ROLLBACK").await;
    }
    for number in 8..16 {
        assert_recovered(&gateway, number).await;
    }
    finish(&direct, &gateway).await;
    assert_events(&direct, 16).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn database_without_connections_gives_503_in_time() {
    let (direct, _proxy, gateway) = behind_proxy().await;
    warm_up(&gateway).await;
    let name = sql::texts(&direct, "SELECT current_database()::text").await.remove(0);
    let admin_database = direct.with_database("postgres");
    let allow = |allowed: bool| format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}");
    sql::execute(&admin_database, &allow(false)).await;
    let end =
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
    sql::execute(&admin_database, &end).await;
    join_all((8..16).map(|number| assert_503_in_time(&gateway, number))).await;
    assert_eq!(readyz(&gateway).await, 503);
    sql::execute(&admin_database, &allow(true)).await;
    for number in 8..16 {
        assert_recovered(&gateway, number).await;
    }
    finish(&direct, &gateway).await;
    assert_events(&direct, 16).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exhausted_connection_pool_gives_503_in_time() {
    let direct = crate::harness::database::fresh().await;
    let proxy = Proxy::before(&direct).await;
    let gateway = Gateway::builder()
        .config("ingest_connections = 4", "ingest_connections = 1")
        .on(proxy.target())
        .start()
        .await;
    // The only connection waits for a table lock.
    let mut locker = sql::connect(&direct).await;
    sql::run(&mut locker, "BEGIN").await;
    sql::run(&mut locker, "LOCK TABLE chunk_transfers IN ACCESS EXCLUSIVE MODE").await;
    let chunk = async {
        assert_eq!(send_chunk(&gateway, 0).await, 503);
    };
    let payments = async {
        let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = \
                       (SELECT oid FROM pg_database WHERE datname = current_database())";
        super::driver::wait_for("the chunk waits", async || {
            (sql::number(&direct, waiting).await > 0).then_some(())
        })
        .await;
        let started = Instant::now();
        let status = pay(&gateway, 0).await;
        assert!(matches!(status, 202 | 503), "{status}");
        assert!(started.elapsed() < RESPONSE_DEADLINE, "response after {:?}", started.elapsed());
    };
    tokio::join!(chunk, payments);
    sql::run(&mut locker, "ROLLBACK").await;
    assert_recovered(&gateway, 0).await;
    finish(&direct, &gateway).await;
    assert_events(&direct, 1).await;
}
