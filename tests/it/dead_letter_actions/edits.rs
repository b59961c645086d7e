//! Edited events are marked everywhere they are shown or sent.

use bytes::Bytes;
use sealpost::admin::{Caller, Scope, Scopes};
use sealpost::store::{EventId, Trigger};
use sealpost::verify::Strength;
use serde_json::json;

use crate::dead_letters::{Fragile, WHY, ada, event, gateway, ids, make_dead_letter, open};

#[tokio::test]
async fn edited_event_is_marked_in_lists_pages_and_stream() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let dead_letters = gateway.dead_letter_service();
    let (original, id) = make_dead_letter(&gateway, "evt_1").await;
    let edited = dead_letters.edit(&ada(), id, &Bytes::from(event("evt_fine")), WHY).await.unwrap();
    gateway.run_until_idle().await;

    let list = gateway.operator("/api/v1/events?strength=edited").await;
    let items = list.json["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "{}", list.text);
    assert_eq!(items[0]["id"], edited.event.to_string());
    assert_eq!(items[0]["strength"], "edited");
    assert_eq!(items[0]["edited"], json!({ "from": original, "by": "ada" }));
    let signed = gateway.operator("/api/v1/events?strength=signed").await;
    assert_eq!(signed.json["items"].as_array().unwrap().len(), 1);
    assert_eq!(signed.json["items"][0]["edited"], json!(null));

    let detail = gateway.operator(&format!("/api/v1/events/{}", edited.event)).await;
    assert_eq!(detail.json["proof"]["strength"], "edited");
    assert_eq!(detail.json["edited"]["from"], original);
    let delivery = gateway.operator(&format!("/api/v1/deliveries/{}", edited.created[0])).await;
    assert_eq!(delivery.json["event"]["proof"]["strength"], "edited", "{}", delivery.text);
    let page = gateway.operator(&format!("/events/{}", edited.event)).await.text;
    assert!(page.contains("has no proof") && !page.contains(">verified<"), "{page}");

    let changes = gateway.changes().await;
    let streamed: Vec<(&str, Option<String>)> = changes
        .iter()
        .filter(|change| change.event == edited.event)
        .map(|change| (change.change.as_str(), change.edited_from.map(|from| from.to_string())))
        .collect();
    let from = Some(original.clone());
    assert_eq!(streamed, [("edited", from.clone()), ("done", from)]);
    let arrived = changes.iter().filter(|change| change.change.as_str() == "arrived").count();
    assert_eq!(arrived, 1, "an edit is not an arrival");
    let stored = gateway.store().event(edited.event).await.unwrap().unwrap();
    assert_eq!(stored.strength, Strength::Edited);
    assert_eq!(gateway.count("SELECT count(*) FROM invalid_rows").await, 0);
}

#[tokio::test]
async fn editing_requires_its_own_scope() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let dead_letters = gateway.dead_letter_service();
    let (_, id) = make_dead_letter(&gateway, "evt_1").await;
    let body = Bytes::from(event("evt_fine"));
    let with = |scopes: &[Scope]| Caller::new("rita", None, scopes.iter().copied().collect());
    let all_but = |missing: Scope| {
        let others = Scopes::all().iter().filter(|scope| ![missing, Scope::Admin].contains(scope));
        with(&others.collect::<Vec<_>>())
    };
    for missing in [Scope::EventsEdit, Scope::PayloadRead] {
        let caller = all_but(missing);
        for error in [
            dead_letters.to_edit(&caller, id).await.map(drop).unwrap_err(),
            dead_letters.preview_edit(&caller, id, &body).await.map(drop).unwrap_err(),
            dead_letters.edit(&caller, id, &body, WHY).await.map(drop).unwrap_err(),
        ] {
            assert_eq!(error.missing(), Some(missing));
        }
    }
    let editor = with(&[Scope::EventsEdit, Scope::PayloadRead]);
    dead_letters.edit(&editor, id, &body, WHY).await.unwrap();
    assert!(Scopes::from_iter([Scope::Admin]).has(Scope::EventsEdit));
    gateway.run_until_idle().await;
}

#[tokio::test]
async fn edit_of_an_edit_names_the_original_event() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let dead_letters = gateway.dead_letter_service();
    let (original, _) = make_dead_letter(&gateway, "evt_1").await;
    let mut last = None;
    for (number, name) in ["evt_2", "evt_3", "evt_fine"].into_iter().enumerate() {
        let id = ids(dead_letters, &open()).await[0];
        let body = Bytes::from(event(name));
        let edited = dead_letters.edit(&ada(), id, &body, WHY).await.unwrap();
        gateway.run_until_idle().await;
        last = Some((number, edited));
    }
    let (_, edited) = last.unwrap();
    let delivery = Some(edited.created[0]);
    let loaded = gateway.store().event_to_deliver(edited.event, delivery).await.unwrap();
    let (_, origin) = loaded.unwrap();
    assert_eq!(origin.edited_from.map(|event: EventId| event.to_string()), Some(original));
    assert_eq!(origin.trigger, Trigger::Edit);
}
