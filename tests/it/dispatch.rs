//! Dispatch: order, retries, leases, and effects that commit with the settlement. The body of each
//! event scripts its handler, one step per attempt.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use sealpost::clock::Clock;
use sealpost::dispatch::{Attempt, Failure, Handler};
use sealpost::store::{
    Completed, DeathReason, EffectError, Effects, Outcome, StoreError, StoredEvent, Tx, Write,
};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::harness::database::trusted;
use crate::harness::{Builder, Gateway, sql};
use crate::receive::unique;

/// Runs the steps in the body of the event.
#[derive(Clone)]
struct Scripted {
    calls: Arc<Mutex<Vec<String>>>,
    running: Arc<AtomicUsize>,
    /// Handlers at the step `wait` continue when there is a permit.
    gate: Arc<Semaphore>,
}

impl Scripted {
    fn new() -> Self {
        let gate = Arc::new(Semaphore::new(0));
        Self { calls: Arc::default(), running: Arc::default(), gate }
    }

    /// Takes the calls since the last one of this method: `name#attempt`.
    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }
}

#[async_trait]
impl Handler for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    async fn handle(&self, event: &StoredEvent, attempt: Attempt) -> Result<Effects, Failure> {
        let script: Value = serde_json::from_slice(&event.body).unwrap();
        let name = script["name"].as_str().unwrap().to_owned();
        let steps = script["steps"].as_array().unwrap();
        let step = steps.get(attempt.number as usize - 1).or(steps.last()).unwrap();
        let others = self.running.fetch_add(1, Ordering::SeqCst);
        let mut call = format!("{name}#{}", attempt.number);
        if step.as_str().is_some_and(|step| step.starts_with("alone")) {
            write!(call, " beside {others}").unwrap();
        }
        self.calls.lock().unwrap().push(call);
        let result = self.run_step(step.as_str().unwrap(), name).await;
        self.running.fetch_sub(1, Ordering::SeqCst);
        result
    }
}

impl Scripted {
    async fn run_step(&self, step: &str, name: String) -> Result<Effects, Failure> {
        let mark = |then| Ok(Effects::write(Mark { name: name.clone(), then }));
        match step.split_once(':').unwrap_or((step, "")) {
            ("done" | "alone", _) => Ok(Effects::unchanged()),
            ("fail", _) => Err(Failure::transient("not today")),
            ("after", seconds) => Err(Failure::Transient {
                retry_after: Some(Duration::from_secs(seconds.parse().unwrap())),
                error: "later".into(),
            }),
            ("never", _) => Err(Failure::permanent(DeathReason::Permanent, "not ever")),
            ("panic", _) => panic!("a bug"),
            ("hang", _) => std::future::pending().await,
            ("wait" | "alone-wait", _) => {
                self.gate.acquire().await.unwrap().forget();
                Ok(Effects::unchanged())
            }
            ("mark", _) => mark(Then::Nothing),
            ("mark-reject", _) => mark(Then::Reject),
            ("mark-later", _) => mark(Then::Later),
            ("mark-refused", _) => mark(Then::Refused),
            ("mark-panic", _) => mark(Then::Panic),
            other => panic!("no step {other:?}"),
        }
    }
}

#[derive(Clone, Copy)]
enum Then {
    Nothing,
    Reject,
    Later,
    Refused,
    Panic,
}

/// Writes a row, and then ends in some way.
struct Mark {
    name: String,
    then: Then,
}

#[async_trait]
impl Write for Mark {
    #[allow(clippy::disallowed_methods, reason = "the table is the test's own")]
    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Outcome, EffectError> {
        let insert = trusted("INSERT INTO marks VALUES ($1)");
        sqlx::query(insert).bind(&self.name).execute(tx.connection()).await?;
        match self.then {
            Then::Nothing => Ok(Outcome::Handled),
            Then::Reject => Err(EffectError::Rejected {
                reason: DeathReason::WrongAccount,
                detail: "not yours".into(),
            }),
            Then::Later => Err(EffectError::NotYet {
                detail: "not there yet".into(),
                retry_after: Duration::from_secs(7),
                awaiting: None,
            }),
            Then::Refused => {
                sqlx::query(trusted("SELECT 1 / 0")).execute(tx.connection()).await?;
                Ok(Outcome::Handled)
            }
            Then::Panic => panic!("a bug in an effect"),
        }
    }
}

fn gateway_with(handler: &Scripted) -> Builder {
    Gateway::builder().handler(handler.clone())
}

/// Sends a Stripe event; its lane is its object.
async fn send(gateway: &Gateway, lane: &str, name: &str, steps: &[&str]) {
    let event = json!({
        "id": format!("evt_{}", unique()), "object": "event", "type": "script",
        "created": 1_763_600_000, "livemode": false, "data": { "object": { "id": lane } },
        "name": name, "steps": steps,
    });
    let answer = gateway.send("billing", None, event.to_string().as_bytes()).await;
    assert_eq!((answer.status, answer.body_status()), (202, "accepted"), "{}", answer.text);
}

async fn marks(gateway: &Gateway) -> Vec<Value> {
    let rows = gateway.query("SELECT name FROM marks ORDER BY name").await;
    rows.into_iter().map(|mut row| row["name"].take()).collect()
}

/// Seconds until the only ready delivery is due.
async fn due_in(gateway: &Gateway) -> f64 {
    let rows = gateway.query("SELECT due_at FROM deliveries WHERE state = 'ready'").await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    (instant(&rows[0]["due_at"]) - gateway.clock().now()).as_seconds_f64()
}

fn instant(value: &Value) -> OffsetDateTime {
    let text = value.as_str().unwrap();
    OffsetDateTime::parse(text, &Rfc3339).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Attempts in order: number, result, error.
async fn attempts(gateway: &Gateway) -> Vec<(i64, String, String)> {
    let query = "SELECT number, result, error FROM attempts ORDER BY delivery_id, number";
    let rows = gateway.query(query).await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    rows.iter()
        .map(|row| (row["number"].as_i64().unwrap(), text(&row["result"]), text(&row["error"])))
        .collect()
}

const LATER: Duration = Duration::from_hours(1);

#[tokio::test(flavor = "multi_thread")]
async fn failing_head_blocks_only_its_own_lane() {
    let handler = Scripted::new();
    let gateway = gateway_with(&handler).start().await;
    send(&gateway, "a", "a1", &["fail", "fail", "done"]).await;
    send(&gateway, "a", "a2", &["fail", "done"]).await;
    send(&gateway, "a", "a3", &["done"]).await;
    send(&gateway, "b", "b1", &["done"]).await;
    send(&gateway, "b", "b2", &["done"]).await;
    gateway.run_until_idle().await;
    let mut first = handler.calls();
    first.sort();
    assert_eq!(first, ["a1#1", "b1#1", "b2#1"]);
    for expected in [vec!["a1#2"], vec!["a1#3", "a2#1"], vec!["a2#2", "a3#1"]] {
        gateway.clock().advance(LATER);
        gateway.run_until_idle().await;
        assert_eq!(handler.calls(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_wait_for_memory() {
    let handler = Scripted::new();
    let memory = "\n[dispatch]\nbody_memory = \"100 KiB\"\n";
    let gateway = gateway_with(&handler).more_config(memory).start().await;
    // Steps that are never reached, to make the body large.
    let large = "done".repeat(20 * 1024);
    for name in ["a", "b", "c"] {
        send(&gateway, name, name, &["alone-wait", &large]).await;
    }
    let dispatcher = gateway.dispatcher().clone();
    let running = tokio::spawn(async move { dispatcher.run_until_idle().await });
    let mut calls = Vec::new();
    for _ in 0..3 {
        while handler.calls.lock().unwrap().len() == calls.len() {
            tokio::task::yield_now().await;
        }
        calls.clone_from(&handler.calls.lock().unwrap());
        handler.gate.add_permits(1);
    }
    running.await.unwrap().unwrap();
    calls.sort();
    assert_eq!(calls, ["a#1 beside 0", "b#1 beside 0", "c#1 beside 0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn lane_runs_in_arrival_order() {
    let handler = Scripted::new();
    let gateway = gateway_with(&handler).start().await;
    let names: Vec<String> = (0..100).map(|number| format!("{number:03}")).collect();
    for name in &names {
        send(&gateway, "a", name, &["done"]).await;
    }
    gateway.run_until_idle().await;
    let expected: Vec<String> = names.iter().map(|name| format!("{name}#1")).collect();
    assert_eq!(handler.calls(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_head_unblocks_its_lane() {
    let handler = Scripted::new();
    let gateway = gateway_with(&handler).start().await;
    send(&gateway, "a", "a1", &["never"]).await;
    send(&gateway, "a", "a2", &["done"]).await;
    gateway.run_until_idle().await;
    assert_eq!(handler.calls(), ["a1#1", "a2#1"]);
    assert_eq!(gateway.dead_letters().await, [("permanent".to_owned(), "not ever".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_head_blocks_its_lane_until_resolved_if_configured() {
    let aliases = "aliases = [\"/api/stripe/webhook\"]";
    let blocking = format!("{aliases}\ndead_head = \"block\"");
    let handler = Scripted::new();
    let gateway = gateway_with(&handler).config(aliases, &blocking).start().await;
    for lane in ["a", "b"] {
        send(&gateway, lane, &format!("{lane}1"), &["never"]).await;
        send(&gateway, lane, &format!("{lane}2"), &["done"]).await;
    }
    send(&gateway, "c", "c1", &["done"]).await;
    gateway.run_until_idle().await;
    let mut calls = handler.calls();
    calls.sort();
    assert_eq!(calls, ["a1#1", "b1#1", "c1#1"]);

    let resolve = |lane: &str, how: &str| {
        format!(
            "UPDATE deliveries SET resolution = '{how}', resolved_at = now()
              WHERE lane LIKE '%{lane}' AND state = 'dead'"
        )
    };
    assert_eq!(gateway.execute(&resolve("a", "discarded")).await, 1);
    gateway.run_until_idle().await;
    assert_eq!(handler.calls(), ["a2#1"]);

    // A replay takes the lane position of the original, before the backlog.
    assert_eq!(gateway.execute(&resolve("b", "replayed")).await, 1);
    let replay = "INSERT INTO deliveries (event_id, source, handler, triggered_by, replay_of, lane,
            lane_position, lane_blocks, state, created_at, due_at)
        SELECT event_id, source, handler, 'replay', id, lane, id, lane_blocks, 'ready', created_at,
               due_at
          FROM deliveries WHERE resolution = 'replayed'";
    assert_eq!(gateway.execute(replay).await, 1);
    gateway.run_until_idle().await;
    assert_eq!(handler.calls(), ["b1#1"], "dead again, and blocking again");
    assert_eq!(gateway.execute(&resolve("b", "discarded")).await, 2);
    gateway.run_until_idle().await;
    assert_eq!(handler.calls(), ["b2#1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn late_commit_does_not_run_concurrently_with_its_lane() {
    let handler = Scripted::new();
    let gateway = gateway_with(&handler).start().await;
    send(&gateway, "a", "a1", &["done"]).await;
    send(&gateway, "a", "a2", &["wait"]).await;
    // As if the transaction that inserted the first were still open.
    let first = "(SELECT min(id) FROM deliveries)";
    let hide = format!("UPDATE deliveries SET lane = lane || ' hidden' WHERE id = {first}");
    gateway.execute(&hide).await;
    gateway
        .execute(&format!(
            "UPDATE deliveries SET due_at = due_at + interval '1 day' WHERE id = {first}"
        ))
        .await;
    let stop = CancellationToken::new();
    let (dispatcher, token) = (gateway.dispatcher().clone(), stop.clone());
    let running = tokio::task::spawn(async move { dispatcher.run(&token).await });
    while handler.running.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let show = format!(
        "UPDATE deliveries SET lane = replace(lane, ' hidden', ''), due_at = created_at
          WHERE id = {first}"
    );
    gateway.execute(&show).await;
    let claimed = gateway.claim("billing", 10, LATER).await;
    assert_eq!(claimed.len(), 0, "one delivery of the lane is running");
    handler.gate.add_permits(1);
    stop.cancel();
    running.await.unwrap();
    gateway.run_until_idle().await;
    assert_eq!(handler.calls(), ["a2#1", "a1#1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn backoff_doubles_until_attempts_are_exhausted() {
    let handler = Scripted::new();
    let eight = "\n[dispatch]\nmax_attempts = 8\n";
    let gateway = gateway_with(&handler).more_config(eight).start().await;
    send(&gateway, "a", "a1", &["fail"]).await;
    // Half of the maximum: the jitter of the tests.
    for (number, delay) in [2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0].into_iter().enumerate() {
        gateway.run_until_idle().await;
        assert!((due_in(&gateway).await - delay).abs() < 0.001, "after attempt {}", number + 1);
        gateway.clock().advance(Duration::from_secs_f64(delay - 0.001));
        assert_eq!(gateway.run_until_idle().await, 0, "not due yet");
        gateway.clock().advance(Duration::from_millis(1));
    }
    gateway.run_until_idle().await;
    assert_eq!(gateway.dead_letters().await, [("exhausted".to_owned(), "not today".to_owned())]);
    let attempts = attempts(&gateway).await;
    let numbers: Vec<i64> = attempts.iter().map(|(number, ..)| *number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8]);
    let results: Vec<&str> = attempts.iter().map(|(_, result, _)| result.as_str()).collect();
    assert_eq!(results, ["retry", "retry", "retry", "retry", "retry", "retry", "retry", "dead"]);
    let times = gateway.query("SELECT started_at, finished_at FROM attempts ORDER BY number").await;
    let began: Vec<f64> = times
        .iter()
        .map(|row| (instant(&row["started_at"]) - crate::harness::START).as_seconds_f64())
        .collect();
    assert_eq!(began, [0.0, 2.5, 7.5, 17.5, 37.5, 77.5, 157.5, 317.5]);
    assert!(times.iter().all(|row| instant(&row["finished_at"]) >= instant(&row["started_at"])));
}

#[tokio::test(flavor = "multi_thread")]
async fn requested_retry_delay_is_honored_up_to_an_hour() {
    let handler = Scripted::new();
    let gateway = gateway_with(&handler).start().await;
    send(&gateway, "a", "a1", &["after:60", "after:1", "after:999999", "done"]).await;
    for delay in [60.0, 5.0, 3_600.0] {
        gateway.run_until_idle().await;
        assert!((due_in(&gateway).await - delay).abs() < 0.001, "{delay}");
        gateway.clock().advance(Duration::from_secs_f64(delay));
    }
    gateway.run_until_idle().await;
    assert_eq!(handler.calls(), ["a1#1", "a1#2", "a1#3", "a1#4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn delivery_failing_for_a_day_is_dead_lettered() {
    let handler = Scripted::new();
    let patient = "\n[dispatch]\nmax_attempts = 1000\n";
    let gateway = gateway_with(&handler).more_config(patient).start().await;
    send(&gateway, "a", "a1", &["fail"]).await;
    let mut hours = 0;
    while gateway.dead_letters().await.is_empty() {
        gateway.run_until_idle().await;
        gateway.clock().advance(LATER);
        hours += 1;
    }
    assert_eq!(gateway.dead_letters().await[0].0, "too_old");
    assert!((24..30).contains(&hours), "{hours}");
}

#[tokio::test(flavor = "multi_thread")]
async fn downtime_does_not_count_toward_the_age_limit() {
    let handler = Scripted::new();
    let gateway = gateway_with(&handler).start().await;
    send(&gateway, "a", "a1", &["fail", "fail", "done"]).await;
    // Before the first attempt, and between two of them.
    for _ in 0..2 {
        gateway.clock().advance(Duration::from_hours(100));
        gateway.run_until_idle().await;
        assert_eq!(gateway.dead_letters().await, []);
    }
    gateway.clock().advance(LATER);
    gateway.run_until_idle().await;
    assert_eq!(handler.calls(), ["a1#1", "a1#2", "a1#3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn default_retries_survive_a_two_hour_outage() {
    let handler = Scripted::new();
    let gateway = gateway_with(&handler).start().await;
    let steps: Vec<&str> = std::iter::repeat_n("fail", 11).chain(["done"]).collect();
    send(&gateway, "a", "a1", &steps).await;
    let began = gateway.clock().now();
    while gateway.count("SELECT count(*) FROM deliveries WHERE state = 'ready'").await > 0 {
        gateway.run_until_idle().await;
        gateway.clock().advance(Duration::from_mins(1));
    }
    assert_eq!(gateway.dead_letters().await, []);
    assert!(gateway.clock().now() - began > Duration::from_hours(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn handler_panic_or_timeout_is_one_failed_attempt() {
    let more = "\n[dispatch]\nhandler_deadline = \"1s\"\n";
    let handler = Scripted::new();
    let gateway = gateway_with(&handler).more_config(more).start().await;
    send(&gateway, "a", "a1", &["panic", "hang", "done"]).await;
    send(&gateway, "b", "b1", &["done"]).await;
    for _ in 0..3 {
        gateway.run_until_idle().await;
        gateway.clock().advance(LATER);
    }
    let attempts = attempts(&gateway).await;
    let results: Vec<&str> = attempts.iter().map(|(_, result, _)| result.as_str()).collect();
    assert_eq!(results, ["retry", "retry", "done", "done"]);
    assert!(attempts[0].2.contains("a bug"), "{attempts:?}");
    assert!(attempts[1].2.contains("timed out after 1s"), "{attempts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn panic_in_an_effect_is_a_failed_attempt() {
    let handler = Scripted::new();
    let gateway = gateway_with(&handler).start().await;
    gateway.execute("CREATE TABLE marks (name text NOT NULL)").await;
    send(&gateway, "a", "a1", &["mark-panic", "mark"]).await;
    send(&gateway, "b", "b1", &["mark"]).await;
    gateway.run_until_idle().await;
    assert_eq!(marks(&gateway).await, ["b1"]);
    gateway.clock().advance(LATER);
    gateway.run_until_idle().await;
    assert_eq!(marks(&gateway).await, ["a1", "b1"]);
    let (number, result, error) = attempts(&gateway).await.remove(0);
    assert_eq!((number, result.as_str()), (1, "retry"));
    assert!(error.contains("a bug in an effect"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn delivery_for_a_missing_handler_is_dead_lettered() {
    let handler = Scripted::new();
    let gateway = gateway_with(&handler).start().await;
    send(&gateway, "a", "a1", &["done"]).await;
    gateway.execute("UPDATE deliveries SET handler = 'gone'").await;
    gateway.run_until_idle().await;
    let dead = gateway.dead_letters().await;
    assert_eq!(dead[0].0, "handler_missing");
    assert!(dead[0].1.contains("`gone`"), "{dead:?}");
    assert_eq!(handler.calls(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn effects_commit_atomically_with_the_settlement() {
    let handler = Scripted::new();
    let gateway = gateway_with(&handler).start().await;
    gateway.execute("CREATE TABLE marks (name text NOT NULL)").await;
    send(&gateway, "a", "good", &["mark"]).await;
    send(&gateway, "b", "rejected", &["mark-reject"]).await;
    send(&gateway, "c", "later", &["mark-later", "mark"]).await;
    send(&gateway, "d", "refused", &["mark-refused", "mark"]).await;
    gateway.run_until_idle().await;
    assert_eq!(marks(&gateway).await, ["good"]);
    assert_eq!(
        gateway.dead_letters().await,
        [("wrong_account".to_owned(), "not yours".to_owned())]
    );
    gateway.clock().advance(LATER);
    gateway.run_until_idle().await;
    assert_eq!(marks(&gateway).await, ["good", "later", "refused"]);
    let outcomes = gateway.query("SELECT DISTINCT outcome FROM deliveries WHERE state = 'done'");
    assert_eq!(outcomes.await, [json!({ "outcome": "handled" })]);
}

#[tokio::test(flavor = "multi_thread")]
async fn polling_finds_deliveries_without_notifications() {
    let handler = Scripted::new();
    let first = gateway_with(&handler).start().await;
    // Neither gateway sends or receives notifications.
    let polling = "\n[dispatch]\npoll = \"50ms\"\n";
    let second = gateway_with(&handler).more_config(polling).sharing_database(&first).start().await;
    let stop = CancellationToken::new();
    let (dispatcher, token) = (second.dispatcher().clone(), stop.clone());
    let running = tokio::task::spawn(async move { dispatcher.run(&token).await });
    for number in 0..3 {
        send(&first, "a", &format!("a{number}"), &["done"]).await;
        let done = "SELECT count(*) FROM deliveries WHERE state = 'done'";
        let waited = async {
            while first.count(done).await <= number {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), waited)
            .await
            .expect("polling finds the delivery");
    }
    stop.cancel();
    running.await.unwrap();
}

/// Claims what is due, like a gateway that then crashes, and expires the leases.
async fn claim_and_crash(gateway: &Gateway) -> Vec<sealpost::store::Lease> {
    let leases = gateway.claim("billing", 10, LATER).await;
    let expire = "UPDATE deliveries SET lease_expires_at = clock_timestamp() - interval '1 s'
                   WHERE state = 'leased'";
    assert_eq!(gateway.execute(expire).await, leases.len() as u64);
    leases
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_lease_is_taken_over_and_its_late_result_discarded() {
    let handler = Scripted::new();
    let gateway = gateway_with(&handler).start().await;
    gateway.execute("CREATE TABLE marks (name text NOT NULL)").await;
    send(&gateway, "a", "a1", &["mark"]).await;
    let lost = claim_and_crash(&gateway).await.remove(0);
    gateway.run_until_idle().await;
    assert_eq!(handler.calls(), ["a1#2"], "the lost attempt is counted");
    assert_eq!(marks(&gateway).await, ["a1"]);

    let now = gateway.clock().now();
    let late = Effects::write(Mark { name: "late".into(), then: Then::Nothing });
    let settled = gateway.store().settle_done(&lost, now, now, &late).await;
    let error = settled.expect_err("another gateway has settled it");
    assert!(matches!(error, EffectError::Store(StoreError::LeaseLost(_))), "{error:?}");
    let verdict = sealpost::store::FailureOutcome::DeadLetter(DeathReason::Exhausted);
    let failed = sealpost::store::Failed { error: "late", awaiting: None };
    let dead_lettered = gateway.store().settle_failed(&lost, now, now, verdict, failed).await;
    assert!(matches!(dead_lettered, Err(StoreError::LeaseLost(_))), "{dead_lettered:?}");
    assert_eq!(marks(&gateway).await, ["a1"], "the late write is rolled back");
    let attempts = attempts(&gateway).await;
    let results: Vec<_> =
        attempts.iter().map(|(number, result, _)| (*number, result.as_str())).collect();
    assert_eq!(results, [(1, "lost"), (2, "done")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_settled_together_keep_their_own_outcome_and_lease() {
    let gateway = gateway_with(&Scripted::new()).allow_unfinished().start().await;
    for name in ["a", "b", "c"] {
        send(&gateway, name, name, &["done"]).await;
    }
    // Behind `a`, in its lane.
    send(&gateway, "a", "a2", &["done"]).await;
    let leases = gateway.claim("billing", 10, LATER).await;
    assert_eq!(leases.len(), 3);
    let take_over = format!(
        "UPDATE deliveries SET lease_token = gen_random_uuid() WHERE id = {}",
        leases[1].delivery
    );
    assert_eq!(gateway.execute(&take_over).await, 1);
    assert_eq!(
        gateway.execute("UPDATE deliveries SET parked = 'behind' WHERE state = 'ready'").await,
        1
    );

    let now = gateway.clock().now();
    let effects = [Effects::unchanged(), Effects::unchanged(), Effects::ignored()];
    let completed: Vec<Completed> = leases
        .into_iter()
        .zip(effects)
        .map(|(lease, effects)| Completed { lease, started_at: now, effects })
        .collect();
    let completed: Vec<&Completed> = completed.iter().collect();
    let settled = gateway.store().settle_together(&completed, now).await.unwrap();
    assert_eq!(settled, [Some(Outcome::Unchanged), None, Some(Outcome::Ignored)]);
    let states = "SELECT state || ' ' || coalesce(outcome, '-') || ' ' || coalesce(parked, '-')
                    FROM deliveries ORDER BY id";
    assert_eq!(
        sql::texts(gateway.target(), states).await,
        ["done unchanged -", "leased - -", "done ignored -", "ready - -"],
        "the follower of a settled delivery is queued again",
    );
    assert_eq!(gateway.count("SELECT count(*) FROM attempts WHERE result = 'done'").await, 2);

    let again = gateway.store().settle_together(&completed, now).await.unwrap();
    assert_eq!(again, [None, None, None], "a lease is consumed once");
    assert_eq!(gateway.count("SELECT count(*) FROM attempts").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_settlement_does_not_affect_those_made_with_it() {
    let gateway = gateway_with(&Scripted::new()).allow_unfinished().start().await;
    for number in 0..20 {
        send(&gateway, &format!("n{number}"), &format!("n{number}"), &["done"]).await;
    }
    sql::script(
        gateway.target(),
        "CREATE FUNCTION reject_the_first() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
            IF NEW.result = 'done' AND NEW.delivery_id = (SELECT min(id) FROM deliveries) THEN
                RAISE EXCEPTION 'rejected' USING ERRCODE = '23514';
            END IF;
            RETURN NEW;
         END $$;
         CREATE TRIGGER reject BEFORE INSERT ON attempts
            FOR EACH ROW EXECUTE FUNCTION reject_the_first();",
    )
    .await;
    gateway.run_until_idle().await;
    let states = "SELECT state || ' ' || attempts || ' ' || count(*) FROM deliveries
                   GROUP BY state, attempts ORDER BY 1";
    assert_eq!(sql::texts(gateway.target(), states).await, ["done 1 19", "ready 1 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_with_lost_leases_run_in_isolation() {
    let handler = Scripted::new();
    let gateway = gateway_with(&handler).start().await;
    for name in ["x", "y", "z"] {
        send(&gateway, name, name, &["alone"]).await;
    }
    assert_eq!(claim_and_crash(&gateway).await.len(), 3);
    for number in 0..20 {
        send(&gateway, &format!("n{number}"), &format!("n{number}"), &["done"]).await;
    }
    gateway.run_until_idle().await;
    let calls = handler.calls();
    let alone = |call: &&String| ["x#2", "y#2", "z#2"].iter().any(|name| call.starts_with(name));
    let alone: Vec<&String> = calls.iter().filter(alone).collect();
    assert_eq!(alone.len(), 3, "{calls:?}");
    assert!(alone.iter().all(|call| call.ends_with("beside 0")), "{calls:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn delivery_that_always_loses_its_lease_is_dead_lettered() {
    let handler = Scripted::new();
    let gateway = gateway_with(&handler).start().await;
    send(&gateway, "a", "a1", &["done"]).await;
    send(&gateway, "a", "a2", &["done"]).await;
    claim_and_crash(&gateway).await;
    let recover = async || {
        let (sources, now) = (["billing".to_owned()], gateway.clock().now());
        gateway.store().recover_expired_leases(&sources, &[], now, 8).await.unwrap()
    };
    // A loss outside of isolation does not count: another delivery may have caused it.
    let mut lost = recover().await;
    for _ in 2..=8 {
        assert_eq!((lost.isolated, lost.dead.len()), (1, 0));
        let (sources, now) = (["billing".to_owned()], gateway.clock().now());
        let claim = gateway.store().claim_isolated(&sources, "", now, Duration::ZERO);
        assert!(claim.await.unwrap().expect("an isolated delivery").isolated);
        lost = recover().await;
    }
    assert_eq!((lost.isolated, lost.dead.len()), (0, 1));
    gateway.run_until_idle().await;
    let dead = gateway.dead_letters().await;
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].0, "lease_lost");
    assert!(dead[0].1.contains("lease expired"), "{dead:?}");
    assert_eq!(handler.calls(), ["a2#1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_respect_capacity_and_rotate_sources() {
    let more = "\n[dispatch]\nconcurrency = 1\n";
    let handler = Scripted::new();
    let gateway = gateway_with(&handler).more_config(more).start().await;
    for number in 0..3 {
        send(&gateway, &format!("b{number}"), &format!("b{number}"), &["wait"]).await;
    }
    for source in ["cards", "cards-too"] {
        let mut event = crate::receive::card();
        event["name"] = json!(source);
        event["steps"] = json!(["wait"]);
        let answer = gateway.send(source, Some("create"), event.to_string().as_bytes()).await;
        assert_eq!(answer.body_status(), "accepted", "{}", answer.text);
    }
    let stop = CancellationToken::new();
    let (dispatcher, token) = (gateway.dispatcher().clone(), stop.clone());
    let running = tokio::task::spawn(async move { dispatcher.run(&token).await });
    let mut order = Vec::new();
    for _ in 0..5 {
        while handler.running.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let leased = "SELECT count(*) FROM deliveries WHERE state = 'leased'";
        assert_eq!(gateway.count(leased).await, 1);
        order.extend(handler.calls());
        handler.gate.add_permits(1);
        while order.len() < 5 && handler.calls.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    }
    stop.cancel();
    running.await.unwrap();
    let position = |name: &str| order.iter().position(|call| call == name).unwrap();
    assert!(position("cards#1") < 3 && position("cards-too#1") < 3, "{order:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn flood_at_one_source_delays_others_by_one_batch() {
    let handler = Scripted::new();
    let gateway = gateway_with(&handler).start().await;
    for number in 0..500 {
        send(&gateway, &format!("f{number}"), &format!("f{number}"), &["done"]).await;
    }
    let mut from_other_source = crate::receive::card();
    from_other_source["name"] = json!("late");
    from_other_source["steps"] = json!(["done"]);
    let answer =
        gateway.send("cards", Some("create"), from_other_source.to_string().as_bytes()).await;
    assert_eq!(answer.body_status(), "accepted", "{}", answer.text);
    gateway.dispatcher().step().await.unwrap();
    let calls = handler.calls();
    assert!(calls.contains(&"late#1".to_owned()), "not in the first batch: {calls:?}");
    assert!(calls.len() <= 64, "{}", calls.len());
    gateway.run_until_idle().await;
    assert_eq!(handler.calls().len() + calls.len(), 501);
}

#[tokio::test]
async fn invalid_rows_view_finds_broken_rows() {
    let gateway = Gateway::start().await;
    let card = crate::receive::card().to_string();
    gateway.send("cards", Some("create"), card.as_bytes()).await;
    gateway.run_until_idle().await;
    assert_eq!(gateway.count("SELECT count(*) FROM invalid_rows").await, 0);
    for breaking in [
        "UPDATE deliveries SET lease_token = gen_random_uuid()",
        "UPDATE deliveries SET lease_token = NULL, state = 'lost'",
        "UPDATE deliveries SET state = 'done', triggered_by = 'replay'",
        "UPDATE deliveries SET triggered_by = 'arrival', death_reason = 'permanent'",
    ] {
        assert_eq!(gateway.execute(breaking).await, 1);
        assert_eq!(gateway.count("SELECT count(*) FROM invalid_rows").await, 1, "{breaking}");
    }
    gateway.execute("UPDATE deliveries SET death_reason = NULL").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letter_alerts_are_deduplicated_by_reason() {
    let handler = Scripted::new();
    let gateway = gateway_with(&handler).start().await;
    for lane in ["a", "b", "c"] {
        send(&gateway, lane, lane, &["never"]).await;
    }
    send(&gateway, "d", "d", &["fail", "mark-reject"]).await;
    gateway.execute("CREATE TABLE marks (name text)").await;
    gateway.run_to_the_end().await;
    let query = "SELECT alert_type, source, text, count FROM alerts ORDER BY count DESC";
    let alert = |text: &str, count: i64| json!({ "alert_type": "dead_letter", "source": "billing", "text": text, "count": count });
    assert_eq!(
        gateway.query(query).await,
        [alert("scripted, permanent: not ever", 3), alert("scripted, wrong_account: not yours", 1),]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn delivery_that_waits_too_long_is_dead_lettered_with_its_reason() {
    let handler = Scripted::new();
    let gateway = gateway_with(&handler).start().await;
    gateway.execute("CREATE TABLE marks (name text)").await;
    send(&gateway, "a", "a1", &["mark-later"]).await;
    gateway.run_to_the_end().await;
    let dead = gateway.dead_letters().await;
    assert_eq!(dead, [("precondition_not_met".to_owned(), "not there yet".to_owned())]);
    let attempts = gateway.count("SELECT count(*) FROM attempts").await;
    assert!(attempts > 20, "it is retried until it is too old: {attempts}");
}
