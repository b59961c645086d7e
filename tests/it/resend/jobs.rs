//! How jobs on events run: duplicates, crashes, cancellation, limits, tenants.

use std::time::Duration;

use sealpost::admin::{
    AdminError, Caller, EventSelection, JobState, ResendAction, ResendRequest, ResendState, Scope,
    Scopes, Step, Worker,
};
use sealpost::store::DestinationSwitch;
use serde_json::json;

use super::{ada, request, run, to_app};
use crate::destinations::receiver::Receiver;
use crate::destinations::{send, sending_to};
use crate::harness::{Gateway, because, sql};

/// A request that resends everything.
fn all() -> ResendRequest {
    request(ResendAction::Resend, EventSelection::default())
}

/// Inserts copies of the events and of their deliveries, which are done.
async fn copy_events(gateway: &Gateway, copies: i64) {
    let copy = format!(
        "WITH more AS (
             INSERT INTO events SELECT (jsonb_populate_record(e, jsonb_build_object(
                        'id', left(e.id::text, 24) || lpad(to_hex(n), 12, '0')))).*
               FROM events e, generate_series(1, {copies}) AS n RETURNING id)
         INSERT INTO deliveries (event_id, source, handler, destination, triggered_by, lane_blocks,
                                 state, created_at, due_at, finished_at, outcome)
         SELECT more.id, d.source, d.handler, d.destination, 'arrival', false, 'done',
                d.created_at, d.due_at, d.finished_at, 'handled'
           FROM more, deliveries d"
    );
    gateway.execute(&copy).await;
}

async fn next(worker: &mut Worker) -> usize {
    match worker.step().await.unwrap() {
        Step::Did { batch, .. } => batch.created.len(),
        _ => 0,
    }
}

/// Finishes what was resent, without sending it.
async fn finish(gateway: &Gateway) {
    gateway
        .execute(
            "UPDATE deliveries SET state = 'done', outcome = 'handled', finished_at = created_at
              WHERE state = 'ready'",
        )
        .await;
}

/// A gateway with one event that was delivered to the destination `app` and the handler.
async fn gateway(receiver: &Receiver) -> Gateway {
    let gateway = sending_to(receiver, "").start().await;
    send(&gateway, "invoice.paid", "in_1").await;
    gateway.run_until_idle().await;
    gateway
}

#[tokio::test(flavor = "multi_thread")]
async fn unfinished_delivery_is_skipped_with_a_reason() {
    let receiver = Receiver::accepting().await;
    let gateway = gateway(&receiver).await;
    let mut tx = gateway.store().begin().await.unwrap();
    let pause = DestinationSwitch::Pause;
    tx.switch_destination("app", pause, "ada", "a test", crate::harness::START).await.unwrap();
    tx.commit(()).await.unwrap();
    send(&gateway, "invoice.paid", "in_2").await;
    gateway.run_until_idle().await;
    let job = run(&gateway, &to_app(ResendState::Any)).await.job;
    assert_eq!((job.matched, job.created, job.skipped), (2, 1, 1));
    let unfinished = "SELECT id FROM deliveries
                       WHERE destination = 'app' AND triggered_by = 'arrival' AND state = 'ready'";
    let unfinished = gateway.count(unfinished).await;
    let skipped = &job.skipped_items[0];
    assert_eq!((skipped.delivery, skipped.why.as_str()), (Some(unfinished), "not finished: ready"));
    let again = run(&gateway, &to_app(ResendState::Any)).await.job;
    assert_eq!((again.created, again.skipped), (0, 2), "both wait now");
    finish(&gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn job_of_a_dead_worker_resumes_without_duplicate_deliveries() {
    let receiver = Receiver::accepting().await;
    let gateway = gateway(&receiver).await;
    copy_events(&gateway, 599).await;
    let jobs = gateway.jobs();
    let plan = jobs.plan_resend(&ada(), &all()).await.unwrap();
    assert_eq!((plan.job.matched, plan.events.len()), (1200, 10), "to two handlers each");
    assert_eq!(plan.job.counted_to, None);
    let mut worker = jobs.start_here(&ada(), plan.job.id).await.unwrap();
    assert_eq!(next(&mut worker).await, 500);
    // The second batch is aborted while it waits for a row lock.
    let last = "SELECT max(id) FROM deliveries WHERE triggered_by = 'arrival'";
    let locked = gateway.count(last).await;
    let mut other = sql::connect(gateway.target()).await;
    sql::run(&mut other, "BEGIN").await;
    let lock =
        "SELECT 1 FROM events WHERE id = (SELECT id FROM events ORDER BY id OFFSET 260 LIMIT 1)
                   FOR UPDATE";
    sql::run(&mut other, lock).await;
    assert!(tokio::time::timeout(Duration::from_millis(300), worker.step()).await.is_err());
    let mut second = jobs.worker();
    assert!(matches!(second.step().await.unwrap(), Step::Idle), "its lease has not expired");
    sql::run(&mut other, "ROLLBACK").await;

    gateway
        .execute("UPDATE jobs SET lease_expires_at = lease_expires_at - interval '1 hour'")
        .await;
    assert_eq!(next(&mut second).await, 500);
    assert!(matches!(worker.step().await.unwrap(), Step::Ended), "another worker has the job");
    assert_eq!(next(&mut second).await, 200);
    assert!(matches!(second.step().await.unwrap(), Step::Ended));
    let twice = "SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE triggered_by = 'resend'
                                       GROUP BY event_id, handler HAVING count(*) > 1) t";
    assert_eq!(gateway.count(twice).await, 0);
    let made = "SELECT count(*) FROM deliveries WHERE triggered_by = 'resend' AND id > ";
    assert_eq!(gateway.count(&format!("{made}{locked}")).await, 1200);
    let recorded = "SELECT count(*) FROM operator_actions WHERE action = 'resend'";
    assert_eq!(gateway.count(recorded).await, 1200);
    let counts = "SELECT count FROM audit_log WHERE action = 'resend' ORDER BY id";
    let expected = [json!({"count": 500}), json!({"count": 500}), json!({"count": 200})];
    assert_eq!(gateway.query(counts).await, expected);
    let detail = jobs.show(&ada(), plan.job.id).await.unwrap();
    assert_eq!((detail.job.state, detail.job.resolved), (JobState::Done, 1200));
    assert_eq!(detail.delivery_outcomes.waiting, 1200);
    assert_eq!(
        gateway.count("SELECT count(*) FROM alerts WHERE alert_type = 'bulk_resend'").await,
        1
    );
    finish(&gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_job_stops_after_its_batch() {
    let receiver = Receiver::accepting().await;
    let gateway = gateway(&receiver).await;
    copy_events(&gateway, 399).await;
    let jobs = gateway.jobs();
    let plan = jobs.plan_resend(&ada(), &all()).await.unwrap().job.id;
    let mut worker = jobs.start_here(&ada(), plan).await.unwrap();
    assert_eq!(next(&mut worker).await, 500);
    let job = jobs.cancel(&ada(), plan, &because("enough")).await.unwrap();
    assert_eq!((job.state, job.resolved), (JobState::Cancelled, 500));
    assert!(matches!(worker.step().await.unwrap(), Step::Ended));
    let made = "SELECT count(*) FROM deliveries WHERE triggered_by = 'resend'";
    assert_eq!(gateway.count(made).await, 500);
    finish(&gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cap_and_rate_limit_a_resend() {
    let receiver = Receiver::accepting().await;
    let gateway = gateway(&receiver).await;
    copy_events(&gateway, 19).await;
    let jobs = gateway.jobs();
    let limited = ResendRequest { cap: Some(25), rate: Some(10), ..to_app(ResendState::Done) };
    assert_eq!(jobs.plan_resend(&ada(), &limited).await.unwrap().job.goal, 20);
    let limited = ResendRequest { selection: EventSelection::default(), ..limited };
    let plan = jobs.plan_resend(&ada(), &limited).await.unwrap().job;
    assert_eq!((plan.matched, plan.goal), (40, 25));
    let mut worker = jobs.start_here(&ada(), plan.id).await.unwrap();
    for expected in [10, 10, 5] {
        assert_eq!(next(&mut worker).await, expected);
        assert!(matches!(worker.step().await.unwrap(), Step::Paced(_)));
        gateway.clock().advance(Duration::from_secs(1));
    }
    assert!(matches!(worker.step().await.unwrap(), Step::Ended));
    let job = jobs.show(&ada(), plan.id).await.unwrap().job;
    assert_eq!((job.state, job.resolved), (JobState::Done, 25));
    finish(&gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn count_of_a_plan_is_bounded_and_says_so() {
    let receiver = Receiver::accepting().await;
    let gateway = gateway(&receiver).await;
    copy_events(&gateway, 10_400).await;
    let jobs = gateway.jobs();
    let plan = jobs.plan_resend(&ada(), &to_app(ResendState::Done)).await.unwrap().job;
    assert_eq!((plan.matched, plan.goal), (10_000, 10_000));
    assert!(plan.counted_to.is_some());
    let capped = ResendRequest { cap: Some(10_300), ..to_app(ResendState::Done) };
    assert_eq!(jobs.plan_resend(&ada(), &capped).await.unwrap().job.goal, 10_300);
    // Nothing matches as far as it is counted, but there may be more.
    let missing = jobs.plan_resend(&ada(), &to_app(ResendState::Missing)).await.unwrap().job;
    assert_eq!(missing.matched, 0);
    assert!(missing.counted_to.is_some());
    let mut worker = jobs.start_here(&ada(), missing.id).await.unwrap();
    while let Step::Did { batch, .. } = worker.step().await.unwrap() {
        assert!(batch.created.is_empty());
    }
    assert_eq!(jobs.show(&ada(), missing.id).await.unwrap().job.state, JobState::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_other_tenants_and_callers_without_the_scope_are_refused() {
    let receiver = Receiver::accepting().await;
    let gateway = gateway(&receiver).await;
    let jobs = gateway.jobs();
    let other = Caller::new("tim", Some("other".to_owned()), Scopes::all());
    let refused = jobs.plan_resend(&other, &all()).await;
    assert!(matches!(refused, Err(AdminError::NotFound(_))), "{refused:?}");
    let of_source = EventSelection { source: Some("billing".into()), ..EventSelection::default() };
    for request in [request(ResendAction::Resend, of_source), to_app(ResendState::Any)] {
        let refused = jobs.plan_resend(&other, &request).await;
        let Err(AdminError::Invalid(text)) = refused else { panic!("{refused:?}") };
        assert!(text.ends_with("is not configured"), "{text}");
        assert!(!text.contains("apify"), "only their own names: {text}");
    }
    let reader: Scopes = [Scope::EventsRead].into_iter().collect();
    let reader = Caller::new("rita", None, reader);
    let refused = jobs.plan_resend(&reader, &all()).await.unwrap_err();
    assert_eq!(refused.missing(), Some(Scope::EventsReplay));
    let theirs = Caller::new("tom", Some("default".to_owned()), Scopes::all());
    let plan = jobs.plan_resend(&theirs, &all()).await.unwrap().job;
    assert_eq!((plan.matched, plan.tenant.as_deref()), (2, Some("default")));
    assert!(matches!(jobs.show(&other, plan.id).await, Err(AdminError::NotFound(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_after_the_plan_are_not_resent() {
    let receiver = Receiver::accepting().await;
    let gateway = gateway(&receiver).await;
    let jobs = gateway.jobs();
    let plan = jobs.plan_resend(&ada(), &to_app(ResendState::Done)).await.unwrap().job;
    gateway.clock().advance(Duration::from_secs(1));
    send(&gateway, "invoice.paid", "in_2").await;
    gateway.run_until_idle().await;
    let mut worker = jobs.start_here(&ada(), plan.id).await.unwrap();
    while let Step::Did { .. } = worker.step().await.unwrap() {}
    assert_eq!(jobs.show(&ada(), plan.id).await.unwrap().job.created, 1);
    gateway.run_until_idle().await;
    assert_eq!(receiver.seen().len(), 3);
}
