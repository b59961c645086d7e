//! Settlement despite locks, deadlocks and conflicts. A delivery that cannot be settled is released
//! without using an attempt.

use std::time::Duration;

use sealpost::store::Lease;
use sqlx::PgConnection;

use super::{ScriptedHandler, delivery_states, send_script};
use crate::faults::assertions::expire_leases;
use crate::harness::{Gateway, sql};

/// Raises an error on its first call; a sequence counts despite the rollback.
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
async fn transient_database_errors_are_retried_at_settlement() {
    for code in ["40001", "40P01", "55P03", "57P03", "53300"] {
        let handler = ScriptedHandler::new();
        let gateway = Gateway::builder().handler(handler.clone()).start().await;
        sql::script(gateway.target(), RAISE_ONCE).await;
        let event = send_script(&gateway, &format!("raise {code}")).await;
        gateway.run_until_idle().await;
        assert_eq!(
            delivery_states(&gateway).await,
            [("done".to_owned(), 1, String::new())],
            "{code}"
        );
        assert_eq!(handler.called(&event), 1, "the handler does not run twice");
        assert_eq!(gateway.dispatcher().problems(), [], "the problem is resolved");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lock_released_within_the_lease_uses_no_attempt() {
    let handler = ScriptedHandler::new();
    let gateway = Gateway::builder().handler(handler.clone()).start().await;
    gateway.execute("CREATE TABLE written (number int)").await;
    let event = send_script(&gateway, "write").await;
    let mut locker = lock(&gateway, "written").await;
    let release = async {
        let has_problem = async || !gateway.dispatcher().problems().is_empty();
        super::until(has_problem).await;
        assert_eq!(gateway.dispatcher().problems()[0].handler, "told");
        sql::run(&mut locker, "ROLLBACK").await;
    };
    let (ran, ()) = tokio::join!(gateway.run_until_idle(), release);
    assert_eq!(ran, 1);
    assert_eq!(delivery_states(&gateway).await, [("done".to_owned(), 1, String::new())]);
    assert_eq!(handler.called(&event), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn unsettled_delivery_is_released_without_an_attempt() {
    let short = "\n[dispatch]\nlease = \"1500ms\"\nhandler_deadline = \"1s\"\nmax_attempts = 2\n";
    let handler = ScriptedHandler::new();
    let gateway = Gateway::builder().handler(handler.clone()).more_config(short).start().await;
    gateway.execute("CREATE TABLE written (number int)").await;
    send_script(&gateway, "write").await;
    let mut locker = lock(&gateway, "written").await;
    for _ in 0..3 {
        assert_eq!(gateway.run_until_idle().await, 1);
        let [(state, attempts, error)] = delivery_states(&gateway).await.try_into().unwrap();
        assert_eq!((state.as_str(), attempts), ("ready", 0), "{error}");
        assert!(error.contains("not recorded"), "{error}");
        gateway.clock().advance(Duration::from_mins(1));
    }
    sql::run(&mut locker, "ROLLBACK").await;
    gateway.run_until_idle().await;
    assert_eq!(delivery_states(&gateway).await[0].0, "done");
    assert_eq!(gateway.count("SELECT count(*) FROM attempts").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn unloadable_event_uses_no_attempt() {
    let handler = ScriptedHandler::new();
    let gateway = Gateway::builder().handler(handler.clone()).start().await;
    let event = send_script(&gateway, "nothing").await;
    let mut locker = lock(&gateway, "events").await;
    assert_eq!(gateway.dispatcher().step().await.unwrap(), 1);
    sql::run(&mut locker, "ROLLBACK").await;
    let [(state, attempts, _)] = delivery_states(&gateway).await.try_into().unwrap();
    assert_eq!((state.as_str(), attempts, handler.called(&event)), ("ready", 0, 0));
    gateway.clock().advance(Duration::from_mins(1));
    gateway.run_until_idle().await;
    assert_eq!(delivery_states(&gateway).await[0].0, "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn database_timeout_in_a_handler_uses_no_attempt() {
    let handler = ScriptedHandler::new();
    let gateway = Gateway::builder().handler(handler.clone()).start().await;
    let event = send_script(&gateway, "ask the database").await;
    gateway.run_until_idle().await;
    let [(state, attempts, _)] = delivery_states(&gateway).await.try_into().unwrap();
    assert_eq!((state.as_str(), attempts), ("ready", 0));
    gateway.clock().advance(Duration::from_mins(1));
    gateway.run_until_idle().await;
    assert_eq!(delivery_states(&gateway).await[0].1, 1);
    assert_eq!(handler.called(&event), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_lease_of_a_live_holder_is_not_lost() {
    let handler = ScriptedHandler::new();
    let gateway = Gateway::builder().handler(handler.clone()).running().start().await;
    let event = send_script(&gateway, "hang").await;
    super::until(async || handler.called(&event) == 1).await;
    expire_leases(gateway.target()).await;
    // Its own gateway recovers expired leases, and another event is done meanwhile.
    let sources = ["billing".to_owned()];
    let now = sealpost::clock::Clock::now(gateway.clock());
    assert_eq!(gateway.dispatcher().recover_expired_leases().await.unwrap(), 0);
    send_script(&gateway, "nothing").await;
    let done = "SELECT count(*) FROM deliveries WHERE state = 'done'";
    super::until(async || gateway.count(done).await == 1).await;
    handler.resume.add_permits(1);
    super::until(async || gateway.count(done).await == 2).await;
    let none: Option<Lease> =
        gateway.store().claim_isolated(&sources, "", now, Duration::from_mins(1)).await.unwrap();
    assert!(none.is_none(), "{none:?}");
    assert_eq!(gateway.count("SELECT count(*) FROM attempts WHERE result = 'lost'").await, 0);
}
