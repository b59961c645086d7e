//! Events are deleted at the end of their retention, and nothing before or beside it.

use std::time::Duration;

use sealpost::admin::{AlarmKind, DeadLetterAction};
use sealpost::dispatch::{Attempt, Failure, Handler};
use sealpost::store::{Effects, StoredEvent};

use crate::dead_letters::{Fragile, ada, bulk_request, make_dead_letter, open, run_job, send};
use crate::harness::{Gateway, because, sql};

const DAY: Duration = Duration::from_hours(24);

async fn gateway(config: &str) -> Gateway {
    Gateway::builder()
        .handler(Fragile::default())
        .more_config(config)
        .allow_unfinished()
        .start()
        .await
}

/// Sends an event that is delivered.
async fn deliver(gateway: &Gateway, id: &str) -> String {
    let id = send(gateway, &format!("{id} is fine")).await;
    gateway.run_until_idle().await;
    id
}

/// The ids of the events, oldest first.
async fn events(gateway: &Gateway) -> Vec<String> {
    let rows = gateway.query("SELECT id::text FROM events ORDER BY id").await;
    rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

/// Rows that belong to no event.
async fn orphans(gateway: &Gateway) -> i64 {
    gateway
        .count(
            "SELECT (SELECT count(*) FROM deliveries WHERE event_id NOT IN (SELECT id FROM events))
                  + (SELECT count(*) FROM attempts
                      WHERE delivery_id NOT IN (SELECT id FROM deliveries))",
        )
        .await
}

async fn after(gateway: &Gateway, time: Duration) -> Vec<String> {
    gateway.clock().advance(time);
    gateway.run_maintenance().await;
    assert_eq!(orphans(gateway).await, 0);
    events(gateway).await
}

#[tokio::test]
async fn each_class_has_its_retention() {
    let gateway = gateway("[retention]\nquarantined = \"60d\"").await;
    deliver(&gateway, "evt_1").await;
    let (dead, _) = make_dead_letter(&gateway, "evt_2").await;
    let quarantined = gateway.send("billing", None, b"{").await.id().to_owned();

    assert_eq!(after(&gateway, 30 * DAY - Duration::from_mins(1)).await.len(), 3);
    let mut kept = [dead.clone(), quarantined];
    kept.sort_unstable();
    assert_eq!(after(&gateway, Duration::from_hours(2)).await, kept);
    assert_eq!(after(&gateway, 30 * DAY).await, [dead]);
    assert_eq!(after(&gateway, 30 * DAY).await, [""; 0]);
    for table in ["deliveries", "attempts"] {
        assert!(gateway.rows(table).await.is_empty(), "{table}");
    }
}

#[tokio::test]
async fn source_can_have_a_retention_of_its_own() {
    let retention = "options = { livemode = false }\nretention = { done = \"2d\" }\n";
    let gateway = Gateway::builder()
        .handler(Fragile::default())
        .config("options = { livemode = false }\n", retention)
        .start()
        .await;
    deliver(&gateway, "evt_1").await;
    assert_eq!(after(&gateway, DAY).await.len(), 1);
    assert_eq!(after(&gateway, DAY + Duration::from_mins(1)).await.len(), 0);
}

/// Leaves its deliveries unfinished.
struct Failing;

#[async_trait::async_trait]
impl Handler for Failing {
    fn name(&self) -> &'static str {
        "failing"
    }

    async fn handle(&self, _: &StoredEvent, _: Attempt) -> Result<Effects, Failure> {
        Err(Failure::transient("not yet"))
    }
}

#[tokio::test]
async fn unfinished_delivery_keeps_its_event() {
    let gateway = Gateway::builder().handler(Failing).allow_unfinished().start().await;
    let waiting = send(&gateway, "evt_1").await;
    gateway.run_until_idle().await;
    assert_eq!(after(&gateway, 400 * DAY).await, [waiting]);
}

#[tokio::test]
async fn planned_job_keeps_its_dead_letters() {
    let gateway = gateway("").await;
    let (first, _) = make_dead_letter(&gateway, "evt_1").await;
    gateway.clock().advance(91 * DAY);
    let request = bulk_request(DeadLetterAction::Replay, &open(), false);
    let plan = gateway.jobs().plan(&ada(), &request).await.unwrap();
    assert_eq!(after(&gateway, Duration::from_mins(1)).await, [first]);
    gateway.jobs().cancel(&ada(), plan.job.id, &because("not now")).await.unwrap();
    assert_eq!(after(&gateway, Duration::from_hours(2)).await, [""; 0]);
}

#[tokio::test]
async fn delivery_that_is_being_replayed_is_kept() {
    let gateway = gateway("").await;
    let (event, delivery) = make_dead_letter(&gateway, "evt_1").await;
    let mut other = sql::connect(gateway.target()).await;
    sql::run(&mut other, "BEGIN").await;
    let lock = format!("SELECT 1 FROM deliveries WHERE id = {delivery} FOR UPDATE");
    sql::run(&mut other, &lock).await;
    assert_eq!(after(&gateway, 91 * DAY).await, [event], "it is locked");
    sql::run(&mut other, "ROLLBACK").await;
    assert_eq!(after(&gateway, Duration::from_hours(2)).await, [""; 0]);
}

#[tokio::test]
async fn deleted_dead_letters_leave_their_groups() {
    let gateway = gateway("").await;
    make_dead_letter(&gateway, "evt_1").await;
    make_dead_letter(&gateway, "evt_2").await;
    gateway.groups().step().await.unwrap();
    gateway.clock().advance(60 * DAY);
    let (_, newest) = make_dead_letter(&gateway, "evt_3").await;
    gateway.groups().step().await.unwrap();
    // As if the newest one had been grouped first.
    gateway.execute("UPDATE dead_letter_groups SET sample = 1").await;
    assert_eq!(after(&gateway, 31 * DAY).await.len(), 1);
    let group = &gateway.rows("dead_letter_groups").await[0];
    assert_eq!((&group["open"], &group["total"]), (&1.into(), &1.into()));
    assert_eq!(group["sample"], newest);
    after(&gateway, 60 * DAY).await;
    assert!(gateway.rows("dead_letter_groups").await.is_empty());
}

#[tokio::test]
async fn many_expired_events_are_deleted_in_steps() {
    let gateway = gateway("").await;
    deliver(&gateway, "evt_1").await;
    // Ids that begin with the time of the first one.
    let copies = gateway
        .execute(
            "INSERT INTO events
             SELECT (left(id::text, 19) || right(gen_random_uuid()::text, 17))::uuid, tenant, source,
                    provider, event_type, action, strength, late, secret, skew_seconds,
                    received_at, occurred_at, gen_random_uuid(), headers, claims, envelope, body
               FROM events, generate_series(1, 2500)",
        )
        .await;
    assert_eq!(copies, 2500);
    assert_eq!(after(&gateway, 31 * DAY).await.len(), 0);
}

#[tokio::test]
async fn open_dead_letters_raise_an_alarm_before_they_are_deleted() {
    let gateway = gateway("").await;
    make_dead_letter(&gateway, "evt_1").await;
    gateway.groups().step().await.unwrap();
    let expiring = async || {
        let overview = gateway.monitoring().overview(&ada()).await.unwrap();
        let mut alarms = overview.alarms.into_iter();
        alarms.find(|alarm| alarm.kind == AlarmKind::Retention)
    };
    gateway.clock().advance(83 * DAY - Duration::from_mins(1));
    assert_eq!(expiring().await, None);
    gateway.clock().advance(Duration::from_mins(1));
    let alarm = expiring().await.expect("an alarm");
    assert_eq!((alarm.source.as_deref(), alarm.count), (Some("billing"), 1));
    assert!(alarm.text.contains("will be deleted within 7days"), "{}", alarm.text);
    run_job(gateway.dead_letter_service(), DeadLetterAction::Discard, &open(), false).await;
    assert_eq!(expiring().await, None, "it is resolved");
}
