//! The outbox of alerts: raised, merged, claimed and settled, without a channel.

use std::time::Duration;

use sealpost::store::{Alert, AlertBatch, AlertResolution, Severity, Store};
use serde_json::json;

use crate::harness::Gateway;

const LEASE: Duration = Duration::from_secs(60);

pub(crate) fn alert<'a>(key: &'a str, text: &'a str) -> Alert<'a> {
    let severity = Severity::Warning;
    Alert {
        alert_type: "sync_failed",
        key,
        severity,
        source: "cards",
        event: None,
        text,
        passing: false,
    }
}

pub(crate) async fn raise(store: &Store, alert: Alert<'_>) {
    let mut tx = store.begin().await.unwrap();
    tx.alert(&alert).await.unwrap();
    tx.commit(()).await.unwrap();
}

async fn resolve(store: &Store, key: &str) -> bool {
    let mut tx = store.begin().await.unwrap();
    let resolution = AlertResolution {
        alert_type: "sync_failed",
        key,
        source: "cards",
        event: None,
        text: "it works again",
    };
    let ended = tx.close_alert(&resolution).await.unwrap();
    tx.commit(ended).await.unwrap().into_inner()
}

async fn claim(store: &Store) -> Option<AlertBatch> {
    store.claim_alerts(Severity::Info, LEASE).await.unwrap()
}

/// Claims the pending alerts and marks them as sent: text, count, and the count last sent.
pub(crate) async fn send_pending(store: &Store) -> Vec<(String, i64, i64)> {
    let Some(batch) = claim(store).await else { return Vec::new() };
    store.alerts_sent(&batch).await.unwrap();
    batch
        .alerts
        .iter()
        .map(|alert| (alert.text.clone(), alert.count, alert.notified_count))
        .collect()
}

/// Moves all times back by this interval.
pub(crate) async fn pass(gateway: &Gateway, interval: &str) {
    let columns =
        ["first_at", "last_at", "hour_at", "sent_at", "closed_at", "retry_at", "lease_expires_at"];
    let earlier = columns.map(|column| format!("{column} = {column} - interval '{interval}'"));
    gateway.execute(&format!("UPDATE alerts SET {}", earlier.join(", "))).await;
}

#[tokio::test]
async fn alert_is_raised_only_if_its_transaction_commits() {
    let gateway = Gateway::start().await;
    let mut tx = gateway.store().begin().await.unwrap();
    tx.alert(&alert("a", "never happened")).await.unwrap();
    drop(tx);
    assert!(send_pending(gateway.store()).await.is_empty());
    assert!(gateway.rows("alerts").await.is_empty());
}

#[tokio::test]
async fn repeats_are_counted_and_sent_after_a_pause_or_a_day() {
    let gateway = Gateway::start().await;
    let store = gateway.store();
    for text in ["first", "second"] {
        raise(store, alert("a", text)).await;
    }
    raise(store, alert("b", "another")).await;
    assert_eq!(send_pending(store).await, [("second".into(), 2, 0), ("another".into(), 1, 0)]);
    assert!(send_pending(store).await.is_empty(), "sent once");

    raise(store, alert("a", "third")).await;
    pass(&gateway, "59 minutes").await;
    raise(store, alert("a", "fourth")).await;
    assert!(send_pending(store).await.is_empty(), "a repeat within the hour is not sent");
    pass(&gateway, "61 minutes").await;
    raise(store, alert("a", "fifth")).await;
    assert_eq!(send_pending(store).await, [("fifth".into(), 5, 2)], "sent again after a pause");
    for _ in 0..25 {
        pass(&gateway, "58 minutes").await;
        raise(store, alert("a", "still")).await;
    }
    assert_eq!(send_pending(store).await, [("still".into(), 30, 5)], "a daily reminder");
    raise(store, Alert { severity: Severity::Critical, ..alert("a", "worse") }).await;
    assert_eq!(
        send_pending(store).await,
        [("worse".into(), 31, 30)],
        "sent again at a higher severity"
    );
}

#[tokio::test]
async fn resolution_is_sent_once_and_a_later_alert_is_new() {
    let gateway = Gateway::start().await;
    let store = gateway.store();
    assert!(!resolve(store, "a").await, "no alert was open");
    assert!(send_pending(store).await.is_empty());
    raise(store, alert("a", "broken")).await;
    assert!(!resolve(store, "b").await, "another alert");
    assert_eq!(send_pending(store).await.len(), 1);
    assert!(resolve(store, "a").await);
    assert!(!resolve(store, "a").await);
    assert_eq!(send_pending(store).await, [("it works again".into(), 1, 0)]);
    raise(store, alert("a", "broken again")).await;
    assert_eq!(send_pending(store).await, [("broken again".into(), 1, 0)]);
}

#[tokio::test]
async fn alert_resolved_before_it_was_sent_is_sent_in_order() {
    let gateway = Gateway::start().await;
    raise(gateway.store(), alert("a", "broken")).await;
    resolve(gateway.store(), "a").await;
    let sent = send_pending(gateway.store()).await;
    assert_eq!(
        sent.iter().map(|alert| &*alert.0).collect::<Vec<_>>(),
        ["broken", "it works again"]
    );
}

#[tokio::test]
async fn resolution_of_an_abandoned_alert_is_not_sent() {
    let gateway = Gateway::start().await;
    raise(gateway.store(), alert("a", "broken")).await;
    pass(&gateway, "25 hours").await;
    assert_eq!(gateway.store().clean_up_alerts().await.unwrap(), 1);
    resolve(gateway.store(), "a").await;
    assert!(send_pending(gateway.store()).await.is_empty());
}

#[tokio::test]
async fn claimed_alerts_are_skipped_until_their_lease_expires() {
    let gateway = Gateway::start().await;
    let store = gateway.store();
    raise(store, alert("a", "broken")).await;
    let first = claim(store).await.expect("one");
    assert!(claim(store).await.is_none());
    raise(store, alert("b", "another")).await;
    let other = claim(store).await.expect("the new alert");
    assert_eq!(other.alerts.len(), 1);
    pass(&gateway, "61 seconds").await;
    let taken_over = claim(store).await.expect("both");
    assert_eq!(taken_over.alerts.len(), 2);
    store.alerts_sent(&first).await.unwrap();
    assert_eq!(
        gateway.count("SELECT count(*) FROM alerts WHERE pending").await,
        2,
        "the lease was lost"
    );
    store.alerts_sent(&taken_over).await.unwrap();
    assert_eq!(gateway.count("SELECT count(*) FROM alerts WHERE pending").await, 0);
}

#[tokio::test]
async fn backlog_is_bounded_and_critical_alerts_are_kept() {
    let gateway = Gateway::start().await;
    raise(gateway.store(), Alert { severity: Severity::Critical, ..alert("a", "grave") }).await;
    gateway
        .execute(
            "INSERT INTO alerts
                 (source, alert_type, key, dedup_key, severity, text, first_at, last_at)
             SELECT 'cards', 'flood', n::text, sha256(n::text::bytea), 2, 'flood ' || n, now(), now()
               FROM generate_series(1, 1200) AS n",
        )
        .await;
    assert_eq!(gateway.store().clean_up_alerts().await.unwrap(), 201);
    let sent = send_pending(gateway.store()).await;
    assert_eq!((sent.len(), &*sent[0].0, &*sent[1].0), (1000, "grave", "flood 202"));
    gateway.execute("UPDATE alerts SET closed_at = now() WHERE alert_type = 'flood'").await;
    pass(&gateway, "31 days").await;
    gateway.store().clean_up_alerts().await.unwrap();
    let left = gateway.query("SELECT text FROM alerts").await;
    assert_eq!(
        left,
        [json!({ "text": "grave" })],
        "an open alert is kept: its resolution is still to be sent"
    );
}

#[tokio::test]
async fn invalid_or_long_text_is_stored_cleaned_and_truncated() {
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
