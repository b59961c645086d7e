//! Misbehaving handlers: each fails only its own delivery, which becomes a dead letter.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sealpost::dispatch::{Attempt, Failure, Handler};
use sealpost::store::{DeathReason, EffectError, Effects, Outcome, StoredEvent, Tx, Write};
use serde_json::json;
use tokio::sync::Semaphore;

use super::assertions::{assert_attempts, expire_leases};
use super::commits::pay;
use super::driver::payment;
use super::proxy::PATIENCE;
use crate::harness::database::trusted;
use crate::harness::{Builder, Gateway};

/// Misbehaves for payment 0, and handles every other.
#[derive(Clone)]
struct Misbehaving {
    how: How,
    started: Arc<Semaphore>,
    resume: Arc<Semaphore>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Panics,
    Hangs,
    BlocksThread,
    HugeError,
    /// Its first attempt ends after the lease was taken over.
    IsLate,
}

impl Misbehaving {
    fn new(how: How) -> Self {
        let semaphore = || Arc::new(Semaphore::new(0));
        Self { how, started: semaphore(), resume: semaphore() }
    }

    async fn wait_for_start(&self) {
        let started = tokio::time::timeout(PATIENCE, self.started.acquire()).await;
        started.expect("the handler begins").unwrap().forget();
    }
}

#[async_trait]
impl Handler for Misbehaving {
    fn name(&self) -> &'static str {
        "misbehaving"
    }

    async fn handle(&self, event: &StoredEvent, attempt: Attempt) -> Result<Effects, Failure> {
        let effects = Effects::write(Note(event.id.to_string()));
        if !event.body.windows(7).any(|part| part == b"\"evt_0\"") {
            return Ok(effects);
        }
        self.started.add_permits(1);
        match self.how {
            How::Panics => panic!("this handler panics"),
            How::Hangs => std::future::pending().await,
            How::BlocksThread => {
                // Blocks on purpose.
                while self.resume.try_acquire().is_err() {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Ok(effects)
            }
            How::HugeError => Err(Failure::transient("\0é".repeat(8 << 20))),
            How::IsLate if attempt.number == 1 => {
                self.resume.acquire().await.unwrap().forget();
                Ok(effects)
            }
            How::IsLate => Ok(effects),
        }
    }
}

/// An effect that is visible if it happens twice.
struct Note(String);

#[async_trait]
impl Write for Note {
    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Outcome, EffectError> {
        let insert = trusted(&format!("INSERT INTO noted VALUES ('{}')", self.0));
        sqlx::query(insert).execute(tx.connection()).await?;
        Ok(Outcome::Handled)
    }
}

fn gateway_with(handler: &Misbehaving) -> Builder {
    let deadline = match handler.how {
        How::Hangs | How::BlocksThread => "300ms",
        How::Panics | How::HugeError | How::IsLate => "20s",
    };
    let limits = format!(
        "[dispatch]\nmax_attempts = 3\nhandler_deadline = \"{deadline}\"\nlease = \"30s\"\n\n"
    );
    Gateway::builder()
        .config(
            "[[source]]\nname = \"cards\"\n",
            &format!("{limits}[[source]]\nname = \"cards\"\n"),
        )
        .handler(handler.clone())
}

/// A gateway with the handler, which has accepted payments 0, 1 and 2.
async fn start_with_payments(handler: &Misbehaving) -> Gateway {
    let gateway = gateway_with(handler).start().await;
    gateway.execute("CREATE TABLE noted (event text NOT NULL)").await;
    for number in 0..3 {
        assert_eq!(pay(&gateway, number).await, 202);
    }
    gateway
}

/// Asserts that payment 0 is dead after three attempts with this error, and the others are done.
async fn assert_dead_after_three(gateway: &Gateway, reason: DeathReason, ended: &str) {
    gateway.run_to_the_end().await;
    let [(died_of, error)] = gateway.dead_letters().await.try_into().unwrap();
    assert_eq!(died_of, reason.as_str());
    assert!(error.contains(ended), "{error}");
    let attempts =
        gateway.query("SELECT result, error FROM attempts WHERE error IS NOT NULL").await;
    assert_eq!(attempts.len(), 3);
    for attempt in attempts {
        assert!(attempt["error"].as_str().unwrap().contains(ended), "{attempt}");
    }
    assert_others_unharmed(gateway).await;
}

async fn assert_others_unharmed(gateway: &Gateway) {
    let done = gateway.query("SELECT attempts FROM deliveries WHERE state = 'done'").await;
    assert_eq!(done, [json!({ "attempts": 1 }), json!({ "attempts": 1 })]);
    assert_eq!(gateway.count("SELECT count(*) FROM noted").await, 2);
    assert_attempts(gateway.target()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn panicking_handler_fails_only_its_own_attempt() {
    let gateway = start_with_payments(&Misbehaving::new(How::Panics)).await;
    assert_dead_after_three(
        &gateway,
        DeathReason::Panicked,
        "the handler panicked: this handler panics",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hanging_handler_fails_at_the_deadline() {
    let gateway = start_with_payments(&Misbehaving::new(How::Hangs)).await;
    assert_dead_after_three(&gateway, DeathReason::Exhausted, "the handler timed out after 300ms")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn huge_error_text_is_truncated_and_stored() {
    let gateway = start_with_payments(&Misbehaving::new(How::HugeError)).await;
    assert_dead_after_three(&gateway, DeathReason::Exhausted, "\u{fffd}é\u{fffd}é").await;
    let longest = "SELECT max(octet_length(error))::bigint FROM attempts";
    assert!(gateway.count(longest).await <= 8 * 1024);
    let longest = "SELECT max(octet_length(last_error))::bigint FROM deliveries";
    assert!(gateway.count(longest).await <= 8 * 1024);
}

#[tokio::test(flavor = "multi_thread")]
async fn handler_blocking_its_thread_does_not_delay_ingest() {
    let handler = Misbehaving::new(How::BlocksThread);
    let gateway = start_with_payments(&handler).await;
    let ingest = async {
        handler.wait_for_start().await;
        for number in 3..20 {
            assert_eq!(pay(&gateway, number).await, 202);
        }
        assert_eq!(gateway.operator("/readyz").await.status, 200);
    };
    let (ran, ()) = tokio::join!(gateway.dispatcher().step(), ingest);
    assert!(ran.unwrap() >= 3);
    let failed = gateway.query("SELECT error FROM attempts WHERE result = 'retry'").await;
    assert_eq!(failed, [json!({ "error": "the handler timed out after 300ms" })]);
    // From now on the handler returns.
    handler.resume.add_permits(100);
    gateway.run_to_the_end().await;
    assert_eq!(gateway.count("SELECT count(*) FROM noted").await, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_event_that_kills_gateways_is_dead_lettered() {
    let handler = Misbehaving::new(How::Hangs);
    let gateway = start_with_payments(&handler).await;
    let sources = ["billing".to_owned()];
    let (now, lease) = (sealpost::clock::Clock::now(gateway.clock()), Duration::from_mins(1));
    // Each gateway that claims it crashes, and loses its other leases too.
    let claimed = gateway.claim("billing", 3, lease).await;
    assert_eq!(claimed.len(), 3);
    let mut lost = Vec::new();
    for _ in 0..3 {
        expire_leases(gateway.target()).await;
        lost.push(gateway.store().recover_expired_leases(&sources, &[], now, 3).await.unwrap());
        let isolated = gateway.store().claim_isolated(&sources, "", now, lease).await.unwrap();
        let isolated = isolated.expect("an isolated delivery");
        if lost.len() < 3 {
            assert!(isolated.isolated && isolated.delivery == claimed[0].delivery, "{isolated:?}");
        }
    }
    let counts: Vec<_> = lost.iter().map(|lost| (lost.isolated, lost.dead.len())).collect();
    assert_eq!(counts, [(3, 0), (1, 0), (0, 1)]);
    expire_leases(gateway.target()).await;
    gateway.run_to_the_end().await;
    let [(reason, error)] = gateway.dead_letters().await.try_into().unwrap();
    assert_eq!(reason, DeathReason::LeaseLost.as_str());
    assert!(error.contains("lease expired without a result"), "{error}");
    // The two other deliveries were lost with it, and are done.
    let lost = "SELECT count(*) FROM attempts WHERE result = 'lost'";
    assert_eq!(gateway.count(lost).await, 6);
    let done = "SELECT count(*) FROM deliveries WHERE state = 'done'";
    assert_eq!(gateway.count(done).await, 2);
    assert_eq!(gateway.count("SELECT count(*) FROM noted").await, 2);
    assert_attempts(gateway.target()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn result_after_a_lease_takeover_is_discarded() {
    let handler = Misbehaving::new(How::IsLate);
    let slow = gateway_with(&handler).start().await;
    slow.execute("CREATE TABLE noted (event text NOT NULL)").await;
    let quick = gateway_with(&handler).sharing_database(&slow).start().await;
    let body = payment(0).to_string();
    assert_eq!(slow.send("billing", None, body.as_bytes()).await.status, 202);
    let take_over = async {
        handler.wait_for_start().await;
        expire_leases(slow.target()).await;
        assert_eq!(quick.run_until_idle().await, 1);
        handler.resume.add_permits(1);
    };
    let (ran, ()) = tokio::join!(slow.dispatcher().step(), take_over);
    assert_eq!(ran.unwrap(), 1);
    assert_eq!(slow.count("SELECT count(*) FROM noted").await, 1);
    let attempts = slow.query("SELECT number, result FROM attempts ORDER BY number").await;
    let expected =
        [json!({ "number": 1, "result": "lost" }), json!({ "number": 2, "result": "done" })];
    assert_eq!(attempts, expected);
    assert_attempts(slow.target()).await;
}
