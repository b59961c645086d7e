//! What an attempt has come to is written down in spite of locks, deadlocks and conflicts; and what
//! cannot be is given back, and costs no attempt.

use std::time::Duration;

use sealpost::store::Lease;
use sqlx::PgConnection;

use super::{Told, standing, tell};
use crate::faults::ledger::expire_leases;
use crate::harness::{Gateway, sql};

/// Raises an error of this code the first time that it is called; a sequence counts in spite of
/// the rollback.
const RAISE_ONCE: &str = "
    CREATE SEQUENCE raised;
    CREATE FUNCTION raise_once(code text) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        IF nextval('raised') = 1 THEN RAISE EXCEPTION 'once' USING ERRCODE = code; END IF;
    END $$;";

async fn lock(gateway: &Gateway, table: &str) -> PgConnection {
    let mut locker = sql::connect(gateway.target()).await;
    sql::run(&mut locker, "BEGIN").await;
    sql::run(&mut locker, &format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")).await;
    locker
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_refuses_for_the_moment_is_written_again_at_once() {
    for code in ["40001", "40P01", "55P03", "57P03", "53300"] {
        let told = Told::new();
        let gateway = Gateway::builder().handler(told.clone()).start().await;
        sql::script(gateway.target(), RAISE_ONCE).await;
        let event = tell(&gateway, &format!("raise {code}")).await;
        gateway.run_until_idle().await;
        assert_eq!(standing(&gateway).await, [("done".to_owned(), 1, String::new())], "{code}");
        assert_eq!(told.called(&event), 1, "its outside work is not done twice");
        assert_eq!(gateway.dispatcher().troubles(), [], "it is over");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_ends_while_the_lease_holds_costs_nothing() {
    let told = Told::new();
    let gateway = Gateway::builder().handler(told.clone()).start().await;
    gateway.execute("CREATE TABLE written (number int)").await;
    let event = tell(&gateway, "write").await;
    let mut locker = lock(&gateway, "written").await;
    let release = async {
        let troubled = async || !gateway.dispatcher().troubles().is_empty();
        super::until(troubled).await;
        assert_eq!(gateway.dispatcher().troubles()[0].handler, "told");
        sql::run(&mut locker, "ROLLBACK").await;
    };
    let (worked, ()) = tokio::join!(gateway.run_until_idle(), release);
    assert_eq!(worked, 1);
    assert_eq!(standing(&gateway).await, [("done".to_owned(), 1, String::new())]);
    assert_eq!(told.called(&event), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_while_the_lease_holds_is_given_back() {
    let short = "\n[dispatch]\nlease = \"1500ms\"\nhandler_deadline = \"1s\"\nmax_attempts = 2\n";
    let told = Told::new();
    let gateway = Gateway::builder().handler(told.clone()).more_config(short).start().await;
    gateway.execute("CREATE TABLE written (number int)").await;
    tell(&gateway, "write").await;
    let mut locker = lock(&gateway, "written").await;
    for _ in 0..3 {
        assert_eq!(gateway.run_until_idle().await, 1);
        let [(state, attempts, error)] = standing(&gateway).await.try_into().unwrap();
        assert_eq!((state.as_str(), attempts), ("ready", 0), "{error}");
        assert!(error.contains("not recorded"), "{error}");
        gateway.clock().advance(Duration::from_mins(1));
    }
    sql::run(&mut locker, "ROLLBACK").await;
    gateway.run_until_idle().await;
    assert_eq!(standing(&gateway).await[0].0, "done");
    assert_eq!(gateway.count("SELECT count(*) FROM attempts").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_loaded_has_not_been_tried() {
    let told = Told::new();
    let gateway = Gateway::builder().handler(told.clone()).start().await;
    let event = tell(&gateway, "nothing").await;
    let mut locker = lock(&gateway, "events").await;
    assert_eq!(gateway.dispatcher().step().await.unwrap(), 1);
    sql::run(&mut locker, "ROLLBACK").await;
    let [(state, attempts, _)] = standing(&gateway).await.try_into().unwrap();
    assert_eq!((state.as_str(), attempts, told.called(&event)), ("ready", 0, 0));
    gateway.clock().advance(Duration::from_mins(1));
    gateway.run_until_idle().await;
    assert_eq!(standing(&gateway).await[0].0, "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_could_not_ask_the_database_has_not_failed() {
    let told = Told::new();
    let gateway = Gateway::builder().handler(told.clone()).start().await;
    let event = tell(&gateway, "ask the database").await;
    gateway.run_until_idle().await;
    let [(state, attempts, _)] = standing(&gateway).await.try_into().unwrap();
    assert_eq!((state.as_str(), attempts), ("ready", 0));
    gateway.clock().advance(Duration::from_mins(1));
    gateway.run_until_idle().await;
    assert_eq!(standing(&gateway).await[0].1, 1);
    assert_eq!(told.called(&event), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_runs_out_while_its_holder_is_here_is_not_lost() {
    let told = Told::new();
    let gateway = Gateway::builder().handler(told.clone()).running().start().await;
    let event = tell(&gateway, "hang").await;
    super::until(async || told.called(&event) == 1).await;
    expire_leases(gateway.target()).await;
    // Its own gateway looks for lost leases, and another event is done meanwhile.
    let sources = ["billing".to_owned()];
    let now = sealpost::clock::Clock::now(gateway.clock());
    assert_eq!(gateway.dispatcher().recover_expired_leases().await.unwrap(), 0);
    tell(&gateway, "nothing").await;
    let done = "SELECT count(*) FROM deliveries WHERE state = 'done'";
    super::until(async || gateway.count(done).await == 1).await;
    told.go_on.add_permits(1);
    super::until(async || gateway.count(done).await == 2).await;
    let none: Option<Lease> =
        gateway.store().claim_isolated(&sources, "", now, Duration::from_mins(1)).await.unwrap();
    assert!(none.is_none(), "{none:?}");
    assert_eq!(gateway.count("SELECT count(*) FROM attempts WHERE result = 'lost'").await, 0);
}
