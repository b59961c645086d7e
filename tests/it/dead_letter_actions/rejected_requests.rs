//! Jobs on rejected requests: planned, counted, executed.

use reqwest::Method;
use sealpost::admin::{
    AdminError, Caller, JobState, RejectedAction, RejectedBulkRequest, Scope, Scopes, Step, Worker,
};
use serde_json::json;

use crate::harness::{API_KEY, Answer, Gateway, because};
use crate::rejected_requests::{HOLDS, PLAIN, held, send_refused};

fn grace() -> Caller {
    Caller::local("grace")
}

fn wish(action: RejectedAction) -> RejectedBulkRequest {
    RejectedBulkRequest {
        action,
        source: Some("billing".into()),
        cap: None,
        rate: None,
        reason: "the secret was mistyped".into(),
    }
}

fn event(number: usize) -> String {
    format!(
        r#"{{"id":"evt_{number}","object":"event","type":"ping","created":1763640000,"livemode":false}}"#
    )
}

/// A gateway with the secret that the refused requests were signed with, beside the one that
/// refused them.
async fn mended(gateway: &Gateway) -> Gateway {
    let secrets = "{ env = \"BILLING_SECRET_OLD\" }";
    Gateway::builder()
        .config(PLAIN, HOLDS)
        .config(secrets, &format!("{secrets}, {{ env = \"RETIRED_SECRET\" }}"))
        .beside(gateway)
        .start()
        .await
}

/// Works until nothing is left.
async fn work(worker: &mut Worker) {
    loop {
        match worker.step().await.unwrap() {
            Step::Ended | Step::Idle => return,
            Step::Did { .. } => {}
            Step::Paced(_) => panic!("nothing paces it"),
        }
    }
}

#[tokio::test]
async fn all_of_a_source_are_planned_with_how_many_hold_by_now_and_let_in_by_one_job() {
    let gateway = Gateway::builder().config(PLAIN, HOLDS).start().await;
    for number in 0..60 {
        assert_eq!(send_refused(&gateway, &event(number)).await.status, 401);
    }
    // One that stays refused: nobody's secret made its signature.
    let forged = [(
        "stripe-signature".to_owned(),
        format!("t={},v1={}", gateway.clock_seconds(), "0".repeat(64)),
    )];
    gateway.send_raw("billing", None, &forged, event(99).as_bytes()).await;
    held(&gateway, 61).await;
    let plan =
        gateway.jobs().plan_rejected(&grace(), &wish(RejectedAction::Reprocess)).await.unwrap();
    assert_eq!((plan.job.matched, plan.job.verifiable), (61, Some(0)), "the secret is wrong yet");

    let mended = mended(&gateway).await;
    // One came again by itself in the meantime.
    assert_eq!(mended.send("billing", None, event(7).as_bytes()).await.what(), "accepted");
    let plan =
        mended.jobs().plan_rejected(&grace(), &wish(RejectedAction::Reprocess)).await.unwrap();
    assert_eq!((plan.job.matched, plan.job.verifiable), (61, Some(60)));
    assert_eq!(plan.rejected_requests.len(), 10, "some of them are shown");
    assert_eq!(mended.count("SELECT count(*) FROM events").await, 1, "nothing was done");

    mended.jobs().start(&grace(), plan.job.id).await.unwrap();
    work(&mut mended.jobs().worker()).await;
    let job = mended.jobs().show(&grace(), plan.job.id).await.unwrap().job;
    assert_eq!(job.state, JobState::Done);
    assert_eq!((job.resolved, job.created, job.skipped), (60, 59, 1));
    let skipped = &job.skipped_items[0];
    assert_eq!(skipped.why, "rejected again: sig_mismatch");
    assert!(skipped.delivery.is_none() && skipped.rejected_request.is_some());
    assert_eq!(mended.count("SELECT count(*) FROM events").await, 60);
    let open = "SELECT count(*) FROM rejected_requests WHERE event_id IS NULL";
    assert_eq!(mended.count(open).await, 1);
    let marked = held(&mended, 61).await;
    assert_eq!(marked.iter().filter(|one| one.verified_by.as_deref() == Some("grace")).count(), 60);
    let audit = mended
        .query(
            "SELECT DISTINCT action, actor FROM audit_log WHERE action LIKE '%rejected request%'",
        )
        .await;
    assert_eq!(audit, [json!({ "action": "reprocess rejected request", "actor": "grace" })]);
    mended.run_until_idle().await;

    // Dealt with once: a second job has only what is left.
    let again =
        mended.jobs().plan_rejected(&grace(), &wish(RejectedAction::Reprocess)).await.unwrap();
    assert_eq!((again.job.matched, again.job.verifiable), (1, Some(0)));
    let rest = mended.jobs().plan_rejected(&grace(), &wish(RejectedAction::Discard)).await.unwrap();
    let mut worker = mended.jobs().start_here(&grace(), rest.job.id).await.unwrap();
    work(&mut worker).await;
    assert_eq!(mended.count(open).await, 0);
    let none = mended.jobs().plan_rejected(&grace(), &wish(RejectedAction::Discard)).await;
    assert!(matches!(none, Err(AdminError::NotFound(_))), "{none:?}");
}

#[tokio::test]
async fn what_is_an_event_before_the_job_comes_to_it_is_no_second_one() {
    let gateway = Gateway::builder().config(PLAIN, HOLDS).start().await;
    for number in 0..30 {
        send_refused(&gateway, &event(number)).await;
    }
    let requests = held(&gateway, 30).await;
    let mended = mended(&gateway).await;
    let plan =
        mended.jobs().plan_rejected(&grace(), &wish(RejectedAction::Reprocess)).await.unwrap();
    mended.jobs().start(&grace(), plan.job.id).await.unwrap();
    // One is let in by hand before the job comes to it, and one was dealt with by a worker that
    // died before it could say so: its event is there already.
    mended.send("billing", None, event(5).as_bytes()).await;
    mended.rejected_requests().verify(&grace(), requests[3].id, &because("by hand")).await.unwrap();
    work(&mut mended.jobs().worker()).await;
    assert_eq!(mended.count("SELECT count(*) FROM events").await, 30);
    let open = "SELECT count(*) FROM rejected_requests WHERE event_id IS NULL";
    assert_eq!(mended.count(open).await, 0);
    mended.run_until_idle().await;
}

#[tokio::test]
async fn the_scope_for_held_requests_is_asked_for_wherever_such_a_job_is_touched() {
    let gateway = Gateway::builder().config(PLAIN, HOLDS).start().await;
    send_refused(&gateway, &event(1)).await;
    held(&gateway, 1).await;
    let with = |scope| Caller::new("rita", None, Scopes::from_iter([scope]));
    let (replayer, keeper) = (with(Scope::EventsReplay), with(Scope::SecretsWrite));
    let wish = wish(RejectedAction::Reprocess);
    let jobs = gateway.jobs();
    let missing = |error: AdminError| error.missing();
    assert_eq!(
        jobs.plan_rejected(&replayer, &wish).await.map(drop).map_err(missing),
        Err(Some(Scope::SecretsWrite))
    );
    let plan = jobs.plan_rejected(&keeper, &wish).await.unwrap();
    for denied in [
        jobs.start(&replayer, plan.job.id).await,
        jobs.cancel(&replayer, plan.job.id, &because("why")).await,
    ] {
        assert_eq!(denied.map(drop).map_err(missing), Err(Some(Scope::SecretsWrite)));
    }
    jobs.cancel(&keeper, plan.job.id, &because("why")).await.unwrap();
    let elsewhere = Caller::new("tim", Some("elsewhere".into()), Scopes::all());
    assert!(matches!(jobs.plan_rejected(&elsewhere, &wish).await, Err(AdminError::NotFound(_))));
}

#[tokio::test]
async fn the_api_plans_and_starts_such_a_job() {
    let gateway = Gateway::builder().config(PLAIN, HOLDS).start().await;
    send_refused(&gateway, &event(1)).await;
    held(&gateway, 1).await;
    let mended = mended(&gateway).await;
    let post = async |path: &str, body: &str| {
        let request = mended.client().request(Method::POST, mended.operator_url(path));
        let request = request.bearer_auth(API_KEY).header("content-type", "application/json");
        Answer::of(request.body(body.to_owned()).send().await.unwrap()).await
    };
    let body = json!({ "action": "verify", "source": "billing", "reason": "mended" }).to_string();
    let plan = post("/api/v1/rejected-requests/jobs", &body).await;
    assert_eq!(plan.status, 200, "{}", plan.text);
    assert_eq!(plan.json["job"]["action"], "reprocess_rejected");
    assert_eq!(
        (&plan.json["job"]["matched"], &plan.json["job"]["verifiable"]),
        (&json!(1), &json!(1))
    );
    let id = plan.json["job"]["id"].as_i64().unwrap();
    let started = post(&format!("/api/v1/jobs/{id}/start"), "").await;
    assert_eq!((started.status, &started.json["changed"]), (200, &json!(true)));
    let job = mended.jobs().show(&grace(), id).await.unwrap().job;
    assert_eq!(job.state, JobState::Running);
    work(&mut mended.jobs().worker()).await;
    assert_eq!(mended.count("SELECT count(*) FROM events").await, 1);
    mended.run_until_idle().await;
}
