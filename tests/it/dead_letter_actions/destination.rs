//! Details of a destination, and actions on it.

use bytes::Bytes;
use reqwest::Method;
use sealpost::admin::{Caller, DeadLetterAction, Scope, Scopes};
use sealpost::store::DestinationSwitch;
use serde_json::{Value, json};

use crate::dead_letters::{ada, ids, open};
use crate::destinations::receiver::{Receiver, Reply};
use crate::destinations::{send, sending_to};
use crate::harness::{API_KEY, Answer, Gateway, because};

async fn call(gateway: &Gateway, method: Method, path: &str, body: Option<Value>) -> Answer {
    let request = gateway.client().request(method, gateway.operator_url(path));
    let mut request = request.bearer_auth(API_KEY);
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    Answer::of(request.send().await.unwrap()).await
}

async fn shown(gateway: &Gateway) -> Value {
    gateway.flush_stats().await;
    let answer = call(gateway, Method::GET, "/api/v1/destinations/app", None).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json
}

#[tokio::test(flavor = "multi_thread")]
async fn destination_shows_url_statistics_and_responses() {
    let receiver = Receiver::start(|_, number| match number {
        0 => Reply::status(200).body(b"thanks"),
        _ => Reply::status(503).header("x-why", "locked").body(b"the table is locked"),
    })
    .await;
    let gateway = sending_to(&receiver, "").allow_unfinished().start().await;
    send(&gateway, "invoice.paid", "in_1").await;
    gateway.run_until_idle().await;
    send(&gateway, "invoice.paid", "in_2").await;
    gateway.run_until_idle().await;
    let seen = shown(&gateway).await;
    assert_eq!(seen["destination"]["url"], receiver.url("/hooks"));
    assert_eq!(seen["success_percent"], 50.0);
    assert!(seen["p50_ms"].is_u64(), "{seen}");
    assert_eq!(seen["hours"][23]["delivered"], 1);
    assert_eq!(seen["hours"][23]["failed"], 1);
    assert!(seen["next_attempt_at"].is_string(), "the second is scheduled: {seen}");
    let answers = seen["responses"].as_array().unwrap();
    assert_eq!(answers.len(), 2);
    assert_eq!(
        (&answers[0]["status"], &answers[0]["body"]),
        (&json!(503), &json!("the table is locked"))
    );
    let headers = answers[0]["headers"].as_array().unwrap();
    assert!(headers.contains(&json!({ "name": "x-why", "value": "locked" })), "{headers:?}");
    assert_eq!((&answers[1]["status"], &answers[1]["error"]), (&json!(200), &Value::Null));

    // Without the payload scope the failure is visible, but not the response body.
    let reader = Caller::new("rita", None, Scopes::from_iter([Scope::EventsRead]));
    let destinations = &gateway.admin().destinations;
    let detail = destinations.show(&reader, "app").await.unwrap();
    let text = format!("{detail:?}");
    assert!(text.contains("destination responded 503"), "{text}");
    assert!(!text.contains("locked") && !text.contains("thanks"), "{text}");
    let listed = destinations.list(&reader).await.unwrap();
    assert!(listed[0].last_error.is_none());

    let page = call(&gateway, Method::GET, "/destinations/app", None).await.text;
    for part in ["Success rate", "50 %", "the table is locked", "Send a test event", "Retry now"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let list = call(&gateway, Method::GET, "/destinations", None).await.text;
    assert!(list.contains("href=\"/destinations/app\""), "{list}");
}

#[tokio::test(flavor = "multi_thread")]
async fn test_event_is_marked_and_not_recorded() {
    let receiver = Receiver::start(|_, _| Reply::status(200).body(b"seen")).await;
    let gateway = sending_to(&receiver, "").start().await;
    let answer = call(&gateway, Method::POST, "/api/v1/destinations/app/test", None).await;
    let response = &answer.json["response"];
    assert_eq!((answer.status, &response["status"]), (200, &json!(200)), "{}", answer.text);
    assert_eq!((&response["test"], &response["body"]), (&json!(true), &json!("seen")));
    let seen = receiver.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].header("sealpost-test"), Some("true"));
    assert_eq!(seen[0].header("sealpost-type"), Some("sealpost.test"));
    let body: Value = serde_json::from_slice(&seen[0].body).unwrap();
    assert_eq!((&body["type"], &body["data"]["test"]), (&json!("sealpost.test"), &json!(true)));
    crate::destinations::verify(&seen[0], response["event"].as_str().unwrap());
    assert_eq!(gateway.count("SELECT count(*) FROM events").await, 0);
    let after = shown(&gateway).await;
    assert_eq!(
        (&after["success_percent"], &after["responses"][0]["test"]),
        (&Value::Null, &json!(true))
    );
    let audit = gateway.query("SELECT action FROM audit_log").await;
    assert_eq!(audit, [json!({ "action": "test" })]);
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_now_sends_waiting_deliveries() {
    let receiver =
        Receiver::start(|_, number| Reply::status(if number == 0 { 422 } else { 204 })).await;
    let gateway = sending_to(&receiver, "").start().await;
    send(&gateway, "invoice.paid", "in_1").await;
    gateway.run_until_idle().await;
    assert_eq!(receiver.seen().len(), 1, "the retry is not due yet");
    let reason = json!({ "reason": "the receiver is fixed" });
    let path = "/api/v1/destinations/app/retry";
    let retried = call(&gateway, Method::POST, path, Some(reason.clone())).await;
    assert_eq!((retried.status, &retried.json["count"]), (200, &json!(1)), "{}", retried.text);
    gateway.run_until_idle().await;
    assert_eq!(receiver.seen().len(), 2, "without moving the clock");
    let pause =
        call(&gateway, Method::POST, "/api/v1/destinations/app/pause", Some(reason.clone()));
    assert_eq!(pause.await.status, 200);
    assert_eq!(call(&gateway, Method::POST, path, Some(reason)).await.status, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn pause_shows_who_paused_it_when_and_why() {
    let receiver = Receiver::accepting().await;
    let gateway = sending_to(&receiver, "").start().await;
    assert_eq!(shown(&gateway).await["destination"]["paused"], Value::Null);
    let destinations = &gateway.admin().destinations;
    let switch = async |how: DestinationSwitch, reason: &str| {
        destinations.switch(&ada(), "app", how, &because(reason)).await.unwrap()
    };
    assert!(switch(DestinationSwitch::Pause, "a release").await);
    assert!(!switch(DestinationSwitch::Pause, "again").await, "the first pause counts");
    switch(DestinationSwitch::Disable, "moved").await;
    let seen = shown(&gateway).await["destination"].clone();
    let pause = &seen["paused"];
    assert_eq!((&pause["paused_by"], &pause["reason"]), (&json!("ada"), &json!("a release")));
    assert_eq!(pause["paused_at"], "2026-11-20T12:00:00Z");
    assert_eq!((&seen["state"], &seen["reason"]), (&json!("disabled"), &json!("moved")));
    for (path, text) in
        [("/destinations", "paused by ada: a release"), ("/destinations/app", "By ada, ")]
    {
        let page = call(&gateway, Method::GET, path, None).await.text;
        assert!(page.contains(text), "{text}: {page}");
    }
    switch(DestinationSwitch::Resume, "done").await;
    switch(DestinationSwitch::Enable, "done").await;
    assert_eq!(shown(&gateway).await["destination"]["paused"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn replays_and_edits_are_marked_in_headers() {
    let receiver =
        Receiver::start(|_, number| Reply::status(if number < 2 { 422 } else { 204 })).await;
    let gateway =
        sending_to(&receiver, "").more_config("\n[dispatch]\nmax_attempts = 1\n").start().await;
    let (original, body) = send(&gateway, "invoice.paid", "in_1").await;
    gateway.run_until_idle().await;
    let dead_letters = gateway.dead_letter_service();
    let dead = ids(dead_letters, &open()).await;
    dead_letters
        .resolve_one(&ada(), DeadLetterAction::Replay, dead[0], &because("again"), false)
        .await
        .unwrap();
    gateway.run_until_idle().await;
    let replayed = receiver.seen().pop().unwrap();
    assert_eq!(replayed.header("sealpost-replay"), Some("true"));
    assert_eq!(replayed.header("sealpost-edited"), None);

    let dead = ids(dead_letters, &open()).await;
    let edited = String::from_utf8(body).unwrap().replace("in_1", "in_2");
    dead_letters.edit(&ada(), dead[0], &Bytes::from(edited), "a wrong id").await.unwrap();
    gateway.run_until_idle().await;
    let sent = receiver.seen().pop().unwrap();
    assert_eq!(sent.header("sealpost-edited"), Some(&*original));
    assert_eq!(sent.header("sealpost-replay"), None);
    assert_eq!(receiver.seen()[0].header("sealpost-edited"), None);
}
