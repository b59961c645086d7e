//! Live and test events, and events of connected accounts.

use serde_json::{Value, json};

use crate::harness::Gateway;
use crate::receive::unique;

async fn live() -> Gateway {
    // The first match is `billing`.
    let aliases = "aliases = [\"/api/stripe/webhook\"]\noptions = { livemode = false }";
    Gateway::builder().config(aliases, &aliases.replace("false", "true")).start().await
}

fn event(kind: &str, livemode: bool, account: Option<&str>) -> Value {
    let id = unique();
    let mut event = json!({
        "id": format!("evt_{id}"), "object": "event", "type": kind, "created": 1_763_600_000,
        "livemode": livemode,
        "data": { "object": {
            "id": account.unwrap_or("acct_own"), "object": "account", "details_submitted": true,
            "payouts_enabled": true, "charges_enabled": true,
        } },
    });
    if let Some(account) = account {
        event["account"] = json!(account);
    }
    event
}

fn thin(kind: &str, livemode: bool, context: Option<&str>) -> Value {
    json!({
        "id": format!("evt_{}", unique()), "object": "v2.core.event", "type": kind,
        "livemode": livemode, "created": "2026-11-20T11:00:00Z", "context": context,
        "related_object": { "id": "in_1", "type": "invoice", "url": "/v1/invoices/in_1" },
    })
}

/// Sends the events, and returns the outcome or the death reason of each.
async fn delivery_outcomes(gateway: &Gateway, events: &[Value]) -> Vec<String> {
    let mut delivery_outcomes = Vec::new();
    for event in events {
        let answer = gateway.send("billing", None, event.to_string().as_bytes()).await;
        assert_eq!((answer.status, answer.body_status()), (202, "accepted"), "{}", answer.text);
        gateway.run_until_idle().await;
        let query = format!(
            "SELECT COALESCE(outcome, death_reason) AS result FROM deliveries WHERE event_id = '{}'",
            answer.id()
        );
        delivery_outcomes
            .push(gateway.query(&query).await[0]["result"].as_str().unwrap().to_owned());
    }
    delivery_outcomes
}

#[tokio::test]
async fn connected_account_test_events_are_ignored_by_a_live_source() {
    let gateway = live().await;
    let events = [
        event("account.updated", false, Some("acct_a")),
        event("payment_intent.created", false, Some("acct_a")),
        event("invoice.paid", false, Some("acct_b")),
        thin("v1.invoice.paid", false, Some("acct_a")),
        thin("v1.invoice.paid", false, Some("acct_a/acct_b")),
        thin("v2.core.account.updated", false, Some("acct_a")),
        // Types that are ignored from every sender.
        event("product.created", false, None),
        thin("v2.core.account.updated", false, None),
    ];
    assert_eq!(delivery_outcomes(&gateway, &events).await, ["ignored"; 8]);
    assert_eq!(gateway.rows("alerts").await, Vec::<Value>::new());
    assert_eq!(gateway.rows("stripe_accounts").await, Vec::<Value>::new());
    let live = [event("account.updated", true, Some("acct_a"))];
    assert_eq!(delivery_outcomes(&gateway, &live).await, ["handled"]);
}

#[tokio::test]
async fn event_of_the_wrong_mode_is_a_dead_letter() {
    let gateway = live().await;
    let events = [
        event("account.updated", false, None),
        event("checkout.session.completed", false, None),
        thin("v1.invoice.paid", false, None),
        thin("v1.invoice.paid", false, Some("")),
    ];
    assert_eq!(delivery_outcomes(&gateway, &events).await, ["livemode_mismatch"; 4]);
    let gateway = Gateway::start().await;
    let events = [
        event("account.updated", true, Some("acct_a")),
        event("account.updated", true, None),
        thin("v1.invoice.paid", true, Some("acct_a")),
    ];
    assert_eq!(delivery_outcomes(&gateway, &events).await, ["livemode_mismatch"; 3]);
    let events =
        [event("product.created", true, None), event("product.created", true, Some("acct_a"))];
    assert_eq!(delivery_outcomes(&gateway, &events).await, ["ignored"; 2]);
}

#[tokio::test]
async fn account_status_is_read_from_old_api_versions() {
    let gateway = Gateway::start().await;
    let account = |object: Value| {
        let mut event = event("account.updated", false, Some("acct_a"));
        event["created"] = json!(1_763_600_000 + unique());
        let fields = event["data"]["object"].as_object_mut().unwrap();
        fields.remove("payouts_enabled");
        fields.remove("charges_enabled");
        fields.extend(object.as_object().unwrap().clone());
        event
    };
    for (object, status, payouts) in [
        (
            json!({ "charges_enabled": false, "payouts_enabled": false,
                    "verification": { "disabled_reason": "rejected.fraud", "fields_needed": [] } }),
            "disabled",
            false,
        ),
        (
            json!({ "charges_enabled": true, "transfers_enabled": true,
                    "verification": { "disabled_reason": null, "fields_needed": ["legal_entity.dob"] } }),
            "restricted",
            true,
        ),
        (json!({ "charges_enabled": false, "payouts_enabled": true }), "restricted", true),
        (json!({ "charges_enabled": true, "payouts_enabled": true }), "active", true),
    ] {
        assert_eq!(
            delivery_outcomes(&gateway, &[account(object.clone())]).await,
            ["handled"],
            "{object}"
        );
        let row = &gateway.rows("stripe_accounts").await[0];
        assert_eq!((&row["status"], &row["payouts_enabled"]), (&json!(status), &json!(payouts)));
    }
}
