//! Details of an event, slices of its body, and chunk transfers.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use sealpost::admin::{AdminError, Caller, EventDetail, Scope, Scopes};
use sealpost::store::{EventId, TransferState};

use super::{event, event_of, gateway, send};
use crate::chunks::Transfer;
use crate::dead_letters;
use crate::harness::Gateway;

fn all() -> Caller {
    Caller::local("ada")
}

fn of(tenant: Option<&str>, scopes: &[Scope]) -> Caller {
    Caller::new("bo", tenant.map(str::to_owned), scopes.iter().copied().collect::<Scopes>())
}

fn id(text: &str) -> EventId {
    EventId(text.parse().expect("an id"))
}

async fn show(gateway: &Gateway, event: &str) -> EventDetail {
    gateway.monitoring().event(&all(), id(event)).await.expect("an event")
}

fn timeline_entries(detail: &EventDetail) -> Vec<&str> {
    detail.timeline.iter().map(|entry| entry.what.as_str()).collect()
}

#[tokio::test]
async fn event_detail_shows_proof_and_timeline() {
    let gateway = gateway().await;
    let first = send(&gateway, "evt_1").await;
    gateway.clock().advance(Duration::from_secs(1));
    let dead = send(&gateway, "evt_dies").await;
    gateway.clock().advance(Duration::from_secs(1));
    assert_eq!(gateway.send("billing", None, &event("evt_dies")).await.body_status(), "duplicate");
    let answer = gateway.send("billing", None, &event_of("acct_b", "evt_other_lane")).await;
    assert_eq!(answer.body_status(), "accepted");
    gateway.clock().advance(Duration::from_secs(1));
    gateway.run_until_idle().await;
    dead_letters::replay(gateway.dead_letter_service(), &dead_letters::open()).await;
    gateway.clock().advance(Duration::from_secs(1));
    gateway.run_until_idle().await;

    let detail = show(&gateway, &dead).await;
    assert_eq!(detail.event.event_type, "account.updated");
    assert_eq!(detail.seen_count, Some(2));
    let proof = &detail.proof;
    assert_eq!(
        (proof.strength.as_str(), proof.skew_seconds, proof.late),
        ("signed", Some(0), false)
    );
    assert_eq!(
        (proof.secret_place, &*proof.headers),
        (Some(1), &["stripe-signature".to_owned()][..])
    );
    assert_eq!(detail.deliveries.len(), 2);
    assert_eq!(detail.attempts.len(), 2);
    assert_eq!(
        timeline_entries(&detail),
        ["received", "received again", "dead", "replayed", "dead"]
    );
    let related: Vec<String> =
        detail.related.events.iter().map(|event| event.id.to_string()).collect();
    assert_eq!(related, [&*first], "events of the same lane");
    assert_eq!(detail.older, Some(id(&first)));
    assert_eq!(detail.newer, Some(id(answer.id())));
    assert!(detail.transfer.is_none());
    let payload = detail.payload.expect("headers and claims");
    assert!(payload.claims.is_none() && payload.envelope.is_none());

    let quarantined = gateway.send("billing", None, b"{}").await;
    assert_eq!(
        timeline_entries(&show(&gateway, quarantined.id()).await),
        ["received", "quarantined"]
    );
}

#[tokio::test]
async fn payloads_and_errors_are_hidden_without_the_payload_scope() {
    let gateway = gateway().await;
    let dead = send(&gateway, "evt_dies").await;
    gateway.run_until_idle().await;
    let reader = of(None, &[Scope::EventsRead]);
    let detail = gateway.monitoring().event(&reader, id(&dead)).await.unwrap();
    assert!(detail.payload.is_none());
    let text = format!("{detail:?}");
    assert!(!text.contains("told to die"), "{text}");
    assert!(detail.related.lanes.is_empty() && detail.deliveries[0].lane.is_none(), "{text}");
    assert!(!show(&gateway, &dead).await.related.lanes.is_empty());
    assert!(format!("{:?}", show(&gateway, &dead).await).contains("told to die"));
    let denied = gateway.monitoring().body(&reader, id(&dead), 0, 10).await.unwrap_err();
    assert_eq!(denied.missing(), Some(Scope::PayloadRead));
    let denied = gateway.monitoring().event(&of(None, &[]), id(&dead)).await.unwrap_err();
    assert_eq!(denied.missing(), Some(Scope::EventsRead));
}

#[tokio::test]
async fn events_of_other_tenants_are_not_found() {
    let gateway = gateway().await;
    let event = send(&gateway, "evt_1").await;
    gateway.run_until_idle().await;
    let other = of(Some("other"), &[Scope::EventsRead, Scope::PayloadRead]);
    let monitoring = gateway.monitoring();
    for (what, error) in [
        ("event", monitoring.event(&other, id(&event)).await.err()),
        ("body", monitoring.body(&other, id(&event), 0, 10).await.err()),
        ("source", monitoring.source(&other, "billing").await.err()),
        ("nothing", monitoring.event(&all(), EventId(uuid::Uuid::nil())).await.err()),
    ] {
        assert!(matches!(error, Some(AdminError::NotFound(_))), "{what}: {error:?}");
    }
}

#[tokio::test]
async fn a_body_is_read_in_slices_and_whole() {
    let gateway = Gateway::start().await;
    let transfer = Transfer::of(3);
    for index in 0..3 {
        transfer.send(&gateway, index).await;
    }
    gateway
        .execute("UPDATE deliveries SET state = 'done', outcome = 'ignored', finished_at = now()")
        .await;
    let event =
        gateway.query("SELECT id::text FROM events").await[0]["id"].as_str().unwrap().to_owned();
    // Larger than one slice.
    let large = "UPDATE events SET body = decode(repeat('0123456789abcdef', 300000), 'hex')";
    gateway.execute(large).await;
    let expected = b"\x01\x23\x45\x67\x89\xab\xcd\xef".repeat(300_000);

    let monitoring = gateway.monitoring();
    let slice = monitoring.body(&all(), id(&event), 3, 10).await.unwrap();
    assert_eq!((slice.size, &slice.bytes[..]), (2_400_000, &expected[3..13]));
    let beyond = monitoring.body(&all(), id(&event), 2_400_000, 10).await.unwrap();
    assert!(beyond.bytes.is_empty());
    let far = monitoring.body(&all(), id(&event), u64::MAX, u32::MAX).await.unwrap();
    assert!(far.bytes.is_empty());
    let (size, slices) = monitoring.download(&all(), id(&event)).await.unwrap();
    let slices: Vec<_> = slices.try_collect().await.unwrap();
    assert_eq!((size, slices.len()), (2_400_000, 3));
    assert_eq!(slices.concat(), expected);
}

#[tokio::test]
async fn open_transfer_shows_received_chunks_and_time_left() {
    let gateway = Gateway::start().await;
    let transfer = Transfer::of(4);
    transfer.send(&gateway, 0).await;
    gateway.clock().advance(Duration::from_mins(5));
    let answer = transfer.send(&gateway, 2).await;
    gateway.clock().advance(Duration::from_mins(1));
    let monitoring = gateway.monitoring();
    let transfers = monitoring.transfers(&all(), None, 10).await.unwrap();
    let [open] = &transfers.open[..] else { panic!("one transfer") };
    assert_eq!((open.have, open.total), (2, 4));
    assert_eq!(open.received_chunks, [0, 2]);
    assert_eq!(open.idle_left_seconds, Some(14.0 * 60.0));
    assert_eq!(open.total_time_left(), Some(time::Duration::minutes(54)));
    assert_eq!(open.time_left(), Some(time::Duration::minutes(14)));
    assert!(transfers.closed.is_empty() && transfers.next.is_none());
    let detail = monitoring.transfer(&all(), open.id).await.unwrap();
    assert_eq!(&detail.transfer, open);
    let other = of(Some("other"), &[Scope::EventsRead]);
    assert!(monitoring.transfers(&other, None, 10).await.unwrap().open.is_empty());
    let error = monitoring.transfer(&other, open.id).await.unwrap_err();
    assert!(matches!(error, AdminError::NotFound(_)));

    gateway.clock().advance(Duration::from_mins(15));
    gateway.run_maintenance().await;
    let transfers = monitoring.transfers(&all(), None, 10).await.unwrap();
    assert!(transfers.open.is_empty());
    assert_eq!(transfers.closed[0].state, TransferState::Expired);
    let detail = show(&gateway, answer.id()).await;
    let transfer = detail.transfer.expect("the transfer of the event");
    assert_eq!((transfer.have, transfer.time_left()), (2, None));
}

#[tokio::test]
async fn open_transfers_are_paginated() {
    let gateway = Gateway::start().await;
    for _ in 0..3 {
        Transfer::of(2).send(&gateway, 0).await;
    }
    let first = gateway.monitoring().transfers(&all(), None, 2).await.unwrap();
    assert_eq!(first.open.len(), 2);
    let second = gateway.monitoring().transfers(&all(), first.next, 2).await.unwrap();
    assert_eq!((second.open.len(), second.next), (1, None));
}
