//! What is looked at in order to claim: counted in rows and entries of indexes, not in time.

use std::time::Duration;

use sealpost::clock::Clock;
use sealpost::store::Queue;
use serde_json::json;

use super::{Told, tell, until};
use crate::harness::{Gateway, because, sql};

/// So many wait.
const FOLLOWERS: u64 = 100_000;

/// The sessions of gateways on this database, and those of others that are still there.
async fn sessions(gateway: &Gateway) -> (Vec<String>, i64) {
    let here = "FROM pg_stat_activity WHERE datname = current_database()
                 AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
    let of_gateways = format!("SELECT pid::text {here} AND application_name LIKE 'sealpost%'");
    // But for the one that a test leaves open on purpose.
    let others = format!(
        "SELECT count(*) {here} AND application_name NOT LIKE 'sealpost%'
            AND state IS DISTINCT FROM 'idle in transaction'"
    );
    (sql::texts(gateway.target(), &of_gateways).await, gateway.count(&others).await)
}

/// How many entries of indexes, and rows without one, were read of the deliveries so far. Sessions
/// say so when they end, which those of the gateways that are asked about have.
async fn looked_at(gateway: &Gateway) -> i64 {
    gateway
        .count(
            "SELECT (sum(idx_tup_read) + (SELECT seq_tup_read FROM pg_stat_user_tables
                                           WHERE relname = 'deliveries'))::bigint
               FROM pg_stat_user_indexes WHERE relname = 'deliveries'",
        )
        .await
}

/// What a gateway looks at while it does this; it is another one on the same database.
async fn while_another<T>(
    gateway: &Gateway,
    told: &Told,
    does: impl AsyncFnOnce(&Gateway) -> T,
) -> (T, i64) {
    let another =
        Gateway::builder().handler(told.clone()).beside(gateway).leaves_work().start().await;
    another.clock().advance((gateway.clock().now() - another.clock().now()).unsigned_abs());
    until(async || sessions(gateway).await.1 == 0).await;
    let (known, _) = sessions(gateway).await;
    let before = looked_at(gateway).await;
    let value = does(&another).await;
    another.store().close().await;
    let gone = async || sessions(gateway).await.0.iter().all(|session| known.contains(session));
    until(gone).await;
    (value, looked_at(gateway).await - before)
}

/// Fills a lane behind what is first in it; they are due since then.
async fn follow(gateway: &Gateway, followers: u64) {
    let insert = format!(
        "INSERT INTO deliveries (event_id, source, handler, triggered_by, lane, lane_blocks, state,
                                 created_at, due_at)
         SELECT event_id, source, handler, 'arrival', lane, lane_blocks, 'ready', created_at,
                due_at - ({followers} - n) * interval '1 microsecond'
           FROM deliveries, generate_series(1, {followers}) AS n WHERE source = 'billing'"
    );
    assert_eq!(gateway.execute(&insert).await, followers);
    gateway.execute("ANALYZE deliveries").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_that_wait_behind_one_are_looked_at_once() {
    let told = Told::new();
    let gateway = Gateway::builder()
        .config("name = \"billing\"", "name = \"billing\"\ndead_head = \"block\"")
        .handler(told.clone())
        .leaves_work()
        .start()
        .await;
    let head = tell(&gateway, "nothing").await;
    follow(&gateway, FOLLOWERS).await;
    gateway
        .execute(
            "UPDATE deliveries SET state = 'dead', death_reason = 'permanent',
                    finished_at = created_at
              WHERE id = (SELECT min(id) FROM deliveries)",
        )
        .await;
    // Another source's event is done in the first step, whatever waits here.
    let card = crate::receive::card().to_string();
    assert_eq!(gateway.send("cards", Some("create"), card.as_bytes()).await.status, 202);
    let innocent = "SELECT count(*) FROM deliveries WHERE source = 'cards' AND state = 'done'";
    let (worked, looked) =
        while_another(&gateway, &told, async |another| another.dispatcher().step().await).await;
    assert_eq!((worked.unwrap(), gateway.count(innocent).await), (1, 1));
    assert!(looked < 30_000, "{looked} for one claim");
    // All of them are put aside, for a handful of entries each.
    let (worked, looked) =
        while_another(&gateway, &told, async |another| another.run_until_idle().await).await;
    assert_eq!(worked, 0);
    assert!(looked < 20 * i64::try_from(FOLLOWERS).unwrap(), "{looked} for all of them");
    let parked = "SELECT count(*) FROM deliveries WHERE parked = 'behind'";
    assert_eq!(gateway.count(parked).await, i64::try_from(FOLLOWERS).unwrap());
    // From then on they cost nothing, however often it is looked: once no snapshot in the server
    // can see the old rows, such as one of autovacuum, their entries are skipped.
    for tries in 1.. {
        let (worked, looked) = while_another(&gateway, &told, async |another| {
            assert_eq!(another.run_until_idle().await, 0);
            another.run_until_idle().await
        })
        .await;
        assert_eq!(worked, 0);
        if looked < 500 {
            break;
        }
        assert!(tries < 30, "{looked} where there is nothing to do");
    }
    // When the head is resolved, the next is let in, and the one after it when that is done.
    let first = gateway.query("SELECT min(id) AS id FROM deliveries").await;
    let desk = gateway.desk();
    desk.unblock(
        &crate::dead_letters::ada(),
        first[0]["id"].as_i64().unwrap(),
        &because("it can wait"),
    )
    .await
    .unwrap();
    let (worked, looked) = while_another(&gateway, &told, async |another| {
        let mut worked = 0;
        for _ in 0..20 {
            worked += another.dispatcher().step().await.unwrap();
        }
        worked
    })
    .await;
    assert_eq!((worked, told.called(&head)), (20, 20));
    assert!(looked < 5_000, "{looked} for twenty");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_was_left_aside_is_found() {
    let told = Told::new();
    let gateway = Gateway::builder().handler(told.clone()).start().await;
    let head = tell(&gateway, "nothing").await;
    follow(&gateway, 3).await;
    // As if it was put aside at the moment when the one before it was settled.
    gateway.execute("UPDATE deliveries SET parked = 'behind'").await;
    gateway.run_until_idle().await;
    assert_eq!(told.called(&head), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_is_not_read_again_while_a_transaction_is_open() {
    const DONE: i64 = 3000;
    let told = Told::new();
    let gateway = Gateway::builder().handler(told.clone()).start().await;
    tell(&gateway, "nothing").await;
    let mut open = sql::connect(gateway.target()).await;
    sql::run(&mut open, "BEGIN ISOLATION LEVEL REPEATABLE READ").await;
    sql::run(&mut open, "SELECT pg_current_xact_id(), count(*) FROM deliveries").await;
    gateway
        .execute(&format!(
            "INSERT INTO deliveries (event_id, source, handler, triggered_by, lane, lane_blocks,
                                     state, created_at, due_at)
             SELECT event_id, source, handler, 'arrival', lane || n, false, 'ready', created_at,
                    due_at
               FROM deliveries, generate_series(2, {DONE}) AS n"
        ))
        .await;
    let (worked, _) =
        while_another(&gateway, &told, async |another| another.run_until_idle().await).await;
    assert_eq!(worked, usize::try_from(DONE).unwrap());
    gateway.clock().advance(Duration::from_mins(1));
    tell(&gateway, "nothing").await;
    let queue = Queue { source: "billing".to_owned(), handler: "told".to_owned() };
    let now = gateway.clock().now();
    // From the beginning all that is done is read.
    let look = async |from: Option<time::OffsetDateTime>| {
        let (oldest, looked) = while_another(&gateway, &told, async |another| {
            another.store().look(&[(&queue, from)], now).await.unwrap()
        })
        .await;
        assert_eq!(oldest, [Some(now)]);
        looked
    };
    assert!(look(None).await >= DONE, "a look from the beginning reads what is done");
    assert!(look(Some(now - Duration::from_secs(5))).await < 20);
    // A claim begins where the look has found something.
    let (claimed, looked) = while_another(&gateway, &told, async |another| {
        let lease = Duration::from_mins(1);
        another.store().claim(&queue, now, now, (10, 100), lease).await.unwrap()
    })
    .await;
    assert_eq!(claimed.leases.len(), 1);
    assert!(looked < 40, "{looked} for one claim");
    sql::run(&mut open, "ROLLBACK").await;
    crate::faults::ledger::expire_leases(gateway.target()).await;
    gateway.run_until_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_paused_is_in_nobodys_way() {
    let told = Told::new();
    let gateway = Gateway::builder().handler(told.clone()).leaves_work().start().await;
    tell(&gateway, "nothing").await;
    follow(&gateway, 5000).await;
    gateway.execute("UPDATE deliveries SET lane = lane || id").await;
    let pauses = gateway.pauses();
    let source = sealpost::store::PauseTarget::Source;
    pauses
        .pause(&crate::dead_letters::ada(), source, "billing", &because("they move"))
        .await
        .unwrap();
    let card = crate::receive::card().to_string();
    assert_eq!(gateway.send("cards", Some("create"), card.as_bytes()).await.status, 202);
    let (worked, looked) =
        while_another(&gateway, &told, async |another| another.run_until_idle().await).await;
    assert_eq!(worked, 1);
    assert!(looked < 500, "{looked}");
    let states = "SELECT DISTINCT state FROM deliveries WHERE source = 'billing'";
    assert_eq!(gateway.query(states).await, [json!({ "state": "ready" })]);
}
