//! The overview, its alarms, and their alerts.

use std::time::Duration;

use sealpost::admin::{
    AlarmKind, Caller, Link, Overview, PauseTarget, ReasonCount, Scope, Scopes, SourceRow,
};
use sealpost::store::{DeliveryState, Severity};

use super::{event, event_of, gateway, send};
use crate::chunks::Transfer;
use crate::harness::{Gateway, because};

async fn overview(gateway: &Gateway) -> Overview {
    gateway.flush_stats().await;
    gateway.monitoring().overview(&Caller::local("ada")).await.expect("an overview")
}

fn row<'a>(overview: &'a Overview, name: &str) -> &'a SourceRow {
    overview.sources.iter().find(|row| row.name == name).expect("a row")
}

/// The alarms by kind and source, except those caused by the stopped clock of the tests.
fn alarms(overview: &Overview) -> Vec<(AlarmKind, &str)> {
    // Moving the clock makes transactions of other tests seem old.
    let not_ours = [AlarmKind::Clock, AlarmKind::Transaction];
    let alarms = overview.alarms.iter().filter(|alarm| !not_ours.contains(&alarm.kind));
    alarms.map(|alarm| (alarm.kind, alarm.source.as_deref().unwrap_or_default())).collect()
}

/// The alerts: source, type, and `over` for a resolution.
async fn alerts(gateway: &Gateway) -> Vec<String> {
    let rows = gateway
        .query(
            "SELECT concat_ws(' ', source, alert_type, CASE WHEN resolution THEN 'over' END) AS line
               FROM alerts WHERE alert_type NOT IN ('dead_letter', 'clock') ORDER BY id",
        )
        .await;
    rows.iter().map(|row| row["line"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn overview_has_a_row_of_counts_per_source() {
    let gateway = gateway().await;
    for id in ["evt_1", "evt_2", "evt_dies"] {
        send(&gateway, id).await;
    }
    assert_eq!(gateway.send_raw("billing", None, &[], b"{}").await.status, 401);
    assert_eq!(gateway.post("/nowhere", &[], b"{}").await.status, 404);
    gateway.run_until_idle().await;
    let overview = overview(&gateway).await;

    let names: Vec<&str> = overview.sources.iter().map(|row| row.name.as_str()).collect();
    let configured: Vec<&str> =
        gateway.config().sources.iter().map(|source| source.entry.name.as_str()).collect();
    assert_eq!(names, configured);
    let billing = row(&overview, "billing");
    for counts in [&billing.hour, &billing.day] {
        assert_eq!((counts.received, counts.verified, counts.refused), (4, 3, 1));
        assert_eq!((counts.handled, counts.dead), (2, 1));
        assert_eq!(counts.reasons, [ReasonCount { reason: "sig_missing".into(), count: 1 }]);
    }
    assert_eq!((billing.hour_line.len(), billing.hour_line.last()), (12, Some(&3)));
    assert_eq!((billing.day_line.len(), billing.day_line.last()), (24, Some(&3)));
    assert!(billing.p95_seconds.is_some() && billing.last_event_at.is_some());
    let secret = super::secret("BILLING_SECRET").fingerprint().to_string();
    assert_eq!(billing.secret.as_deref(), Some(&*secret));
    assert_eq!((billing.waiting_seconds, billing.enabled), (None, true));
    assert!(!row(&overview, "closed").enabled);
    assert_eq!(overview.elsewhere.map(|counts| counts.refused), Some(1));

    let now = overview.hour.points.last().expect("a point");
    assert_eq!((now.verified, now.refused, now.handled, now.dead), (3, 1, 2, 1));
    assert_eq!((overview.hour.points.len(), overview.day.points.len()), (12, 24));
}

#[tokio::test]
async fn overview_is_limited_to_tenant_and_scope() {
    let gateway = gateway().await;
    let of = |tenant: Option<&str>, scope| {
        Caller::new("bo", tenant.map(str::to_owned), [scope].into_iter().collect::<Scopes>())
    };
    let limited =
        gateway.monitoring().overview(&of(Some("other"), Scope::EventsRead)).await.unwrap();
    let names: Vec<&str> = limited.sources.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["cards-too"]);
    assert!(limited.elsewhere.is_none());
    let denied = gateway.monitoring().overview(&of(None, Scope::PayloadRead)).await.unwrap_err();
    assert_eq!(denied.missing(), Some(Scope::EventsRead));
}

#[tokio::test]
async fn high_rejection_rate_and_its_resolution_alert_once() {
    let gateway = gateway().await;
    for _ in 0..20 {
        gateway.send_raw("billing", None, &[], b"{}").await;
    }
    assert_eq!(alarms(&overview(&gateway).await), [(AlarmKind::Refusals, "billing")]);
    for _ in 0..3 {
        gateway.raise_alarms().await;
    }
    assert_eq!(alerts(&gateway).await, ["billing refusals"]);
    assert_eq!(
        gateway.count("SELECT count FROM alerts WHERE alert_type = 'refusals'").await,
        1,
        "raised once"
    );

    gateway.clock().advance(Duration::from_hours(2));
    assert_eq!(alarms(&overview(&gateway).await), []);
    gateway.raise_alarms().await;
    gateway.raise_alarms().await;
    assert_eq!(alerts(&gateway).await, ["billing refusals", "billing refusals over"]);
}

#[tokio::test]
async fn overdue_head_is_stuck_but_the_rest_of_its_lane_is_not() {
    let gateway = gateway().await;
    for (account, id) in [("acct_a", "evt_1"), ("acct_a", "evt_2"), ("acct_b", "evt_3")] {
        let answer = gateway.send("billing", None, &event_of(account, id)).await;
        assert_eq!(answer.body_status(), "accepted");
    }
    gateway.clock().advance(Duration::from_secs(40));
    assert_eq!(alarms(&overview(&gateway).await), []);
    gateway.clock().advance(Duration::from_secs(20));
    let seen = overview(&gateway).await;
    assert_eq!(alarms(&seen), [(AlarmKind::Stuck, "billing")]);
    let alarm = seen.alarms.iter().find(|alarm| alarm.kind == AlarmKind::Stuck).unwrap();
    assert!(alarm.text.starts_with("2 deliveries of billing"), "heads only: {}", alarm.text);
    assert_eq!(alarm.link, Link::Events { source: "billing".into(), state: DeliveryState::Ready });
    assert_eq!(alarm.severity, Severity::Warning);
    assert_eq!(row(&seen, "billing").waiting_seconds, Some(60.0));
    gateway.clock().advance(Duration::from_mins(4));
    let later = overview(&gateway).await;
    let stuck = later.alarms.iter().find(|alarm| alarm.kind == AlarmKind::Stuck);
    assert_eq!(stuck.map(|alarm| alarm.severity), Some(Severity::Critical));
    gateway.raise_alarms().await;
    gateway.run_until_idle().await;
    gateway.raise_alarms().await;
    assert_eq!(alerts(&gateway).await, ["billing stuck", "billing stuck over"]);
    assert_eq!(row(&overview(&gateway).await, "billing").waiting_seconds, None);
}

#[tokio::test]
async fn delivery_to_a_paused_destination_is_not_stuck() {
    let gateway = Gateway::builder()
        .more_config(
            "[[destination]]\nname = \"shop\"\nurl = \"https://shop.example/in\"\n\
             sources = [\"billing\"]\nsecret = { env = \"APP_SECRET\" }\n",
        )
        .allow_unfinished()
        .start()
        .await;
    send(&gateway, "evt_1").await;
    gateway.execute("DELETE FROM deliveries WHERE destination IS NULL").await;
    gateway.clock().advance(Duration::from_mins(6));
    assert_eq!(alarms(&overview(&gateway).await), [(AlarmKind::Stuck, "billing")]);
    gateway
        .execute(
            "INSERT INTO destinations (name, paused_at, paused_by, paused_reason)
             VALUES ('shop', now(), 'ada', 'a test')",
        )
        .await;
    let seen = overview(&gateway).await;
    assert_eq!(alarms(&seen), [(AlarmKind::Paused, "")], "it is paused, not stuck");
    assert_eq!(row(&seen, "billing").waiting_seconds, Some(360.0), "its waiting time is shown");
}

#[tokio::test]
async fn paused_or_just_resumed_source_is_not_stuck() {
    let gateway = gateway().await;
    let ada = Caller::local("ada");
    for (target, name) in [(PauseTarget::Source, "billing"), (PauseTarget::Handler, "obedient")] {
        gateway.pauses().pause(&ada, target, name, &because("they are migrating")).await.unwrap();
        send(&gateway, &format!("evt_{name}")).await;
        gateway.clock().advance(Duration::from_mins(6));
        let source = if target == PauseTarget::Source { name } else { "" };
        assert_eq!(alarms(&overview(&gateway).await), [(AlarmKind::Paused, source)], "{name}");
        gateway.pauses().resume(&ada, target, name, &because("they are done")).await.unwrap();
        assert_eq!(alarms(&overview(&gateway).await), [], "{name}");
    }
    gateway.clock().advance(Duration::from_mins(6));
    assert_eq!(alarms(&overview(&gateway).await), [(AlarmKind::Stuck, "billing")]);
    gateway.run_until_idle().await;
}

#[tokio::test]
async fn inactive_source_raises_an_alarm() {
    let gateway = gateway().await;
    send(&gateway, "evt_1").await;
    gateway.run_until_idle().await;
    gateway.flush_stats().await;
    gateway
        .execute(
            "INSERT INTO counters (minutes, bucket, source, what, count)
             SELECT 60, t, 'billing', 'accepted', 30
               FROM generate_series('2026-11-13 12:00Z'::timestamptz, '2026-11-20 11:00Z',
                                    '1 hour') t",
        )
        .await;
    gateway.clock().advance(Duration::from_mins(19));
    assert_eq!(alarms(&overview(&gateway).await), []);
    gateway.clock().advance(Duration::from_mins(2));
    let seen = overview(&gateway).await;
    assert_eq!(alarms(&seen), [(AlarmKind::Silence, "billing")]);
    gateway.raise_alarms().await;
    let answer = gateway.send("billing", None, &event("evt_2")).await;
    assert_eq!(answer.body_status(), "accepted");
    gateway.run_until_idle().await;
    gateway.flush_stats().await;
    gateway.raise_alarms().await;
    // Other databases of the server may have transactions open for long.
    let mut alerts = alerts(&gateway).await;
    alerts.retain(|alert| alert.starts_with("billing"));
    assert_eq!(alerts, ["billing silence", "billing silence over"]);
}

#[tokio::test]
async fn incomplete_transfer_raises_alarms_before_and_after_expiry() {
    let gateway = Gateway::start().await;
    Transfer::of(3).send(&gateway, 0).await;
    assert_eq!(alarms(&overview(&gateway).await), []);
    gateway.clock().advance(Duration::from_mins(8));
    assert_eq!(alarms(&overview(&gateway).await), [(AlarmKind::TransfersLate, "cards")]);
    gateway.clock().advance(Duration::from_mins(8));
    gateway.run_maintenance().await;
    gateway.raise_alarms().await;
    assert_eq!(
        alarms(&overview(&gateway).await),
        [(AlarmKind::DeadLetters, "cards"), (AlarmKind::TransfersExpired, "cards")]
    );
    assert_eq!(alerts(&gateway).await, ["cards transfers_expired"]);
}
