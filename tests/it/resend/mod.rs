//! Events are delivered again, and destinations are back-filled, by planned jobs.

mod backfill;
mod jobs;
mod program;
mod retry_now;

use async_trait::async_trait;
use sealpost::admin::{
    Caller, EventSelection, JobDetail, ResendAction, ResendRequest, ResendState, Step,
};
use sealpost::dispatch::{Attempt, Failure, Handler};
use sealpost::store::{Effects, StoredEvent};
use serde_json::{Value, json};

use crate::destinations::receiver::Receiver;
use crate::destinations::{send, sending_to, verify};
use crate::harness::{Answer, Gateway};

/// The handler of a source whose events nobody takes.
#[derive(Clone, Copy)]
struct Nobody;

#[async_trait]
impl Handler for Nobody {
    fn name(&self) -> &'static str {
        "nobody"
    }

    fn accepts(&self, _: &str) -> bool {
        false
    }

    async fn handle(&self, _: &StoredEvent, _: Attempt) -> Result<Effects, Failure> {
        Ok(Effects::unchanged())
    }
}

fn ada() -> Caller {
    Caller::local("ada")
}

/// A request that resends to the destination `app`.
fn to_app(state: ResendState) -> ResendRequest {
    let handler = Some("to:app".to_owned());
    request(ResendAction::Resend, EventSelection { handler, state, ..EventSelection::default() })
}

fn request(action: ResendAction, selection: EventSelection) -> ResendRequest {
    let reason = "the application lost them".to_owned();
    ResendRequest { action, selection, cap: None, rate: None, reason }
}

/// Plans a job over HTTP.
async fn plan(gateway: &Gateway, body: &Value) -> Answer {
    post(gateway, "/api/v1/jobs", body).await
}

async fn post(gateway: &Gateway, path: &str, body: &Value) -> Answer {
    gateway.call(path, &[("content-type", "application/json")], &body.to_string()).await
}

/// Plans, starts and executes a job; returns it as it is then.
async fn run(gateway: &Gateway, request: &ResendRequest) -> JobDetail {
    let jobs = gateway.jobs();
    let plan = jobs.plan_resend(&ada(), request).await.unwrap().job.id;
    let mut worker = jobs.start_here(&ada(), plan).await.unwrap();
    while let Step::Did { .. } = worker.step().await.unwrap() {}
    jobs.show(&ada(), plan).await.unwrap()
}

/// The value of a header of every request so far.
fn headers(receiver: &Receiver, name: &str) -> Vec<Option<String>> {
    receiver.seen().iter().map(|seen| seen.header(name).map(str::to_owned)).collect()
}

fn ids(receiver: &Receiver) -> Vec<String> {
    headers(receiver, "webhook-id").into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn resent_event_reaches_its_destination_with_the_same_id_and_a_header() {
    let receiver = Receiver::accepting().await;
    let gateway = sending_to(&receiver, "").start().await;
    let (id, _) = send(&gateway, "invoice.paid", "in_1").await;
    gateway.run_until_idle().await;
    let (other, _) = send(&gateway, "invoice.voided", "in_2").await;
    gateway.run_until_idle().await;
    assert_eq!(receiver.seen().len(), 2);

    let selection = json!({ "handler": "to:app", "type": "invoice.p*", "state": "done" });
    let body = json!({ "action": "resend", "selection": selection, "reason": "it lost one" });
    let preview = post(&gateway, "/api/v1/jobs/preview", &body).await;
    assert_eq!((preview.status, &preview.json["matched"]), (200, &json!(1)), "{}", preview.text);
    assert_eq!(gateway.count("SELECT count(*) FROM jobs").await, 0, "nothing is recorded");
    let planned = plan(&gateway, &body).await;
    let job = &planned.json["job"];
    assert_eq!((planned.status, &job["action"]), (200, &json!("resend")), "{}", planned.text);
    assert_eq!((&job["matched"], &job["counted_to"]), (&json!(1), &Value::Null));
    assert_eq!(job["target"], "events of type invoice.p* to destination app that are done");
    assert_eq!(planned.json["events"][0]["id"], id);
    gateway.run_until_idle().await;
    assert_eq!(receiver.seen().len(), 2, "a plan changes nothing");

    let start = format!("/api/v1/jobs/{}/start", job["id"]);
    assert_eq!(gateway.call(&start, &[], "").await.status, 200);
    let mut worker = gateway.jobs().worker();
    while let Step::Did { .. } = worker.step().await.unwrap() {}
    gateway.run_until_idle().await;
    assert_eq!(ids(&receiver), [id.clone(), other, id.clone()]);
    verify(&receiver.seen()[2], &id);
    let again = Some("true".to_owned());
    assert_eq!(headers(&receiver, "sealpost-resend"), [None, None, again]);
    assert_eq!(headers(&receiver, "sealpost-replay"), [None, None, None]);

    let shown = gateway.operator(&format!("/api/v1/jobs/{}", job["id"])).await.json;
    assert_eq!((&shown["job"]["state"], &shown["job"]["created"]), (&json!("done"), &json!(1)));
    assert_eq!(shown["delivery_outcomes"]["done"], 1);
    let newest = "SELECT max(id) FROM deliveries";
    let newest = gateway.count(newest).await;
    let detail = gateway.operator(&format!("/api/v1/deliveries/{newest}")).await.json;
    assert_eq!(detail["delivery"]["triggered_by"], "resend", "{detail}");
    assert!(detail["delivery"]["replay_of"].is_number());
    let timeline = detail["timeline"].as_array().unwrap();
    let resent = timeline.iter().find(|entry| entry["what"] == "resent").unwrap();
    assert_eq!((&resent["delivery"], &resent["reason"]), (&json!(newest), &json!("it lost one")));
    let changes = gateway.changes().await;
    let resent = changes.iter().find(|change| change.change.as_str() == "resent").unwrap();
    assert_eq!((resent.event.to_string(), resent.replay), (id, Some(newest)));
    let audited = gateway.audited_changes().await;
    let actions: Vec<&Value> = audited.iter().map(|entry| &entry["action"]).collect();
    assert_eq!(actions, ["plan", "start", "resend"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_names_and_malformed_requests_are_rejected_with_the_known_names() {
    let receiver = Receiver::accepting().await;
    let gateway = sending_to(&receiver, "").start().await;
    for (action, selection, expected) in [
        ("resend", json!({ "handler": "to:ap" }), "destination `ap`"),
        ("resend", json!({ "handler": "to:ap" }), "app"),
        ("resend", json!({ "handler": "zzz" }), "handler `zzz` (known: own) is not configured"),
        ("resend", json!({ "source": "bot", "handler": "to:app" }), "destination `app` is not"),
        ("resend", json!({ "source": "nobody" }), "source `nobody` (known: apify-runs, "),
        ("resend", json!({ "state": "missing" }), "handler: the state `missing` requires"),
        (
            "retry_now",
            json!({ "state": "dead" }),
            "state: `retry_now` takes waiting deliveries only",
        ),
        ("resend", json!([null, null]), "`/selection`"),
        ("replay", json!({ "matching": [null, null] }), "`/selection"),
        ("resend", json!({ "state": "lost" }), "found \"lost\" at `/selection/state`"),
        ("resend", json!({ "since": "2026-01-01T00:00:00Z" }), "unknown field `since`"),
        ("replay", json!({ "source": "billing" }), "`/selection"),
        ("repeat", json!({}), "`retry_now`, found \"repeat\" at `/action`"),
    ] {
        let body = json!({ "action": action, "selection": selection, "reason": "a test" });
        let answer = plan(&gateway, &body).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.text);
        let detail = answer.json["detail"].as_str().unwrap();
        assert!(detail.contains(expected), "{body}: {detail}");
    }
    let all = json!({ "action": "resend", "selection": {}, "reason": "a test" });
    assert_eq!(plan(&gateway, &all).await.status, 404, "there is no event");
    send(&gateway, "invoice.paid", "in_1").await;
    gateway.run_until_idle().await;
    let dead = json!({ "action": "resend", "selection": { "state": "dead" }, "reason": "a test" });
    assert_eq!(plan(&gateway, &dead).await.status, 404, "nothing matches");
    let no_reason = json!({ "action": "resend", "selection": {} });
    assert_eq!(plan(&gateway, &no_reason).await.status, 400);
}
