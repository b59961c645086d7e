//! Destinations that are new get the events from before.

use std::time::Duration;

use sealpost::admin::{AdminError, EventSelection, ResendState};
use sealpost::clock::Clock;

use super::{Nobody, ada, headers, ids, run, to_app};
use crate::destinations::receiver::{Receiver, Reply};
use crate::destinations::{builder, send, sending_to};

#[tokio::test(flavor = "multi_thread")]
async fn new_destination_gets_the_events_of_its_types_in_their_order() {
    let receiver = Receiver::accepting().await;
    // Nobody takes these events: they have no delivery.
    let before = builder().handler(Nobody).start().await;
    let (first, _) = send(&before, "invoice.created", "in_1").await;
    before.clock().advance(Duration::from_micros(1));
    let (second, _) = send(&before, "invoice.paid", "in_1").await;
    send(&before, "customer.created", "cus_1").await;
    before.send("billing", None, b"{").await;
    before.run_until_idle().await;
    assert_eq!(before.count("SELECT count(*) FROM deliveries").await, 1, "the quarantined one");

    let gateway = sending_to(&receiver, "types = [\"invoice.*\"]")
        .handler(Nobody)
        .sharing_database(&before)
        .start()
        .await;
    gateway.clock().advance(Duration::from_secs(60));
    let (third, _) = send(&gateway, "invoice.voided", "in_1").await;
    let job = run(&gateway, &to_app(ResendState::Missing)).await.job;
    assert_eq!((job.matched, job.created, job.skipped), (2, 2, 0));
    gateway.run_until_idle().await;
    // One lane: the event that had arrived is before the earlier ones, which are made later.
    assert_eq!(ids(&receiver), [third, first, second]);
    let again = Some("true".to_owned());
    assert_eq!(headers(&receiver, "sealpost-resend"), [None, again.clone(), again]);
    let lanes = "SELECT count(DISTINCT lane) FROM deliveries WHERE destination = 'app'";
    assert_eq!(gateway.count(lanes).await, 1);
    let none =
        "SELECT count(*) FROM deliveries WHERE triggered_by = 'resend' AND replay_of IS NULL";
    assert_eq!(gateway.count(none).await, 2);

    let again = gateway.jobs().plan_resend(&ada(), &to_app(ResendState::Missing)).await;
    assert!(matches!(again, Err(AdminError::NotFound(_))), "nothing is missing: {again:?}");
    let all = run(&gateway, &to_app(ResendState::Any)).await.job;
    assert_eq!((all.matched, all.created), (3, 3));
    gateway.run_until_idle().await;
    assert_eq!(receiver.seen().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn time_and_source_limit_a_back_fill() {
    let receiver = Receiver::accepting().await;
    let before = builder().start().await;
    let mut sent = Vec::new();
    for _ in 0..3 {
        sent.push(send(&before, "invoice.paid", "in_1").await.0);
        before.clock().advance(Duration::from_secs(60));
    }
    before.run_until_idle().await;
    let start = before.clock().now() - Duration::from_secs(180);
    let gateway = sending_to(&receiver, "").sharing_database(&before).start().await;
    let mut request = to_app(ResendState::Missing);
    request.selection = EventSelection {
        source: Some("billing".to_owned()),
        from: Some(start + Duration::from_secs(60)),
        until: Some(start + Duration::from_secs(120)),
        ..request.selection
    };
    gateway.clock().advance(Duration::from_secs(300));
    let job = run(&gateway, &request).await.job;
    assert_eq!((job.matched, job.created), (1, 1));
    gateway.run_until_idle().await;
    assert_eq!(ids(&receiver), sent[1..2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn back_filled_lane_blocks_at_a_dead_letter_as_the_source_says() {
    let receiver = Receiver::start(|_, _| Reply::status(422)).await;
    let before = builder().handler(Nobody).allow_unfinished().start().await;
    for _ in 0..2 {
        send(&before, "invoice.paid", "in_1").await;
    }
    let gateway = sending_to(&receiver, "")
        .handler(Nobody)
        .config("aliases = [\"/api/stripe/webhook\"]", "dead_head = \"block\"")
        .sharing_database(&before)
        .allow_unfinished()
        .start()
        .await;
    run(&gateway, &to_app(ResendState::Missing)).await;
    for _ in 0..40 {
        gateway.run_until_idle().await;
        gateway.clock().advance(Duration::from_hours(1));
    }
    let states = gateway.query("SELECT state FROM deliveries ORDER BY id").await;
    let states: Vec<&str> = states.iter().map(|row| row["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["dead", "ready"]);
    let first = ids(&receiver)[0].clone();
    assert!(ids(&receiver).iter().all(|id| *id == first));

    // Resending the dead letter resolves it, at its place in the lane.
    let resent = run(&gateway, &to_app(ResendState::Dead)).await.job;
    assert_eq!((resent.created, resent.skipped), (1, 0));
    let positions = "SELECT count(*) FROM deliveries
                      WHERE triggered_by = 'resend' AND lane_position = replay_of";
    assert_eq!(gateway.count(positions).await, 1);
    let resolved = "SELECT count(*) FROM deliveries WHERE resolution = 'replayed'";
    assert_eq!(gateway.count(resolved).await, 1);
    let counted = receiver.seen().len();
    gateway.run_until_idle().await;
    assert_eq!(ids(&receiver)[counted], first);
}

#[tokio::test(flavor = "multi_thread")]
async fn event_that_is_being_resent_is_not_deleted() {
    let gateway = builder().handler(Nobody).start().await;
    for _ in 0..2 {
        send(&gateway, "invoice.paid", "in_1").await;
    }
    let rows = gateway.query("SELECT id FROM events ORDER BY id").await;
    let kept = sealpost::store::EventId(rows[0]["id"].as_str().unwrap().parse().unwrap());
    let mut tx = gateway.store().begin().await.unwrap();
    assert_eq!(tx.lock_events_to_resend(&[kept], &[]).await.unwrap(), [kept]);
    gateway.clock().advance(Duration::from_hours(24 * 365));
    gateway.run_maintenance().await;
    let left = gateway.query("SELECT id FROM events").await;
    assert_eq!(left, rows[..1], "the other one is deleted");
    drop(tx);
}
