//! Payments that fail late, are refunded, and are disputed.

use serde_json::{Value, json};

use super::{
    CREATED, Event, accept, account, connected, intent, order, payment, row, send_and_handle,
    session,
};
use crate::harness::Gateway;

const PAID_LATER: &str = "checkout.session.async_payment_succeeded";
const FAILED_LATER: &str = "checkout.session.async_payment_failed";
const COMPLETED: &str = "checkout.session.completed";

fn event(id: &str, kind: &str, seconds: u64, object: Value) -> Value {
    Event { id, kind, created: CREATED + seconds, account: "acct_a", object }.json()
}

fn charge(name: &str, refunded: u64) -> Value {
    json!({
        "id": format!("ch_{name}"), "object": "charge", "amount": 12_100,
        "amount_refunded": refunded, "refunded": refunded == 12_100, "currency": "aud",
        "payment_intent": format!("pi_{name}"), "metadata": {},
    })
}

fn dispute(name: &str, status: &str) -> Value {
    json!({
        "id": format!("dp_{name}"), "object": "dispute", "amount": 12_100, "currency": "aud",
        "charge": format!("ch_{name}"), "payment_intent": format!("pi_{name}"),
        "created": CREATED + 300, "reason": "fraudulent", "status": status,
        "evidence_details": { "due_by": CREATED + 900_000, "has_evidence": false },
    })
}

/// A payment by bank debit that is refunded in two parts and also disputed.
fn payment_events(name: &str) -> Vec<(&'static str, u64, Value)> {
    vec![
        (COMPLETED, 0, session(name, name, "unpaid")),
        ("payment_intent.succeeded", 10, intent(name)),
        (PAID_LATER, 10, session(name, name, "paid")),
        ("charge.refunded", 100, charge(name, 5_000)),
        // In the same second, the larger total is the later one.
        ("charge.refunded", 100, charge(name, 12_100)),
        ("charge.dispute.created", 300, dispute(name, "needs_response")),
        ("charge.dispute.closed", 400, dispute(name, "lost")),
    ]
}

#[tokio::test]
async fn payment_is_independent_of_event_order() {
    let gateway = Gateway::start().await;
    for number in 0..30 {
        let name = format!("order_{number}");
        let payment_events = payment_events(&name);
        for (step, index) in order(payment_events.len(), number).into_iter().enumerate() {
            let (kind, seconds, object) = payment_events[index].clone();
            // Repeated with a new id, so that the handler runs again.
            let id = format!("evt_{name}_{step}");
            send_and_handle(&gateway, &[event(&id, kind, seconds, object)]).await;
        }
        let row = payment(&gateway, &name).await.unwrap_or_else(|| panic!("{name} has no row"));
        let expected = json!({
            "status": "paid", "session_id": format!("cs_{name}"), "amount": 12_100,
            "payment_intent_id": format!("pi_{name}"), "currency": "aud", "decimals": 2,
            "amount_refunded": 12_100, "dispute_id": format!("dp_{name}"),
            "dispute_status": "lost", "account": "acct_a",
        });
        for (column, value) in expected.as_object().unwrap() {
            assert_eq!(&row[column], value, "{column} of {name}: {row}");
        }
        assert!(row["paid_at"].as_str().unwrap().starts_with("2025-11-20T00:53:30"), "{row}");
    }
    assert_eq!(gateway.dead_letters().await, []);
    let disputes = gateway.rows("stripe_disputes").await;
    assert_eq!(disputes.len(), 30);
    for dispute in disputes {
        assert_eq!(dispute["reason"], "fraudulent");
        assert_eq!(dispute["amount"], 12_100);
        assert!(dispute["opened_at"].as_str().unwrap().starts_with("2025-11-20T00:58:20"));
        assert!(dispute["closed_at"].as_str().unwrap().starts_with("2025-11-20T01:00:00"));
        assert!(dispute["evidence_due_by"].is_string());
    }
}

#[tokio::test]
async fn concurrent_events_of_one_payment_are_linked() {
    let gateway = Gateway::start().await;
    for number in 0..12 {
        let name = format!("race_{number}");
        for (step, (kind, seconds, object)) in payment_events(&name).into_iter().enumerate() {
            let id = format!("evt_{name}_{step}");
            accept(&gateway, &event(&id, kind, seconds, object)).await;
        }
    }
    gateway.run_to_the_end().await;
    assert_eq!(gateway.dead_letters().await, []);
    for number in 0..12 {
        let row = payment(&gateway, &format!("race_{number}")).await.unwrap();
        assert_eq!(row["status"], "paid", "{row}");
        assert_eq!(row["amount_refunded"], 12_100, "{row}");
        assert_eq!(row["dispute_status"], "lost", "{row}");
    }
}

#[tokio::test]
async fn failed_debit_can_be_paid_by_another_session() {
    let gateway = Gateway::start().await;
    let mut first = session("first", "inv", "unpaid");
    first["created"] = json!(CREATED - 60);
    let mut second = session("second", "inv", "unpaid");
    second["created"] = json!(CREATED + 50);
    let events = [
        (event("evt_1", COMPLETED, 0, first.clone()), "pending", "cs_first"),
        (event("evt_2", COMPLETED, 60, second.clone()), "pending", "cs_second"),
        // The failure of the older session does not affect the newer one.
        (event("evt_3", FAILED_LATER, 500, first.clone()), "pending", "cs_second"),
        (event("evt_4", FAILED_LATER, 600, second.clone()), "failed", "cs_second"),
        (event("evt_5", COMPLETED, 60, second), "failed", "cs_second"),
        (event("evt_6", COMPLETED, 700, session("third", "inv", "paid")), "paid", "cs_third"),
        (event("evt_7", FAILED_LATER, 800, first), "paid", "cs_third"),
    ];
    for (event, status, shown) in events {
        send_and_handle(&gateway, std::slice::from_ref(&event)).await;
        let row = payment(&gateway, "inv").await.unwrap();
        assert_eq!(row["status"], status, "after {event}");
        assert_eq!(row["session_id"], shown, "after {event}");
        assert_eq!(row["paid_at"].is_null(), status != "paid", "after {event}");
    }
}

#[tokio::test]
async fn first_of_two_payments_counts_in_either_order() {
    let gateway = Gateway::start().await;
    let paid = |invoice: &str, which: &str, seconds| {
        let name = format!("{invoice}_{which}");
        let id = format!("evt_{name}");
        event(&id, COMPLETED, seconds, session(&name, invoice, "paid"))
    };
    send_and_handle(&gateway, &[paid("inv_1", "a", 10), paid("inv_1", "b", 20)]).await;
    send_and_handle(&gateway, &[paid("inv_2", "b", 20), paid("inv_2", "a", 10)]).await;
    for invoice in ["inv_1", "inv_2"] {
        let row = payment(&gateway, invoice).await.unwrap();
        assert_eq!(row["session_id"], format!("cs_{invoice}_a"), "{row}");
    }
}

#[tokio::test]
async fn refund_without_a_known_invoice_is_applied_later() {
    let gateway = Gateway::start().await;
    send_and_handle(&gateway, &[event("evt_1", "charge.refunded", 100, charge("early", 5_000))])
        .await;
    let known = row(&gateway, "stripe_charges", "charge_id", "ch_early").await.unwrap();
    assert_eq!(known["amount_refunded"], 5_000);
    assert_eq!(gateway.rows("stripe_payments").await, Vec::<Value>::new());
    send_and_handle(&gateway, &[event("evt_2", COMPLETED, 0, session("early", "inv", "paid"))])
        .await;
    assert_eq!(payment(&gateway, "inv").await.unwrap()["amount_refunded"], 5_000);

    // A failed refund is subtracted from the total.
    send_and_handle(&gateway, &[event("evt_3", "charge.refunded", 200, charge("early", 3_000))])
        .await;
    assert_eq!(payment(&gateway, "inv").await.unwrap()["amount_refunded"], 3_000);
    send_and_handle(&gateway, &[event("evt_4", "charge.refunded", 150, charge("early", 9_000))])
        .await;
    assert_eq!(payment(&gateway, "inv").await.unwrap()["amount_refunded"], 3_000);
}

#[tokio::test]
async fn amounts_keep_their_currency_and_its_decimals() {
    let gateway = Gateway::start().await;
    for (currency, decimals) in [("jpy", 0), ("kwd", 3), ("ugx", 2), ("isk", 2), ("aud", 2)] {
        let mut paid = session(currency, currency, "paid");
        paid["currency"] = json!(currency);
        send_and_handle(&gateway, &[event(&format!("evt_{currency}"), COMPLETED, 0, paid)]).await;
        let row = payment(&gateway, currency).await.unwrap();
        assert_eq!(row["amount"], 12_100, "{row}");
        assert_eq!(row["currency"], currency, "{row}");
        assert_eq!(row["decimals"], decimals, "{row}");
    }
    let mut refund_over_amount = charge("kwd", 12_110);
    refund_over_amount["currency"] = json!("kwd");
    send_and_handle(&gateway, &[event("evt_more", "charge.refunded", 10, refund_over_amount)])
        .await;
    let [(reason, error)] = gateway.dead_letters().await.try_into().unwrap();
    assert_eq!(reason, "schema");
    assert_eq!(error, "12.110 KWD of a charge of 12.100 KWD refunded");
}

#[tokio::test]
async fn other_account_cannot_refund_or_dispute() {
    let gateway = Gateway::start().await;
    let own = [
        event("evt_1", COMPLETED, 0, session("owned", "owned", "paid")),
        event("evt_2", "charge.refunded", 10, charge("owned", 100)),
        event("evt_3", "charge.dispute.created", 20, dispute("owned", "needs_response")),
    ];
    send_and_handle(&gateway, &own).await;
    let before = payment(&gateway, "owned").await;
    assert_eq!(before.as_ref().unwrap()["dispute_status"], "needs_response");

    let mut by_intent = charge("stranger", 12_100);
    by_intent["payment_intent"] = json!("pi_owned");
    let mut by_charge = dispute("stranger", "lost");
    by_charge["charge"] = json!("ch_owned");
    by_charge["payment_intent"] = Value::Null;
    for (id, kind, object) in [
        ("evt_4", "charge.refunded", charge("owned", 12_100)),
        ("evt_5", "charge.refunded", by_intent),
        ("evt_6", "charge.dispute.closed", dispute("owned", "lost")),
        ("evt_7", "charge.dispute.created", by_charge),
        ("evt_8", FAILED_LATER, session("owned", "owned", "unpaid")),
    ] {
        let foreign_event = Event { id, kind, created: CREATED + 50, account: "acct_b", object };
        accept(&gateway, &foreign_event.json()).await;
    }
    gateway.run_until_idle().await;
    let dead = gateway.dead_letters().await;
    assert_eq!(dead.len(), 5, "{dead:?}");
    assert!(dead.iter().all(|(reason, _)| reason == "wrong_account"), "{dead:?}");
    assert_eq!(payment(&gateway, "owned").await, before);
}

#[tokio::test]
async fn refund_or_dispute_field_of_a_wrong_type_is_dead_lettered() {
    let gateway = Gateway::start().await;
    let wrong = [
        ("charge.refunded", "amount_refunded", Value::Null),
        ("charge.refunded", "amount_refunded", json!(-1)),
        ("charge.refunded", "currency", json!("AU")),
        ("charge.dispute.created", "status", json!("Needs response")),
        ("charge.dispute.created", "status", json!("x".repeat(61))),
        ("charge.dispute.created", "charge", Value::Null),
        ("charge.dispute.closed", "created", json!("soon")),
    ];
    for (number, (kind, field, value)) in wrong.iter().enumerate() {
        let refunded = *kind == "charge.refunded";
        let mut object = if refunded { charge("wrong", 1) } else { dispute("wrong", "lost") };
        object[field] = value.clone();
        accept(&gateway, &event(&format!("evt_{number}"), kind, 0, object)).await;
    }
    gateway.run_until_idle().await;
    let dead = gateway.dead_letters().await;
    assert_eq!(dead.len(), wrong.len(), "{dead:?}");
    assert!(dead.iter().all(|(reason, _)| reason == "schema"), "{dead:?}");
    for table in ["stripe_charges", "stripe_disputes", "stripe_objects"] {
        assert_eq!(gateway.rows(table).await, Vec::<Value>::new(), "{table}");
    }
}

#[tokio::test]
async fn unknown_dispute_status_is_stored_and_not_final() {
    let gateway = Gateway::start().await;
    let events = [
        event("evt_1", "charge.dispute.created", 0, dispute("new", "in_arbitration")),
        event("evt_2", "charge.dispute.closed", 0, dispute("new", "won")),
        event("evt_3", "charge.dispute.created", 9, dispute("new", "in_arbitration")),
    ];
    for (event, status) in events.iter().zip(["in_arbitration", "won", "won"]) {
        send_and_handle(&gateway, std::slice::from_ref(event)).await;
        let known = row(&gateway, "stripe_disputes", "dispute_id", "dp_new").await.unwrap();
        assert_eq!(known["status"], status);
    }
}

#[tokio::test]
async fn dispute_and_its_end_alert_once() {
    let gateway = Gateway::start().await;
    let dispute_with = |status: &'static str| dispute("told", status);
    let created = "charge.dispute.created";
    send_and_handle(
        &gateway,
        &[event("evt_1", created, 0, dispute_with("warning_needs_response"))],
    )
    .await;
    let alerts = gateway.rows("alerts").await;
    assert_eq!(
        (&alerts[0]["alert_type"], &alerts[0]["severity"]),
        (&json!("payment_disputed"), &json!(2))
    );
    assert_eq!(
        alerts[0]["text"],
        "121.00 AUD of acct_a disputed, fraudulent: dispute dp_told, warning_needs_response, \
         evidence due by 2025-11-30",
    );
    // The inquiry becomes a dispute: the same alert with a higher severity, raised only once.
    for id in ["evt_2", "evt_3"] {
        send_and_handle(&gateway, &[event(id, created, 10, dispute_with("needs_response"))]).await;
        let alerts = gateway.rows("alerts").await;
        assert_eq!(alerts.len(), 1, "{alerts:?}");
        assert_eq!((&alerts[0]["count"], &alerts[0]["severity"]), (&json!(2), &json!(3)));
    }
    send_and_handle(&gateway, &[event("evt_4", "charge.dispute.closed", 20, dispute_with("lost"))])
        .await;
    let resolved = gateway.query("SELECT text FROM alerts WHERE resolution").await;
    assert_eq!(resolved[0]["text"], "dispute dp_told of 121.00 AUD closed: lost");
    assert_eq!(gateway.count("SELECT count(*) FROM alerts WHERE closed_at IS NULL").await, 0);

    // If its end arrives first, there is no alert.
    let events = [
        event("evt_5", "charge.dispute.closed", 20, dispute("late", "won")),
        event("evt_6", created, 0, dispute("late", "needs_response")),
    ];
    send_and_handle(&gateway, &events).await;
    assert_eq!(gateway.rows("alerts").await.len(), 2);
}

#[tokio::test]
async fn deauthorization_wins_over_an_update_in_the_same_second() {
    let gateway = Gateway::start().await;
    for (name, gone_first) in [("acct_x", true), ("acct_y", false)] {
        let own = |id: &str, kind, object| {
            Event { id, kind, created: CREATED, account: name, object }.json()
        };
        let updated = own(&format!("evt_{name}_9"), "account.updated", account(name, &[]));
        let application = json!({ "id": "ca_1", "object": "application" });
        let gone = own(&format!("evt_{name}_1"), "account.application.deauthorized", application);
        let both = if gone_first { [gone, updated] } else { [updated, gone] };
        send_and_handle(&gateway, &both).await;
        assert_eq!(connected(&gateway, name).await.unwrap()["status"], "not_connected");
    }
}
