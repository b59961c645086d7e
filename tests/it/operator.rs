//! Operators find, replay and discard dead letters, and it is written down who did.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sealpost::dispatch::{Attempt, Failure, Handler};
use sealpost::operator::{Action, Batch, DeadLetters, Filter, Mandate, Refused, Run, Selection};
use sealpost::store::{DeadLetter, DeathReason, Effects, StoredEvent};
use serde_json::{Value, json};

use crate::harness::{Gateway, sql};

/// Fails until it is mended, and notes what it has handled.
#[derive(Clone, Default)]
struct Fragile {
    mended: Arc<AtomicBool>,
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
        if !self.mended.load(Ordering::SeqCst) && !id.contains("fine") {
            return Err(Failure::permanent(DeathReason::Permanent, "it broke\nin two lines"));
        }
        self.handled.lock().unwrap().push(id);
        Ok(Effects::unchanged())
    }
}

impl Fragile {
    fn mend(&self) {
        self.mended.store(true, Ordering::SeqCst);
    }

    fn handled(&self) -> Vec<String> {
        self.handled.lock().unwrap().clone()
    }
}

async fn gateway(handler: &Fragile) -> Gateway {
    Gateway::builder().handler(handler.clone()).start().await
}

/// Events of one account stand in one lane.
fn event(id: &str) -> Vec<u8> {
    let event = json!({
        "id": id, "object": "event", "type": "account.updated", "created": 1_763_600_000,
        "livemode": false, "account": "acct_a", "data": { "object": { "id": "acct_a" } },
    });
    event.to_string().into_bytes()
}

async fn send(gateway: &Gateway, id: &str) -> String {
    let answer = gateway.send("billing", None, &event(id)).await;
    assert_eq!(answer.what(), "accepted", "{}", answer.text);
    answer.id().to_owned()
}

fn mandate() -> Mandate {
    Mandate { actor: "ada".into(), reason: "the handler is mended".into() }
}

pub(crate) fn open() -> Selection {
    Selection::Matching(Filter::default())
}

async fn ids(desk: &DeadLetters, selection: &Selection) -> Vec<i64> {
    let letters = desk.list(selection, 0, 10_000).await.unwrap();
    letters.iter().map(|letter| letter.id).collect()
}

async fn letter(desk: &DeadLetters, id: i64) -> DeadLetter {
    desk.list(&Selection::Ids(vec![id]), 0, 1).await.unwrap().pop().expect("a delivery")
}

async fn act(desk: &DeadLetters, action: Action, selection: &Selection, force: bool) -> Batch {
    let mut run = desk.run(action, selection, mandate(), force).await.unwrap();
    let mut all = Batch::default();
    while let Some(batch) = run.next().await.unwrap() {
        all.resolved.extend(batch.resolved);
        all.created.extend(batch.created);
        all.refused.extend(batch.refused);
    }
    all
}

pub(crate) async fn replay(desk: &DeadLetters, selection: &Selection) -> Batch {
    act(desk, Action::Replay, selection, false).await
}

#[tokio::test]
async fn a_dead_letter_is_listed_shown_replayed_and_done() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let desk = gateway.desk();
    let id = send(&gateway, "evt_1").await;
    assert_eq!(gateway.send("billing", None, &event("evt_1")).await.what(), "duplicate");
    gateway.run_until_idle().await;
    gateway.clock().advance(Duration::from_hours(1));

    let [dead] = &desk.list(&open(), 0, 10).await.unwrap()[..] else { panic!("one dead letter") };
    assert_eq!(dead.event.to_string(), id);
    assert_eq!((&*dead.source, &*dead.handler), ("billing", "fragile"));
    assert_eq!(dead.kind.as_deref(), Some("account.updated"));
    assert_eq!(dead.death_reason.as_deref(), Some("permanent"));
    assert_eq!(dead.error.as_deref(), Some("it broke"), "the first line");
    assert_eq!((dead.attempts, dead.waiting), (1, 0));

    let dossier = desk.show(dead.id).await.unwrap().expect("a delivery");
    assert_eq!(dossier.last_error.as_deref(), Some("it broke\nin two lines"));
    let preview = dossier.event.expect("its event");
    assert_eq!(preview.event.body, event("evt_1"));
    assert_eq!(preview.body_size, event("evt_1").len() as u64);
    assert_eq!((preview.seen_count, preview.event.strength.as_str()), (Some(2), "signed"));
    assert_eq!(dossier.attempts.len(), 1);
    assert_eq!(dossier.attempts[0].result, "dead");

    handler.mend();
    let batch = replay(desk, &Selection::Ids(vec![dead.id])).await;
    assert_eq!(batch.resolved, [dead.id]);
    gateway.run_until_idle().await;
    assert_eq!(handler.handled(), ["evt_1"]);

    let original = letter(desk, dead.id).await;
    assert_eq!(original.resolution.as_deref(), Some("replayed"));
    assert_eq!((&*original.state, original.attempts), ("dead", 1), "history is not edited");
    let new = letter(desk, batch.created[0]).await;
    assert_eq!((&*new.state, new.replay_of), ("done", Some(dead.id)));
    assert_eq!(ids(desk, &open()).await, [0; 0]);
    let all = Selection::Matching(Filter { resolved: true, ..Filter::default() });
    assert_eq!(ids(desk, &all).await, [dead.id]);
    assert_eq!(desk.show(new.id).await.unwrap().unwrap().deliveries.len(), 2);

    let [audit] = &gateway.rows("audit_log").await[..] else { panic!("one line") };
    assert_eq!(audit["actor"], "ada");
    assert_eq!(audit["action"], "replay");
    assert_eq!(audit["target"], format!("deliveries {}", dead.id));
    assert_eq!(audit["reason"], "the handler is mended");
    assert_eq!(audit["count"], 1);
}

#[tokio::test]
async fn a_replay_may_come_long_after_the_signature_is_stale_and_its_key_forgotten() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    send(&gateway, "evt_old").await;
    gateway.run_until_idle().await;
    gateway.clock().advance(Duration::from_hours(24 * 60));
    gateway.tidy().await;
    let desk = gateway.desk();
    let dead = ids(desk, &open()).await;
    let preview = desk.show(dead[0]).await.unwrap().unwrap().event.unwrap();
    assert_eq!(preview.seen_count, None, "its key is forgotten");

    handler.mend();
    assert_eq!(replay(desk, &open()).await.resolved, dead);
    gateway.run_until_idle().await;
    assert_eq!(handler.handled(), ["evt_old"]);
}

#[tokio::test]
async fn what_was_quarantined_before_any_handler_goes_to_the_handlers_of_its_source() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let answer = gateway.send("billing", None, b"authentic, but not JSON").await;
    assert_eq!(answer.what(), "quarantined");
    let desk = gateway.desk();
    let [dead] = &desk.list(&open(), 0, 10).await.unwrap()[..] else { panic!("one dead letter") };
    assert_eq!((&*dead.handler, dead.attempts), ("gate", 0));

    handler.mend();
    let batch = replay(desk, &Selection::Ids(vec![dead.id])).await;
    assert_eq!(letter(desk, batch.created[0]).await.handler, "fragile");
    gateway.run_until_idle().await;
    assert_eq!(handler.handled(), ["?"]);
}

#[tokio::test]
async fn the_replay_of_a_blocking_head_goes_before_those_that_wait_behind_it() {
    let handler = Fragile::default();
    let gateway = Gateway::builder()
        .config("name = \"billing\"", "name = \"billing\"\ndead_head = \"block\"")
        .handler(handler.clone())
        .start()
        .await;
    let desk = gateway.desk();
    send(&gateway, "evt_head").await;
    gateway.run_until_idle().await;
    send(&gateway, "evt_fine_1").await;
    send(&gateway, "evt_fine_2").await;
    assert_eq!(gateway.run_until_idle().await, 0, "the head holds its lane");
    let dead = ids(desk, &open()).await;
    assert_eq!(letter(desk, dead[0]).await.waiting, 2);

    // Dead once more: the replay holds the lane in its place, and its replay takes it again.
    let again = replay(desk, &open()).await.created;
    gateway.run_until_idle().await;
    assert_eq!(handler.handled(), [""; 0]);
    assert_eq!(ids(desk, &open()).await, again);
    assert_eq!(letter(desk, again[0]).await.waiting, 2);

    handler.mend();
    replay(desk, &open()).await;
    gateway.run_until_idle().await;
    assert_eq!(handler.handled(), ["evt_head", "evt_fine_1", "evt_fine_2"]);
}

#[tokio::test]
async fn to_discard_a_blocking_head_frees_its_lane_and_is_audited() {
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
    let dead = ids(desk, &open()).await;
    let batch = act(desk, Action::Discard, &open(), false).await;
    assert_eq!((&batch.resolved, batch.created.len()), (&dead, 0));
    gateway.run_until_idle().await;
    assert_eq!(handler.handled(), ["evt_fine"]);
    assert_eq!(letter(desk, dead[0]).await.resolution.as_deref(), Some("discarded"));
    assert_eq!(gateway.rows("audit_log").await[0]["action"], "discard");

    let twice = act(desk, Action::Discard, &Selection::Ids(dead.clone()), false).await;
    assert_eq!(twice.refused, [(dead[0], Refused::Resolved("discarded".into()))]);
    assert_eq!(gateway.rows("audit_log").await.len(), 1, "what was refused is not an act");
}

#[tokio::test]
async fn what_is_done_or_dealt_with_is_replayed_by_force_only() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let desk = gateway.desk();
    send(&gateway, "evt_fine").await;
    send(&gateway, "evt_bad").await;
    gateway.run_until_idle().await;
    let rows = gateway.query("SELECT id FROM deliveries ORDER BY id").await;
    let both: Vec<i64> = rows.iter().map(|row| row["id"].as_i64().unwrap()).collect();
    act(desk, Action::Discard, &Selection::Ids(vec![both[1]]), false).await;

    let refused = replay(desk, &Selection::Ids(both.clone())).await;
    assert_eq!(refused.resolved, [0; 0]);
    let why = [(both[0], Refused::Done), (both[1], Refused::Resolved("discarded".into()))];
    assert_eq!(refused.refused, why);

    handler.mend();
    let forced = act(desk, Action::Replay, &Selection::Ids(both.clone()), true).await;
    assert_eq!(forced.resolved, both);
    gateway.run_until_idle().await;
    assert_eq!(handler.handled(), ["evt_fine", "evt_fine", "evt_bad"]);
    assert_eq!(letter(desk, both[0]).await.resolution, None, "only the dead are resolved");
    let unknown = replay(desk, &Selection::Ids(vec![i64::MAX])).await;
    assert!(unknown.resolved.is_empty() && unknown.refused.is_empty(), "nothing matched");
}

#[tokio::test]
async fn a_selection_keeps_to_source_handler_reason_and_age() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let desk = gateway.desk();
    send(&gateway, "evt_old").await;
    gateway.run_until_idle().await;
    gateway.clock().advance(Duration::from_hours(2));
    gateway.send("billing", None, b"{").await;
    let [old, new] = ids(desk, &open()).await[..] else { panic!("two") };

    let hours = |hours| Some(Duration::from_hours(hours));
    let filter = Filter::default;
    for (filter, expected) in [
        (Filter { source: Some("billing".into()), ..filter() }, vec![old, new]),
        (Filter { source: Some("cards".into()), ..filter() }, vec![]),
        (Filter { handler: Some("gate".into()), ..filter() }, vec![new]),
        (Filter { death_reason: Some(DeathReason::Permanent), ..filter() }, vec![old]),
        (Filter { older_than: hours(1), ..filter() }, vec![old]),
        (Filter { older_than: hours(3), ..filter() }, vec![]),
        (Filter { newer_than: hours(1), ..filter() }, vec![new]),
        (Filter { newer_than: hours(3), ..filter() }, vec![old, new]),
    ] {
        let selection = Selection::Matching(filter);
        assert_eq!(ids(desk, &selection).await, expected, "{selection}");
        assert_eq!(desk.count(&selection).await.unwrap(), expected.len() as u64);
    }
    assert_eq!(desk.list(&open(), 0, 1).await.unwrap()[0].id, old);
    assert_eq!(desk.list(&open(), old, 1).await.unwrap()[0].id, new, "the next page");
}

/// Dead letters without the effort of letting each one die.
async fn bury_copies(gateway: &Gateway, copies: i64) {
    let copy = format!(
        "INSERT INTO deliveries (event_id, source, handler, triggered_by, lane_blocks, state,
                                 created_at, due_at, finished_at, death_reason)
         SELECT event_id, source, handler, 'arrival', false, 'dead', created_at, due_at,
                finished_at, death_reason
           FROM deliveries, generate_series(1, {copies}) WHERE state = 'dead'"
    );
    gateway.execute(&copy).await;
}

async fn next(run: &mut Run<'_>) -> usize {
    run.next().await.unwrap().map_or(0, |batch| batch.resolved.len())
}

#[tokio::test]
async fn a_replay_of_many_that_is_interrupted_goes_on_where_it_was_and_replays_nothing_twice() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let desk = gateway.desk();
    send(&gateway, "evt_many").await;
    gateway.run_until_idle().await;
    bury_copies(&gateway, 1199).await;
    assert_eq!(desk.count(&open()).await.unwrap(), 1200);

    let mut run = desk.run(Action::Replay, &open(), mandate(), false).await.unwrap();
    assert_eq!(next(&mut run).await, 500);
    // The second batch is broken off in the middle: it waits for a row that another holds.
    let held = ids(desk, &open()).await[99];
    let mut other = sql::connect(gateway.target()).await;
    sql::run(&mut other, "BEGIN").await;
    sql::run(&mut other, &format!("SELECT 1 FROM deliveries WHERE id = {held} FOR UPDATE")).await;
    assert!(tokio::time::timeout(Duration::from_millis(300), run.next()).await.is_err());
    drop(run);
    sql::run(&mut other, "ROLLBACK").await;
    assert_eq!(desk.count(&open()).await.unwrap(), 700, "the first batch holds, the second is not");

    let mut run = desk.run(Action::Replay, &open(), mandate(), false).await.unwrap();
    assert_eq!((next(&mut run).await, next(&mut run).await, next(&mut run).await), (500, 200, 0));
    let twice = "SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE replay_of IS NOT NULL
                                       GROUP BY replay_of HAVING count(*) > 1) t";
    assert_eq!(gateway.count(twice).await, 0);
    let replays = "SELECT count(*) FROM deliveries WHERE triggered_by = 'replay'";
    assert_eq!(gateway.count(replays).await, 1200);
    let audited: Vec<Value> = gateway.query("SELECT count FROM audit_log ORDER BY id").await;
    assert_eq!(audited, [json!({"count": 500}), json!({"count": 500}), json!({"count": 200})]);

    handler.mend();
    gateway.run_until_idle().await;
    assert_eq!(handler.calls.load(Ordering::SeqCst), 1201);
}

#[tokio::test]
async fn two_operators_who_replay_the_same_at_once_replay_it_once() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let desk = gateway.desk();
    send(&gateway, "evt_both").await;
    gateway.run_until_idle().await;
    bury_copies(&gateway, 99).await;
    let selection = open();
    let (one, two) = tokio::join!(replay(desk, &selection), replay(desk, &selection));
    assert_eq!(one.resolved.len() + two.resolved.len(), 100);
    assert_eq!(one.created.len() + two.created.len(), 100);
    handler.mend();
    gateway.run_until_idle().await;
    assert_eq!(handler.calls.load(Ordering::SeqCst), 101);
}

#[tokio::test]
async fn a_running_gateway_works_on_a_replay_that_it_hears_of() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let mut listener = gateway.store().listen().await.unwrap();
    send(&gateway, "evt_heard").await;
    gateway.run_until_idle().await;
    handler.mend();
    replay(gateway.desk(), &open()).await;
    listener.recv().await.expect("the announcement");
    gateway.run_until_idle().await;
    assert_eq!(handler.handled(), ["evt_heard"]);
}
