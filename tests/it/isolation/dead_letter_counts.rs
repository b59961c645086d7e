//! A dead letter is counted once, on commit, and not if the transaction is rolled back.

use std::time::Duration;

use sealpost::clock::Clock;

use crate::dead_letters::{Fragile, gateway, send};
use crate::faults::assertions::expire_leases;
use crate::harness::{Gateway, sql};

/// Makes the commit of every dead letter fail.
const REFUSE: &str = "
    CREATE FUNCTION refuse_dead_letter() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = 'check_violation'; END $$;
    CREATE CONSTRAINT TRIGGER refuse_dead_letter AFTER UPDATE ON deliveries
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.state = 'dead')
        EXECUTE FUNCTION refuse_dead_letter();";
const ALLOW: &str = "DROP TRIGGER refuse_dead_letter ON deliveries";

/// Number of deliveries counted as dead.
async fn counted_dead(gateway: &Gateway) -> i64 {
    gateway.flush_stats().await;
    let dead = "SELECT COALESCE(sum(count), 0)::bigint FROM counters
                 WHERE what = 'dead' AND minutes = 5";
    gateway.count(dead).await
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letter_of_a_handler_is_counted_on_commit() {
    let gateway = gateway(&Fragile::default()).await;
    sql::script(gateway.target(), REFUSE).await;
    send(&gateway, "evt_1").await;
    gateway.run_until_idle().await;
    assert_eq!(gateway.dead_letters().await, []);
    assert_eq!(counted_dead(&gateway).await, 0);
    sql::script(gateway.target(), ALLOW).await;
    for _ in 0..2 {
        gateway.clock().advance(Duration::from_mins(1));
        gateway.run_until_idle().await;
        assert_eq!((gateway.dead_letters().await.len(), counted_dead(&gateway).await), (1, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letter_of_lost_leases_is_counted_on_commit() {
    let once = "\n[dispatch]\nmax_attempts = 1\n";
    let gateway = Gateway::builder().handler(Fragile::default()).more_config(once).start().await;
    send(&gateway, "evt_1").await;
    assert_eq!(gateway.claim("billing", 1, Duration::from_mins(1)).await.len(), 1);
    expire_leases(gateway.target()).await;
    let dispatcher = gateway.dispatcher();
    assert_eq!(dispatcher.recover_expired_leases().await.unwrap(), 0, "it is isolated");
    let (sources, now) = (["billing".to_owned()], gateway.clock().now());
    let isolated = gateway.store().claim_isolated(&sources, "", now, Duration::ZERO).await;
    assert!(isolated.unwrap().is_some());
    sql::script(gateway.target(), REFUSE).await;
    dispatcher.recover_expired_leases().await.unwrap_err();
    assert_eq!((gateway.dead_letters().await.len(), counted_dead(&gateway).await), (0, 0));
    sql::script(gateway.target(), ALLOW).await;
    assert_eq!(dispatcher.recover_expired_leases().await.unwrap(), 1);
    assert_eq!(dispatcher.recover_expired_leases().await.unwrap(), 0);
    assert_eq!(gateway.dead_letters().await[0].0, "lease_lost");
    assert_eq!(counted_dead(&gateway).await, 1);
}
