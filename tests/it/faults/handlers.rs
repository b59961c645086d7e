//! Handlers that misbehave: each harms its own delivery at most, and that one comes to an end.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sealpost::dispatch::{Attempt, Failure, Handler};
use sealpost::store::{DeathReason, EffectError, Effects, Outcome, StoredEvent, Tx, Write};
use serde_json::json;
use tokio::sync::Semaphore;

use super::commits::pay;
use super::driver::payment;
use super::ledger::{assert_attempts, expire_leases};
use super::proxy::PATIENCE;
use crate::harness::database::trusted;
use crate::harness::{Builder, Gateway};

/// Does to payment 0 what it is made for, and handles every other.
#[derive(Clone)]
struct Misbehaving {
    how: How,
    /// It has begun.
    begun: Arc<Semaphore>,
    /// It may go on.
    go_on: Arc<Semaphore>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Panics,
    Hangs,
    BlocksItsThread,
    SaysTooMuch,
    /// Its writes come when somebody else has done them.
    IsLate,
}

impl Misbehaving {
    fn that(how: How) -> Self {
        let semaphore = || Arc::new(Semaphore::new(0));
        Self { how, begun: semaphore(), go_on: semaphore() }
    }

    async fn has_begun(&self) {
        let begun = tokio::time::timeout(PATIENCE, self.begun.acquire()).await;
        begun.expect("the handler begins").unwrap().forget();
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
        self.begun.add_permits(1);
        match self.how {
            How::Panics => panic!("this handler panics"),
            How::Hangs => std::future::pending().await,
            How::BlocksItsThread => {
                // Not the asynchronous way.
                while self.go_on.try_acquire().is_err() {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Ok(effects)
            }
            How::SaysTooMuch => Err(Failure::transient("\0é".repeat(8 << 20))),
            How::IsLate if attempt.number == 1 => {
                self.go_on.acquire().await.unwrap().forget();
                Ok(effects)
            }
            How::IsLate => Ok(effects),
        }
    }
}

/// An effect that shows when it happens twice.
struct Note(String);

#[async_trait]
impl Write for Note {
    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Outcome, EffectError> {
        let insert = trusted(&format!("INSERT INTO noted VALUES ('{}')", self.0));
        sqlx::query(insert).execute(tx.connection()).await?;
        Ok(Outcome::Handled)
    }
}

fn with(handler: &Misbehaving) -> Builder {
    let deadline = match handler.how {
        How::Hangs | How::BlocksItsThread => "300ms",
        How::Panics | How::SaysTooMuch | How::IsLate => "20s",
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

/// A gateway with this handler that has accepted payments 0, 1 and 2.
async fn busy(handler: &Misbehaving) -> Gateway {
    let gateway = with(handler).start().await;
    gateway.execute("CREATE TABLE noted (event text NOT NULL)").await;
    for number in 0..3 {
        assert_eq!(pay(&gateway, number).await, 202);
    }
    gateway
}

/// Payment 0 is a dead letter after three attempts that each ended like this; the others are done.
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
async fn a_handler_that_panics_fails_its_attempt_and_no_other() {
    let gateway = busy(&Misbehaving::that(How::Panics)).await;
    assert_dead_after_three(
        &gateway,
        DeathReason::Panicked,
        "the handler panicked: this handler panics",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_hangs_fails_its_attempt_at_the_deadline() {
    let gateway = busy(&Misbehaving::that(How::Hangs)).await;
    assert_dead_after_three(&gateway, DeathReason::Exhausted, "the handler timed out after 300ms")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_text_of_many_megabytes_with_nuls_is_cut_and_stored() {
    let gateway = busy(&Misbehaving::that(How::SaysTooMuch)).await;
    assert_dead_after_three(&gateway, DeathReason::Exhausted, "\u{fffd}é\u{fffd}é").await;
    let longest = "SELECT max(octet_length(error))::bigint FROM attempts";
    assert!(gateway.count(longest).await <= 8 * 1024);
    let longest = "SELECT max(octet_length(last_error))::bigint FROM deliveries";
    assert!(gateway.count(longest).await <= 8 * 1024);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_blocks_its_thread_does_not_hold_up_the_intake() {
    let handler = Misbehaving::that(How::BlocksItsThread);
    let gateway = busy(&handler).await;
    let intake = async {
        handler.has_begun().await;
        for number in 3..20 {
            assert_eq!(pay(&gateway, number).await, 202);
        }
        assert_eq!(gateway.operator("/readyz").await.status, 200);
    };
    let (worked, ()) = tokio::join!(gateway.dispatcher().step(), intake);
    assert!(worked.unwrap() >= 3);
    let failed = gateway.query("SELECT error FROM attempts WHERE result = 'retry'").await;
    assert_eq!(failed, [json!({ "error": "the handler timed out after 300ms" })]);
    // From now on it does come back.
    handler.go_on.add_permits(100);
    gateway.run_to_the_end().await;
    assert_eq!(gateway.count("SELECT count(*) FROM noted").await, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_kills_its_gateway_every_time_becomes_a_dead_letter_alone() {
    let handler = Misbehaving::that(How::Hangs);
    let gateway = busy(&handler).await;
    let sources = ["billing".to_owned()];
    let (now, lease) = (sealpost::clock::Clock::now(gateway.clock()), Duration::from_mins(1));
    // Each gateway that claims it dies with it, as does whatever else it holds at the time.
    let claimed = gateway.claim("billing", 3, lease).await;
    assert_eq!(claimed.len(), 3);
    let mut lost = Vec::new();
    for _ in 0..3 {
        expire_leases(gateway.target()).await;
        lost.push(gateway.store().recover_expired_leases(&sources, &[], now, 3).await.unwrap());
        let isolated = gateway.store().claim_isolated(&sources, "", now, lease).await.unwrap();
        let isolated = isolated.expect("one is run alone");
        if lost.len() < 3 {
            assert!(isolated.isolated && isolated.delivery == claimed[0].delivery, "{isolated:?}");
        }
    }
    let counts: Vec<_> = lost.iter().map(|lost| (lost.isolated, lost.buried.len())).collect();
    assert_eq!(counts, [(3, 0), (1, 0), (0, 1)]);
    expire_leases(gateway.target()).await;
    gateway.run_to_the_end().await;
    let [(reason, error)] = gateway.dead_letters().await.try_into().unwrap();
    assert_eq!(reason, DeathReason::LeaseLost.as_str());
    assert!(error.contains("lease expired without a result"), "{error}");
    // The two others were lost with it, and are done all the same.
    let lost = "SELECT count(*) FROM attempts WHERE result = 'lost'";
    assert_eq!(gateway.count(lost).await, 6);
    let done = "SELECT count(*) FROM deliveries WHERE state = 'done'";
    assert_eq!(gateway.count(done).await, 2);
    assert_eq!(gateway.count("SELECT count(*) FROM noted").await, 2);
    assert_attempts(gateway.target()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_comes_after_the_lease_was_taken_over_is_not_applied() {
    let handler = Misbehaving::that(How::IsLate);
    let slow = with(&handler).start().await;
    slow.execute("CREATE TABLE noted (event text NOT NULL)").await;
    let quick = with(&handler).beside(&slow).start().await;
    let body = payment(0).to_string();
    assert_eq!(slow.send("billing", None, body.as_bytes()).await.status, 202);
    let take_over = async {
        handler.has_begun().await;
        expire_leases(slow.target()).await;
        assert_eq!(quick.run_until_idle().await, 1);
        handler.go_on.add_permits(1);
    };
    let (worked, ()) = tokio::join!(slow.dispatcher().step(), take_over);
    assert_eq!(worked.unwrap(), 1);
    assert_eq!(slow.count("SELECT count(*) FROM noted").await, 1);
    let attempts = slow.query("SELECT number, result FROM attempts ORDER BY number").await;
    let expected =
        [json!({ "number": 1, "result": "lost" }), json!({ "number": 2, "result": "done" })];
    assert_eq!(attempts, expected);
    assert_attempts(slow.target()).await;
}
