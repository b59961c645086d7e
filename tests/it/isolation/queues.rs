//! The cost of claims, in rows and index entries read.

use std::time::Duration;

use sealpost::clock::Clock;
use sealpost::store::Queue;
use serde_json::json;

use super::{ScriptedHandler, send_script, until};
use crate::harness::{Gateway, because, sql};

/// Deliveries behind the head of the lane.
const FOLLOWERS: u64 = 100_000;

/// The sessions of gateways on this database, and the number of other sessions.
async fn sessions(gateway: &Gateway) -> (Vec<String>, i64) {
    let here = "FROM pg_stat_activity WHERE datname = current_database()
                 AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
    let of_gateways = format!("SELECT pid::text {here} AND application_name LIKE 'sealpost%'");
    // Except one that a test leaves open on purpose.
    let others = format!(
        "SELECT count(*) {here} AND application_name NOT LIKE 'sealpost%'
            AND state IS DISTINCT FROM 'idle in transaction'"
    );
    (sql::texts(gateway.target(), &of_gateways).await, gateway.count(&others).await)
}

/// Number of index entries and table rows of deliveries that were read so far. Sessions report it
/// when they end.
async fn reads(gateway: &Gateway) -> i64 {
    gateway
        .count(
            "SELECT (sum(idx_tup_read) + (SELECT seq_tup_read FROM pg_stat_user_tables
                                           WHERE relname = 'deliveries'))::bigint
               FROM pg_stat_user_indexes WHERE relname = 'deliveries'",
        )
        .await
}

/// Runs a step in another gateway on the same database; returns its result and what it read.
async fn in_another_gateway<T>(
    gateway: &Gateway,
    handler: &ScriptedHandler,
    does: impl AsyncFnOnce(&Gateway) -> T,
) -> (T, i64) {
    let another = Gateway::builder()
        .handler(handler.clone())
        .sharing_database(gateway)
        .allow_unfinished()
        .start()
        .await;
    another.clock().advance((gateway.clock().now() - another.clock().now()).unsigned_abs());
    until(async || sessions(gateway).await.1 == 0).await;
    let (known, _) = sessions(gateway).await;
    let before = reads(gateway).await;
    let value = does(&another).await;
    another.store().close().await;
    let sessions_closed =
        async || sessions(gateway).await.0.iter().all(|session| known.contains(session));
    until(sessions_closed).await;
    (value, reads(gateway).await - before)
}

/// Fills a lane behind its head with due deliveries.
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
async fn blocked_backlog_of_100000_is_scanned_once() {
    let handler = ScriptedHandler::new();
    let gateway = Gateway::builder()
        .config("name = \"billing\"", "name = \"billing\"\ndead_head = \"block\"")
        .handler(handler.clone())
        .allow_unfinished()
        .start()
        .await;
    let head = send_script(&gateway, "nothing").await;
    follow(&gateway, FOLLOWERS).await;
    gateway
        .execute(
            "UPDATE deliveries SET state = 'dead', death_reason = 'permanent',
                    finished_at = created_at
              WHERE id = (SELECT min(id) FROM deliveries)",
        )
        .await;
    // An event of another source is done in the first step, despite the backlog.
    let card = crate::receive::card().to_string();
    assert_eq!(gateway.send("cards", Some("create"), card.as_bytes()).await.status, 202);
    let other_source_done =
        "SELECT count(*) FROM deliveries WHERE source = 'cards' AND state = 'done'";
    let (ran, read) =
        in_another_gateway(&gateway, &handler, async |another| another.dispatcher().step().await)
            .await;
    assert_eq!((ran.unwrap(), gateway.count(other_source_done).await), (1, 1));
    assert!(read < 30_000, "{read} for one claim");
    // All of them are parked, for a few entries each.
    let (ran, read) =
        in_another_gateway(&gateway, &handler, async |another| another.run_until_idle().await)
            .await;
    assert_eq!(ran, 0);
    assert!(read < 20 * i64::try_from(FOLLOWERS).unwrap(), "{read} for all of them");
    let parked = "SELECT count(*) FROM deliveries WHERE parked = 'behind'";
    assert_eq!(gateway.count(parked).await, i64::try_from(FOLLOWERS).unwrap());
    // Then they cost nothing: once no snapshot in the server, such as one of autovacuum, sees the
    // old rows, their index entries are skipped.
    for tries in 1.. {
        let (ran, read) = in_another_gateway(&gateway, &handler, async |another| {
            assert_eq!(another.run_until_idle().await, 0);
            another.run_until_idle().await
        })
        .await;
        assert_eq!(ran, 0);
        if read < 500 {
            break;
        }
        assert!(tries < 30, "{read} without due deliveries");
    }
    // Once the head is unblocked, the followers run one after the other.
    let first = gateway.query("SELECT min(id) AS id FROM deliveries").await;
    let service = gateway.dead_letter_service();
    service
        .unblock(
            &crate::dead_letters::ada(),
            first[0]["id"].as_i64().unwrap(),
            &because("it can wait"),
        )
        .await
        .unwrap();
    let (ran, read) = in_another_gateway(&gateway, &handler, async |another| {
        let mut ran = 0;
        for _ in 0..20 {
            ran += another.dispatcher().step().await.unwrap();
        }
        ran
    })
    .await;
    assert_eq!((ran, handler.called(&head)), (20, 20));
    assert!(read < 5_000, "{read} for twenty");
}

#[tokio::test(flavor = "multi_thread")]
async fn parked_head_is_found() {
    let handler = ScriptedHandler::new();
    let gateway = Gateway::builder().handler(handler.clone()).start().await;
    let head = send_script(&gateway, "nothing").await;
    follow(&gateway, 3).await;
    // As if it were parked just when the one before it was settled.
    gateway.execute("UPDATE deliveries SET parked = 'behind'").await;
    gateway.run_until_idle().await;
    assert_eq!(handler.called(&head), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn done_deliveries_are_not_rescanned_during_an_open_transaction() {
    const DONE: i64 = 3000;
    let handler = ScriptedHandler::new();
    let gateway = Gateway::builder().handler(handler.clone()).start().await;
    send_script(&gateway, "nothing").await;
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
    let (ran, _) =
        in_another_gateway(&gateway, &handler, async |another| another.run_until_idle().await)
            .await;
    assert_eq!(ran, usize::try_from(DONE).unwrap());
    gateway.clock().advance(Duration::from_mins(1));
    send_script(&gateway, "nothing").await;
    let queue = Queue { source: "billing".to_owned(), handler: "told".to_owned() };
    let now = gateway.clock().now();
    // A scan from the start reads all done deliveries.
    let scan = async |from: Option<time::OffsetDateTime>| {
        let (oldest, read) = in_another_gateway(&gateway, &handler, async |another| {
            another.store().oldest_due(&[(&queue, from)], now).await.unwrap()
        })
        .await;
        assert_eq!(oldest, [Some(now)]);
        read
    };
    assert!(scan(None).await >= DONE, "a full scan reads done deliveries");
    assert!(scan(Some(now - Duration::from_secs(5))).await < 20);
    // A claim starts where the scan found a delivery.
    let (claimed, read) = in_another_gateway(&gateway, &handler, async |another| {
        let lease = Duration::from_mins(1);
        another.store().claim(&queue, now, now, (10, 100), lease).await.unwrap()
    })
    .await;
    assert_eq!(claimed.leases.len(), 1);
    assert!(read < 40, "{read} for one claim");
    sql::run(&mut open, "ROLLBACK").await;
    crate::faults::assertions::expire_leases(gateway.target()).await;
    gateway.run_until_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paused_source_does_not_delay_others() {
    let handler = ScriptedHandler::new();
    let gateway = Gateway::builder().handler(handler.clone()).allow_unfinished().start().await;
    send_script(&gateway, "nothing").await;
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
    let (ran, read) =
        in_another_gateway(&gateway, &handler, async |another| another.run_until_idle().await)
            .await;
    assert_eq!(ran, 1);
    assert!(read < 500, "{read}");
    let states = "SELECT DISTINCT state FROM deliveries WHERE source = 'billing'";
    assert_eq!(gateway.query(states).await, [json!({ "state": "ready" })]);
}
