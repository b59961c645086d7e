//! Assertions on the database after a fault.

use sealpost::store::Target;

use super::driver::wait_for;
use crate::harness::sql;

/// Records every write to the payments, so that a repeated effect is visible.
pub(super) async fn record_payment_writes(database: &Target) {
    for statement in [
        "CREATE TABLE applied (invoice text NOT NULL)",
        "CREATE FUNCTION note_applied() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN INSERT INTO applied VALUES (NEW.invoice_id); RETURN NEW; END $$",
        "CREATE TRIGGER applied AFTER INSERT OR UPDATE ON stripe_payments \
         FOR EACH ROW EXECUTE FUNCTION note_applied()",
    ] {
        sql::execute(database, statement).await;
    }
}

/// Expires all leases, as of a killed gateway.
pub(crate) async fn expire_leases(database: &Target) {
    let expire = "UPDATE deliveries SET lease_expires_at = clock_timestamp() - interval '1 second' \
                  WHERE state = 'leased'";
    sql::execute(database, expire).await;
}

/// Waits until every delivery is done or dead.
pub(crate) async fn wait_until_settled(database: &Target) {
    let query = "SELECT count(*) FROM deliveries WHERE state NOT IN ('done', 'dead')";
    let all = async || (sql::number(database, query).await == 0).then_some(());
    wait_for("every delivery is settled", all).await;
}

/// Asserts that exactly `events` events are stored once, each with one delivery, which is done.
pub(super) async fn assert_events(database: &Target, events: usize) {
    let expected = i64::try_from(events).unwrap();
    for query in [
        "SELECT count(*) FROM events",
        "SELECT count(DISTINCT key) FROM events",
        "SELECT count(*) FROM events JOIN event_keys ON event_id = id AND event_keys.key = events.key",
        "SELECT count(*) FROM deliveries JOIN events ON event_id = events.id",
        "SELECT count(*) FROM deliveries",
        "SELECT count(*) FROM deliveries WHERE state = 'done'",
        "SELECT count(*) FROM attempts WHERE result = 'done'",
    ] {
        assert_eq!(sql::number(database, query).await, expected, "{query}");
    }
    assert_attempts(database).await;
}

/// Asserts that the attempts of every delivery are complete and numbered from 1.
pub(super) async fn assert_attempts(database: &Target) {
    let query = "SELECT count(*) FROM deliveries d LEFT JOIN LATERAL ( \
                     SELECT count(*) AS found, min(number) AS first, max(number) AS last \
                       FROM attempts WHERE delivery_id = d.id) a ON true \
                  WHERE d.attempts <> a.found \
                     OR (a.found > 0 AND (a.first <> 1 OR a.last <> d.attempts))";
    assert_eq!(sql::number(database, query).await, 0, "attempts are missing or miscounted");
}

/// Asserts that each of `events` payments was written exactly once.
pub(super) async fn assert_payments(database: &Target, events: usize) {
    let expected = i64::try_from(events).unwrap();
    for query in [
        "SELECT count(*) FROM stripe_payments WHERE status = 'paid'",
        "SELECT count(DISTINCT invoice) FROM applied",
        "SELECT count(*) FROM applied",
    ] {
        assert_eq!(sql::number(database, query).await, expected, "{query}");
    }
}
