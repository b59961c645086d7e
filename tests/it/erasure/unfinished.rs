//! Deliveries of events that are to be erased, and actions on erased events.

use std::time::Duration;

use bytes::Bytes;
use sealpost::admin::{AdminError, Caller, DeadLetterAction, Scope, capture};
use sealpost::store::{ChangeKind, DeliveryState, EventId, StoreError};
use serde_json::json;

use super::{dora, erase, event, try_erase};
use crate::dead_letters::{Fragile, ada, gateway, make_dead_letter, send};
use crate::harness::{Gateway, because};

const LEASE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn event_with_open_work_is_erased_only_if_that_is_discarded() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let (dead, delivery) = make_dead_letter(&gateway, "evt_1").await;
    let waiting = send(&gateway, "evt_fine").await;
    for (id, state) in [(&dead, DeliveryState::Dead), (&waiting, DeliveryState::Ready)] {
        let result = erase(&gateway, &event(id)).await;
        assert_eq!((result.events, result.refused), (0, 1));
        assert_eq!(result.unfinished[0].state, state);
        assert_eq!(result.unfinished[0].event.to_string(), *id);
    }
    assert_eq!(gateway.audited_changes().await.len(), 0);
    for id in [&dead, &waiting] {
        let result = try_erase(&gateway, &dora(), &event(id), true).await.unwrap();
        assert_eq!((result.events, result.discarded, result.refused), (1, 1, 0));
    }
    gateway.run_until_idle().await;
    assert!(handler.handled().is_empty(), "an erased event is not processed");
    let reasons =
        gateway.query("SELECT death_reason, resolution FROM deliveries ORDER BY id").await;
    assert_eq!(reasons[0], json!({ "death_reason": "permanent", "resolution": "discarded" }));
    assert_eq!(reasons[1], json!({ "death_reason": "erased", "resolution": "discarded" }));
    let kinds: Vec<ChangeKind> =
        gateway.changes().await.iter().map(|change| change.change).collect();
    let discarded = kinds.iter().filter(|kind| **kind == ChangeKind::Discarded).count();
    assert_eq!(discarded, 2);
    assert!(gateway.dead_letter_service().show(&ada(), delivery).await.is_ok());
}

#[tokio::test]
async fn running_delivery_of_an_erased_event_loses_its_lease() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let id = send(&gateway, "evt_fine").await;
    let leases = gateway.claim("billing", 10, LEASE).await;
    let result = erase(&gateway, &event(&id)).await;
    assert_eq!((result.refused, result.unfinished[0].state), (1, DeliveryState::Leased));
    try_erase(&gateway, &dora(), &event(&id), true).await.unwrap();
    let store = gateway.store();
    let (now, effects) = (gateway.clock_now(), sealpost::store::Effects::unchanged());
    let settled = store.settle_done(&leases[0], now, now, &effects).await;
    let error = settled.unwrap_err();
    let lost = matches!(&error, sealpost::store::EffectError::Store(StoreError::LeaseLost(_)));
    assert!(lost, "{error:?}");
    assert!(store.event_to_deliver(leases[0].event, None).await.unwrap().is_none());
}

#[tokio::test]
async fn erased_event_is_not_replayed_edited_captured_or_read() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let (id, delivery) = make_dead_letter(&gateway, "evt_1").await;
    try_erase(&gateway, &dora(), &event(&id), true).await.unwrap();
    let erased = |error: &str| error.contains("by dora: the person asked for it");
    let (service, event_id) = (gateway.dead_letter_service(), EventId(id.parse().unwrap()));
    let replay = DeadLetterAction::Replay;
    let batch = service.resolve_one(&ada(), replay, delivery, &because("again"), true).await;
    let (_, refused) = &batch.unwrap().refused[0];
    assert!(erased(&refused.to_string()), "{refused}");
    let edit = service.to_edit(&ada(), delivery).await.unwrap_err();
    assert!(matches!(&edit, AdminError::Erased(text) if erased(text)), "{edit:?}");
    let body = Bytes::from_static(b"{}");
    assert!(service.edit(&ada(), delivery, &body, "why").await.is_err());
    let admin = gateway.admin();
    let requested = (event_id, gateway.clock_now());
    let captured = capture(&ada(), &admin.store, &admin.verifiers, requested, &[]).await;
    assert!(matches!(captured, Err(AdminError::Erased(_))), "{captured:?}");
    let shown = service.show(&ada(), delivery).await.unwrap();
    let shown_event = shown.event.as_ref().unwrap();
    assert!(shown_event.payload.is_none() && !shown.hides_payload());
    assert_eq!(shown_event.erased.as_ref().unwrap().by, "dora");
    assert!(shown.timeline.iter().any(|entry| entry.what.as_str() == "erased"));

    let body = gateway.operator(&format!("/api/v1/events/{id}/body")).await;
    assert_eq!((body.status, &body.json["type"]), (410, &json!("urn:sealpost:problem:erased")));
    assert!(erased(body.json["detail"].as_str().unwrap()), "{}", body.text);
    let fixture = gateway.operator(&format!("/api/v1/events/{id}/fixture")).await;
    assert_eq!(fixture.status, 410);
    let detail = gateway.operator(&format!("/api/v1/events/{id}")).await;
    assert_eq!(detail.json["event"]["erased"]["by"], "dora");
    for page in [format!("/events/{id}"), format!("/deliveries/{delivery}")] {
        let page = gateway.operator(&page).await;
        assert_eq!(page.status, 200);
        assert!(page.text.contains("The payload was erased on"), "{}", page.text);
    }
    let foreign =
        Caller::new("tim", Some("other".into()), [Scope::PayloadRead].into_iter().collect());
    let hidden = gateway.monitoring().body(&foreign, event_id, 0, 10).await;
    assert!(matches!(hidden, Err(AdminError::NotFound(_))));
}

#[tokio::test]
async fn event_is_erased_over_the_api() {
    let handler = Fragile::default();
    let gateway: Gateway = gateway(&handler).await;
    let (id, _) = make_dead_letter(&gateway, "evt_1").await;
    let path = format!("/api/v1/events/{id}/erase");
    let json_type = [("content-type", "application/json")];
    let refused = gateway.call(&path, &json_type, r#"{"reason":"asked for"}"#).await;
    assert_eq!((refused.status, &refused.json["option"]), (409, &json!("force")));
    let body = r#"{"reason":"asked for","force":true}"#;
    let done = gateway.call(&path, &json_type, body).await;
    assert_eq!((done.status, &done.json["changed"]), (200, &json!(true)), "{}", done.text);
    let again = gateway.call(&path, &json_type, body).await;
    assert_eq!((again.status, &again.json["changed"]), (200, &json!(false)), "{}", again.text);
    let unknown = format!("/api/v1/events/{}/erase", uuid::Uuid::nil());
    assert_eq!(gateway.call(&unknown, &json_type, body).await.status, 404);
}
