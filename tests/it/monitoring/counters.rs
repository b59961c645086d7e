//! Every request and delivery outcome is counted once, by source and time bucket.

use std::time::Duration;

use sealpost::clock::Clock as _;

use super::{event, gateway, secret, send};
use crate::dead_letters;
use crate::harness::Gateway;

/// Counts in buckets of this length: source, what, detail, count.
async fn counted(gateway: &Gateway, minutes: i32) -> Vec<String> {
    let rows = gateway
        .query(&format!(
            "SELECT concat_ws(' ', source, what, detail, sum(count)) AS line FROM counters
              WHERE minutes = {minutes} AND what <> 'acknowledged'
              GROUP BY source, what, detail
              ORDER BY source = '', 1"
        ))
        .await;
    rows.iter()
        .map(|row| row["line"].as_str().unwrap().split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

#[tokio::test]
async fn requests_and_delivery_outcomes_are_counted_by_source() {
    let gateway = gateway().await;
    for id in ["evt_1", "evt_2", "evt_ignored", "evt_dies"] {
        send(&gateway, id).await;
    }
    assert_eq!(gateway.send("billing", None, &event("evt_1")).await.body_status(), "duplicate");
    assert_eq!(gateway.send("billing", None, b"{}").await.body_status(), "quarantined");
    assert_eq!(gateway.send_raw("billing", None, &[], b"{}").await.status, 401);
    assert_eq!(gateway.send_raw("nobody", None, &[], b"{}").await.status, 401);
    assert_eq!(gateway.post("/nowhere", &[], b"{}").await.status, 404);
    gateway.run_until_idle().await;
    assert!(gateway.rows("counters").await.is_empty(), "nothing is written before the flush");
    gateway.flush_stats().await;

    let expected = [
        "billing accepted 4",
        "billing dead 1",
        "billing duplicate 1",
        "billing handled 2",
        "billing ignored 1",
        "billing quarantined 1",
        "billing refused sig_missing 1",
        "refused not_found 1",
        "refused unknown_source 1",
    ];
    for minutes in [5, 60] {
        assert_eq!(counted(&gateway, minutes).await, expected, "in buckets of {minutes} minutes");
    }
    let acknowledged =
        "SELECT sum(count)::bigint FROM counters WHERE what = 'acknowledged' AND minutes = 5";
    assert_eq!(gateway.count(acknowledged).await, 6, "only 2xx responses");

    gateway.flush_stats().await;
    assert_eq!(counted(&gateway, 5).await, expected, "nothing is counted twice");
}

#[tokio::test]
async fn replay_is_counted_in_its_own_transaction() {
    let gateway = gateway().await;
    send(&gateway, "evt_dies").await;
    gateway.run_until_idle().await;
    let all = dead_letters::open();
    dead_letters::replay(gateway.dead_letter_service(), &all).await;
    gateway.run_until_idle().await;
    assert_eq!(counted(&gateway, 5).await, ["billing replayed 1"]);
    gateway.flush_stats().await;
    let expected = ["billing accepted 1", "billing dead 2", "billing replayed 1"];
    assert_eq!(counted(&gateway, 5).await, expected);
}

#[tokio::test]
async fn counter_buckets_rotate_and_expire() {
    let gateway = gateway().await;
    send(&gateway, "evt_1").await;
    gateway.flush_stats().await;
    gateway.clock().advance(Duration::from_mins(5));
    send(&gateway, "evt_2").await;
    gateway.flush_stats().await;
    gateway.run_until_idle().await;
    let buckets = |minutes| {
        format!("SELECT count(*) FROM counters WHERE what = 'accepted' AND minutes = {minutes}")
    };
    assert_eq!(gateway.count(&buckets(5)).await, 2);
    assert_eq!(gateway.count(&buckets(60)).await, 1);

    gateway.clock().advance(Duration::from_hours(4 * 24));
    gateway.run_maintenance().await;
    assert_eq!(gateway.count(&buckets(5)).await, 0, "kept for days");
    assert_eq!(gateway.count(&buckets(60)).await, 1, "kept for weeks");
    gateway.clock().advance(Duration::from_hours(40 * 24));
    gateway.run_maintenance().await;
    assert_eq!(gateway.count(&buckets(60)).await, 0);
}

#[tokio::test]
async fn secret_usage_is_recorded() {
    let gateway = gateway().await;
    let old = secret("BILLING_SECRET_OLD");
    let now = || gateway.clock().now().unix_timestamp();
    for (id, secret) in [("evt_1", &old), ("evt_2", &secret("BILLING_SECRET"))] {
        let body = event(id);
        let headers = gateway.sign_with("billing", &body, &[], now(), secret);
        assert_eq!(
            gateway.send_raw("billing", None, &headers, &body).await.body_status(),
            "accepted"
        );
    }
    gateway.flush_stats().await;
    gateway.clock().advance(Duration::from_mins(1));
    send(&gateway, "evt_3").await;
    let unknown_secret = sealpost::verify::Secret::new("a-secret-that-nobody-has").unwrap();
    let headers = gateway.sign_with("billing", b"{}", &[], now(), &unknown_secret);
    assert_eq!(gateway.send_raw("billing", None, &headers, b"{}").await.status, 401);
    gateway.flush_stats().await;
    gateway.run_until_idle().await;

    let rows = gateway
        .query(
            "SELECT source, secret, requests, extract(epoch FROM last_at - first_at)::int AS span
               FROM secret_usage ORDER BY requests",
        )
        .await;
    let seen: Vec<_> = rows
        .iter()
        .map(|row| (row["secret"].as_str().unwrap(), row["requests"].clone(), row["span"].clone()))
        .collect();
    let (old, new) = (old.fingerprint().to_string(), secret("BILLING_SECRET").fingerprint());
    let new = new.to_string();
    assert_eq!(seen, [(&*old, 1.into(), 0.into()), (&*new, 2.into(), 60.into())]);
}

#[tokio::test]
async fn counts_of_two_gateways_are_summed() {
    let left = gateway().await;
    let right = Gateway::builder().handler(super::Obedient).sharing_database(&left).start().await;
    send(&left, "evt_1").await;
    send(&right, "evt_2").await;
    left.run_until_idle().await;
    tokio::join!(left.flush_stats(), right.flush_stats());
    assert_eq!(counted(&left, 5).await, ["billing accepted 2", "billing handled 2"]);
}
