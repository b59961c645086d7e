//! What stands around the gateway: another gateway, clocks that differ, settings of the database,
//! a log that nobody reads.

use std::time::Duration;

use futures_util::future::join_all;
use nix::sys::signal::Signal;

use super::commits::{assert_refused_in_time, behind_proxy, pay};
use super::driver::{Server, payment};
use super::ledger::{assert_events, assert_payments, expire_leases, settled, watch_payments};
use super::proxy::{Point, Proxy};
use crate::harness::{Gateway, database, sql};

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_cut_off_leaves_its_work_to_another_and_settles_nothing_late() {
    let (direct, proxy, cut_off) = behind_proxy().await;
    watch_payments(&direct).await;
    let other = Gateway::builder().on(direct.clone()).start().await;
    assert_eq!(pay(&cut_off, 1).await, 202);
    let hold = proxy.hold(Point::Before, "INSERT INTO stripe_objects");
    let take_over = async {
        hold.reached().await;
        proxy.freeze();
        tokio::join!(assert_refused_in_time(&cut_off, 2), async {
            assert_eq!(cut_off.operator("/readyz").await.status, 503);
        });
        expire_leases(&direct).await;
        assert_eq!(other.run_until_idle().await, 1);
        assert_eq!(pay(&other, 2).await, 202);
        proxy.thaw();
        hold.release();
    };
    let (worked, ()) = tokio::join!(cut_off.dispatcher().step(), take_over);
    assert_eq!(worked.unwrap(), 1);
    assert_eq!(pay(&cut_off, 2).await, 200);
    other.run_until_idle().await;
    assert_events(&direct, 2).await;
    assert_payments(&direct, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_go_by_the_clock_of_the_database_whatever_a_gateway_believes() {
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
async fn what_is_acknowledged_is_on_disk_even_where_the_database_would_not_wait() {
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
async fn a_log_that_nobody_reads_holds_up_neither_requests_nor_the_end() {
    const EVENTS: usize = 400;
    let direct = database::fresh().await;
    let mut server = Server::start(Proxy::before(&direct).await.url()).await;
    let unread = server.process.unread().await;
    // Far more lines than a pipe holds.
    let remote = &server.remote;
    let sent = join_all((0..EVENTS).map(async |number| {
        assert_eq!(remote.send("billing", &payment(number)).await.unwrap().0, 202);
    }));
    sent.await;
    settled(&direct).await;
    server.process.signal(Signal::SIGTERM);
    let status = server.process.ended(Duration::from_secs(15)).await;
    drop(unread);
    assert_eq!(status.code(), Some(0));
    assert_events(&direct, EVENTS).await;
}
