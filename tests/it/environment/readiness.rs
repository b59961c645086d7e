//! Readiness reports whether events can be recorded, and why not.

use std::sync::Arc;

use bytes::Bytes;
use sealpost::ingest::{GroupCommit, NotStored};
use sealpost::lifecycle::Supervisor;
use sealpost::store::{DeathReason, EventId, Inserted, KeyDigest, NewEvent, Plan, StoredEvent};
use sealpost::verify::{EventKey, Quarantine, Strength};
use time::OffsetDateTime;
use time::macros::datetime;
use tokio_util::task::TaskTracker;

use super::{cut_sessions, name_of, pay};
use crate::faults::driver::wait_for;
use crate::harness::{Gateway, START, database, sql};

async fn readiness(gateway: &Gateway) -> (u16, String) {
    let answer = gateway.operator("/readyz").await;
    let reason = answer.json["reason"].as_str().unwrap_or_default().to_owned();
    (answer.status, reason)
}

async fn wait_until_ready(gateway: &Gateway) {
    wait_for("it becomes ready", async || (readiness(gateway).await.0 == 200).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn read_only_server_is_not_ready_and_recovers() {
    let target = database::fresh().await;
    let gateway = Gateway::builder().on(target.clone()).start().await;
    assert_eq!(pay(&gateway, 0).await, 202);
    gateway.run_until_idle().await;
    wait_until_ready(&gateway).await;
    let elsewhere = target.with_database("postgres");
    let name = name_of(&target).await;
    let reads = |only: &str| format!("ALTER DATABASE {name} {only}");
    sql::execute(&elsewhere, &reads("SET default_transaction_read_only = on")).await;
    cut_sessions(&target).await;
    // Before and after a request.
    for _ in 0..2 {
        let (status, reason) = readiness(&gateway).await;
        assert_eq!(status, 503);
        assert!(reason.contains("read-only"), "{reason}");
        assert_eq!(pay(&gateway, 1).await, 503);
    }
    drop(gateway.store().begin().await);
    drop(gateway.dispatcher().step().await);
    // The old sessions still exist, and are read-only.
    sql::execute(&elsewhere, &reads("RESET default_transaction_read_only")).await;
    wait_for("recording works", async || matches!(pay(&gateway, 1).await, 200 | 202).then_some(()))
        .await;
    wait_until_ready(&gateway).await;
    wait_for("dispatch works", async || {
        drop(gateway.dispatcher().step().await);
        let left = "SELECT count(*) FROM deliveries WHERE state <> 'done'";
        (sql::number(&target, left).await == 0).then_some(())
    })
    .await;
    let lost = "SELECT count(*) FROM attempts WHERE result <> 'done'";
    assert_eq!(sql::number(&target, lost).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn locked_table_makes_the_gateway_not_ready() {
    let gateway = Gateway::start().await;
    for table in ["events", "event_keys", "deliveries", "chunk_transfers"] {
        wait_until_ready(&gateway).await;
        let mut locker = sql::connect(gateway.target()).await;
        sql::run(&mut locker, "BEGIN").await;
        sql::run(&mut locker, &format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")).await;
        let (status, reason) = readiness(&gateway).await;
        assert_eq!(status, 503, "{table}");
        assert!(reason.contains("lock"), "{table}: {reason}");
        sql::run(&mut locker, "ROLLBACK").await;
    }
    wait_until_ready(&gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_commit_makes_not_ready_until_one_succeeds() {
    let gateway = Gateway::start().await;
    for statement in [
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION 'the disk is broken' USING ERRCODE = '58030'; END $$",
        "CREATE TRIGGER refuse BEFORE INSERT ON events
         FOR EACH ROW EXECUTE FUNCTION refuse()",
    ] {
        gateway.execute(statement).await;
    }
    assert_eq!(readiness(&gateway).await.0, 200, "no commit was attempted");
    assert_eq!(pay(&gateway, 1).await, 503);
    assert_eq!(readiness(&gateway).await.0, 503);
    gateway.execute("DROP TRIGGER refuse ON events").await;
    assert_eq!(pay(&gateway, 1).await, 202);
    assert_eq!(readiness(&gateway).await.0, 200);
    gateway.run_until_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn revoked_permission_makes_not_ready() {
    let target = database::fresh().await;
    let name = name_of(&target).await;
    for statement in [
        &format!("CREATE ROLE may_{name} LOGIN"),
        &format!("GRANT ALL ON ALL TABLES IN SCHEMA public TO may_{name}"),
        &format!("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO may_{name}"),
    ] {
        sql::execute(&target, statement).await;
    }
    let url = database::url(&target).await;
    let url = url.replacen("postgres://", "", 1);
    let (_, rest) = url.split_once('@').unwrap();
    let role_target = sealpost::store::Target::from_url(&format!("postgres://may_{name}@{rest}"));
    let gateway = Gateway::builder().on(role_target.unwrap()).allow_unfinished().start().await;
    assert_eq!((readiness(&gateway).await.0, pay(&gateway, 1).await), (200, 202));
    sql::execute(&target, &format!("REVOKE ALL ON events FROM may_{name}")).await;
    let (status, reason) = readiness(&gateway).await;
    assert_eq!(status, 503);
    assert!(reason.contains("permission"), "{reason}");
    sql::execute(&target, &format!("GRANT ALL ON events TO may_{name}")).await;
    wait_until_ready(&gateway).await;
}

/// At the last representable date, computing the expiry of a key panics.
#[tokio::test(flavor = "multi_thread")]
async fn group_commit_writer_survives_a_panic() {
    let gateway = Gateway::builder().allow_unfinished().start().await;
    let tasks = TaskTracker::new();
    let supervisor = Supervisor::new(tasks.clone());
    let committed: Arc<dyn Fn() + Send + Sync> = Arc::new(|| ());
    let batch = GroupCommit::start(gateway.store(), &supervisor, &committed);
    let end = datetime!(9999-12-31 23:59 UTC);
    for number in 0..3 {
        assert_eq!(
            batch.record(Box::new(quarantined_event(number, end))).await.unwrap_err(),
            NotStored::Unknown
        );
        let recorded = batch.record(Box::new(quarantined_event(number, START))).await.unwrap();
        assert_eq!(*recorded.get(), Inserted::New, "the writer still runs");
    }
    assert_eq!(supervisor.down(), None);
    drop(batch);
    tasks.close();
    tasks.wait().await;
}

fn quarantined_event(number: u8, received_at: OffsetDateTime) -> NewEvent {
    let event = StoredEvent {
        id: EventId::new(received_at),
        tenant: "default".to_owned(),
        source: "billing".to_owned(),
        provider: "stripe".to_owned(),
        event_type: "unrecognised".to_owned(),
        action: None,
        strength: Strength::Signed,
        late: false,
        secret: String::new(),
        skew_seconds: None,
        received_at,
        occurred_at: None,
        headers: Vec::new(),
        claims: None,
        envelope: None,
        body: Bytes::new(),
    };
    let key = EventKey::Signed(vec![number]);
    NewEvent {
        event,
        key: KeyDigest::of("default", "billing", &key),
        digest: None,
        lane: None,
        plan: Plan::Quarantine {
            reason: DeathReason::Quarantined(Quarantine::NotJson),
            detail: "for a test".to_owned(),
        },
    }
}
