//! What the database refuses for the moment is tried again, while its sender waits; and one that
//! has to wait holds up no other.

use futures_util::future::join_all;

use super::{call_back, pay};
use crate::faults::driver::wait_for;
use crate::harness::{Gateway, sql};

/// Refusals after which nothing is stored, and another try may succeed.
const TRANSIENT: [&str; 6] = ["40001", "40P01", "55P03", "53200", "53100", "57P01"];

/// Has the database refuse the first inserts into a table with this code.
async fn refuse(gateway: &Gateway, table: &str, code: &str, times: u32) {
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
async fn whoever_collides_is_recorded_all_the_same() {
    let gateway = Gateway::builder().leaves_work().start().await;
    for (number, code) in TRANSIENT.into_iter().enumerate() {
        refuse(&gateway, "events", code, 3).await;
        assert_eq!(pay(&gateway, number).await, 202, "{code}");
        assert_eq!(pay(&gateway, number).await, 200, "{code}");
    }
    let events = i64::try_from(TRANSIENT.len()).unwrap();
    assert_eq!(gateway.count("SELECT count(*) FROM events").await, events);
    assert_eq!(gateway.operator("/readyz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn so_are_chunks_and_requests_that_name_themselves() {
    let gateway = Gateway::builder().leaves_work().start().await;
    let chunks = crate::faults::chunks();
    for (index, code) in TRANSIENT.into_iter().take(4).enumerate() {
        refuse(&gateway, "chunk_buffer", code, 2).await;
        let body = chunks[index].to_string();
        let answer = gateway.send("cards", Some("create"), body.as_bytes()).await;
        assert_eq!(answer.status, 202, "{code}: {}", answer.text);
    }
    for (number, code) in TRANSIENT.into_iter().enumerate() {
        refuse(&gateway, "event_keys", code, 2).await;
        assert_eq!(call_back(&gateway, number).await, 202, "{code}");
        assert_eq!(call_back(&gateway, number).await, 202, "{code}: the same answer again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_refused_is_answered_503_in_time() {
    let gateway = Gateway::builder().leaves_work().start().await;
    refuse(&gateway, "events", "40P01", u32::MAX).await;
    let begun = std::time::Instant::now();
    assert_eq!(join_all((0..8).map(|number| pay(&gateway, number))).await, [503; 8]);
    assert!(begun.elapsed() < std::time::Duration::from_secs(3), "{:?}", begun.elapsed());
    gateway.execute("DROP TRIGGER refuse ON events").await;
    assert_eq!(pay(&gateway, 0).await, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_waits_for_a_lock_holds_up_no_other() {
    let gateway = Gateway::builder().leaves_work().start().await;
    assert_eq!(pay(&gateway, 0).await, 202);
    let mut locker = sql::connect(gateway.target()).await;
    sql::run(&mut locker, "BEGIN").await;
    sql::run(&mut locker, "SELECT 1 FROM event_keys FOR UPDATE").await;
    let others = async {
        // Together with the one that has to wait, and behind it.
        for round in 0..3 {
            let numbers = (1..=20).map(|number| pay(&gateway, round * 20 + number));
            assert_eq!(join_all(numbers).await, [202; 20]);
        }
        sql::run(&mut locker, "ROLLBACK").await;
    };
    let (waited, ()) = tokio::join!(pay(&gateway, 0), others);
    assert_eq!(waited, 200, "it is recorded as soon as it may be");
    assert_eq!(gateway.count("SELECT count(*) FROM events").await, 61);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_whose_lock_stays_is_told_so_and_the_others_are_not_delayed_by_it() {
    let gateway = Gateway::builder().leaves_work().start().await;
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
