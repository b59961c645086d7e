//! An edited event says that it is one, wherever it is shown or sent.

use bytes::Bytes;
use sealpost::admin::{Caller, Scope, Scopes};
use sealpost::store::EventId;
use sealpost::verify::Strength;
use serde_json::json;

use crate::dead_letters::{Fragile, WHY, ada, bury, event, gateway, ids, open};

#[tokio::test]
async fn an_edited_event_is_edited_in_lists_filters_pages_and_the_stream() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let desk = gateway.desk();
    let (original, id) = bury(&gateway, "evt_1").await;
    let made = desk.edit(&ada(), id, &Bytes::from(event("evt_fine")), WHY).await.unwrap();
    gateway.run_until_idle().await;

    let list = gateway.operator("/api/v1/events?strength=edited").await;
    let items = list.json["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "{}", list.text);
    assert_eq!(items[0]["id"], made.event.to_string());
    assert_eq!(items[0]["strength"], "edited");
    assert_eq!(items[0]["edited"], json!({ "from": original, "by": "ada" }));
    let signed = gateway.operator("/api/v1/events?strength=signed").await;
    assert_eq!(signed.json["items"].as_array().unwrap().len(), 1);
    assert_eq!(signed.json["items"][0]["edited"], json!(null));

    let detail = gateway.operator(&format!("/api/v1/events/{}", made.event)).await;
    assert_eq!(detail.json["proof"]["strength"], "edited");
    assert_eq!(detail.json["edited"]["from"], original);
    let delivery = gateway.operator(&format!("/api/v1/deliveries/{}", made.created[0])).await;
    assert_eq!(delivery.json["event"]["proof"]["strength"], "edited", "{}", delivery.text);
    let page = gateway.operator(&format!("/events/{}", made.event)).await.text;
    assert!(page.contains("has no proof") && !page.contains(">verified<"), "{page}");

    let changes = gateway.changes().await;
    let told: Vec<(&str, Option<String>)> = changes
        .iter()
        .filter(|change| change.event == made.event)
        .map(|change| (change.change.as_str(), change.edited_from.map(|from| from.to_string())))
        .collect();
    let from = Some(original.clone());
    assert_eq!(told, [("edited", from.clone()), ("done", from)]);
    let arrived = changes.iter().filter(|change| change.change.as_str() == "arrived").count();
    assert_eq!(arrived, 1, "what an operator wrote has not arrived");
    let stored = gateway.store().event(made.event).await.unwrap().unwrap();
    assert_eq!(stored.strength, Strength::Edited);
    assert_eq!(gateway.count("SELECT count(*) FROM invalid_rows").await, 0);
}

#[tokio::test]
async fn editing_needs_a_scope_of_its_own() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let desk = gateway.desk();
    let (_, id) = bury(&gateway, "evt_1").await;
    let body = Bytes::from(event("evt_fine"));
    let with = |scopes: &[Scope]| Caller::new("rita", None, scopes.iter().copied().collect());
    let all_but = |missing: Scope| {
        let others = Scopes::all().iter().filter(|scope| ![missing, Scope::Admin].contains(scope));
        with(&others.collect::<Vec<_>>())
    };
    for missing in [Scope::EventsEdit, Scope::PayloadRead] {
        let caller = all_but(missing);
        for error in [
            desk.to_edit(&caller, id).await.map(drop).unwrap_err(),
            desk.preview_edit(&caller, id, &body).await.map(drop).unwrap_err(),
            desk.edit(&caller, id, &body, WHY).await.map(drop).unwrap_err(),
        ] {
            assert_eq!(error.missing(), Some(missing));
        }
    }
    let editor = with(&[Scope::EventsEdit, Scope::PayloadRead]);
    desk.edit(&editor, id, &body, WHY).await.unwrap();
    assert!(Scopes::from_iter([Scope::Admin]).has(Scope::EventsEdit));
    gateway.run_until_idle().await;
}

#[tokio::test]
async fn an_edit_of_an_edit_names_the_event_that_its_sender_sent() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let desk = gateway.desk();
    let (original, _) = bury(&gateway, "evt_1").await;
    let mut last = None;
    for (number, name) in ["evt_2", "evt_3", "evt_fine"].into_iter().enumerate() {
        let id = ids(desk, &open()).await[0];
        let body = Bytes::from(event(name));
        let made = desk.edit(&ada(), id, &body, WHY).await.unwrap();
        gateway.run_until_idle().await;
        last = Some((number, made));
    }
    let (_, made) = last.unwrap();
    let delivery = Some(made.created[0]);
    let loaded = gateway.store().event_to_deliver(made.event, delivery).await.unwrap();
    let (_, origin) = loaded.unwrap();
    assert_eq!(origin.edited_from.map(|event: EventId| event.to_string()), Some(original));
    assert!(!origin.replay);
}
