//! What an erasure leaves of an event, table by table.

use bytes::Bytes;
use sealpost::admin::SelectBy;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{by, dry_run, erase, event, everything, field, tables_with};
use crate::dead_letters::ada;
use crate::destinations::receiver::{Receiver, Reply};
use crate::destinations::sending_to;
use crate::docora::content::{png, put_bytes};
use crate::docora::objects::stored;
use crate::docora::{put, sync_failed};
use crate::harness::Gateway;
use crate::rejected_requests::{KEEP_REJECTED, PLAIN, send_rejected, wait_for_rejected};
use crate::{apify, bot, chunks};

/// Stands for personal data.
const CANARY: &str = "canaryperson";

fn subscription(customer: &str) -> Value {
    json!({
        "id": "evt_sub", "object": "event", "type": "customer.subscription.created",
        "created": 1_763_600_000, "livemode": false, "account": "acct_a",
        "data": { "object": {
            "id": "sub_1", "object": "subscription", "customer": customer, "status": "active",
            "cancel_at": null, "cancel_at_period_end": false, "canceled_at": null,
            "ended_at": null,
            "items": { "object": "list", "data": [{
                "id": "si_1", "object": "subscription_item", "quantity": 1,
                "current_period_end": 1_763_700_000,
                "price": { "id": "price_1", "object": "price", "product": "prod_1" },
            }] },
        } },
    })
}

/// Sends an event, handles it, and returns its id.
async fn sent(gateway: &Gateway, source: &str, body: &Value) -> String {
    let answer = gateway.send(source, None, body.to_string().as_bytes()).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    gateway.run_until_idle().await;
    answer.id().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_tenant_is_left_in_any_table() {
    let gateway = Gateway::builder().config(PLAIN, KEEP_REJECTED).start().await;
    sent(&gateway, "billing", &subscription(CANARY)).await;
    let posted = json!({ "event": "post.submitted", "text": CANARY });
    bot::send(&gateway, &[], posted.to_string().as_bytes()).await;
    put(&gateway, "create", &format!("cards/{CANARY}.md"), &format!("# {CANARY}"), 0).await;
    put(&gateway, "create", "README.md", CANARY, 0).await;
    put_bytes(&gateway, &format!("img/{CANARY}.png"), &png(2, 1, 1), 0).await;
    gateway.run_until_idle().await;
    sync_failed(&gateway, CANARY, 10).await;
    apify::register(&gateway, None).await;
    let failed = json!({
        "eventType": "ACTOR.RUN.FAILED", "resource": { "id": "r1" },
        "eventData": { "actorId": CANARY, "actorRunId": "r1" },
    });
    apify::send(&gateway, "apify-runs", &[], failed.to_string().as_bytes()).await;
    // A repeated field becomes a dead letter whose error names it.
    let twice = format!(r#"{{"id":"evt_2","{CANARY}":1,"{CANARY}":2}}"#);
    gateway.send("billing", None, twice.as_bytes()).await;
    let transfer = chunks::Transfer::of(3);
    let mut chunk = transfer.chunk(0);
    chunk["file"]["path"] = json!(format!("texts/{CANARY}.bin"));
    gateway.send("cards", Some("create"), chunk.to_string().as_bytes()).await;
    send_rejected(&gateway, &json!({ "id": CANARY }).to_string()).await;
    wait_for_rejected(&gateway, 1).await;
    gateway.run_until_idle().await;
    gateway.raise_alarms().await;
    gateway.groups().list(&ada(), &Default::default(), None, 10).await.unwrap();
    let before = tables_with(&gateway, CANARY).await;
    for table in [
        "alerts",
        "apify_runs",
        "bot_events",
        "chunk_transfers",
        "deliveries",
        "docora_cards",
        "docora_files",
        "docora_objects",
        "docora_repositories",
        "events",
        "stripe_subscriptions",
    ] {
        assert!(before.iter().any(|found| found == table), "{table} is not in {before:?}");
    }
    assert_eq!(gateway.count("SELECT count(*) FROM rejected_requests").await, 1);

    let tenant = by(SelectBy::Tenant("default".into()));
    let result = super::try_erase(&gateway, &super::dora(), &tenant, true).await.unwrap();
    assert_eq!((result.transfers, result.rejected_requests, result.refused), (1, 1, 0));
    assert!(result.events >= 7 && result.derived_rows >= 10, "{result:?}");
    assert_eq!(result.objects, 1, "the image");
    // Maintenance removes the object, and then its entry.
    for _ in 0..3 {
        gateway.clock().advance(std::time::Duration::from_mins(11));
        gateway.run_maintenance().await;
    }
    gateway.flush_stats().await;
    assert_eq!(tables_with(&gateway, CANARY).await, [""; 0]);
    assert!(stored(gateway.objects()).await.is_empty());
    let derived = "SELECT (SELECT count(*) FROM docora_files) + (SELECT count(*) FROM docora_cards)
                        + (SELECT count(*) FROM stripe_subscriptions)
                        + (SELECT count(*) FROM bot_events) + (SELECT count(*) FROM apify_runs)";
    assert_eq!(gateway.count(derived).await, 0);
}

#[tokio::test]
async fn derived_rows_go_with_their_event_and_the_skeleton_stays() {
    let gateway = Gateway::start().await;
    let body = subscription(CANARY);
    let id = sent(&gateway, "billing", &body).await;
    let other = json!({ "event": "post.submitted", "text": "other" });
    bot::send(&gateway, &[], other.to_string().as_bytes()).await;
    gateway.run_until_idle().await;
    let skeleton = format!(
        "SELECT id, tenant, source, provider, event_type, strength, secret, received_at, key, xact
           FROM events WHERE id = '{id}'"
    );
    let before = gateway.query(&skeleton).await;

    let result = erase(&gateway, &field(&format!("/data/object/customer={CANARY}"))).await;
    assert_eq!((result.events, result.deliveries, result.derived_rows), (1, 1, 3));
    assert_eq!(result.sample.len(), 1);
    assert_eq!(tables_with(&gateway, CANARY).await, [""; 0]);
    assert_eq!(gateway.rows("stripe_subscription_items").await, [Value::Null; 0]);
    assert_eq!(gateway.rows("bot_events").await.len(), 1, "of another event");
    assert_eq!(gateway.query(&skeleton).await, before);
    let erased = gateway
        .query(&format!(
            "SELECT erased_by, erased_reason, encode(body_digest, 'hex') AS digest, headers
               FROM events WHERE id = '{id}'"
        ))
        .await;
    let digest = hex::encode(Sha256::digest(body.to_string()));
    assert_eq!(erased[0]["erased_by"], "dora");
    assert_eq!(erased[0]["erased_reason"], super::REASON);
    assert_eq!(erased[0]["digest"], digest);

    // A duplicate is still recognized.
    let again = gateway.send("billing", None, body.to_string().as_bytes()).await;
    assert_eq!((again.status, again.body_status(), again.id()), (200, "duplicate", &*id));
    gateway.run_until_idle().await;
    assert_eq!(tables_with(&gateway, CANARY).await, [""; 0]);
    assert!(erase(&gateway, &event(&id)).await.is_empty(), "nothing is left to erase");
}

#[tokio::test]
async fn what_a_destination_responded_goes_also_if_it_is_written_later() {
    let receiver = Receiver::start(|_, _| Reply::status(400).body(CANARY.as_bytes())).await;
    let gateway = sending_to(&receiver, "").start().await;
    let body = json!({
        "id": "evt_1", "object": "event", "type": "invoice.paid", "created": 1_763_600_000,
        "livemode": false, "data": { "object": { "id": CANARY } },
    });
    let id = sent(&gateway, "billing", &body).await;
    gateway.run_to_the_end().await;
    gateway.flush_stats().await;
    gateway.groups().list(&ada(), &Default::default(), None, 10).await.unwrap();
    let before = tables_with(&gateway, CANARY).await;
    for table in ["alerts", "attempts", "deliveries", "destination_responses", "destinations"] {
        assert!(before.iter().any(|found| found == table), "{table} is not in {before:?}");
    }
    let result = super::try_erase(&gateway, &super::dora(), &event(&id), true).await.unwrap();
    assert_eq!((result.events, result.discarded), (1, 1), "the open dead letter");
    gateway.flush_stats().await;
    assert_eq!(tables_with(&gateway, CANARY).await, [""; 0]);
    let group = gateway.query("SELECT total, message FROM dead_letter_groups").await;
    assert_eq!(group, [json!({ "total": 1, "message": "" })]);
    let states = "SELECT state, death_reason, resolution FROM deliveries WHERE state = 'dead'";
    let states = gateway.query(states).await;
    assert_eq!(states[0]["resolution"], "discarded");
}

#[tokio::test]
async fn edited_copies_are_erased_with_their_original() {
    let handler = crate::dead_letters::Fragile::default();
    let gateway = crate::dead_letters::gateway(&handler).await;
    let (original, dead) = crate::dead_letters::make_dead_letter(&gateway, CANARY).await;
    let edited = Bytes::from(crate::dead_letters::event(&format!("evt_fine_{CANARY}")));
    let service = gateway.dead_letter_service();
    service.edit(&ada(), dead, &edited, crate::dead_letters::WHY).await.unwrap();
    gateway.run_until_idle().await;
    let result = erase(&gateway, &event(&original)).await;
    assert_eq!((result.events, result.deliveries), (2, 2));
    assert_eq!(tables_with(&gateway, CANARY).await, [""; 0]);
}

#[tokio::test]
async fn dry_run_changes_nothing_and_counts_what_an_erasure_does() {
    let gateway = Gateway::start().await;
    sent(&gateway, "billing", &subscription(CANARY)).await;
    let selection = field(&format!("/data/object/customer={CANARY}"));
    let before = everything(&gateway).await;
    let planned = dry_run(&gateway, &selection).await;
    assert!(planned.dry_run && planned.events == 1);
    assert_eq!(everything(&gateway).await, before);
    let erased = erase(&gateway, &selection).await;
    assert_eq!(sealpost::admin::ErasureResult { dry_run: true, ..erased }, planned);
}

#[tokio::test]
async fn an_object_of_another_account_is_not_erased() {
    let gateway = Gateway::start().await;
    sent(&gateway, "billing", &subscription(CANARY)).await;
    let mut foreign = subscription("cus_2");
    foreign["account"] = json!("acct_b");
    foreign["id"] = json!("evt_foreign");
    let id = sent(&gateway, "billing", &foreign).await;
    let result = super::try_erase(&gateway, &super::dora(), &event(&id), true).await.unwrap();
    assert_eq!((result.events, result.derived_rows), (1, 0));
    assert_eq!(gateway.rows("stripe_subscriptions").await.len(), 1);
}
