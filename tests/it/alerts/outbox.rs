//! Raised, folded, claimed and settled: what the outbox promises, without anybody being told.

use std::time::Duration;

use sealpost::store::{Alert, AlertBatch, AlertResolution, Severity, Store};
use serde_json::json;

use crate::harness::Gateway;

const LEASE: Duration = Duration::from_secs(60);

/// Something that people are to be told.
pub(crate) fn alert<'a>(key: &'a str, text: &'a str) -> Alert<'a> {
    let severity = Severity::Warning;
    Alert { kind: "sync_failed", key, severity, source: "cards", text, passing: false }
}

/// Raises it.
pub(crate) async fn raise(store: &Store, alert: Alert<'_>) {
    let mut tx = store.begin().await.unwrap();
    tx.alert(&alert).await.unwrap();
    tx.commit(()).await.unwrap();
}

async fn recover(store: &Store, key: &str) -> bool {
    let mut tx = store.begin().await.unwrap();
    let recovery =
        AlertResolution { kind: "sync_failed", key, source: "cards", text: "it works again" };
    let ended = tx.close_alert(&recovery).await.unwrap();
    tx.commit(ended).await.unwrap().into_inner()
}

async fn claim(store: &Store) -> Option<AlertBatch> {
    store.claim_alerts(Severity::Info, LEASE).await.unwrap()
}

/// Claims what is pending and calls it told: text, how often it was raised, and told before.
pub(crate) async fn told(store: &Store) -> Vec<(String, i64, i64)> {
    let Some(batch) = claim(store).await else { return Vec::new() };
    store.alerts_sent(&batch).await.unwrap();
    batch
        .alerts
        .iter()
        .map(|alert| (alert.text.clone(), alert.count, alert.notified_count))
        .collect()
}

/// Lets time pass for what is kept.
pub(crate) async fn pass(gateway: &Gateway, interval: &str) {
    let columns =
        ["first_at", "last_at", "hour_at", "sent_at", "closed_at", "retry_at", "lease_expires_at"];
    let earlier = columns.map(|column| format!("{column} = {column} - interval '{interval}'"));
    gateway.execute(&format!("UPDATE alerts SET {}", earlier.join(", "))).await;
}

#[tokio::test]
async fn an_alert_is_raised_only_if_its_transaction_commits() {
    let gateway = Gateway::start().await;
    let mut tx = gateway.store().begin().await.unwrap();
    tx.alert(&alert("a", "never happened")).await.unwrap();
    drop(tx);
    assert!(told(gateway.store()).await.is_empty());
    assert!(gateway.rows("alerts").await.is_empty());
}

#[tokio::test]
async fn repetitions_are_counted_and_told_after_a_pause_or_a_day() {
    let gateway = Gateway::start().await;
    let store = gateway.store();
    for text in ["first", "second"] {
        raise(store, alert("a", text)).await;
    }
    raise(store, alert("b", "another")).await;
    assert_eq!(told(store).await, [("second".into(), 2, 0), ("another".into(), 1, 0)]);
    assert!(told(store).await.is_empty(), "told once");

    raise(store, alert("a", "third")).await;
    pass(&gateway, "59 minutes").await;
    raise(store, alert("a", "fourth")).await;
    assert!(told(store).await.is_empty(), "it keeps coming, and is known");
    pass(&gateway, "61 minutes").await;
    raise(store, alert("a", "fifth")).await;
    assert_eq!(told(store).await, [("fifth".into(), 5, 2)], "after a pause it is news");
    for _ in 0..25 {
        pass(&gateway, "58 minutes").await;
        raise(store, alert("a", "still")).await;
    }
    assert_eq!(told(store).await, [("still".into(), 30, 5)], "a reminder a day");
    raise(store, Alert { severity: Severity::Critical, ..alert("a", "worse") }).await;
    assert_eq!(told(store).await, [("worse".into(), 31, 30)], "what is graver is news");
}

#[tokio::test]
async fn a_recovery_is_told_once_and_what_comes_after_it_is_new() {
    let gateway = Gateway::start().await;
    let store = gateway.store();
    assert!(!recover(store, "a").await, "nothing went on");
    assert!(told(store).await.is_empty());
    raise(store, alert("a", "broken")).await;
    assert!(!recover(store, "b").await, "that is another");
    assert_eq!(told(store).await.len(), 1);
    assert!(recover(store, "a").await);
    assert!(!recover(store, "a").await);
    assert_eq!(told(store).await, [("it works again".into(), 1, 0)]);
    raise(store, alert("a", "broken again")).await;
    assert_eq!(told(store).await, [("broken again".into(), 1, 0)]);
}

#[tokio::test]
async fn what_began_and_ended_before_anybody_was_told_is_told_in_order() {
    let gateway = Gateway::start().await;
    raise(gateway.store(), alert("a", "broken")).await;
    recover(gateway.store(), "a").await;
    let told = told(gateway.store()).await;
    assert_eq!(
        told.iter().map(|alert| &*alert.0).collect::<Vec<_>>(),
        ["broken", "it works again"]
    );
}

#[tokio::test]
async fn the_recovery_of_what_was_given_up_is_not_told() {
    let gateway = Gateway::start().await;
    raise(gateway.store(), alert("a", "broken")).await;
    pass(&gateway, "25 hours").await;
    assert_eq!(gateway.store().tidy_alerts().await.unwrap(), 1);
    recover(gateway.store(), "a").await;
    assert!(told(gateway.store()).await.is_empty());
}

#[tokio::test]
async fn what_one_gateway_is_telling_no_other_tells_until_its_lease_runs_out() {
    let gateway = Gateway::start().await;
    let store = gateway.store();
    raise(store, alert("a", "broken")).await;
    let held = claim(store).await.expect("one");
    assert!(claim(store).await.is_none());
    raise(store, alert("b", "another")).await;
    let other = claim(store).await.expect("what came since");
    assert_eq!(other.alerts.len(), 1);
    pass(&gateway, "61 seconds").await;
    let taken_over = claim(store).await.expect("both");
    assert_eq!(taken_over.alerts.len(), 2);
    store.alerts_sent(&held).await.unwrap();
    assert_eq!(gateway.count("SELECT count(*) FROM alerts WHERE pending").await, 2, "too late");
    store.alerts_sent(&taken_over).await.unwrap();
    assert_eq!(gateway.count("SELECT count(*) FROM alerts WHERE pending").await, 0);
}

#[tokio::test]
async fn what_waits_is_bounded_and_what_is_grave_outlives_what_is_not() {
    let gateway = Gateway::start().await;
    raise(gateway.store(), Alert { severity: Severity::Critical, ..alert("a", "grave") }).await;
    gateway
        .execute(
            "INSERT INTO alerts (source, kind, key, dedup_key, severity, text, first_at, last_at)
             SELECT 'cards', 'flood', n::text, sha256(n::text::bytea), 2, 'flood ' || n, now(), now()
               FROM generate_series(1, 1200) AS n",
        )
        .await;
    assert_eq!(gateway.store().tidy_alerts().await.unwrap(), 201);
    let told = told(gateway.store()).await;
    assert_eq!((told.len(), &*told[0].0, &*told[1].0), (1000, "grave", "flood 202"));
    gateway.execute("UPDATE alerts SET closed_at = now() WHERE kind = 'flood'").await;
    pass(&gateway, "31 days").await;
    gateway.store().tidy_alerts().await.unwrap();
    let left = gateway.query("SELECT text FROM alerts").await;
    assert_eq!(left, [json!({ "text": "grave" })], "what goes on is kept: its end is to be told");
}

#[tokio::test]
async fn a_text_that_no_database_holds_is_kept_as_far_as_it_can_be() {
    let gateway = Gateway::start().await;
    let (key, text) = ("k\0é".repeat(5_000), "t\0é".repeat(5_000));
    raise(gateway.store(), alert(&key, &text)).await;
    raise(gateway.store(), alert(&key, &text)).await;
    let [row] = &gateway.rows("alerts").await[..] else { panic!("one row") };
    assert_eq!(row["count"], json!(2));
    assert!(
        row["key"].as_str().unwrap().len() <= 200 && row["text"].as_str().unwrap().len() <= 1024
    );
}
