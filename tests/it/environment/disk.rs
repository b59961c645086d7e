//! Little free space on the disk of the database: an alarm, and no new events.

use std::time::Duration;

use sealpost::store::{DiskLevel, DiskLimits, PoolSettings, Store, Target};
use serde_json::{Value, json};

use super::{name_of, pay};
use crate::harness::{Builder, Gateway, database, sql};

/// A gateway with these limits, in percent.
fn with_limits(warn: &str, stop: &str) -> Builder {
    Gateway::builder()
        .config("disk_warn_percent = 0.0", &format!("disk_warn_percent = {warn}"))
        .config("disk_stop_percent = 0.0", &format!("disk_stop_percent = {stop}"))
}

/// The alarm with this value of a field.
async fn alarm(gateway: &Gateway, field: &str) -> Option<Value> {
    let overview = gateway.operator("/api/v1/overview").await.json;
    let alarms = overview["alarms"].as_array().expect("alarms").clone();
    alarms.into_iter().find(|alarm| alarm[field] == "disk")
}

#[tokio::test(flavor = "multi_thread")]
async fn below_the_stop_limit_events_get_503_and_deliveries_go_on() {
    let enough = Gateway::start().await;
    assert_eq!(pay(&enough, 1).await, 202);
    let gateway = with_limits("100.0", "99.9").sharing_database(&enough).start().await;
    let ready = gateway.operator("/readyz").await;
    assert_eq!(ready.status, 503, "{}", ready.text);
    assert!(ready.text.contains("disk of the database is almost full"), "{}", ready.text);

    let body = br#"{"id":"evt_full","object":"event"}"#;
    let refused = gateway.send("billing", None, body).await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    assert!(refused.headers.contains_key("retry-after"));
    let unsigned = gateway.send_raw("billing", None, &[], body).await;
    assert_eq!(unsigned.status, 401, "only authentic requests learn it");
    assert_eq!(gateway.count("SELECT count(*) FROM events").await, 1);
    assert_eq!(gateway.run_until_idle().await, 1, "deliveries go on");

    let alarm = alarm(&gateway, "type").await.expect("an alarm");
    assert_eq!(alarm["severity"], "critical");
    let text = alarm["text"].as_str().unwrap();
    assert!(text.starts_with("the disk of the database has "), "{text}");
    assert!(text.ends_with("no event is accepted, senders get 503 until there is more"), "{text}");
    let metrics = gateway.operator("/metrics").await.text;
    assert!(metrics.contains("sealpost_database_disk_free_bytes "), "{metrics}");

    // The same database, with enough space.
    assert_eq!(enough.operator("/readyz").await.status, 200);
    assert_eq!(pay(&enough, 2).await, 202);
    enough.run_until_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn below_the_warning_limit_events_are_accepted_and_an_alarm_is_raised() {
    let gateway = with_limits("100.0", "0.0").start().await;
    assert_eq!(gateway.operator("/readyz").await.status, 200);
    assert_eq!(pay(&gateway, 1).await, 202);
    gateway.run_until_idle().await;
    assert_eq!(alarm(&gateway, "type").await.expect("an alarm")["severity"], "warning");
    gateway.raise_alarms().await;
    let open = "SELECT count(*) FROM alerts WHERE alert_type = 'disk' AND closed_at IS NULL";
    assert_eq!(gateway.count(open).await, 1);

    // A gateway that does not know of it must not resolve the alert, and shows it.
    let other = Gateway::builder().sharing_database(&gateway).start().await;
    other.raise_alarms().await;
    assert_eq!(gateway.count(open).await, 1);
    let shown = alarm(&other, "name").await.expect("the alert of the first");
    assert_eq!((&shown["type"], &shown["severity"]), (&json!("alert"), &json!("warning")));
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_of_a_server_whose_settings_the_role_may_not_see_is_unknown() {
    let target = database::fresh().await;
    let name = name_of(&target).await;
    sql::execute(&target, &format!("CREATE ROLE sees_{name} LOGIN")).await;
    let url = database::url(&target).await;
    let (_, rest) = url.split_once('@').unwrap();
    let own = Target::from_url(&format!("postgres://sees_{name}@{rest}")).unwrap();
    let disk = DiskLimits { warn_percent: 100.0, stop_percent: 99.9, stop_bytes: 0 };
    let open = |target| {
        let settings = PoolSettings { disk, ..PoolSettings::default() };
        Store::open(target, settings, Duration::from_secs(1))
    };
    let store = open(own);
    assert_eq!(store.read_disk().await.unwrap(), None);
    assert!(!store.is_disk_full(), "nothing is known");
    sql::execute(&target, &format!("GRANT pg_read_all_settings TO sees_{name}")).await;
    let state = store.read_disk().await.unwrap().expect("now it is known");
    assert_eq!(state.level, DiskLevel::Full);
    assert!(store.is_disk_full());
    sql::execute(&target, &format!("REVOKE pg_read_all_settings FROM sees_{name}")).await;
    assert_eq!(store.read_disk().await.unwrap(), None);
    assert!(!store.is_disk_full(), "it is not known any more");
}
