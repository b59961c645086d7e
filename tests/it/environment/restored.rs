//! Data restored from a server with a higher transaction counter.

use super::pay;
use crate::faults::driver::{Server, wait_for};
use crate::harness::{Gateway, database, sql};

/// Changes the data as if dumped from a server that was a million transactions ahead.
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
async fn restored_data_is_detected_and_does_not_block_the_stream() {
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
    assert!(!store.horizon().await.unwrap().blocked, "restored data does not block the stream");
    // An open transaction does.
    let mut open = sql::connect(gateway.target()).await;
    sql::run(&mut open, "BEGIN").await;
    sql::run(&mut open, "SELECT pg_current_xact_id()").await;
    assert_eq!(pay(&gateway, 3).await, 202);
    assert!(store.horizon().await.unwrap().blocked);
    sql::run(&mut open, "ROLLBACK").await;
    gateway.run_until_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restored_data_is_logged_at_start() {
    let gateway = Gateway::start().await;
    assert_eq!(pay(&gateway, 0).await, 202);
    gateway.run_until_idle().await;
    move_ahead(gateway.target()).await;
    let server = Server::start(&database::url(gateway.target()).await).await;
    wait_for("the warning is logged", async || {
        let log = server.process.log();
        (log.contains("transactions_ahead") && log.contains("docs/backup-and-restore.md"))
            .then_some(())
    })
    .await;
    server.kill().await;
}
