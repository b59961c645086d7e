//! The environment of the gateway: network partitions, clocks, database settings, an unread log.

use std::time::Duration;

use futures_util::future::join_all;
use nix::sys::signal::Signal;

use super::assertions::{
    assert_events, assert_payments, expire_leases, record_payment_writes, wait_until_settled,
};
use super::commits::{assert_503_in_time, behind_proxy, pay};
use super::driver::{Server, payment};
use super::proxy::{Point, Proxy};
use crate::harness::{Gateway, database, sql};

#[tokio::test(flavor = "multi_thread")]
async fn partitioned_gateway_is_taken_over_and_settles_nothing() {
    let (direct, proxy, partitioned) = behind_proxy().await;
    record_payment_writes(&direct).await;
    let other = Gateway::builder().on(direct.clone()).start().await;
    assert_eq!(pay(&partitioned, 1).await, 202);
    let pause = proxy.hold(Point::Before, "INSERT INTO stripe_objects");
    let take_over = async {
        pause.reached().await;
        proxy.freeze();
        tokio::join!(assert_503_in_time(&partitioned, 2), async {
            assert_eq!(partitioned.operator("/readyz").await.status, 503);
        });
        expire_leases(&direct).await;
        assert_eq!(other.run_until_idle().await, 1);
        assert_eq!(pay(&other, 2).await, 202);
        proxy.thaw();
        pause.release();
    };
    let (ran, ()) = tokio::join!(partitioned.dispatcher().step(), take_over);
    assert_eq!(ran.unwrap(), 1);
    assert_eq!(pay(&partitioned, 2).await, 200);
    other.run_until_idle().await;
    assert_events(&direct, 2).await;
    assert_payments(&direct, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_use_the_database_clock() {
    let gateway = Gateway::start().await;
    assert_eq!(pay(&gateway, 1).await, 202);
    assert_eq!(gateway.claim("billing", 1, Duration::from_mins(1)).await.len(), 1);
    gateway.clock().advance(Duration::from_hours(2));
    assert_eq!(gateway.run_until_idle().await, 0);
    expire_leases(gateway.target()).await;
    assert_eq!(gateway.run_until_idle().await, 1);
    assert_events(gateway.target(), 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_events_are_durable_despite_asynchronous_commit() {
    let direct = database::fresh().await;
    let name = sql::texts(&direct, "SELECT current_database()::text").await.remove(0);
    for statement in [
        &format!("ALTER DATABASE {name} SET synchronous_commit = off"),
        "CREATE TABLE commits (synchronous text NOT NULL)",
        "CREATE FUNCTION note_commit() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN INSERT INTO commits VALUES (current_setting('synchronous_commit')); \
            RETURN NULL; END $$",
        "CREATE TRIGGER commits AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION note_commit()",
        "CREATE TRIGGER commits AFTER INSERT ON attempts FOR EACH ROW EXECUTE FUNCTION note_commit()",
    ] {
        sql::execute(&direct, statement).await;
    }
    let default = "SELECT unnest(setconfig) FROM pg_db_role_setting
                    JOIN pg_database d ON d.oid = setdatabase WHERE datname = current_database()";
    assert_eq!(sql::texts(&direct, default).await, ["synchronous_commit=off"]);
    let gateway = Gateway::builder().on(direct.clone()).start().await;
    assert_eq!(pay(&gateway, 1).await, 202);
    gateway.run_until_idle().await;
    assert_eq!(sql::texts(&direct, "SELECT synchronous FROM commits").await, ["on", "on"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn unread_log_blocks_neither_requests_nor_shutdown() {
    const EVENTS: usize = 400;
    let direct = database::fresh().await;
    let mut server = Server::start(Proxy::before(&direct).await.url()).await;
    let unread = server.process.stop_reading_log().await;
    // Far more lines than the pipe buffers.
    let remote = &server.remote;
    let sent = join_all((0..EVENTS).map(async |number| {
        assert_eq!(remote.send("billing", &payment(number)).await.unwrap().0, 202);
    }));
    sent.await;
    wait_until_settled(&direct).await;
    server.process.signal(Signal::SIGTERM);
    let status = server.process.ended(Duration::from_secs(15)).await;
    drop(unread);
    assert_eq!(status.code(), Some(0));
    assert_events(&direct, EVENTS).await;
}
