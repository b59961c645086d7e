//! The same thing again: recognised by what was signed, per tenant and source.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use sealpost::clock::Clock;
use sealpost::dispatch::{Attempt, Failure, Handler};
use sealpost::store::{DeathReason, Effects, KeyDigest, StoredEvent};
use sealpost::verify::EventKey;
use serde_json::json;

use super::raw::{Wire, request};
use super::{Bench, DeliveryOutcome, card, event, value, with};
use crate::harness::{Gateway, sql};

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_identical_requests_at_once_one_is_the_event() {
    let gateway = Gateway::builder().leaves_work().start().await;
    for (source, path, body) in [
        ("billing", "/hooks/billing", event().to_string()),
        ("cards", "/hooks/cards/create", card().to_string()),
    ] {
        let headers = gateway.sign(source, body.as_bytes(), &[]);
        let bytes = request(path, &headers, body.as_bytes());
        let mut wires = Vec::new();
        for _ in 0..50 {
            wires.push(Wire::open(gateway.address()).await);
        }
        let asked = wires.into_iter().map(|mut wire| {
            let bytes = bytes.clone();
            async move {
                wire.write(&bytes).await;
                wire.answer().await.expect("an answer")
            }
        });
        let answers = futures_util::future::join_all(asked).await;
        let fresh = answers.iter().filter(|answer| answer.status == 202).count();
        let seen = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!((fresh, seen), (1, 49), "{source}");
        let ids: HashSet<String> = answers
            .iter()
            .map(|answer| {
                let json: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
                json["id"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(ids.len(), 1, "{source}: everyone is told the same event");
        let query = format!("SELECT count(*) FROM events WHERE source = '{source}'");
        assert_eq!(gateway.count(&query).await, 1);
        let query = format!("SELECT count(*) FROM deliveries WHERE source = '{source}'");
        assert_eq!(gateway.count(&query).await, 1);
    }
    assert_eq!(gateway.count("SELECT sum(seen_count)::bigint FROM event_keys").await, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_another_gateway_commits_while_the_group_waits_for_it_is_a_repetition() {
    let gateway = Gateway::builder().leaves_work().start().await;
    let taken = event();
    let body = taken.to_string();
    let id = EventKey::Signed(taken["id"].as_str().unwrap().into());
    let key = hex::encode(KeyDigest::of("default", "billing", &id).as_bytes());
    let first = "01890000-0000-7000-8000-000000000001";
    let mut other = sql::connect(gateway.target()).await;
    sql::run(&mut other, "BEGIN").await;
    let taken = format!(
        "INSERT INTO event_keys (key, event_id, last_seen_at, expires_at)
         VALUES (decode('{key}', 'hex'), '{first}', now(), now() + interval '1 day')"
    );
    sql::run(&mut other, &taken).await;

    let (answer, ()) = tokio::join!(gateway.send("billing", None, body.as_bytes()), async {
        let waiting = "SELECT count(*) FROM pg_stat_activity
                        WHERE wait_event = 'transactionid' AND datname = current_database()";
        while gateway.count(waiting).await == 0 {
            tokio::task::yield_now().await;
        }
        sql::run(&mut other, "COMMIT").await;
    });
    assert_eq!((answer.what(), answer.id()), ("duplicate", first));
    assert_eq!(gateway.count("SELECT count(*) FROM events").await, 0);
    assert_eq!(gateway.count("SELECT seen_count::bigint FROM event_keys").await, 2);
    // After a repetition, and after what is new again, by either statement.
    let new = [event().to_string(), event().to_string(), event().to_string()];
    for (number, expected) in [(0, "accepted"), (1, "accepted"), (1, "duplicate"), (2, "accepted")]
    {
        assert_eq!(gateway.send("billing", None, new[number].as_bytes()).await.what(), expected);
    }
    assert_eq!(gateway.count("SELECT count(*) FROM events").await, 3);
    assert_eq!(gateway.count("SELECT count(*) FROM deliveries").await, 3);
}

#[tokio::test]
async fn what_is_not_signed_takes_no_name_away() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let body = event().to_string().into_bytes();
    let signed = gateway.sign("billing", &body, &[]);
    let forged = with(&signed, "stripe-signature", {
        let (time, _) = value(&signed, "stripe-signature").split_once(',').unwrap();
        format!("{time},v1={}", "0".repeat(64))
    });
    let mismatch = DeliveryOutcome::Unauthorized("sig_mismatch");
    let sent = gateway.send_raw("billing", None, &forged, &body);
    bench.check("forged", "stripe", mismatch, sent).await;
    let sent = gateway.send_raw("billing", None, &signed, &body);
    bench.check("the real one", "stripe", DeliveryOutcome::Accepted, sent).await;
    let sent = gateway.send_raw("billing", None, &forged, &body);
    bench.check("forged again", "stripe", mismatch, sent).await;
    bench.finish().await;
}

#[tokio::test]
async fn the_same_id_at_another_source_or_tenant_is_another_event() {
    let more = "\n[[source]]\nname = \"billing-too\"\nprovider = \"stripe\"\n\
                secrets = [{ env = \"BILLING_SECRET\" }]\noptions = { livemode = false }\n\
                [[source]]\nname = \"billing-there\"\nprovider = \"stripe\"\ntenant = \"other\"\n\
                secrets = [{ env = \"APP_SECRET\" }]\noptions = { livemode = false }\n";
    let bench = Bench::with(Gateway::builder().more_config(more)).await;
    let gateway = &bench.gateway;
    let body = event().to_string().into_bytes();
    for source in ["billing", "billing-too", "billing-there"] {
        let signed = gateway.sign(source, &body, &[]);
        for fate in [DeliveryOutcome::Accepted, DeliveryOutcome::Duplicate] {
            let sent = gateway.send_raw(source, None, &signed, &body);
            bench.check(source, "stripe", fate, sent).await;
        }
    }
    let tenants =
        "SELECT count(DISTINCT (tenant, source)) FROM events WHERE event_type LIKE 'invoice%'";
    assert_eq!(gateway.count(tenants).await, 3);
    bench.finish().await;
}

#[tokio::test]
async fn a_new_time_and_signature_make_no_new_event_and_other_bytes_do_not_either_under_one_id() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let now = gateway.clock().now().unix_timestamp();
    let mut first = event();
    let bytes = first.to_string();
    for (what, fate, at) in [
        ("first", DeliveryOutcome::Accepted, now),
        ("sent again", DeliveryOutcome::Duplicate, now + 30),
    ] {
        let headers = gateway.sign_at("billing", bytes.as_bytes(), &[], at);
        let sent = gateway.send_raw("billing", None, &headers, bytes.as_bytes());
        bench.check(what, "stripe", fate, sent).await;
    }
    first["pending_webhooks"] = json!(3);
    let bytes = first.to_string();
    let sent = gateway.send("billing", None, bytes.as_bytes());
    bench.check("the same id", "stripe", DeliveryOutcome::Differs, sent).await;

    let body = card().to_string().into_bytes();
    for (what, action, fate) in [
        ("create", "create", DeliveryOutcome::Accepted),
        ("the same as an update", "update", DeliveryOutcome::Duplicate),
        ("the same as a deletion", "delete", DeliveryOutcome::Quarantined("action_mismatch")),
    ] {
        let headers = gateway.sign_at("cards", &body, &[], now + 60);
        let sent = gateway.send_raw("cards", Some(action), &headers, &body);
        bench.check(what, "docora", fate, sent).await;
    }
    bench.finish().await;
}

struct Stubborn(Arc<AtomicUsize>);

#[async_trait]
impl Handler for Stubborn {
    fn name(&self) -> &'static str {
        "stubborn"
    }

    async fn handle(&self, _: &StoredEvent, _: Attempt) -> Result<Effects, Failure> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Err(Failure::permanent(DeathReason::Permanent, "never"))
    }
}

#[tokio::test]
async fn what_is_dead_stays_dead_when_it_arrives_again() {
    let calls = Arc::new(AtomicUsize::new(0));
    let gateway = Gateway::builder().handler(Stubborn(Arc::clone(&calls))).start().await;
    let body = event().to_string().into_bytes();
    let first = gateway.send("billing", None, &body).await;
    gateway.run_until_idle().await;
    assert_eq!(gateway.dead_letters().await.len(), 1);
    let again = gateway.send("billing", None, &body).await;
    assert_eq!((again.status, again.what(), again.id()), (200, "duplicate", first.id()));
    gateway.run_until_idle().await;
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    assert_eq!(gateway.dead_letters().await.len(), 1);
    assert_eq!(gateway.rows("event_keys").await[0]["seen_count"], 2);
}

#[tokio::test]
async fn a_key_is_forgotten_only_after_its_time() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let body = event().to_string().into_bytes();
    bench
        .check("first", "stripe", DeliveryOutcome::Accepted, gateway.send("billing", None, &body))
        .await;
    gateway.clock().advance(std::time::Duration::from_hours(24 * 29));
    gateway.tidy().await;
    bench
        .check("soon", "stripe", DeliveryOutcome::Duplicate, gateway.send("billing", None, &body))
        .await;
    gateway.clock().advance(std::time::Duration::from_hours(24 * 2));
    gateway.tidy().await;
    let answer = gateway.send("billing", None, &body).await;
    assert_eq!(answer.status, 202, "after 31 days it is news");
    bench.finish().await;
}
