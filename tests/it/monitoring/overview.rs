//! Is anything wrong? And who is told.

use std::time::Duration;

use sealpost::admin::{
    AlarmKind, Caller, Link, Overview, PauseTarget, ReasonCount, Scope, Scopes, SourceRow,
};
use sealpost::store::{DeliveryState, Severity};

use super::{event, event_of, gateway, send};
use crate::chunks::Transfer;
use crate::harness::{Gateway, because};

async fn overview(gateway: &Gateway) -> Overview {
    gateway.count_up().await;
    gateway.monitoring().overview(&Caller::local("ada")).await.expect("an overview")
}

fn row<'a>(overview: &'a Overview, name: &str) -> &'a SourceRow {
    overview.sources.iter().find(|row| row.name == name).expect("a row")
}

/// What is wrong. That the clock of a test stands still is not.
fn wrong(overview: &Overview) -> Vec<(AlarmKind, &str)> {
    // What waits for the transactions of other tests seems old, as the clock is moved.
    let not_ours = [AlarmKind::Clock, AlarmKind::Transaction];
    let alarms = overview.alarms.iter().filter(|alarm| !not_ours.contains(&alarm.kind));
    alarms.map(|alarm| (alarm.kind, alarm.source.as_deref().unwrap_or_default())).collect()
}

/// What people are told: kind, source, whether it is over.
async fn told(gateway: &Gateway) -> Vec<String> {
    let rows = gateway
        .query(
            "SELECT concat_ws(' ', source, kind, CASE WHEN resolution THEN 'over' END) AS line
               FROM alerts WHERE kind NOT IN ('dead_letter', 'clock') ORDER BY id",
        )
        .await;
    rows.iter().map(|row| row["line"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn every_source_has_a_row_that_says_what_came_and_what_became_of_it() {
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
async fn somebody_of_one_tenant_sees_its_sources_and_who_may_not_look_sees_none() {
    let gateway = gateway().await;
    let of = |tenant: Option<&str>, scope| {
        Caller::new("bo", tenant.map(str::to_owned), [scope].into_iter().collect::<Scopes>())
    };
    let theirs =
        gateway.monitoring().overview(&of(Some("other"), Scope::EventsRead)).await.unwrap();
    let names: Vec<&str> = theirs.sources.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["cards-too"]);
    assert!(theirs.elsewhere.is_none());
    let denied = gateway.monitoring().overview(&of(None, Scope::PayloadRead)).await.unwrap_err();
    assert_eq!(denied.missing(), Some(Scope::EventsRead));
}

#[tokio::test]
async fn most_requests_refused_is_told_once_and_so_is_that_it_is_over() {
    let gateway = gateway().await;
    for _ in 0..20 {
        gateway.send_raw("billing", None, &[], b"{}").await;
    }
    assert_eq!(wrong(&overview(&gateway).await), [(AlarmKind::Refusals, "billing")]);
    for _ in 0..3 {
        gateway.watch().await;
    }
    assert_eq!(told(&gateway).await, ["billing refusals"]);
    assert_eq!(
        gateway.count("SELECT count FROM alerts WHERE kind = 'refusals'").await,
        1,
        "raised once"
    );

    gateway.clock().advance(Duration::from_hours(2));
    assert_eq!(wrong(&overview(&gateway).await), []);
    gateway.watch().await;
    gateway.watch().await;
    assert_eq!(told(&gateway).await, ["billing refusals", "billing refusals over"]);
}

#[tokio::test]
async fn what_is_due_and_not_worked_on_is_stuck_and_what_waits_its_turn_is_not() {
    let gateway = gateway().await;
    for (account, id) in [("acct_a", "evt_1"), ("acct_a", "evt_2"), ("acct_b", "evt_3")] {
        let answer = gateway.send("billing", None, &event_of(account, id)).await;
        assert_eq!(answer.what(), "accepted");
    }
    gateway.clock().advance(Duration::from_secs(40));
    assert_eq!(wrong(&overview(&gateway).await), []);
    gateway.clock().advance(Duration::from_secs(20));
    let seen = overview(&gateway).await;
    assert_eq!(wrong(&seen), [(AlarmKind::Stuck, "billing")]);
    let alarm = seen.alarms.iter().find(|alarm| alarm.kind == AlarmKind::Stuck).unwrap();
    assert!(alarm.text.starts_with("2 deliveries of billing"), "heads only: {}", alarm.text);
    assert_eq!(alarm.link, Link::Events { source: "billing".into(), state: DeliveryState::Ready });
    assert_eq!(alarm.severity, Severity::Warning);
    assert_eq!(row(&seen, "billing").waiting_seconds, Some(60.0));
    gateway.clock().advance(Duration::from_mins(4));
    let worse = overview(&gateway).await;
    let stuck = worse.alarms.iter().find(|alarm| alarm.kind == AlarmKind::Stuck);
    assert_eq!(stuck.map(|alarm| alarm.severity), Some(Severity::Critical));
    gateway.watch().await;
    gateway.run_until_idle().await;
    gateway.watch().await;
    assert_eq!(told(&gateway).await, ["billing stuck", "billing stuck over"]);
    assert_eq!(row(&overview(&gateway).await, "billing").waiting_seconds, None);
}

#[tokio::test]
async fn what_waits_for_a_destination_that_is_held_back_is_not_stuck() {
    let gateway = Gateway::builder()
        .more_config(
            "[[destination]]\nname = \"shop\"\nurl = \"https://shop.example/in\"\n\
             sources = [\"billing\"]\nsecret = { env = \"APP_SECRET\" }\n",
        )
        .leaves_work()
        .start()
        .await;
    send(&gateway, "evt_1").await;
    gateway.execute("DELETE FROM deliveries WHERE handler NOT LIKE 'to:%'").await;
    gateway.clock().advance(Duration::from_mins(6));
    assert_eq!(wrong(&overview(&gateway).await), [(AlarmKind::Stuck, "billing")]);
    gateway
        .execute("INSERT INTO destinations (handler, paused_at) VALUES ('to:shop', now())")
        .await;
    let seen = overview(&gateway).await;
    assert_eq!(wrong(&seen), [(AlarmKind::Paused, "")], "it is not stuck: it is paused");
    assert_eq!(row(&seen, "billing").waiting_seconds, Some(360.0), "it does wait");
}

#[tokio::test]
async fn what_is_paused_is_not_stuck_nor_what_was_resumed_a_moment_ago() {
    let gateway = gateway().await;
    let ada = Caller::local("ada");
    for (target, name) in [(PauseTarget::Source, "billing"), (PauseTarget::Handler, "obedient")] {
        gateway.pauses().pause(&ada, target, name, &because("they are migrating")).await.unwrap();
        send(&gateway, &format!("evt_{name}")).await;
        gateway.clock().advance(Duration::from_mins(6));
        let source = if target == PauseTarget::Source { name } else { "" };
        assert_eq!(wrong(&overview(&gateway).await), [(AlarmKind::Paused, source)], "{name}");
        gateway.pauses().resume(&ada, target, name, &because("they are done")).await.unwrap();
        assert_eq!(wrong(&overview(&gateway).await), [], "{name}");
    }
    gateway.clock().advance(Duration::from_mins(6));
    assert_eq!(wrong(&overview(&gateway).await), [(AlarmKind::Stuck, "billing")]);
    gateway.run_until_idle().await;
}

#[tokio::test]
async fn a_source_that_falls_silent_is_missed() {
    let gateway = gateway().await;
    send(&gateway, "evt_1").await;
    gateway.run_until_idle().await;
    gateway.count_up().await;
    gateway
        .execute(
            "INSERT INTO counters (minutes, bucket, source, what, count)
             SELECT 60, t, 'billing', 'accepted', 30
               FROM generate_series('2026-11-13 12:00Z'::timestamptz, '2026-11-20 11:00Z',
                                    '1 hour') t",
        )
        .await;
    gateway.clock().advance(Duration::from_mins(19));
    assert_eq!(wrong(&overview(&gateway).await), []);
    gateway.clock().advance(Duration::from_mins(2));
    let seen = overview(&gateway).await;
    assert_eq!(wrong(&seen), [(AlarmKind::Silence, "billing")]);
    gateway.watch().await;
    let answer = gateway.send("billing", None, &event("evt_2")).await;
    assert_eq!(answer.what(), "accepted");
    gateway.run_until_idle().await;
    gateway.count_up().await;
    gateway.watch().await;
    assert_eq!(told(&gateway).await, ["billing silence", "billing silence over"]);
}

#[tokio::test]
async fn a_transfer_that_is_not_whole_is_seen_before_and_after_it_is_given_up() {
    let gateway = Gateway::start().await;
    Transfer::of(3).send(&gateway, 0).await;
    assert_eq!(wrong(&overview(&gateway).await), []);
    gateway.clock().advance(Duration::from_mins(8));
    assert_eq!(wrong(&overview(&gateway).await), [(AlarmKind::TransfersLate, "cards")]);
    gateway.clock().advance(Duration::from_mins(8));
    gateway.tidy().await;
    gateway.watch().await;
    assert_eq!(
        wrong(&overview(&gateway).await),
        [(AlarmKind::DeadLetters, "cards"), (AlarmKind::TransfersExpired, "cards")]
    );
    assert_eq!(told(&gateway).await, ["cards transfers_expired"]);
}
