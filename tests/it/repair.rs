//! Operators edit and replay, free lanes, and pause sources and handlers.

use std::time::Duration;

use bytes::Bytes;
use sealpost::admin::{
    Action, AdminError, Caller, Expiry, JobState, NewApiKey, NewUser, Scope, Scopes, Step,
};
use sealpost::store::{PauseTarget, Resolution};
use serde_json::{Value, json};

use crate::dead_letters::{Fragile, WHY, ada, bury, event, gateway, ids, open, replay, send, wish};
use crate::harness::{Gateway, because, sql};

#[tokio::test]
async fn an_edited_event_is_a_new_one_that_says_so_and_the_original_is_kept() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let desk = gateway.desk();
    let (original, id) = bury(&gateway, "evt_1").await;
    let body = Bytes::from(event("evt_fine"));

    let rehearsal = desk.preview_edit(&ada(), id, &body).await.unwrap();
    assert!(rehearsal.diff.contains("-  \"id\": \"evt_1\",\n+  \"id\": \"evt_fine\","));
    assert_eq!(rehearsal.handlers, ["fragile"]);
    assert_eq!(gateway.rows("events").await.len(), 1, "nothing was done");

    let edited = desk.edit(&ada(), id, &body, WHY).await.unwrap();
    gateway.run_until_idle().await;
    assert_eq!(handler.handled(), ["evt_fine"]);
    let detail = desk.show(&ada(), edited.created[0]).await.unwrap();
    let event_shown = detail.event.unwrap();
    let edit = event_shown.edited.expect("it says so");
    assert_eq!((edit.from.to_string(), edit.by), (original, "ada".to_owned()));
    assert_eq!(event_shown.payload.unwrap().body.content.as_bytes(), body);
    assert_eq!(detail.delivery.replay_of, Some(id));
    let dead = desk.show(&ada(), id).await.unwrap();
    assert_eq!(dead.delivery.resolution, Some(Resolution::Replayed));
    let kept = dead.event.unwrap();
    let body = kept.payload.unwrap().body;
    assert_eq!((body.content.as_bytes(), kept.edited), (&event("evt_1")[..], None));

    let audit = gateway
        .query(
            "SELECT action, before <> after AS differ FROM audit_log
                                WHERE action NOT LIKE '% payload'",
        )
        .await;
    assert_eq!(audit, [json!({ "action": "edit and replay", "differ": true })]);
    assert_eq!(gateway.count("SELECT count(*) FROM invalid_rows").await, 0);
    let twice = desk.edit(&ada(), id, &Bytes::from(event("evt_fine_2")), WHY).await;
    assert!(matches!(twice, Err(AdminError::Conflict(_))), "{twice:?}");
}

#[tokio::test]
async fn what_no_provider_would_take_or_nobody_may_see_is_not_edited() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let desk = gateway.desk();
    let (_, id) = bury(&gateway, "evt_1").await;
    for (body, why) in [
        (b"{".to_vec(), "not_json"),
        (b"[]".to_vec(), "not an object"),
        (Vec::new(), "empty_body"),
        (event("evt_1"), "nothing was changed"),
    ] {
        let error = desk.edit(&ada(), id, &body.into(), WHY).await.unwrap_err();
        assert!(matches!(&error, AdminError::Invalid(text) if text.contains(why)), "{error:?}");
    }
    let body = Bytes::from(event("evt_fine"));
    for (has, lacks) in
        [(Scope::EventsEdit, Scope::PayloadRead), (Scope::PayloadRead, Scope::EventsEdit)]
    {
        let caller = Caller::new("rita", None, Scopes::from_iter([has]));
        let error = desk.edit(&caller, id, &body, WHY).await.unwrap_err();
        assert_eq!(error.missing(), Some(lacks));
    }
    let other = Caller::new("tim", Some("elsewhere".into()), Scopes::all());
    let error = desk.edit(&other, id, &body, WHY).await.unwrap_err();
    assert!(matches!(error, AdminError::NotFound(_)));
    assert_eq!(gateway.rows("events").await.len(), 1);
    gateway.send("billing", None, b"\xff\xfe").await;
    let binary = *ids(desk, &open()).await.last().unwrap();
    let error = desk.edit(&ada(), binary, &body, WHY).await.unwrap_err();
    assert!(error.to_string().contains("is not text"), "{error}");
}

#[tokio::test]
async fn a_lane_is_freed_without_its_head_being_resolved() {
    let handler = Fragile::default();
    let gateway = Gateway::builder()
        .config("name = \"billing\"", "name = \"billing\"\ndead_head = \"block\"")
        .handler(handler.clone())
        .start()
        .await;
    let desk = gateway.desk();
    send(&gateway, "evt_head").await;
    gateway.run_until_idle().await;
    send(&gateway, "evt_fine").await;
    assert_eq!(gateway.run_until_idle().await, 0, "the head holds its lane");
    let head = ids(desk, &open()).await;
    desk.unblock(&ada(), head[0], &because("it can wait")).await.unwrap();
    gateway.run_until_idle().await;
    assert_eq!(handler.handled(), ["evt_fine"]);
    assert_eq!(ids(desk, &open()).await, head, "it is open still");
    let twice = desk.unblock(&ada(), head[0], &because("it can wait")).await;
    assert!(matches!(twice, Err(AdminError::Conflict(_))), "{twice:?}");
    let audit = gateway
        .query(
            "SELECT action, target FROM audit_log
                                WHERE action NOT LIKE '% payload'",
        )
        .await;
    assert_eq!(
        audit,
        [json!({ "action": "unblock lane", "target": format!("delivery {}", head[0]) })]
    );
}

#[tokio::test]
async fn a_paused_source_records_and_hands_on_nothing_until_it_is_resumed() {
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
    let [hold] = &pauses.list(&ada()).await.unwrap()[..] else { panic!("one") };
    assert_eq!(
        (&*hold.name, &*hold.paused_by, &*hold.reason),
        ("billing", "ada", "they are migrating")
    );
    send(&gateway, "evt_fine").await;
    assert_eq!(gateway.run_until_idle().await, 0);
    // Longer than anything may take: and yet it is not too old.
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
async fn what_waited_on_hold_is_tried_again_after_a_failure_and_not_too_old() {
    let gateway = Gateway::builder().handler(Down).start().await;
    let pauses = gateway.pauses();
    pauses
        .pause(&ada(), PauseTarget::Handler, "down", &because("it is being mended"))
        .await
        .unwrap();
    send(&gateway, "evt_1").await;
    assert_eq!(gateway.run_until_idle().await, 0);
    gateway.clock().advance(Duration::from_hours(100));
    pauses.resume(&ada(), PauseTarget::Handler, "down", &because("it is mended")).await.unwrap();
    gateway.run_until_idle().await;
    let state = gateway.query("SELECT state, death_reason FROM deliveries").await;
    assert_eq!(state, [json!({ "state": "ready", "death_reason": null })], "its age counts anew");
    gateway.run_to_the_end().await;
    assert_eq!(gateway.dead_letters().await[0].0, "exhausted");
}

#[tokio::test]
async fn a_lease_that_runs_out_on_hold_is_taken_over_when_that_ends() {
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
async fn who_pauses_what_is_not_there_or_not_theirs_is_told_so() {
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
    replay(gateway.desk(), &open()).await;
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
async fn a_job_ends_with_the_rights_of_who_began_it() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let (access, jobs) = (gateway.access(), gateway.jobs());
    bury(&gateway, "evt_1").await;
    let scopes: Scopes = [Scope::EventsReplay].into_iter().collect();
    let key = NewApiKey { name: "ci".to_owned(), scopes, tenant: None, expiry: Expiry::default() };
    let key = access.create_key(&ada(), &key).await.unwrap().about.id;
    let bob = NewUser { name: "bob".to_owned(), scopes, tenant: None };
    access.add_user(&ada(), &bob).await.unwrap();
    for actor in ["key:ci", "bob"] {
        let theirs = Caller::new(actor, None, scopes);
        let plan = jobs.plan(&theirs, &wish(Action::Discard, &open(), false)).await.unwrap();
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
    assert_eq!(ids(gateway.desk(), &open()).await.len(), 1, "it is open still");
}
