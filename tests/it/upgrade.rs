//! Upgrade of a database from the first schema, with deliveries and transfers in flight. Migrations
//! are never edited: a database that has applied one would refuse to start.

use std::fmt::Write as _;
use std::time::Duration;

use sealpost::store::Target;
use serde_json::json;
use sqlx::migrate::Migrator;

use crate::chunks::Transfer;
use crate::destinations::receiver::Receiver;
use crate::destinations::{send, sending_to, verify};
use crate::harness::{database, sql};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// The last migration of the first schema.
const FIRST_SCHEMA: i64 = 20_261_120_000_006;

/// Every migration, and the beginning of its checksum.
const CHECKSUMS: [(i64, &str); 7] = [
    (20_261_120_000_001, "2b5eb74bf8c02c9f"),
    (20_261_120_000_002, "84bb2f87db397a16"),
    (20_261_120_000_003, "42d8091aa670a9b8"),
    (20_261_120_000_004, "6a4169d11dc43324"),
    (20_261_120_000_005, "850ba05c38c75fe9"),
    (20_261_120_000_006, "78569453067b7121"),
    (20_261_130_000_001, "e1cbdcb52a584aec"),
];

#[test]
fn migrations_are_never_edited() {
    let found: Vec<(i64, String)> = MIGRATIONS
        .iter()
        .map(|migration| (migration.version, hex::encode(&migration.checksum[..8])))
        .collect();
    let expected = CHECKSUMS.map(|(version, checksum)| (version, checksum.to_owned()));
    assert_eq!(found, expected, "add a migration instead of editing one");
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_and_transfers_in_flight_are_finished_after_an_upgrade() {
    let receiver = Receiver::accepting().await;
    let before = sending_to(&receiver, "").allow_unfinished().start().await;
    let (done, done_body) = send(&before, "invoice.paid", "in_1").await;
    before.run_until_idle().await;
    let (dead, _) = send(&before, "invoice.paid", "in_2").await;
    let dies = format!(
        "UPDATE deliveries SET state = 'dead', finished_at = now(), death_reason = 'permanent'
          WHERE event_id = '{dead}'"
    );
    assert_eq!(before.execute(&dies).await, 2, "one to the handler, one to the destination");
    let (leased, _) = send(&before, "invoice.paid", "in_3").await;
    assert_eq!(before.claim("billing", 10, Duration::ZERO).await.len(), 2);
    let (ready, _) = send(&before, "invoice.paid", "in_3").await;
    let transfer = Transfer::of_text(3);
    for index in 0..2 {
        assert_eq!(transfer.send(&before, index).await.status, 202);
    }

    let target = database::empty().await;
    MIGRATIONS.run_to(FIRST_SCHEMA, &mut sql::connect(&target).await).await.unwrap();
    copy(before.target(), &target).await;
    target.migrate().await.unwrap();
    target.check_migrated().await.unwrap();
    let gateway = sending_to(&receiver, "").on(target).start_at(before.clock_now()).start().await;

    // A repetition of what was received before.
    let again = gateway.send("billing", None, &done_body).await;
    assert_eq!((again.body_status(), again.id()), ("duplicate", &*done), "{}", again.text);
    let last = transfer.send(&gateway, 2).await;
    assert_eq!(last.body_status(), "accepted", "{}", last.text);
    gateway.clock().advance(Duration::from_secs(60));
    gateway.run_to_the_end().await;

    // What was delivered before is not delivered again, and the rest is, in its order.
    let seen = receiver.seen();
    let ids: Vec<&str> = seen.iter().map(|seen| seen.header("webhook-id").unwrap()).collect();
    assert_eq!(ids, [&*done, &*leased, &*ready]);
    for (seen, id) in seen.iter().zip(ids) {
        verify(seen, id);
    }
    let states = "SELECT state, count(*) FROM deliveries GROUP BY state ORDER BY state";
    let expected = [json!({ "state": "dead", "count": 2 }), json!({ "state": "done", "count": 7 })];
    assert_eq!(gateway.query(states).await, expected);
    let whole = "SELECT count(*) FROM events WHERE source = 'cards'
                    AND encode(sha256(body), 'hex') = convert_from(envelope, 'UTF8')::json #>> '{file,sha}'";
    assert_eq!(gateway.count(whole).await, 1);
    let without_lane = "SELECT count(*) FROM events e JOIN deliveries d ON d.event_id = e.id
                         WHERE e.lane IS DISTINCT FROM d.lane";
    assert_eq!(gateway.count(without_lane).await, 0);
    let dead_letters = gateway.operator("/api/v1/dead-letters").await;
    assert!(dead_letters.text.contains(&dead), "{}", dead_letters.text);
}

/// Copies every row, in the form of the first schema.
async fn copy(from: &Target, to: &Target) {
    let tables = "SELECT c.relname::text FROM pg_class c
                   WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
                     AND c.relname <> '_sqlx_migrations'";
    // Without foreign keys, so that the order of the tables does not matter.
    let mut script = "SET session_replication_role = replica;\n".to_owned();
    for table in sql::texts(to, tables).await {
        let columns = format!(
            "SELECT quote_ident(column_name) FROM information_schema.columns
              WHERE table_schema = 'public' AND table_name = '{table}' AND is_generated = 'NEVER'"
        );
        let columns = sql::texts(to, &columns).await;
        let values: Vec<String> = columns.iter().map(|column| value(&table, column)).collect();
        let (columns, values) = (columns.join(", "), values.join(", "));
        let rows = format!("SELECT to_json(t)::text FROM (SELECT {values} FROM {table}) t");
        for row in sql::texts(from, &rows).await {
            let row = row.replace('\'', "''");
            writeln!(
                script,
                "INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE
                 SELECT {columns} FROM json_populate_record(NULL::{table}, '{row}');"
            )
            .unwrap();
        }
        let identity = format!(
            "SELECT column_name::text FROM information_schema.columns
              WHERE table_schema = 'public' AND table_name = '{table}' AND is_identity = 'YES'"
        );
        for column in sql::texts(to, &identity).await {
            writeln!(
                script,
                "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), max({column}))
                   FROM {table};"
            )
            .unwrap();
        }
    }
    sql::script(to, &script).await;
}

/// The value of a column in the first schema.
fn value(table: &str, column: &str) -> String {
    match (table, column) {
        // Half of the digest is stored now; nothing reads the other.
        ("events" | "event_keys", "key") => {
            "decode(replace(key::text, '-', '') || repeat('5a', 16), 'hex') AS key".to_owned()
        }
        _ => column.to_owned(),
    }
}
