//! Operators edit and replay dead letters, unblock lanes, and pause sources and handlers.

use std::time::Duration;

use bytes::Bytes;
use sealpost::admin::{
    AdminError, Caller, DeadLetterAction, Expiry, JobState, NewApiKey, NewUser, Scope, Scopes, Step,
};
use sealpost::store::{PauseTarget, Resolution};
use serde_json::{Value, json};

use crate::dead_letters::{
    Fragile, WHY, ada, bulk_request, event, gateway, ids, make_dead_letter, open, replay, send,
};
use crate::harness::{Gateway, because, sql};

#[tokio::test]
async fn edit_creates_a_marked_event_and_keeps_the_original() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let service = gateway.dead_letter_service();
    let (original, id) = make_dead_letter(&gateway, "evt_1").await;
    let body = Bytes::from(event("evt_fine"));

    let preview = service.preview_edit(&ada(), id, &body).await.unwrap();
    assert!(preview.diff.contains("-  \"id\": \"evt_1\",\n+  \"id\": \"evt_fine\","));
    assert_eq!(preview.handlers, ["fragile"]);
    assert_eq!(gateway.rows("events").await.len(), 1, "nothing was done");

    let edited = service.edit(&ada(), id, &body, WHY).await.unwrap();
    gateway.run_until_idle().await;
    assert_eq!(handler.handled(), ["evt_fine"]);
    let detail = service.show(&ada(), edited.created[0]).await.unwrap();
    let event_shown = detail.event.unwrap();
    let edit = event_shown.edited.expect("the event is marked as edited");
    assert_eq!((edit.from.to_string(), edit.by), (original, "ada".to_owned()));
    assert_eq!(event_shown.payload.unwrap().body.content.as_bytes(), body);
    assert_eq!(detail.delivery.replay_of, Some(id));
    let dead = service.show(&ada(), id).await.unwrap();
    assert_eq!(dead.delivery.resolution, Some(Resolution::Replayed));
    let original_event = dead.event.unwrap();
    let body = original_event.payload.unwrap().body;
    assert_eq!((body.content.as_bytes(), original_event.edited), (&event("evt_1")[..], None));

    let audit = gateway
        .query(
            "SELECT action, before <> after AS differ FROM audit_log
                                WHERE action NOT LIKE '% payload'",
        )
        .await;
    assert_eq!(audit, [json!({ "action": "edit and replay", "differ": true })]);
    assert_eq!(gateway.count("SELECT count(*) FROM invalid_rows").await, 0);
    let twice = service.edit(&ada(), id, &Bytes::from(event("evt_fine_2")), WHY).await;
    assert!(matches!(twice, Err(AdminError::Conflict(_))), "{twice:?}");
}

#[tokio::test]
async fn invalid_or_unauthorized_edits_are_rejected() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let service = gateway.dead_letter_service();
    let (_, id) = make_dead_letter(&gateway, "evt_1").await;
    for (body, why) in [
        (b"{".to_vec(), "not_json"),
        (b"[]".to_vec(), "not an object"),
        (Vec::new(), "empty_body"),
        (event("evt_1"), "nothing was changed"),
    ] {
        let error = service.edit(&ada(), id, &body.into(), WHY).await.unwrap_err();
        assert!(matches!(&error, AdminError::Invalid(text) if text.contains(why)), "{error:?}");
    }
    let body = Bytes::from(event("evt_fine"));
    for (has, missing) in
        [(Scope::EventsEdit, Scope::PayloadRead), (Scope::PayloadRead, Scope::EventsEdit)]
    {
        let caller = Caller::new("rita", None, Scopes::from_iter([has]));
        let error = service.edit(&caller, id, &body, WHY).await.unwrap_err();
        assert_eq!(error.missing(), Some(missing));
    }
    let other = Caller::new("tim", Some("elsewhere".into()), Scopes::all());
    let error = service.edit(&other, id, &body, WHY).await.unwrap_err();
    assert!(matches!(error, AdminError::NotFound(_)));
    assert_eq!(gateway.rows("events").await.len(), 1);
    gateway.send("billing", None, b"\xff\xfe").await;
    let binary = *ids(service, &open()).await.last().unwrap();
    let error = service.edit(&ada(), binary, &body, WHY).await.unwrap_err();
    assert!(error.to_string().contains("is not text"), "{error}");
}

#[tokio::test]
async fn lane_is_unblocked_without_resolving_its_head() {
    let handler = Fragile::default();
    let gateway = Gateway::builder()
        .config("name = \"billing\"", "name = \"billing\"\ndead_head = \"block\"")
        .handler(handler.clone())
        .start()
        .await;
    let service = gateway.dead_letter_service();
    send(&gateway, "evt_head").await;
    gateway.run_until_idle().await;
    send(&gateway, "evt_fine").await;
    assert_eq!(gateway.run_until_idle().await, 0, "the head blocks its lane");
    let head = ids(service, &open()).await;
    service.unblock(&ada(), head[0], &because("it can wait")).await.unwrap();
    gateway.run_until_idle().await;
    assert_eq!(handler.handled(), ["evt_fine"]);
    assert_eq!(ids(service, &open()).await, head, "the head is still open");
    let twice = service.unblock(&ada(), head[0], &because("it can wait")).await;
    assert!(matches!(twice, Err(AdminError::Conflict(_))), "{twice:?}");
    let audit = gateway
        .query(
            "SELECT action, target FROM audit_log
                                WHERE action NOT LIKE '% payload'",
        )
        .await;
    assert_eq!(audit, [json!({ "action": "unblock", "target": format!("delivery {}", head[0]) })]);
}

#[tokio::test]
async fn paused_source_records_but_does_not_deliver() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let pauses = gateway.pauses();
    assert!(
        pauses
            .pause(&ada(), PauseTarget::Source, "billing", &because("they are migrating"))
            .await
            .unwrap()
    );
    assert!(
        !pauses.pause(&ada(), PauseTarget::Source, "billing", &because("again")).await.unwrap()
    );
    let [active] = &pauses.list(&ada()).await.unwrap()[..] else { panic!("one") };
    assert_eq!(
        (&*active.name, &*active.paused_by, &*active.reason),
        ("billing", "ada", "they are migrating")
    );
    send(&gateway, "evt_fine").await;
    assert_eq!(gateway.run_until_idle().await, 0);
    // Longer than the maximum age of a delivery.
    gateway.clock().advance(Duration::from_hours(100));
    assert_eq!(gateway.run_until_idle().await, 0);
    assert!(
        pauses
            .resume(&ada(), PauseTarget::Source, "billing", &because("they are done"))
            .await
            .unwrap()
    );
    assert!(
        !pauses
            .resume(&ada(), PauseTarget::Source, "billing", &because("they are done"))
            .await
            .unwrap()
    );
    gateway.run_until_idle().await;
    assert_eq!(handler.handled(), ["evt_fine"]);
    assert!(pauses.list(&ada()).await.unwrap().is_empty());
}

#[tokio::test]
async fn paused_delivery_is_retried_and_not_too_old() {
    let gateway = Gateway::builder().handler(Down).start().await;
    let pauses = gateway.pauses();
    pauses
        .pause(&ada(), PauseTarget::Handler, "down", &because("it is being fixed"))
        .await
        .unwrap();
    send(&gateway, "evt_1").await;
    assert_eq!(gateway.run_until_idle().await, 0);
    gateway.clock().advance(Duration::from_hours(100));
    pauses.resume(&ada(), PauseTarget::Handler, "down", &because("it is fixed")).await.unwrap();
    gateway.run_until_idle().await;
    let state = gateway.query("SELECT state, death_reason FROM deliveries").await;
    assert_eq!(
        state,
        [json!({ "state": "ready", "death_reason": null })],
        "its age starts at the end of the pause"
    );
    gateway.run_to_the_end().await;
    assert_eq!(gateway.dead_letters().await[0].0, "exhausted");
}

#[tokio::test]
async fn lease_expired_during_a_pause_is_recovered_after_it() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    send(&gateway, "evt_fine").await;
    assert_eq!(gateway.claim("billing", 1, Duration::from_secs(30)).await.len(), 1);
    let mut other = sql::connect(gateway.target()).await;
    sql::run(&mut other, "UPDATE deliveries SET lease_expires_at = now() - interval '1 hour'")
        .await;
    let pauses = gateway.pauses();
    pauses.pause(&ada(), PauseTarget::Source, "billing", &because("a moment")).await.unwrap();
    assert_eq!(gateway.run_until_idle().await, 0);
    pauses.resume(&ada(), PauseTarget::Source, "billing", &because("it is over")).await.unwrap();
    gateway.run_until_idle().await;
    assert_eq!(handler.handled(), ["evt_fine"]);
}

#[tokio::test]
async fn pausing_unknown_or_foreign_targets_is_rejected() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let pauses = gateway.pauses();
    let pause = async |caller: &Caller, what, name: &str| {
        pauses.pause(caller, what, name, &because("why not")).await.unwrap_err()
    };
    let reader = Caller::new("rita", None, Scopes::from_iter([Scope::EventsReplay]));
    let theirs = Caller::new("tim", Some("elsewhere".into()), Scopes::all());
    let denied = pause(&reader, PauseTarget::Source, "billing").await;
    assert_eq!(denied.missing(), Some(Scope::SourcesWrite));
    for error in [
        pause(&ada(), PauseTarget::Source, "nowhere").await,
        pause(&ada(), PauseTarget::Handler, "nobody").await,
        pause(&theirs, PauseTarget::Source, "billing").await,
        pause(&theirs, PauseTarget::Handler, "fragile").await,
    ] {
        assert!(matches!(error, AdminError::NotFound(_)), "{error:?}");
    }
    let error = pause(&ada(), PauseTarget::Handler, "to:app").await;
    assert!(matches!(error, AdminError::Invalid(_)), "{error:?}");
    let none: Vec<Value> = gateway.rows("pauses").await;
    assert!(none.is_empty());
    replay(gateway.dead_letter_service(), &open()).await;
}

/// Fails every time.
pub(crate) struct Down;

#[async_trait::async_trait]
impl sealpost::dispatch::Handler for Down {
    fn name(&self) -> &'static str {
        "down"
    }

    async fn handle(
        &self,
        _: &sealpost::store::StoredEvent,
        _: sealpost::dispatch::Attempt,
    ) -> Result<sealpost::store::Effects, sealpost::dispatch::Failure> {
        Err(sealpost::dispatch::Failure::transient("it is down"))
    }
}

#[tokio::test]
async fn job_is_cancelled_when_its_caller_loses_access() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let (access, jobs) = (gateway.access(), gateway.jobs());
    make_dead_letter(&gateway, "evt_1").await;
    let scopes: Scopes = [Scope::EventsReplay].into_iter().collect();
    let key = NewApiKey { name: "ci".to_owned(), scopes, tenant: None, expiry: Expiry::default() };
    let key = access.create_key(&ada(), &key).await.unwrap().about.id;
    let bob = NewUser { name: "bob".to_owned(), scopes, tenant: None };
    access.add_user(&ada(), &bob).await.unwrap();
    for actor in ["key:ci", "bob"] {
        let theirs = Caller::new(actor, None, scopes);
        let plan = jobs
            .plan(&theirs, &bulk_request(DeadLetterAction::Discard, &open(), false))
            .await
            .unwrap();
        jobs.start(&theirs, plan.job.id).await.unwrap();
        match actor {
            "bob" => drop(access.disable_user(&ada(), "bob", &because("left")).await.unwrap()),
            _ => drop(access.revoke_key(&ada(), &key, &because("leaked")).await.unwrap()),
        }
        assert!(matches!(jobs.worker().step().await.unwrap(), Step::Idle), "{actor}");
        let ended = jobs.show(&ada(), plan.job.id).await.unwrap().job;
        assert_eq!((ended.state, ended.resolved), (JobState::Cancelled, 0));
        assert_eq!(ended.cancelled_by.as_deref(), Some("ada"));
    }
    assert_eq!(
        ids(gateway.dead_letter_service(), &open()).await.len(),
        1,
        "the dead letter is still open"
    );
}
