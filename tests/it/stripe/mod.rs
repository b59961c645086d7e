//! Stripe events become payments and connected accounts: duplicates, events out of order, and
//! events of accounts that do not own the object.

mod billing;
mod payments;
mod stub;
mod thin;
mod webkit;

use serde_json::{Value, json};

use crate::harness::Gateway;

/// 2025-11-20T00:53:20Z.
const CREATED: u64 = 1_763_600_000;

struct Event<'a> {
    id: &'a str,
    kind: &'a str,
    created: u64,
    account: &'a str,
    object: Value,
}

impl Event<'_> {
    fn json(&self) -> Value {
        json!({
            "id": self.id, "object": "event", "type": self.kind, "created": self.created,
            "livemode": false, "account": self.account, "data": { "object": self.object },
        })
    }
}

fn session(name: &str, invoice: &str, payment_status: &str) -> Value {
    json!({
        "id": format!("cs_{name}"), "object": "checkout.session", "payment_status": payment_status,
        "payment_intent": format!("pi_{name}"), "amount_total": 12_100, "currency": "aud",
        "metadata": { "invoice_id": invoice },
    })
}

/// The intent of a payment link: only the session has the invoice id.
fn intent(name: &str) -> Value {
    json!({
        "id": format!("pi_{name}"), "object": "payment_intent", "amount_received": 12_100,
        "currency": "aud", "metadata": {},
    })
}

fn account(id: &str, due: &[&str]) -> Value {
    json!({
        "id": id, "object": "account", "details_submitted": true, "payouts_enabled": true,
        "charges_enabled": true,
        "requirements": { "currently_due": due, "disabled_reason": null },
    })
}

async fn accept(gateway: &Gateway, event: &Value) {
    let answer = gateway.send("billing", None, event.to_string().as_bytes()).await;
    assert_eq!(answer.status, 202, "{event}");
    assert_eq!(answer.json["status"], "accepted", "{event}");
}

/// Sends events one by one, and handles each before the next.
async fn send_and_handle(gateway: &Gateway, events: &[Value]) {
    for event in events {
        accept(gateway, event).await;
        gateway.run_until_idle().await;
    }
}

/// A pseudorandom order of `count` indices, with two of them repeated.
fn order(count: usize, number: u64) -> Vec<usize> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(state >> 33).unwrap() % below
    };
    let mut places: Vec<usize> = (0..count).collect();
    places.push(next(count));
    places.push(next(count));
    for last in (1..places.len()).rev() {
        places.swap(last, next(last + 1));
    }
    places
}

/// The row of `table` whose `column` is `id`.
async fn row(gateway: &Gateway, table: &str, column: &str, id: &str) -> Option<Value> {
    let rows = gateway.rows(table).await;
    rows.into_iter().find(|row| row[column] == id)
}

async fn payment(gateway: &Gateway, invoice: &str) -> Option<Value> {
    let rows = gateway.rows("stripe_payments").await;
    rows.into_iter().find(|row| row["invoice_id"] == invoice)
}

async fn connected(gateway: &Gateway, id: &str) -> Option<Value> {
    let rows = gateway.rows("stripe_accounts").await;
    rows.into_iter().find(|row| row["account"] == id)
}

/// The three events of a payment by bank debit.
fn delayed_payment(name: &str) -> [Value; 3] {
    let event = |number: u8, kind, created, object| {
        let id = format!("evt_{name}_{number}");
        Event { id: &id, kind, created, account: "acct_a", object }.json()
    };
    [
        event(1, "checkout.session.completed", CREATED, session(name, name, "unpaid")),
        event(2, "payment_intent.succeeded", CREATED + 10, intent(name)),
        event(
            3,
            "checkout.session.async_payment_succeeded",
            CREATED + 11,
            session(name, name, "paid"),
        ),
    ]
}

fn assert_paid(row: Option<Value>, name: &str) {
    let row = row.unwrap_or_else(|| panic!("{name} has no row"));
    assert_eq!(row["status"], "paid", "{row}");
    assert_eq!(row["session_id"], format!("cs_{name}"), "{row}");
    assert_eq!(row["payment_intent_id"], format!("pi_{name}"), "{row}");
    assert_eq!(row["amount"], 12_100, "{row}");
    assert_eq!(row["account"], "acct_a", "{row}");
}

#[tokio::test]
async fn delayed_payment_is_independent_of_event_order() {
    let gateway = Gateway::start().await;
    let orders: [&[usize]; 8] =
        [&[0, 1], &[1, 0], &[0, 1, 2], &[0, 2, 1], &[1, 0, 2], &[1, 2, 0], &[2, 0, 1], &[2, 1, 0]];
    for order in orders {
        let name = format!("order_{order:?}").replace([',', ' ', '[', ']'], "");
        let events = delayed_payment(&name);
        for place in order {
            accept(&gateway, &events[*place]).await;
            gateway.run_until_idle().await;
        }
        let row = payment(&gateway, &name).await;
        let paid_at = row.as_ref().map(|row| row["paid_at"].clone());
        assert_paid(row, &name);
        assert!(paid_at.unwrap().as_str().unwrap().starts_with("2025-11-20T00:53:30"), "{order:?}");
    }
    assert_eq!(gateway.dead_letters().await, []);
}

#[tokio::test]
async fn concurrent_session_and_intent_are_linked() {
    let gateway = Gateway::start().await;
    for number in 0..20 {
        let [completed, succeeded, _] = delayed_payment(&format!("race_{number}"));
        accept(&gateway, &completed).await;
        accept(&gateway, &succeeded).await;
    }
    gateway.run_until_idle().await;
    for number in 0..20 {
        let name = format!("race_{number}");
        assert_paid(payment(&gateway, &name).await, &name);
    }
}

#[tokio::test]
async fn paid_invoice_is_not_reverted_by_a_pending_session() {
    let gateway = Gateway::start().await;
    let [completed, succeeded, _] = delayed_payment("final");
    accept(&gateway, &completed).await;
    gateway.run_until_idle().await;
    let row = payment(&gateway, "final").await.unwrap();
    assert_eq!(row["status"], "pending");
    assert_eq!(row["paid_at"], Value::Null);

    accept(&gateway, &succeeded).await;
    gateway.run_until_idle().await;
    let paid = payment(&gateway, "final").await;
    assert_paid(paid.clone(), "final");

    let again = Event {
        id: "evt_final_again",
        kind: "checkout.session.completed",
        created: CREATED + 100,
        account: "acct_a",
        object: session("other", "final", "unpaid"),
    };
    accept(&gateway, &again.json()).await;
    gateway.run_until_idle().await;
    assert_eq!(payment(&gateway, "final").await, paid);
}

#[tokio::test]
async fn account_cannot_change_objects_of_another_account() {
    let gateway = Gateway::start().await;
    let [completed, ..] = delayed_payment("owned");
    accept(&gateway, &completed).await;
    gateway.run_until_idle().await;
    let before = payment(&gateway, "owned").await;

    let mut by_intent = intent("stranger");
    by_intent["metadata"] = json!({ "invoice_id": "owned" });
    for (id, kind, object) in [
        ("evt_by_invoice", "checkout.session.completed", session("stranger", "owned", "paid")),
        ("evt_by_intent", "payment_intent.succeeded", by_intent),
        ("evt_by_session", "checkout.session.completed", session("owned", "fresh", "paid")),
        ("evt_of_intent", "payment_intent.succeeded", intent("owned")),
        ("evt_described", "account.updated", account("acct_a", &[])),
    ] {
        let stranger = Event { id, kind, created: CREATED + 50, account: "acct_b", object };
        accept(&gateway, &stranger.json()).await;
    }
    gateway.run_until_idle().await;

    let dead = gateway.dead_letters().await;
    assert_eq!(dead.len(), 5, "{dead:?}");
    assert!(dead.iter().all(|(reason, _)| reason == "wrong_account"), "{dead:?}");
    assert_eq!(payment(&gateway, "owned").await, before);
    assert_eq!(payment(&gateway, "fresh").await, None);
    assert_eq!(connected(&gateway, "acct_a").await, None);
    let claimed = gateway.rows("stripe_objects").await;
    assert!(claimed.iter().all(|row| row["account"] == "acct_a"), "{claimed:?}");
}

#[tokio::test]
async fn a_live_event_at_a_test_source_writes_nothing() {
    let gateway = Gateway::start().await;
    let mut event = Event {
        id: "evt_live",
        kind: "checkout.session.completed",
        created: CREATED,
        account: "acct_a",
        object: session("live", "live", "paid"),
    }
    .json();
    event["livemode"] = json!(true);
    accept(&gateway, &event).await;
    gateway.run_until_idle().await;
    let dead = gateway.dead_letters().await;
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].0, "livemode_mismatch");
    assert_eq!(gateway.rows("stripe_payments").await, Vec::<Value>::new());
    assert_eq!(gateway.rows("stripe_objects").await, Vec::<Value>::new());
}

#[tokio::test]
async fn account_status_is_of_its_newest_event() {
    let gateway = Gateway::start().await;
    let updated = |id, created, due: &[&str]| {
        let object = account("acct_a", due);
        Event { id, kind: "account.updated", created, account: "acct_a", object }.json()
    };
    let gone = Event {
        id: "evt_gone",
        kind: "account.application.deauthorized",
        created: CREATED + 10,
        account: "acct_a",
        object: json!({ "id": "ca_1", "object": "application" }),
    }
    .json();
    for (event, status) in [
        (updated("evt_1", CREATED + 5, &[]), "active"),
        (updated("evt_2", CREATED + 4, &["external_account"]), "active"),
        (updated("evt_3", CREATED + 6, &["external_account"]), "restricted"),
        (gone, "not_connected"),
        (updated("evt_4", CREATED + 9, &[]), "not_connected"),
        (updated("evt_5", CREATED + 11, &[]), "active"),
    ] {
        accept(&gateway, &event).await;
        gateway.run_until_idle().await;
        let row = connected(&gateway, "acct_a").await.unwrap();
        assert_eq!(row["status"], status, "after {event}");
        assert_eq!(row["payouts_enabled"], status != "not_connected", "after {event}");
    }
}

#[tokio::test]
async fn field_of_a_wrong_type_is_dead_lettered() {
    let gateway = Gateway::start().await;
    let wrong = [
        ("payment_status", json!(5)),
        ("payment_status", Value::Null),
        ("amount_total", json!(121.5)),
        ("amount_total", json!("12100")),
        ("amount_total", json!(-1)),
        ("amount_total", Value::Null),
        ("currency", json!("AUD")),
        ("currency", Value::Null),
        ("id", json!("")),
        ("payment_intent", json!({ "id": "pi_1" })),
        ("metadata", json!({ "invoice_id": 7 })),
        ("metadata", json!({ "invoice_id": "a\u{0}b" })),
        ("metadata", json!({ "invoice_id": "x".repeat(501) })),
    ];
    for (number, (field, value)) in wrong.iter().enumerate() {
        let mut object = session("wrong", "wrong", "paid");
        object[field] = value.clone();
        let id = format!("evt_wrong_{number}");
        let kind = "checkout.session.completed";
        accept(
            &gateway,
            &Event { id: &id, kind, created: CREATED, account: "acct_a", object }.json(),
        )
        .await;
    }
    gateway.run_until_idle().await;
    let dead = gateway.dead_letters().await;
    assert_eq!(dead.len(), wrong.len(), "{dead:?}");
    assert!(dead.iter().all(|(reason, _)| reason == "schema"), "{dead:?}");
    assert_eq!(gateway.rows("stripe_payments").await, Vec::<Value>::new());
    assert_eq!(gateway.rows("stripe_objects").await, Vec::<Value>::new());
}

#[tokio::test]
async fn duplicate_event_pays_once() {
    let gateway = Gateway::start().await;
    let [_, _, paid] = delayed_payment("twice");
    let bytes = paid.to_string();
    let first = gateway.send("billing", None, bytes.as_bytes()).await;
    let second = gateway.send("billing", None, bytes.as_bytes()).await;
    assert_eq!((first.status, second.status), (202, 200));
    assert_eq!(first.json["id"], second.json["id"]);
    gateway.run_until_idle().await;
    assert_paid(payment(&gateway, "twice").await, "twice");
    assert_eq!(gateway.rows("stripe_payments").await.len(), 1);
}
