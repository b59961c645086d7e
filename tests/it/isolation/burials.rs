//! A dead letter is counted once, when it is one: what was rolled back has not happened.

use std::time::Duration;

use sealpost::clock::Clock;

use crate::dead_letters::{Fragile, gateway, send};
use crate::faults::ledger::expire_leases;
use crate::harness::{Gateway, sql};

/// No burial can be committed: the server refuses it at the very end.
const REFUSE: &str = "
    CREATE FUNCTION refuse_burial() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = 'check_violation'; END $$;
    CREATE CONSTRAINT TRIGGER refuse_burial AFTER UPDATE ON deliveries
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.state = 'dead')
        EXECUTE FUNCTION refuse_burial();";
const ALLOW: &str = "DROP TRIGGER refuse_burial ON deliveries";

/// How many deliveries were counted as dead so far.
async fn counted(gateway: &Gateway) -> i64 {
    gateway.count_up().await;
    let dead = "SELECT COALESCE(sum(count), 0)::bigint FROM counters
                 WHERE what = 'dead' AND minutes = 5";
    gateway.count(dead).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_handler_gives_up_is_counted_when_that_is_committed() {
    let gateway = gateway(&Fragile::default()).await;
    sql::script(gateway.target(), REFUSE).await;
    send(&gateway, "evt_1").await;
    gateway.run_until_idle().await;
    assert_eq!(gateway.dead_letters().await, []);
    assert_eq!(counted(&gateway).await, 0);
    sql::script(gateway.target(), ALLOW).await;
    for _ in 0..2 {
        gateway.clock().advance(Duration::from_mins(1));
        gateway.run_until_idle().await;
        assert_eq!((gateway.dead_letters().await.len(), counted(&gateway).await), (1, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_every_time_is_counted_when_its_burial_is_committed() {
    let once = "\n[dispatch]\nmax_attempts = 1\n";
    let gateway = Gateway::builder().handler(Fragile::default()).more_config(once).start().await;
    send(&gateway, "evt_1").await;
    assert_eq!(gateway.claim("billing", 1, Duration::from_mins(1)).await.len(), 1);
    expire_leases(gateway.target()).await;
    let dispatcher = gateway.dispatcher();
    assert_eq!(dispatcher.recover_expired_leases().await.unwrap(), 0, "it is to be run alone");
    let (sources, now) = (["billing".to_owned()], gateway.clock().now());
    let alone = gateway.store().claim_isolated(&sources, "", now, Duration::ZERO).await;
    assert!(alone.unwrap().is_some());
    sql::script(gateway.target(), REFUSE).await;
    dispatcher.recover_expired_leases().await.unwrap_err();
    assert_eq!((gateway.dead_letters().await.len(), counted(&gateway).await), (0, 0));
    sql::script(gateway.target(), ALLOW).await;
    assert_eq!(dispatcher.recover_expired_leases().await.unwrap(), 1);
    assert_eq!(dispatcher.recover_expired_leases().await.unwrap(), 0);
    assert_eq!(gateway.dead_letters().await[0].0, "lease_lost");
    assert_eq!(counted(&gateway).await, 1);
}
