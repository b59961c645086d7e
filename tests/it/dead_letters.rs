//! Operators find, replay and discard dead letters; every action is audited.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sealpost::admin::{
    AdminError, BatchResult, BulkRequest, Caller, Class, DeadLetterAction, DeadLetters, Filter,
    GroupSelection, JobState, Jobs, PLAN_LASTS, Paging, Refused, Scope, Scopes, Selection, Step,
    Worker,
};
use sealpost::dispatch::{Attempt, Failure, Handler};
use sealpost::store::{
    AttemptResult, DeathReason, Delivery, DeliveryState, Effects, Resolution, StoredEvent,
};
use serde_json::{Value, json};

use crate::harness::{Gateway, because, sql};

/// Fails until it is fixed, and records what it handled.
#[derive(Clone, Default)]
pub(crate) struct Fragile {
    fixed: Arc<AtomicBool>,
    handled: Arc<std::sync::Mutex<Vec<String>>>,
    calls: Arc<AtomicUsize>,
}

#[async_trait]
impl Handler for Fragile {
    fn name(&self) -> &'static str {
        "fragile"
    }

    async fn handle(&self, event: &StoredEvent, _: Attempt) -> Result<Effects, Failure> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let body: Value = serde_json::from_slice(&event.body).unwrap_or_default();
        let id = body["id"].as_str().unwrap_or("?").to_owned();
        if !self.fixed.load(Ordering::SeqCst) && !id.contains("fine") {
            return Err(Failure::permanent(DeathReason::Permanent, "it broke\nin two lines"));
        }
        self.handled.lock().unwrap().push(id);
        Ok(Effects::unchanged())
    }
}

impl Fragile {
    fn fix(&self) {
        self.fixed.store(true, Ordering::SeqCst);
    }

    pub(crate) fn handled(&self) -> Vec<String> {
        self.handled.lock().unwrap().clone()
    }
}

pub(crate) async fn gateway(handler: &Fragile) -> Gateway {
    Gateway::builder().handler(handler.clone()).start().await
}

/// An event; all events of one account are in one lane.
pub(crate) fn event(id: &str) -> Vec<u8> {
    let event = json!({
        "id": id, "object": "event", "type": "account.updated", "created": 1_763_600_000,
        "livemode": false, "account": "acct_a", "data": { "object": { "id": "acct_a" } },
    });
    event.to_string().into_bytes()
}

pub(crate) async fn send(gateway: &Gateway, id: &str) -> String {
    let answer = gateway.send("billing", None, &event(id)).await;
    assert_eq!(answer.body_status(), "accepted", "{}", answer.text);
    answer.id().to_owned()
}

/// Sends an event that becomes a dead letter; returns the ids of both.
pub(crate) async fn make_dead_letter(gateway: &Gateway, id: &str) -> (String, i64) {
    let event = send(gateway, id).await;
    gateway.run_until_idle().await;
    let newest = ids(gateway.dead_letter_service(), &open()).await.pop();
    (event, newest.expect("a dead letter"))
}

/// A caller with every scope.
pub(crate) fn ada() -> Caller {
    Caller::local("ada")
}

const FIXED: &str = "the handler is fixed";
/// Reason of an edit.
pub(crate) const WHY: &str = "the sender wrote it wrong";

pub(crate) fn open() -> Selection {
    Selection::Matching(Filter::default())
}

pub(crate) async fn ids(service: &DeadLetters, selection: &Selection) -> Vec<i64> {
    let dead_letters = list(service, selection).await;
    dead_letters.iter().map(|dead| dead.id).collect()
}

/// The oldest first.
async fn list(service: &DeadLetters, selection: &Selection) -> Vec<Delivery> {
    let mut page = service.list(&ada(), selection, Paging::first(10_000)).await.unwrap();
    page.items.reverse();
    page.items
}

async fn delivery(service: &DeadLetters, id: i64) -> Delivery {
    list(service, &Selection::Ids(vec![id])).await.pop().expect("a delivery")
}

/// Applies an action to a selection, with a job.
pub(crate) async fn run_job(
    service: &DeadLetters,
    action: DeadLetterAction,
    selection: &Selection,
    force: bool,
) -> BatchResult {
    let jobs = Jobs::new(service.clone());
    let request = bulk_request(action, selection, force);
    let Ok(plan) = jobs.plan(&ada(), &request).await else { return BatchResult::default() };
    let mut worker = jobs.start_here(&ada(), plan.job.id).await.unwrap();
    let mut all = BatchResult::default();
    while let Step::Did { batch, .. } = worker.step().await.unwrap() {
        all.resolved.extend(batch.resolved);
        all.created.extend(batch.created);
        all.refused.extend(batch.refused);
    }
    all
}

/// Audit entries of dead letters, without those of jobs.
async fn audited_actions(gateway: &Gateway) -> Vec<Value> {
    let mut changes = gateway.audited_changes().await;
    changes.retain(|entry| entry["action"] != "plan" && entry["action"] != "start");
    changes
}

pub(crate) fn bulk_request(
    action: DeadLetterAction,
    selection: &Selection,
    force: bool,
) -> BulkRequest {
    let (selection, reason) = (selection.clone(), FIXED.to_owned());
    BulkRequest { action, selection, cap: None, rate: None, reason, force }
}

pub(crate) async fn replay(service: &DeadLetters, selection: &Selection) -> BatchResult {
    run_job(service, DeadLetterAction::Replay, selection, false).await
}

#[tokio::test]
async fn dead_letter_is_listed_shown_and_replayed() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let service = gateway.dead_letter_service();
    let id = send(&gateway, "evt_1").await;
    assert_eq!(gateway.send("billing", None, &event("evt_1")).await.body_status(), "duplicate");
    gateway.run_until_idle().await;
    gateway.clock().advance(Duration::from_hours(1));

    let [dead] = &list(service, &open()).await[..] else { panic!("one dead letter") };
    assert_eq!(dead.event.to_string(), id);
    assert_eq!((&*dead.source, &*dead.handler), ("billing", "fragile"));
    assert_eq!(dead.event_type.as_deref(), Some("account.updated"));
    assert_eq!(dead.death_reason, Some(DeathReason::Permanent));
    assert_eq!(dead.error.as_deref(), Some("it broke"), "the first line");
    assert_eq!((dead.attempts, dead.waiting), (1, 0));

    let detail = service.show(&ada(), dead.id).await.unwrap();
    assert_eq!(detail.delivery.error.as_deref(), Some("it broke\nin two lines"));
    let shown = detail.event.expect("its event");
    let body = shown.payload.expect("its payload").body;
    assert_eq!(body.content.as_bytes(), event("evt_1"));
    assert_eq!(body.size_bytes, event("evt_1").len() as u64);
    assert_eq!((shown.seen.count, shown.proof.strength.as_str()), (Some(2), "signed"));
    assert_eq!(detail.attempts.len(), 1);
    assert_eq!(detail.attempts[0].result, AttemptResult::Dead);

    handler.fix();
    let batch = replay(service, &Selection::Ids(vec![dead.id])).await;
    assert_eq!(batch.resolved, [dead.id]);
    gateway.run_until_idle().await;
    assert_eq!(handler.handled(), ["evt_1"]);

    let original = delivery(service, dead.id).await;
    assert_eq!(original.resolution, Some(Resolution::Replayed));
    let unchanged = (DeliveryState::Dead, 1);
    assert_eq!((original.state, original.attempts), unchanged, "the original is unchanged");
    let new = delivery(service, batch.created[0]).await;
    assert_eq!((new.state, new.replay_of), (DeliveryState::Done, Some(dead.id)));
    assert_eq!(ids(service, &open()).await, [0; 0]);
    let all = Selection::Matching(Filter { resolved: true, ..Filter::default() });
    assert_eq!(ids(service, &all).await, [dead.id]);
    assert_eq!(service.show(&ada(), new.id).await.unwrap().deliveries.len(), 2);

    let [audit] = &audited_actions(&gateway).await[..] else { panic!("one line") };
    assert_eq!(audit["actor"], "ada");
    assert_eq!(audit["action"], "replay");
    assert_eq!(audit["target"], format!("deliveries {}", dead.id));
    assert_eq!(audit["reason"], FIXED);
    assert_eq!(audit["count"], 1);
}

#[tokio::test]
async fn replay_works_after_signature_and_dedup_key_expire() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    send(&gateway, "evt_old").await;
    gateway.run_until_idle().await;
    gateway.clock().advance(Duration::from_hours(24 * 60));
    gateway.run_maintenance().await;
    let service = gateway.dead_letter_service();
    let dead = ids(service, &open()).await;
    let shown = service.show(&ada(), dead[0]).await.unwrap().event.unwrap();
    assert_eq!(shown.seen.count, None, "its dedup key has expired");

    handler.fix();
    assert_eq!(replay(service, &open()).await.resolved, dead);
    gateway.run_until_idle().await;
    assert_eq!(handler.handled(), ["evt_old"]);
}

#[tokio::test]
async fn replayed_quarantine_goes_to_the_handlers_of_its_source() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let answer = gateway.send("billing", None, b"authentic, but not JSON").await;
    assert_eq!(answer.body_status(), "quarantined");
    let service = gateway.dead_letter_service();
    let [dead] = &list(service, &open()).await[..] else { panic!("one dead letter") };
    assert_eq!((&*dead.handler, dead.attempts), ("quarantine", 0));

    handler.fix();
    let batch = replay(service, &Selection::Ids(vec![dead.id])).await;
    assert_eq!(delivery(service, batch.created[0]).await.handler, "fragile");
    gateway.run_until_idle().await;
    assert_eq!(handler.handled(), ["?"]);
}

#[tokio::test]
async fn replay_of_a_blocking_head_runs_before_its_backlog() {
    let handler = Fragile::default();
    let gateway = Gateway::builder()
        .config("name = \"billing\"", "name = \"billing\"\ndead_head = \"block\"")
        .handler(handler.clone())
        .start()
        .await;
    let service = gateway.dead_letter_service();
    send(&gateway, "evt_head").await;
    gateway.run_until_idle().await;
    send(&gateway, "evt_fine_1").await;
    send(&gateway, "evt_fine_2").await;
    assert_eq!(gateway.run_until_idle().await, 0, "the head blocks its lane");
    let dead = ids(service, &open()).await;
    assert_eq!(delivery(service, dead[0]).await.waiting, 2);

    // The replay dies too: it blocks the lane instead, until it is replayed in turn.
    let again = replay(service, &open()).await.created;
    gateway.run_until_idle().await;
    assert_eq!(handler.handled(), [""; 0]);
    assert_eq!(ids(service, &open()).await, again);
    assert_eq!(delivery(service, again[0]).await.waiting, 2);

    handler.fix();
    replay(service, &open()).await;
    gateway.run_until_idle().await;
    assert_eq!(handler.handled(), ["evt_head", "evt_fine_1", "evt_fine_2"]);
}

#[tokio::test]
async fn discarding_a_blocking_head_unblocks_its_lane_and_is_audited() {
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
    let dead = ids(service, &open()).await;
    let batch = run_job(service, DeadLetterAction::Discard, &open(), false).await;
    assert_eq!((&batch.resolved, batch.created.len()), (&dead, 0));
    gateway.run_until_idle().await;
    assert_eq!(handler.handled(), ["evt_fine"]);
    assert_eq!(delivery(service, dead[0]).await.resolution, Some(Resolution::Discarded));
    assert_eq!(audited_actions(&gateway).await[0]["action"], "discard");

    let twice =
        run_job(service, DeadLetterAction::Discard, &Selection::Ids(dead.clone()), false).await;
    assert_eq!(twice.refused, [(dead[0], Refused::Resolved(Resolution::Discarded))]);
    assert_eq!(audited_actions(&gateway).await.len(), 1, "a refused action is not audited");
}

#[tokio::test]
async fn done_or_resolved_deliveries_are_replayed_only_by_force() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let service = gateway.dead_letter_service();
    send(&gateway, "evt_fine").await;
    send(&gateway, "evt_bad").await;
    gateway.run_until_idle().await;
    let rows = gateway.query("SELECT id FROM deliveries ORDER BY id").await;
    let both: Vec<i64> = rows.iter().map(|row| row["id"].as_i64().unwrap()).collect();
    run_job(service, DeadLetterAction::Discard, &Selection::Ids(vec![both[1]]), false).await;

    let refused = replay(service, &Selection::Ids(both.clone())).await;
    assert_eq!(refused.resolved, [0; 0]);
    let why = [(both[0], Refused::Done), (both[1], Refused::Resolved(Resolution::Discarded))];
    assert_eq!(refused.refused, why);

    handler.fix();
    let forced =
        run_job(service, DeadLetterAction::Replay, &Selection::Ids(both.clone()), true).await;
    assert_eq!(forced.resolved, both);
    gateway.run_until_idle().await;
    assert_eq!(handler.handled(), ["evt_fine", "evt_fine", "evt_bad"]);
    assert_eq!(delivery(service, both[0]).await.resolution, None, "only the dead are resolved");
    let unknown = replay(service, &Selection::Ids(vec![i64::MAX])).await;
    assert!(unknown.resolved.is_empty() && unknown.refused.is_empty(), "nothing matched");
}

#[tokio::test]
async fn selection_filters_by_source_handler_reason_and_age() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let service = gateway.dead_letter_service();
    send(&gateway, "evt_old").await;
    gateway.run_until_idle().await;
    gateway.clock().advance(Duration::from_hours(2));
    gateway.send("billing", None, b"{").await;
    let [old, new] = ids(service, &open()).await[..] else { panic!("two") };

    let hours = |hours| Some(Duration::from_hours(hours));
    let filter = Filter::default;
    for (filter, expected) in [
        (Filter { source: Some("billing".into()), ..filter() }, vec![old, new]),
        (Filter { source: Some("cards".into()), ..filter() }, vec![]),
        (Filter { handler: Some("quarantine".into()), ..filter() }, vec![new]),
        (Filter { death_reason: Some(DeathReason::Permanent), ..filter() }, vec![old]),
        (Filter { older_than: hours(1), ..filter() }, vec![old]),
        (Filter { older_than: hours(3), ..filter() }, vec![]),
        (Filter { newer_than: hours(1), ..filter() }, vec![new]),
        (Filter { newer_than: hours(3), ..filter() }, vec![old, new]),
    ] {
        let selection = Selection::Matching(filter);
        assert_eq!(ids(service, &selection).await, expected, "{selection}");
        assert_eq!(service.count(&ada(), &selection).await.unwrap(), expected.len() as u64);
    }
}

/// Inserts copies of the dead letters.
async fn copy_dead_letters(gateway: &Gateway, copies: i64) {
    let copy = format!(
        "INSERT INTO deliveries (event_id, source, handler, triggered_by, lane_blocks, state,
                                 created_at, due_at, finished_at, death_reason)
         SELECT event_id, source, handler, 'arrival', false, 'dead', created_at, due_at,
                finished_at, death_reason
           FROM deliveries, generate_series(1, {copies}) WHERE state = 'dead'"
    );
    gateway.execute(&copy).await;
}

async fn next(worker: &mut Worker) -> usize {
    match worker.step().await.unwrap() {
        Step::Did { batch, .. } => batch.resolved.len(),
        _ => 0,
    }
}

/// Expires the lease of the running job.
async fn expire_job_lease(gateway: &Gateway) {
    gateway
        .execute("UPDATE jobs SET lease_expires_at = lease_expires_at - interval '1 hour'")
        .await;
}

#[tokio::test]
async fn job_of_a_dead_worker_resumes_without_duplicate_replays() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let (service, jobs) = (gateway.dead_letter_service(), gateway.jobs());
    send(&gateway, "evt_many").await;
    gateway.run_until_idle().await;
    copy_dead_letters(&gateway, 1199).await;
    assert_eq!(service.count(&ada(), &open()).await.unwrap(), 1200);

    let plan =
        jobs.plan(&ada(), &bulk_request(DeadLetterAction::Replay, &open(), false)).await.unwrap();
    assert_eq!((plan.job.matched, plan.sample.len()), (1200, 10));
    let [planned] = &gateway.audited_changes().await[..] else { panic!("one line") };
    assert_eq!((&planned["action"], &planned["count"]), (&json!("plan"), &json!(1200)));
    let mut worker = jobs.start_here(&ada(), plan.job.id).await.unwrap();
    assert_eq!(next(&mut worker).await, 500);
    // The second batch is aborted while it waits for a row lock.
    let locked = ids(service, &open()).await[99];
    let mut other = sql::connect(gateway.target()).await;
    sql::run(&mut other, "BEGIN").await;
    sql::run(&mut other, &format!("SELECT 1 FROM deliveries WHERE id = {locked} FOR UPDATE")).await;
    assert!(tokio::time::timeout(Duration::from_millis(300), worker.step()).await.is_err());
    let mut second = jobs.worker();
    assert!(matches!(second.step().await.unwrap(), Step::Idle), "its lease has not expired");
    sql::run(&mut other, "ROLLBACK").await;
    assert_eq!(service.count(&ada(), &open()).await.unwrap(), 700, "the first batch is committed");

    expire_job_lease(&gateway).await;
    assert_eq!(next(&mut second).await, 500);
    assert!(matches!(worker.step().await.unwrap(), Step::Ended), "another worker has the job");
    assert_eq!(next(&mut second).await, 200);
    assert!(matches!(second.step().await.unwrap(), Step::Ended));
    assert!(matches!(second.step().await.unwrap(), Step::Idle));
    let twice = "SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE replay_of IS NOT NULL
                                       GROUP BY replay_of HAVING count(*) > 1) t";
    assert_eq!(gateway.count(twice).await, 0);
    let audited: Vec<Value> =
        gateway.query("SELECT count FROM audit_log WHERE action = 'replay' ORDER BY id").await;
    assert_eq!(audited, [json!({"count": 500}), json!({"count": 500}), json!({"count": 200})]);
    let recorded_actions = "SELECT count(*) FROM operator_actions WHERE job_id IS NOT NULL";
    assert_eq!(gateway.count(recorded_actions).await, 1200);

    handler.fix();
    gateway.run_until_idle().await;
    assert_eq!(handler.calls.load(Ordering::SeqCst), 1201);
    let detail = jobs.show(&ada(), plan.job.id).await.unwrap();
    assert_eq!(detail.job.state, JobState::Done);
    assert_eq!((detail.job.resolved, detail.job.created, detail.job.skipped), (1200, 1200, 0));
    assert_eq!((detail.delivery_outcomes.done, detail.delivery_outcomes.counted()), (1200, 1200));
    let alerts = gateway.query("SELECT text FROM alerts WHERE alert_type LIKE 'bulk%'").await;
    assert_eq!(alerts.len(), 1, "a job over 100 items raises an alert");
    assert!(alerts[0]["text"].as_str().unwrap().contains("ada"), "{alerts:?}");
}

#[tokio::test]
async fn job_respects_its_cap_and_rate() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let jobs = gateway.jobs();
    send(&gateway, "evt_1").await;
    gateway.run_until_idle().await;
    copy_dead_letters(&gateway, 49).await;
    let oldest = ids(gateway.dead_letter_service(), &open()).await[..25].to_vec();
    let request = BulkRequest {
        cap: Some(25),
        rate: Some(10),
        ..bulk_request(DeadLetterAction::Discard, &open(), false)
    };
    let plan = jobs.plan(&ada(), &request).await.unwrap().job;
    assert_eq!((plan.matched, plan.goal), (50, 25));
    jobs.start(&ada(), plan.id).await.unwrap();
    let mut worker = jobs.worker();
    for expected in [10, 10, 5] {
        assert_eq!(next(&mut worker).await, expected);
        if expected == 10 {
            assert!(matches!(worker.step().await.unwrap(), Step::Paced(_)));
            gateway.clock().advance(Duration::from_secs(1));
        }
    }
    gateway.clock().advance(Duration::from_secs(1));
    assert!(matches!(worker.step().await.unwrap(), Step::Ended));
    let job = jobs.show(&ada(), plan.id).await.unwrap().job;
    assert_eq!((job.state, job.resolved), (JobState::Done, 25));
    let discarded = gateway.query("SELECT id FROM deliveries WHERE resolution IS NOT NULL").await;
    let mut discarded: Vec<i64> = discarded.iter().map(|row| row["id"].as_i64().unwrap()).collect();
    discarded.sort_unstable();
    assert_eq!(discarded, oldest, "the oldest first");
    let bulk_alerts = "SELECT count(*) FROM alerts WHERE alert_type LIKE 'bulk%'";
    assert_eq!(gateway.count(bulk_alerts).await, 0);
}

#[tokio::test]
async fn cancelled_job_stops_and_expired_plan_cannot_start() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let jobs = gateway.jobs();
    send(&gateway, "evt_1").await;
    gateway.run_until_idle().await;
    copy_dead_letters(&gateway, 999).await;
    let request = bulk_request(DeadLetterAction::Discard, &open(), false);
    let plan = jobs.plan(&ada(), &request).await.unwrap().job;
    let late = jobs.plan(&ada(), &request).await.unwrap().job;
    let mut worker = jobs.start_here(&ada(), plan.id).await.unwrap();
    let twice = jobs.start(&ada(), plan.id).await;
    assert!(matches!(twice, Err(AdminError::Conflict(_))), "{twice:?}");
    assert_eq!(next(&mut worker).await, 500);
    let job = jobs.cancel(&ada(), plan.id, &because("enough")).await.unwrap();
    assert_eq!((job.state, job.resolved), (JobState::Cancelled, 500));
    assert!(matches!(worker.step().await.unwrap(), Step::Ended));
    assert_eq!(gateway.dead_letter_service().count(&ada(), &open()).await.unwrap(), 500);
    let again = jobs.cancel(&ada(), plan.id, &because("enough")).await;
    assert!(matches!(again, Err(AdminError::Conflict(_))), "{again:?}");

    gateway.clock().advance(PLAN_LASTS.try_into().unwrap());
    assert_eq!(jobs.show(&ada(), late.id).await.unwrap().job.state, JobState::Expired);
    let started = jobs.start(&ada(), late.id).await;
    assert!(matches!(started, Err(AdminError::Conflict(_))), "{started:?}");
    let listed = jobs.list(&ada(), None, 9).await.unwrap();
    assert_eq!(listed.iter().map(|job| job.id).collect::<Vec<_>>(), [late.id, plan.id]);
    assert_eq!(jobs.list(&ada(), Some(late.id), 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn job_lists_skipped_items_with_reasons() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let jobs = gateway.jobs();
    send(&gateway, "evt_1").await;
    gateway.run_until_idle().await;
    let remove_handler = "UPDATE deliveries SET handler = 'fax'";
    copy_dead_letters(&gateway, 149).await;
    gateway.execute(remove_handler).await;
    let plan = jobs
        .plan(&ada(), &bulk_request(DeadLetterAction::Replay, &open(), false))
        .await
        .unwrap()
        .job;
    jobs.start(&ada(), plan.id).await.unwrap();
    let mut worker = jobs.worker();
    assert_eq!(next(&mut worker).await, 0);
    assert!(matches!(worker.step().await.unwrap(), Step::Ended));
    let job = jobs.show(&ada(), plan.id).await.unwrap().job;
    assert_eq!((job.resolved, job.skipped, job.skipped_items.len()), (0, 150, 100));
    assert_eq!(job.skipped_items[0].why, "source `billing` has no matching handler");
}

#[tokio::test]
async fn running_gateway_executes_jobs_started_elsewhere() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    send(&gateway, "evt_1").await;
    gateway.run_until_idle().await;
    copy_dead_letters(&gateway, 9).await;
    let other = Gateway::builder()
        .sharing_database(&gateway)
        .handler(handler.clone())
        .running()
        .start()
        .await;
    handler.fix();
    let plan = gateway
        .jobs()
        .plan(&ada(), &bulk_request(DeadLetterAction::Replay, &open(), false))
        .await
        .unwrap();
    gateway.jobs().start(&ada(), plan.job.id).await.unwrap();
    let ended = async {
        while !gateway.jobs().show(&ada(), plan.job.id).await.unwrap().job.has_ended() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ended).await.expect("the job ends");
    // The other gateway finishes its own deliveries.
    let left = "SELECT count(*) FROM deliveries WHERE state IN ('ready', 'leased')";
    let finished = async {
        while gateway.count(left).await > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), finished)
        .await
        .expect("the deliveries are handled");
    other.stop();
}

#[tokio::test]
async fn concurrent_replays_of_one_dead_letter_replay_it_once() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let service = gateway.dead_letter_service();
    send(&gateway, "evt_both").await;
    gateway.run_until_idle().await;
    copy_dead_letters(&gateway, 99).await;
    let selection = open();
    let (one, two) = tokio::join!(replay(service, &selection), replay(service, &selection));
    assert_eq!(one.resolved.len() + two.resolved.len(), 100);
    assert_eq!(one.created.len() + two.created.len(), 100);
    handler.fix();
    gateway.run_until_idle().await;
    assert_eq!(handler.calls.load(Ordering::SeqCst), 101);
}

#[tokio::test]
async fn replay_notifies_running_gateways() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let mut listener = gateway.store().listen().await.unwrap();
    send(&gateway, "evt_heard").await;
    gateway.run_until_idle().await;
    handler.fix();
    replay(gateway.dead_letter_service(), &open()).await;
    listener.recv().await.expect("the announcement");
    gateway.run_until_idle().await;
    assert_eq!(handler.handled(), ["evt_heard"]);
}

#[tokio::test]
async fn pagination_goes_from_newest_to_oldest_and_back() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let service = gateway.dead_letter_service();
    send(&gateway, "evt_1").await;
    gateway.run_until_idle().await;
    copy_dead_letters(&gateway, 6).await;
    let all = ids(service, &open()).await;
    for grouped in [false, true] {
        if grouped {
            assert_eq!(gateway.groups().step().await.unwrap(), 7);
        }
        let page = async |before, after| {
            let paging = Paging { before, after, limit: 3 };
            let page = service.list(&ada(), &open(), paging).await.unwrap();
            let ids: Vec<i64> = page.items.iter().map(|dead| dead.id).collect();
            (ids, page.older, page.newer)
        };
        let first = page(None, None).await;
        assert_eq!(first, (vec![all[6], all[5], all[4]], Some(all[4]), None));
        let second = page(first.1, None).await;
        assert_eq!(second, (vec![all[3], all[2], all[1]], Some(all[1]), Some(all[3])));
        let last = page(second.1, None).await;
        assert_eq!(last, (vec![all[0]], None, Some(all[0])));
        assert_eq!(page(None, last.2).await, second.clone());
        assert_eq!(page(None, second.2).await.0, first.0, "the page before the second");
        assert_eq!(page(None, second.2).await.2, None, "nothing is newer");
    }
}

#[tokio::test]
async fn similar_dead_letters_form_a_group_with_an_open_count() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let (service, groups) = (gateway.dead_letter_service(), gateway.groups());
    for id in ["evt_1", "evt_2", "evt_3"] {
        send(&gateway, id).await;
    }
    gateway.run_until_idle().await;
    gateway.clock().advance(Duration::from_hours(2));
    gateway.send("billing", None, b"{").await;

    let page = groups.list(&ada(), &GroupSelection::default(), None, 1).await.unwrap();
    let [group] = &page.items[..] else { panic!("one group a page") };
    assert_eq!((group.class, group.open, group.total), (Class::Handler, 3, 3));
    assert_eq!((&*group.source, &*group.handler), ("billing", "fragile"));
    assert_eq!(group.message.as_deref(), Some("it broke"));
    assert_eq!((group.trend[21], group.trend.iter().sum::<u64>()), (3, 3), "two hours ago");
    let page = groups.list(&ada(), &GroupSelection::default(), page.next, 1).await.unwrap();
    assert_eq!((page.items[0].class, page.next), (Class::Content, None));
    let content = GroupSelection { class: Some(Class::Content), ..GroupSelection::default() };
    assert_eq!(groups.list(&ada(), &content, None, 9).await.unwrap().items.len(), 1);
    let by_class = groups.by_class(&ada()).await.unwrap();
    assert_eq!(by_class, [(Class::Content, 1), (Class::Handler, 3)]);

    let of = |group| Selection::Matching(Filter { group: Some(group), ..Filter::default() });
    let members = ids(service, &of(group.id)).await;
    assert_eq!(members.len(), 3);
    assert_eq!(service.count(&ada(), &of(group.id)).await.unwrap(), 3);
    handler.fix();
    replay(service, &Selection::Ids(vec![members[0]])).await;
    run_job(service, DeadLetterAction::Replay, &Selection::Ids(vec![members[0]]), true).await;
    let now = groups.show(&ada(), group.id).await.unwrap();
    assert_eq!((now.open, now.total), (2, 3), "a forced second replay does not count");
    run_job(service, DeadLetterAction::Discard, &of(group.id), false).await;
    assert_eq!(groups.show(&ada(), group.id).await.unwrap().open, 0);
    gateway.run_until_idle().await;
    let open = groups.list(&ada(), &GroupSelection::default(), None, 9).await.unwrap().items;
    assert_eq!(open.len(), 1, "the other group");
    let every = GroupSelection { resolved: true, ..GroupSelection::default() };
    assert_eq!(groups.list(&ada(), &every, None, 9).await.unwrap().items.len(), 2);
}

#[tokio::test]
async fn dead_letter_resolved_before_grouping_is_not_open() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    send(&gateway, "evt_1").await;
    gateway.run_until_idle().await;
    run_job(gateway.dead_letter_service(), DeadLetterAction::Discard, &open(), false).await;
    let every = GroupSelection { resolved: true, ..GroupSelection::default() };
    let page = gateway.groups().list(&ada(), &every, None, 9).await.unwrap();
    assert_eq!((page.items[0].open, page.items[0].total), (0, 1));
}

#[tokio::test]
async fn unique_error_messages_share_an_overflow_group() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    send(&gateway, "evt_1").await;
    gateway.run_until_idle().await;
    copy_dead_letters(&gateway, 1100).await;
    gateway
        .execute(
            "UPDATE deliveries SET last_error = 'no ' || translate(id::text, '0123456789',
                                                                  'abcdefghij')",
        )
        .await;
    while gateway.groups().step().await.unwrap() > 0 {}
    assert_eq!(gateway.count("SELECT count(*) FROM dead_letter_groups").await, 501);
    let rest = "SELECT open FROM dead_letter_groups WHERE message = ''";
    assert_eq!(gateway.count(rest).await, 1101 - 500);
    assert_eq!(gateway.dead_letter_service().count(&ada(), &open()).await.unwrap(), 1101);
}

#[tokio::test]
async fn caller_without_payload_scope_sees_no_content() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let service = gateway.dead_letter_service();
    send(&gateway, "evt_1").await;
    gateway.run_until_idle().await;
    let id = ids(service, &open()).await[0];
    let scopes = |scopes: &[Scope]| scopes.iter().copied().collect::<Scopes>();
    let reader = Caller::new("rita", None, scopes(&[Scope::EventsRead]));

    let page = service.list(&reader, &open(), Paging::first(9)).await.unwrap();
    assert_eq!((page.items[0].id, page.items[0].error.clone()), (id, None));
    let detail = service.show(&reader, id).await.unwrap();
    assert!(detail.delivery.error.is_none() && detail.delivery.lane.is_none());
    assert_eq!(detail.event.unwrap().payload, None, "no body, headers or claims");
    assert!(detail.attempts.iter().all(|attempt| attempt.error.is_none()));
    assert!(detail.timeline.iter().all(|entry| entry.error.is_none()));
    let groups = gateway.groups().list(&reader, &GroupSelection::default(), None, 9).await;
    assert_eq!(groups.unwrap().items[0].message, None);

    let denied = |error: &AdminError, scope| assert_eq!(error.missing(), Some(scope));
    let error =
        gateway.jobs().plan(&reader, &bulk_request(DeadLetterAction::Replay, &open(), false)).await;
    denied(&error.unwrap_err(), Scope::EventsReplay);
    let error =
        service.resolve_one(&reader, DeadLetterAction::Replay, id, &because(FIXED), false).await;
    denied(&error.unwrap_err(), Scope::EventsReplay);
    let nobody = Caller::new("nemo", None, Scopes::default());
    denied(&service.count(&nobody, &open()).await.unwrap_err(), Scope::EventsRead);
    denied(&service.show(&nobody, id).await.unwrap_err(), Scope::EventsRead);
}

#[tokio::test]
async fn dead_letters_of_other_tenants_are_not_found() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let service = gateway.dead_letter_service();
    let event = send(&gateway, "evt_1").await;
    gateway.run_until_idle().await;
    let id = ids(service, &open()).await[0];
    let of = |tenant: &str| Caller::new("tim", Some(tenant.to_owned()), Scopes::all());
    let (theirs, other) = (of("default"), of("elsewhere"));
    let of_event = Filter {
        event: Some(sealpost::store::EventId(event.parse().unwrap())),
        ..Filter::default()
    };

    for grouped in [false, true] {
        if grouped {
            gateway.groups().step().await.unwrap();
        }
        for selection in [open(), Selection::Ids(vec![id]), Selection::Matching(of_event.clone())] {
            assert_eq!(service.count(&theirs, &selection).await.unwrap(), 1, "{selection}");
            assert_eq!(service.count(&other, &selection).await.unwrap(), 0, "{selection}");
            let page = service.list(&other, &selection, Paging::first(9)).await.unwrap();
            assert!(page.items.is_empty());
            let plan = gateway
                .jobs()
                .plan(&other, &bulk_request(DeadLetterAction::Discard, &selection, false))
                .await;
            assert!(matches!(plan, Err(AdminError::NotFound(_))), "{selection}");
        }
        assert!(matches!(service.show(&other, id).await, Err(AdminError::NotFound(_))));
        let act = service
            .resolve_one(&other, DeadLetterAction::Discard, id, &because(FIXED), false)
            .await;
        assert!(matches!(act, Err(AdminError::NotFound(_))));
        assert!(service.show(&theirs, id).await.is_ok());
    }
    let group = gateway.rows("dead_letter_groups").await[0]["id"].as_i64().unwrap();
    let shown = gateway.groups().show(&other, group).await;
    assert!(matches!(shown, Err(AdminError::NotFound(_))));
    assert_eq!(ids(service, &open()).await, [id], "nothing was done to it");
}
