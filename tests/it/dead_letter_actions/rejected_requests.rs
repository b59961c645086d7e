//! Jobs on rejected requests.

use reqwest::Method;
use sealpost::admin::{
    AdminError, Caller, JobState, RejectedAction, RejectedBulkRequest, Scope, Scopes, Step, Worker,
};
use serde_json::json;

use crate::harness::{API_KEY, Answer, Gateway, because};
use crate::rejected_requests::{KEEP_REJECTED, PLAIN, send_rejected, wait_for_rejected};

fn grace() -> Caller {
    Caller::local("grace")
}

fn bulk_request(action: RejectedAction) -> RejectedBulkRequest {
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

/// A second gateway on the same database, with the secret of the rejected requests.
async fn with_secret(gateway: &Gateway) -> Gateway {
    let secrets = "{ env = \"BILLING_SECRET_OLD\" }";
    Gateway::builder()
        .config(PLAIN, KEEP_REJECTED)
        .config(secrets, &format!("{secrets}, {{ env = \"RETIRED_SECRET\" }}"))
        .sharing_database(gateway)
        .start()
        .await
}

/// Runs the worker until its job ends.
async fn work(worker: &mut Worker) {
    loop {
        match worker.step().await.unwrap() {
            Step::Ended | Step::Idle => return,
            Step::Did { .. } => {}
            Step::Paced(_) => panic!("the job has no rate"),
        }
    }
}

#[tokio::test]
async fn job_reprocesses_all_rejected_requests_of_a_source() {
    let gateway = Gateway::builder().config(PLAIN, KEEP_REJECTED).start().await;
    for number in 0..60 {
        assert_eq!(send_rejected(&gateway, &event(number)).await.status, 401);
    }
    // One request remains rejected: its signature is forged.
    let forged = [(
        "stripe-signature".to_owned(),
        format!("t={},v1={}", gateway.clock_seconds(), "0".repeat(64)),
    )];
    gateway.send_raw("billing", None, &forged, event(99).as_bytes()).await;
    wait_for_rejected(&gateway, 61).await;
    let plan = gateway
        .jobs()
        .plan_rejected(&grace(), &bulk_request(RejectedAction::Reprocess))
        .await
        .unwrap();
    assert_eq!(
        (plan.job.matched, plan.job.verifiable),
        (61, Some(0)),
        "the secret is still missing"
    );

    let with_secret = with_secret(&gateway).await;
    // The sender retried one in the meantime.
    assert_eq!(
        with_secret.send("billing", None, event(7).as_bytes()).await.body_status(),
        "accepted"
    );
    let plan = with_secret
        .jobs()
        .plan_rejected(&grace(), &bulk_request(RejectedAction::Reprocess))
        .await
        .unwrap();
    assert_eq!((plan.job.matched, plan.job.verifiable), (61, Some(60)));
    assert_eq!(plan.rejected_requests.len(), 10, "a sample is shown");
    assert_eq!(with_secret.count("SELECT count(*) FROM events").await, 1, "nothing was done");

    with_secret.jobs().start(&grace(), plan.job.id).await.unwrap();
    work(&mut with_secret.jobs().worker()).await;
    let job = with_secret.jobs().show(&grace(), plan.job.id).await.unwrap().job;
    assert_eq!(job.state, JobState::Done);
    assert_eq!((job.resolved, job.created, job.skipped), (60, 59, 1));
    let skipped = &job.skipped_items[0];
    assert_eq!(skipped.why, "rejected again: sig_mismatch");
    assert!(skipped.delivery.is_none() && skipped.rejected_request.is_some());
    assert_eq!(with_secret.count("SELECT count(*) FROM events").await, 60);
    let open = "SELECT count(*) FROM rejected_requests WHERE event_id IS NULL";
    assert_eq!(with_secret.count(open).await, 1);
    let marked = wait_for_rejected(&with_secret, 61).await;
    assert_eq!(marked.iter().filter(|one| one.verified_by.as_deref() == Some("grace")).count(), 60);
    let audit = with_secret
        .query(
            "SELECT DISTINCT action, actor FROM audit_log WHERE action LIKE '%rejected request%'",
        )
        .await;
    assert_eq!(audit, [json!({ "action": "reprocess rejected request", "actor": "grace" })]);
    with_secret.run_until_idle().await;

    // A second job contains only the remaining requests.
    let again = with_secret
        .jobs()
        .plan_rejected(&grace(), &bulk_request(RejectedAction::Reprocess))
        .await
        .unwrap();
    assert_eq!((again.job.matched, again.job.verifiable), (1, Some(0)));
    let rest = with_secret
        .jobs()
        .plan_rejected(&grace(), &bulk_request(RejectedAction::Discard))
        .await
        .unwrap();
    let mut worker = with_secret.jobs().start_here(&grace(), rest.job.id).await.unwrap();
    work(&mut worker).await;
    assert_eq!(with_secret.count(open).await, 0);
    let none =
        with_secret.jobs().plan_rejected(&grace(), &bulk_request(RejectedAction::Discard)).await;
    assert!(matches!(none, Err(AdminError::NotFound(_))), "{none:?}");
}

#[tokio::test]
async fn job_creates_no_second_event_for_accepted_requests() {
    let gateway = Gateway::builder().config(PLAIN, KEEP_REJECTED).start().await;
    for number in 0..30 {
        send_rejected(&gateway, &event(number)).await;
    }
    let requests = wait_for_rejected(&gateway, 30).await;
    let with_secret = with_secret(&gateway).await;
    let plan = with_secret
        .jobs()
        .plan_rejected(&grace(), &bulk_request(RejectedAction::Reprocess))
        .await
        .unwrap();
    with_secret.jobs().start(&grace(), plan.job.id).await.unwrap();
    // Before the job runs, the sender retries one request, and an operator reprocesses another.
    with_secret.send("billing", None, event(5).as_bytes()).await;
    with_secret
        .rejected_requests()
        .reprocess(&grace(), requests[3].id, &because("by hand"))
        .await
        .unwrap();
    work(&mut with_secret.jobs().worker()).await;
    assert_eq!(with_secret.count("SELECT count(*) FROM events").await, 30);
    let open = "SELECT count(*) FROM rejected_requests WHERE event_id IS NULL";
    assert_eq!(with_secret.count(open).await, 0);
    with_secret.run_until_idle().await;
}

#[tokio::test]
async fn rejected_request_jobs_require_secrets_write() {
    let gateway = Gateway::builder().config(PLAIN, KEEP_REJECTED).start().await;
    send_rejected(&gateway, &event(1)).await;
    wait_for_rejected(&gateway, 1).await;
    let with = |scope| Caller::new("rita", None, Scopes::from_iter([scope]));
    let (replayer, secrets_writer) = (with(Scope::EventsReplay), with(Scope::SecretsWrite));
    let bulk_request = bulk_request(RejectedAction::Reprocess);
    let jobs = gateway.jobs();
    let missing = |error: AdminError| error.missing();
    assert_eq!(
        jobs.plan_rejected(&replayer, &bulk_request).await.map(drop).map_err(missing),
        Err(Some(Scope::SecretsWrite))
    );
    let plan = jobs.plan_rejected(&secrets_writer, &bulk_request).await.unwrap();
    for denied in [
        jobs.start(&replayer, plan.job.id).await,
        jobs.cancel(&replayer, plan.job.id, &because("why")).await,
    ] {
        assert_eq!(denied.map(drop).map_err(missing), Err(Some(Scope::SecretsWrite)));
    }
    jobs.cancel(&secrets_writer, plan.job.id, &because("why")).await.unwrap();
    let elsewhere = Caller::new("tim", Some("elsewhere".into()), Scopes::all());
    assert!(matches!(
        jobs.plan_rejected(&elsewhere, &bulk_request).await,
        Err(AdminError::NotFound(_))
    ));
}

#[tokio::test]
async fn api_plans_and_starts_a_reprocess_job() {
    let gateway = Gateway::builder().config(PLAIN, KEEP_REJECTED).start().await;
    send_rejected(&gateway, &event(1)).await;
    wait_for_rejected(&gateway, 1).await;
    let with_secret = with_secret(&gateway).await;
    let post = async |path: &str, body: &str| {
        let request = with_secret.client().request(Method::POST, with_secret.operator_url(path));
        let request = request.bearer_auth(API_KEY).header("content-type", "application/json");
        Answer::of(request.body(body.to_owned()).send().await.unwrap()).await
    };
    let body =
        json!({ "action": "reprocess", "source": "billing", "reason": "mended" }).to_string();
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
    let job = with_secret.jobs().show(&grace(), id).await.unwrap().job;
    assert_eq!(job.state, JobState::Running);
    work(&mut with_secret.jobs().worker()).await;
    assert_eq!(with_secret.count("SELECT count(*) FROM events").await, 1);
    with_secret.run_until_idle().await;
}
