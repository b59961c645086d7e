//! Transient database errors are retried while the sender waits, and a waiting request delays no
//! other.

use futures_util::future::join_all;

use super::{call_back, pay};
use crate::faults::driver::wait_for;
use crate::harness::{Gateway, sql};

/// Errors after which nothing is stored, and a retry may succeed.
const TRANSIENT: [&str; 6] = ["40001", "40P01", "55P03", "53200", "53100", "57P01"];

/// Makes the first inserts into a table fail with this code.
async fn fail_inserts(gateway: &Gateway, table: &str, code: &str, times: u32) {
    for statement in [
        "CREATE SEQUENCE IF NOT EXISTS tries",
        "ALTER SEQUENCE tries RESTART",
        &format!(
            "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN IF nextval('tries') <= {times} THEN
                RAISE EXCEPTION 'refused for a test' USING ERRCODE = '{code}'; END IF;
                RETURN NEW; END $$"
        ),
        &format!(
            "CREATE OR REPLACE TRIGGER refuse BEFORE INSERT ON {table}
             FOR EACH ROW EXECUTE FUNCTION refuse()"
        ),
    ] {
        gateway.execute(statement).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn transient_database_errors_are_retried_at_ingest() {
    let gateway = Gateway::builder().allow_unfinished().start().await;
    for (number, code) in TRANSIENT.into_iter().enumerate() {
        fail_inserts(&gateway, "events", code, 3).await;
        assert_eq!(pay(&gateway, number).await, 202, "{code}");
        assert_eq!(pay(&gateway, number).await, 200, "{code}");
    }
    let events = i64::try_from(TRANSIENT.len()).unwrap();
    assert_eq!(gateway.count("SELECT count(*) FROM events").await, events);
    assert_eq!(gateway.operator("/readyz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_and_idempotency_keys_are_retried_too() {
    let gateway = Gateway::builder().allow_unfinished().start().await;
    let chunks = crate::faults::chunks();
    for (index, code) in TRANSIENT.into_iter().take(4).enumerate() {
        fail_inserts(&gateway, "chunk_buffer", code, 2).await;
        let body = chunks[index].to_string();
        let answer = gateway.send("cards", Some("create"), body.as_bytes()).await;
        assert_eq!(answer.status, 202, "{code}: {}", answer.text);
    }
    for (number, code) in TRANSIENT.into_iter().enumerate() {
        fail_inserts(&gateway, "event_keys", code, 2).await;
        assert_eq!(call_back(&gateway, number).await, 202, "{code}");
        assert_eq!(call_back(&gateway, number).await, 202, "{code}: the same response again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn persistent_database_error_gives_503_in_time() {
    let gateway = Gateway::builder().allow_unfinished().start().await;
    fail_inserts(&gateway, "events", "40P01", u32::MAX).await;
    let started = std::time::Instant::now();
    assert_eq!(join_all((0..8).map(|number| pay(&gateway, number))).await, [503; 8]);
    assert!(started.elapsed() < std::time::Duration::from_secs(3), "{:?}", started.elapsed());
    gateway.execute("DROP TRIGGER refuse ON events").await;
    assert_eq!(pay(&gateway, 0).await, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn request_waiting_for_a_lock_delays_no_other() {
    let gateway = Gateway::builder().allow_unfinished().start().await;
    assert_eq!(pay(&gateway, 0).await, 202);
    let mut locker = sql::connect(gateway.target()).await;
    sql::run(&mut locker, "BEGIN").await;
    sql::run(&mut locker, "SELECT 1 FROM event_keys FOR UPDATE").await;
    let others = async {
        // In the same group as the waiting request, and after it.
        for round in 0..3 {
            let numbers = (1..=20).map(|number| pay(&gateway, round * 20 + number));
            assert_eq!(join_all(numbers).await, [202; 20]);
        }
        sql::run(&mut locker, "ROLLBACK").await;
    };
    let (waited, ()) = tokio::join!(pay(&gateway, 0), others);
    assert_eq!(waited, 200, "it is recorded after the lock is released");
    assert_eq!(gateway.count("SELECT count(*) FROM events").await, 61);
}

#[tokio::test(flavor = "multi_thread")]
async fn request_with_a_lasting_lock_gets_503_and_delays_no_other() {
    let gateway = Gateway::builder().allow_unfinished().start().await;
    assert_eq!(pay(&gateway, 0).await, 202);
    let mut locker = sql::connect(gateway.target()).await;
    sql::run(&mut locker, "BEGIN").await;
    sql::run(&mut locker, "SELECT 1 FROM event_keys FOR UPDATE").await;
    let others = async {
        let waiting =
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'";
        wait_for("it waits", async || {
            (sql::number(gateway.target(), waiting).await > 0).then_some(())
        })
        .await;
        for number in 1..=40 {
            assert_eq!(pay(&gateway, number).await, 202, "{number}");
        }
    };
    let (waited, ()) = tokio::join!(pay(&gateway, 0), others);
    assert_eq!(waited, 503);
    sql::run(&mut locker, "ROLLBACK").await;
    assert_eq!(pay(&gateway, 0).await, 200);
}
