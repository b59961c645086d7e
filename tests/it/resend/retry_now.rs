//! Deliveries that wait are attempted now.

use std::time::Duration;

use sealpost::admin::{AdminError, EventSelection, ResendAction};
use serde_json::json;

use super::{ada, plan, post, request, run};
use crate::destinations::receiver::{Receiver, Reply};
use crate::destinations::{send, sending_to};
use crate::harness::Gateway;

/// A destination that fails the first `failures` requests.
async fn failing(failures: usize) -> (Receiver, Gateway) {
    let receiver =
        Receiver::start(move |_, number| Reply::status(if number < failures { 500 } else { 204 }))
            .await;
    let gateway = sending_to(&receiver, "").start().await;
    (receiver, gateway)
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_deliveries_of_a_selection_are_retried_now() {
    let (receiver, gateway) = failing(2).await;
    for lane in ["in_1", "in_2"] {
        send(&gateway, "invoice.paid", lane).await;
    }
    gateway.run_until_idle().await;
    gateway.run_until_idle().await;
    assert_eq!(receiver.seen().len(), 2, "both wait");
    let nothing = EventSelection { source: Some("bot".into()), ..EventSelection::default() };
    let nothing = request(ResendAction::RetryNow, nothing);
    let refused = gateway.jobs().plan_resend(&ada(), &nothing).await;
    assert!(matches!(refused, Err(AdminError::NotFound(_))), "{refused:?}");

    let selection = json!({ "source": "billing", "handler": "to:app" });
    let body = json!({ "action": "retry_now", "selection": selection, "reason": "it is back" });
    let planned = plan(&gateway, &body).await;
    assert_eq!(planned.status, 200, "{}", planned.text);
    assert_eq!(planned.json["job"]["matched"], 2);
    let selection = EventSelection { handler: Some("to:app".into()), ..EventSelection::default() };
    let job = run(&gateway, &request(ResendAction::RetryNow, selection)).await.job;
    assert_eq!((job.resolved, job.created, job.skipped), (2, 0, 0));
    gateway.run_until_idle().await;
    assert_eq!(receiver.seen().len(), 4);
    assert!(receiver.seen().iter().all(|seen| seen.header("sealpost-resend").is_none()));
    let changes = gateway.changes().await;
    let due = changes.iter().filter(|change| change.change.as_str() == "due_now");
    assert_eq!(due.count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_waiting_delivery_is_retried_now() {
    let (receiver, gateway) = failing(1).await;
    send(&gateway, "invoice.paid", "in_1").await;
    gateway.run_until_idle().await;
    let waiting = "SELECT id FROM deliveries WHERE state = 'ready'";
    let id = gateway.count(waiting).await;
    let shown = gateway.operator(&format!("/api/v1/deliveries/{id}")).await.json;
    assert!(shown["delivery"]["due_at"].is_string(), "{shown}");
    let path = format!("/api/v1/deliveries/{id}/retry");
    let reason = json!({ "reason": "it is back" });
    let retried = post(&gateway, &path, &reason).await;
    assert_eq!((retried.status, &retried.json["changed"]), (200, &json!(true)), "{}", retried.text);
    let again = post(&gateway, &path, &reason).await;
    assert_eq!((again.status, &again.json["changed"]), (200, &json!(false)), "{}", again.text);
    gateway.run_until_idle().await;
    assert_eq!(receiver.seen().len(), 2);
    assert_eq!(receiver.seen()[1].header("sealpost-attempt"), Some("2"));
    let done = post(&gateway, &path, &reason).await;
    assert_eq!(done.status, 409, "{}", done.text);
    assert!(done.text.contains("already done"), "{}", done.text);
    assert_eq!(post(&gateway, "/api/v1/deliveries/99/retry", &reason).await.status, 404);
    let timeline = gateway.operator(&format!("/api/v1/deliveries/{id}")).await.json;
    let timeline = timeline["timeline"].as_array().unwrap();
    let entry = timeline.iter().find(|entry| entry["what"] == "due now").unwrap();
    assert_eq!((&entry["reason"], &entry["delivery"]), (&json!("it is back"), &json!(id)));
    let audited = gateway.audited_changes().await;
    assert_eq!(audited.last().unwrap()["action"], "retry");
}

#[tokio::test(flavor = "multi_thread")]
async fn delivery_behind_another_of_its_lane_is_left_waiting() {
    let (receiver, gateway) = failing(1).await;
    for _ in 0..2 {
        send(&gateway, "invoice.paid", "in_1").await;
    }
    gateway.run_until_idle().await;
    let plan = request(ResendAction::RetryNow, EventSelection::default());
    let job = run(&gateway, &plan).await.job;
    assert_eq!(job.resolved, 1, "only the head of the lane waits for a time");
    gateway.run_until_idle().await;
    assert_eq!(receiver.seen().len(), 3);
    gateway.clock().advance(Duration::from_hours(1));
    gateway.run_until_idle().await;
}
