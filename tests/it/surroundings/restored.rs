//! Data that were dumped at another server and restored at one whose transaction counter is lower.

use super::pay;
use crate::faults::driver::{Server, wait_for};
use crate::harness::{Gateway, database, sql};

/// As a dump from a server that was a million transactions ahead.
async fn move_ahead(target: &sealpost::store::Target) {
    sql::script(
        target,
        "SET session_replication_role = replica;
         UPDATE events SET xact = (xact::text::bigint + 1000000)::text::xid8;
         UPDATE attempts SET xact = (xact::text::bigint + 1000000)::text::xid8;",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restored_data_are_noticed_and_no_transaction_is_blamed() {
    let gateway = Gateway::start().await;
    for number in 0..3 {
        assert_eq!(pay(&gateway, number).await, 202);
    }
    gateway.run_until_idle().await;
    let store = gateway.store();
    assert_eq!(store.transactions_ahead().await.unwrap(), 0);
    assert!(!store.horizon().await.unwrap().blocked);
    move_ahead(gateway.target()).await;
    assert!(store.transactions_ahead().await.unwrap() > 900_000);
    assert!(!store.horizon().await.unwrap().blocked, "nobody holds the stream back");
    // A transaction that is open does.
    let mut open = sql::connect(gateway.target()).await;
    sql::run(&mut open, "BEGIN").await;
    sql::run(&mut open, "SELECT pg_current_xact_id()").await;
    assert_eq!(pay(&gateway, 3).await, 202);
    assert!(store.horizon().await.unwrap().blocked);
    sql::run(&mut open, "ROLLBACK").await;
    gateway.run_until_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_start_it_is_said_with_what_to_do() {
    let gateway = Gateway::start().await;
    assert_eq!(pay(&gateway, 0).await, 202);
    gateway.run_until_idle().await;
    move_ahead(gateway.target()).await;
    let server = Server::start(&database::url(gateway.target()).await).await;
    wait_for("the log says so", async || {
        let log = server.process.log();
        (log.contains("transactions_ahead") && log.contains("docs/backup-and-restore.md"))
            .then_some(())
    })
    .await;
    server.kill().await;
}
