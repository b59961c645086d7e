//! Deduplication by signed content, per tenant and source.

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
use super::{Bench, RequestOutcome, card, event, value, with};
use crate::harness::{Gateway, sql};

#[tokio::test(flavor = "multi_thread")]
async fn fifty_identical_concurrent_requests_are_one_event() {
    let gateway = Gateway::builder().allow_unfinished().start().await;
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
        let requests = wires.into_iter().map(|mut wire| {
            let bytes = bytes.clone();
            async move {
                wire.write(&bytes).await;
                wire.answer().await.expect("an answer")
            }
        });
        let answers = futures_util::future::join_all(requests).await;
        let fresh = answers.iter().filter(|answer| answer.status == 202).count();
        let duplicates = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!((fresh, duplicates), (1, 49), "{source}");
        let ids: HashSet<String> = answers
            .iter()
            .map(|answer| {
                let json: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
                json["id"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(ids.len(), 1, "{source}: all responses have the same event id");
        let query = format!("SELECT count(*) FROM events WHERE source = '{source}'");
        assert_eq!(gateway.count(&query).await, 1);
        let query = format!("SELECT count(*) FROM deliveries WHERE source = '{source}'");
        assert_eq!(gateway.count(&query).await, 1);
    }
    assert_eq!(gateway.count("SELECT sum(seen_count)::bigint FROM event_keys").await, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn key_committed_by_another_gateway_meanwhile_is_a_duplicate() {
    let gateway = Gateway::builder().allow_unfinished().start().await;
    let taken = event();
    let body = taken.to_string();
    let id = EventKey::Signed(taken["id"].as_str().unwrap().into());
    let key = KeyDigest::of("default", "billing", &id).as_uuid();
    let first = "01890000-0000-7000-8000-000000000001";
    let mut other = sql::connect(gateway.target()).await;
    sql::run(&mut other, "BEGIN").await;
    let taken = format!(
        "INSERT INTO event_keys (key, event_id, last_seen_at, expires_at)
         VALUES ('{key}', '{first}', now(), now() + interval '1 day')"
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
    assert_eq!((answer.body_status(), answer.id()), ("duplicate", first));
    assert_eq!(gateway.count("SELECT count(*) FROM events").await, 0);
    assert_eq!(gateway.count("SELECT seen_count::bigint FROM event_keys").await, 2);
    // Later requests are still recognised, after duplicates and after new events.
    let new = [event().to_string(), event().to_string(), event().to_string()];
    for (number, expected) in [(0, "accepted"), (1, "accepted"), (1, "duplicate"), (2, "accepted")]
    {
        assert_eq!(
            gateway.send("billing", None, new[number].as_bytes()).await.body_status(),
            expected
        );
    }
    assert_eq!(gateway.count("SELECT count(*) FROM events").await, 3);
    assert_eq!(gateway.count("SELECT count(*) FROM deliveries").await, 3);
}

#[tokio::test]
async fn forged_request_does_not_claim_the_dedup_key() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let body = event().to_string().into_bytes();
    let signed = gateway.sign("billing", &body, &[]);
    let forged = with(&signed, "stripe-signature", {
        let (time, _) = value(&signed, "stripe-signature").split_once(',').unwrap();
        format!("{time},v1={}", "0".repeat(64))
    });
    let mismatch = RequestOutcome::Unauthorized("sig_mismatch");
    let sent = gateway.send_raw("billing", None, &forged, &body);
    bench.check("forged", "stripe", mismatch, sent).await;
    let sent = gateway.send_raw("billing", None, &signed, &body);
    bench.check("the real one", "stripe", RequestOutcome::Accepted, sent).await;
    let sent = gateway.send_raw("billing", None, &forged, &body);
    bench.check("forged again", "stripe", mismatch, sent).await;
    bench.finish().await;
}

#[tokio::test]
async fn same_id_at_another_source_or_tenant_is_a_new_event() {
    let more = "\n[[source]]\nname = \"billing-too\"\nprovider = \"stripe\"\n\
                secrets = [{ env = \"BILLING_SECRET\" }]\noptions = { livemode = false }\n\
                [[source]]\nname = \"billing-there\"\nprovider = \"stripe\"\ntenant = \"other\"\n\
                secrets = [{ env = \"APP_SECRET\" }]\noptions = { livemode = false }\n";
    let bench = Bench::with(Gateway::builder().more_config(more)).await;
    let gateway = &bench.gateway;
    let body = event().to_string().into_bytes();
    for source in ["billing", "billing-too", "billing-there"] {
        let signed = gateway.sign(source, &body, &[]);
        for outcome in [RequestOutcome::Accepted, RequestOutcome::Duplicate] {
            let sent = gateway.send_raw(source, None, &signed, &body);
            bench.check(source, "stripe", outcome, sent).await;
        }
    }
    let tenants =
        "SELECT count(DISTINCT (tenant, source)) FROM events WHERE event_type LIKE 'invoice%'";
    assert_eq!(gateway.count(tenants).await, 3);
    bench.finish().await;
}

#[tokio::test]
async fn resigned_or_changed_body_with_a_known_id_is_a_duplicate() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let now = gateway.clock().now().unix_timestamp();
    let mut first = event();
    let bytes = first.to_string();
    for (what, outcome, at) in [
        ("first", RequestOutcome::Accepted, now),
        ("sent again", RequestOutcome::Duplicate, now + 30),
    ] {
        let headers = gateway.sign_at("billing", bytes.as_bytes(), &[], at);
        let sent = gateway.send_raw("billing", None, &headers, bytes.as_bytes());
        bench.check(what, "stripe", outcome, sent).await;
    }
    first["pending_webhooks"] = json!(3);
    let bytes = first.to_string();
    let sent = gateway.send("billing", None, bytes.as_bytes());
    bench.check("the same id", "stripe", RequestOutcome::Differs, sent).await;

    let body = card().to_string().into_bytes();
    for (what, action, outcome) in [
        ("create", "create", RequestOutcome::Accepted),
        ("the same as an update", "update", RequestOutcome::Duplicate),
        ("the same as a deletion", "delete", RequestOutcome::Quarantined("action_mismatch")),
    ] {
        let headers = gateway.sign_at("cards", &body, &[], now + 60);
        let sent = gateway.send_raw("cards", Some(action), &headers, &body);
        bench.check(what, "docora", outcome, sent).await;
    }
    bench.finish().await;
}

struct AlwaysFails(Arc<AtomicUsize>);

#[async_trait]
impl Handler for AlwaysFails {
    fn name(&self) -> &'static str {
        "stubborn"
    }

    async fn handle(&self, _: &StoredEvent, _: Attempt) -> Result<Effects, Failure> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Err(Failure::permanent(DeathReason::Permanent, "never"))
    }
}

#[tokio::test]
async fn duplicate_of_a_dead_letter_does_not_rerun_it() {
    let calls = Arc::new(AtomicUsize::new(0));
    let gateway = Gateway::builder().handler(AlwaysFails(Arc::clone(&calls))).start().await;
    let body = event().to_string().into_bytes();
    let first = gateway.send("billing", None, &body).await;
    gateway.run_until_idle().await;
    assert_eq!(gateway.dead_letters().await.len(), 1);
    let again = gateway.send("billing", None, &body).await;
    assert_eq!((again.status, again.body_status(), again.id()), (200, "duplicate", first.id()));
    gateway.run_until_idle().await;
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    assert_eq!(gateway.dead_letters().await.len(), 1);
    assert_eq!(gateway.rows("event_keys").await[0]["seen_count"], 2);
}

#[tokio::test]
async fn dedup_key_expires_after_its_retention() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let body = event().to_string().into_bytes();
    bench
        .check("first", "stripe", RequestOutcome::Accepted, gateway.send("billing", None, &body))
        .await;
    gateway.clock().advance(std::time::Duration::from_hours(24 * 29));
    gateway.run_maintenance().await;
    bench
        .check("soon", "stripe", RequestOutcome::Duplicate, gateway.send("billing", None, &body))
        .await;
    gateway.clock().advance(std::time::Duration::from_hours(24 * 2));
    gateway.run_maintenance().await;
    let answer = gateway.send("billing", None, &body).await;
    assert_eq!(answer.status, 202, "after 31 days it is new");
    bench.finish().await;
}
