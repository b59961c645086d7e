//! Subscriptions and invoices of Stripe.

use serde_json::{Value, json};

use super::{CREATED, Event, accept, order, row, send_and_handle};
use crate::harness::Gateway;

fn event(id: &str, kind: &str, seconds: u64, object: Value) -> Value {
    Event { id, kind, created: CREATED + seconds, account: "acct_a", object }.json()
}

/// In API versions since 2025-03-31, the period is in the items.
fn subscription(name: &str, status: &str, period_end: u64) -> Value {
    json!({
        "id": format!("sub_{name}"), "object": "subscription", "customer": "cus_1",
        "status": status, "cancel_at": null, "cancel_at_period_end": false, "canceled_at": null,
        "ended_at": null,
        "items": { "object": "list", "data": [{
            "id": format!("si_{name}"), "object": "subscription_item", "quantity": 3,
            "current_period_end": period_end,
            "price": { "id": "price_pro", "object": "price", "product": "prod_pro" },
        }] },
    })
}

fn invoice(name: &str, status: &str, attempts: u64) -> Value {
    let paid = status == "paid";
    json!({
        "id": format!("in_{name}"), "object": "invoice", "customer": "cus_1", "status": status,
        "amount_due": 4_900, "amount_paid": if paid { 4_900 } else { 0 }, "currency": "aud",
        "billing_reason": "subscription_cycle", "attempt_count": attempts,
        "next_payment_attempt": if paid { Value::Null } else { json!(CREATED + 90_000) },
        "parent": { "type": "subscription_details",
                    "subscription_details": { "subscription": "sub_1" } },
        "status_transitions": { "paid_at": if paid { json!(CREATED + 299) } else { Value::Null } },
    })
}

#[tokio::test]
async fn subscription_is_independent_of_event_order() {
    let gateway = Gateway::start().await;
    for number in 0..24 {
        let name = format!("order_{number}");
        let renewed = CREATED + 5_000_000;
        let mut events = vec![
            ("customer.subscription.created", 0, subscription(&name, "incomplete", CREATED)),
            // In the same second, with unordered ids.
            ("customer.subscription.updated", 0, subscription(&name, "active", CREATED)),
            ("customer.subscription.updated", 100, subscription(&name, "past_due", renewed)),
            ("customer.subscription.updated", 200, subscription(&name, "active", renewed)),
        ];
        let ends = number % 2 == 0;
        if ends {
            let mut gone = subscription(&name, "canceled", renewed);
            gone["ended_at"] = json!(CREATED + 300);
            gone["canceled_at"] = json!(CREATED + 300);
            events.push(("customer.subscription.deleted", 300, gone));
        }
        for (step, index) in order(events.len(), number).into_iter().enumerate() {
            let (kind, seconds, object) = events[index].clone();
            let id = format!("evt_{name}_{step}");
            send_and_handle(&gateway, &[event(&id, kind, seconds, object)]).await;
        }
        let id = format!("sub_{name}");
        let row = row(&gateway, "stripe_subscriptions", "subscription_id", &id).await.unwrap();
        assert_eq!(row["status"], if ends { "canceled" } else { "active" }, "{row}");
        assert_eq!(row["ended_at"].is_null(), !ends, "{row}");
        assert!(row["current_period_end"].as_str().unwrap().starts_with("2026-01-16"), "{row}");
        assert_eq!(row["customer_id"], "cus_1");
        assert_eq!(row["account"], "acct_a");
    }
    assert_eq!(gateway.dead_letters().await, []);
    let items = gateway.rows("stripe_subscription_items").await;
    assert_eq!(items.len(), 24);
    assert!(items.iter().all(|item| item["price_id"] == "price_pro"
        && item["product_id"] == "prod_pro"
        && item["quantity"] == 3));
}

#[tokio::test]
async fn fields_moved_between_api_versions_are_read() {
    let gateway = Gateway::start().await;
    let end = CREATED + 1_000;
    let mut old = subscription("old", "active", 0);
    old["current_period_end"] = json!(end);
    old["cancel_at_period_end"] = json!(true);
    old["items"]["data"][0] = json!({
        "id": "si_old", "object": "subscription_item", "plan": { "id": "plan_old" },
    });
    let mut new = subscription("new", "active", end);
    new["cancel_at"] = json!(end);
    let mut second = new["items"]["data"][0].clone();
    second["id"] = json!("si_later");
    second["current_period_end"] = json!(end + 500);
    new["items"]["data"].as_array_mut().unwrap().push(second);
    let mut invoiced = invoice("old", "paid", 1);
    invoiced["subscription"] = json!("sub_old");
    invoiced.as_object_mut().unwrap().remove("parent");
    send_and_handle(
        &gateway,
        &[
            event("evt_1", "customer.subscription.updated", 0, old),
            event("evt_2", "customer.subscription.updated", 0, new),
            event("evt_3", "invoice.paid", 0, invoiced),
        ],
    )
    .await;
    for id in ["sub_old", "sub_new"] {
        let row = row(&gateway, "stripe_subscriptions", "subscription_id", id).await.unwrap();
        assert!(row["current_period_end"].as_str().unwrap().starts_with("2025-11-20T01:10:00"));
        assert_eq!(row["cancel_at"], row["current_period_end"], "{row}");
    }
    let old = row(&gateway, "stripe_subscription_items", "item_id", "si_old").await.unwrap();
    assert_eq!(old["price_id"], "plan_old");
    assert_eq!(old["quantity"], Value::Null);
    let row = row(&gateway, "stripe_invoices", "invoice_id", "in_old").await.unwrap();
    assert_eq!(row["subscription_id"], "sub_old");
}

#[tokio::test]
async fn subscription_items_are_of_the_newest_event() {
    let gateway = Gateway::start().await;
    let mut more = subscription("1", "active", CREATED);
    more["items"]["data"][0]["price"]["id"] = json!("price_team");
    let mut seat = more["items"]["data"][0].clone();
    seat["id"] = json!("si_seat");
    seat["quantity"] = json!(12);
    more["items"]["data"].as_array_mut().unwrap().push(seat);
    let kind = "customer.subscription.updated";
    let first = event("evt_1", kind, 0, subscription("1", "active", CREATED));
    send_and_handle(&gateway, &[first, event("evt_2", kind, 10, more)]).await;
    let items = gateway.rows("stripe_subscription_items").await;
    assert_eq!(items.len(), 2, "{items:?}");
    assert!(items.iter().all(|item| item["price_id"] == "price_team"), "{items:?}");

    send_and_handle(&gateway, &[event("evt_3", kind, 20, subscription("1", "active", CREATED))])
        .await;
    let items = gateway.rows("stripe_subscription_items").await;
    assert_eq!(items.len(), 1, "{items:?}");
    assert_eq!(items[0]["price_id"], "price_pro");
}

#[tokio::test]
async fn invoice_is_independent_of_event_order() {
    let gateway = Gateway::start().await;
    for number in 0..12 {
        let name = format!("order_{number}");
        let events = [
            ("invoice.payment_failed", 100, invoice(&name, "open", 1)),
            ("invoice.payment_failed", 200, invoice(&name, "open", 2)),
            ("invoice.paid", 300, invoice(&name, "paid", 3)),
        ];
        for (step, index) in order(events.len(), number).into_iter().enumerate() {
            let (kind, seconds, object) = events[index].clone();
            let id = format!("evt_{name}_{step}");
            send_and_handle(&gateway, &[event(&id, kind, seconds, object)]).await;
        }
        let id = format!("in_{name}");
        let row = row(&gateway, "stripe_invoices", "invoice_id", &id).await.unwrap();
        let expected = json!({
            "status": "paid", "amount_due": 4_900, "amount_paid": 4_900, "currency": "aud",
            "decimals": 2, "attempt_count": 3, "next_attempt_at": null, "customer_id": "cus_1",
            "subscription_id": "sub_1", "billing_reason": "subscription_cycle",
        });
        for (column, value) in expected.as_object().unwrap() {
            assert_eq!(&row[column], value, "{column} of {name}: {row}");
        }
        assert!(row["last_failed_at"].as_str().unwrap().starts_with("2025-11-20T00:56:40"));
        assert!(row["paid_at"].as_str().unwrap().starts_with("2025-11-20T00:58:19"));
    }
    assert_eq!(gateway.dead_letters().await, []);
}

#[tokio::test]
async fn other_account_cannot_change_subscription_or_invoice() {
    let gateway = Gateway::start().await;
    let own = [
        event("evt_1", "customer.subscription.created", 0, subscription("1", "active", CREATED)),
        event("evt_2", "invoice.payment_failed", 0, invoice("1", "open", 1)),
    ];
    send_and_handle(&gateway, &own).await;
    let tables = ["stripe_subscriptions", "stripe_invoices", "stripe_objects"];
    let mut before = Vec::new();
    for table in tables {
        before.push(gateway.rows(table).await);
    }
    for (id, kind, object) in [
        ("evt_3", "customer.subscription.deleted", subscription("1", "canceled", CREATED)),
        ("evt_4", "invoice.paid", invoice("1", "paid", 2)),
        // Its own invoice, for a subscription of another account.
        ("evt_5", "invoice.paid", invoice("2", "paid", 2)),
    ] {
        let foreign_event = Event { id, kind, created: CREATED + 50, account: "acct_b", object };
        accept(&gateway, &foreign_event.json()).await;
    }
    gateway.run_until_idle().await;
    let dead = gateway.dead_letters().await;
    assert_eq!(dead.len(), 3, "{dead:?}");
    assert!(dead.iter().all(|(reason, _)| reason == "wrong_account"), "{dead:?}");
    for (table, before) in tables.into_iter().zip(before) {
        assert_eq!(gateway.rows(table).await, before, "{table}");
    }
}

#[tokio::test]
async fn subscription_is_found_by_the_reference_of_its_checkout() {
    let gateway = Gateway::start().await;
    let session = |name: &str| {
        json!({
            "id": format!("cs_{name}"), "object": "checkout.session", "mode": "subscription",
            "payment_status": "paid", "payment_intent": null, "amount_total": 4_900,
            "currency": "aud", "subscription": format!("sub_{name}"), "customer": "cus_1",
            "client_reference_id": "reference", "metadata": { "agency_id": "agency_7" },
        })
    };
    let mut plain = session("plain");
    plain["metadata"] = json!({});
    let mut nobody = session("nobody");
    nobody["metadata"] = json!({ "agency_id": "" });
    nobody["client_reference_id"] = Value::Null;
    let kind = "checkout.session.completed";
    let events = [("named", session("named")), ("plain", plain), ("nobody", nobody)];
    for (id, object) in events {
        send_and_handle(&gateway, &[event(&format!("evt_{id}"), kind, 0, object)]).await;
    }
    let rows = gateway.rows("stripe_subscribers").await;
    assert_eq!(rows.len(), 2, "{rows:?}");
    for (id, reference) in [("sub_named", "agency_7"), ("sub_plain", "reference")] {
        let row = row(&gateway, "stripe_subscribers", "subscription_id", id).await.unwrap();
        assert_eq!(row["reference"], reference, "{row}");
        assert_eq!(row["customer_id"], "cus_1", "{row}");
    }
    let object = session("named");
    let foreign_event = Event { id: "evt_b", kind, created: CREATED, account: "acct_b", object };
    accept(&gateway, &foreign_event.json()).await;
    gateway.run_until_idle().await;
    assert_eq!(gateway.dead_letters().await[0].0, "wrong_account");
}

#[tokio::test]
async fn malformed_subscription_or_invoice_is_dead_lettered() {
    let gateway = Gateway::start().await;
    let wrong = [
        ("customer.subscription.updated", "status", json!(7)),
        ("customer.subscription.updated", "status", json!("")),
        ("customer.subscription.updated", "customer", Value::Null),
        ("customer.subscription.updated", "items", json!({ "data": [{ "id": "si_1" }] })),
        ("customer.subscription.updated", "cancel_at", json!("soon")),
        ("invoice.paid", "amount_due", Value::Null),
        ("invoice.paid", "amount_paid", json!("4900")),
        ("invoice.paid", "currency", json!("AUD")),
        ("invoice.paid", "attempt_count", json!(1.5)),
    ];
    for (number, (kind, field, value)) in wrong.iter().enumerate() {
        let of_invoice = *kind == "invoice.paid";
        let mut object = if of_invoice {
            invoice("wrong", "paid", 1)
        } else {
            subscription("wrong", "active", CREATED)
        };
        object[field] = value.clone();
        accept(&gateway, &event(&format!("evt_{number}"), kind, 0, object)).await;
    }
    gateway.run_until_idle().await;
    let dead = gateway.dead_letters().await;
    assert_eq!(dead.len(), wrong.len(), "{dead:?}");
    assert!(dead.iter().all(|(reason, _)| reason == "schema"), "{dead:?}");
    assert_eq!(gateway.rows("stripe_objects").await, Vec::<Value>::new());
}
