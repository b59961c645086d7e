//! The page for Webkit: its sources receive the events of both endpoints at the existing URLs, and
//! its queries read what the receivers of Webkit wrote.

use serde_json::{Value, json};

use super::{CREATED, account, intent, session};
use crate::harness::{Answer, Gateway};

const PAGE: &str = include_str!("../../../docs/migrating/webkit.md");

/// The code blocks of the page in a language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    PAGE.split(fence.as_str()).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// The rows of the page's query on `table` for an argument.
async fn run_page_query(gateway: &Gateway, table: &str, argument: &str) -> Vec<Value> {
    let from = format!("FROM {table}");
    let query = blocks("sql").into_iter().find(|sql| sql.contains(&from)).expect("a query");
    let query = query.trim().trim_end_matches(';').replace("$1", argument);
    gateway.query(&query).await
}

async fn webkit() -> Gateway {
    let sources = blocks("toml").concat();
    let sources = sources.replace("STRIPE_WEBHOOK_SECRET", "BILLING_SECRET");
    let sources = sources.replace("STRIPE_BILLING_WEBHOOK_SECRET", "BILLING_SECRET_OLD");
    // Webkit uses this path.
    Gateway::builder()
        .config("aliases = [\"/api/stripe/webhook\"]\n", "")
        .more_config(&sources)
        .start()
        .await
}

/// Sends a Stripe event to a path.
async fn send(gateway: &Gateway, source: &str, path: &str, event: &Value) -> Answer {
    let body = event.to_string();
    let headers = gateway.sign(source, body.as_bytes(), &[]);
    gateway.post(path, &headers, body.as_bytes()).await
}

fn live(id: &str, kind: &str, seconds: u64, account: Option<&str>, object: &Value) -> Value {
    json!({
        "id": id, "object": "event", "type": kind, "created": CREATED + seconds, "livemode": true,
        "account": account, "data": { "object": object },
    })
}

#[tokio::test]
async fn webkit_queries_read_invoices_and_accounts() {
    let gateway = webkit().await;
    let agency = Some("acct_a");
    let dispute = json!({
        "id": "dp_1", "object": "dispute", "charge": "ch_1", "payment_intent": "pi_1",
        "status": "needs_response", "reason": "fraudulent", "amount": 12_100, "currency": "aud",
        "created": CREATED + 40, "evidence_details": { "due_by": CREATED + 900 },
    });
    let charge = json!({
        "id": "ch_1", "object": "charge", "payment_intent": "pi_1", "amount": 12_100,
        "amount_refunded": 100, "currency": "aud",
    });
    let application = json!({ "id": "ca_1", "object": "application" });
    for event in [
        live("evt_1", "account.updated", 0, agency, &account("acct_a", &[])),
        live("evt_2", "checkout.session.completed", 1, agency, &session("1", "inv_1", "unpaid")),
        live("evt_3", "payment_intent.succeeded", 30, agency, &intent("1")),
        live("evt_4", "charge.refunded", 35, agency, &charge),
        live("evt_5", "charge.dispute.created", 40, agency, &dispute),
        live("evt_6", "checkout.session.completed", 2, agency, &session("2", "inv_2", "unpaid")),
        live("evt_7", "account.application.deauthorized", 5, Some("acct_gone"), &application),
    ] {
        let answer = send(&gateway, "webkit-connect", "/api/stripe/webhook", &event).await;
        assert_eq!(answer.status, 202, "{event}");
        gateway.run_until_idle().await;
    }
    assert_eq!(gateway.dead_letters().await, []);

    let mut rows =
        run_page_query(&gateway, "stripe_payments", "'{inv_1,inv_2,inv_3}'::text[]").await;
    rows.sort_by_key(|row| row["invoice_id"].as_str().map(str::to_owned));
    let [paid, pending] = rows.try_into().unwrap();
    let expected = json!({
        "invoice_id": "inv_1", "account": "acct_a", "status": "paid", "reference": "pi_1",
        "currency": "aud", "total": 121.00, "amount_refunded": 100,
        "dispute_status": "needs_response",
    });
    for (column, value) in expected.as_object().unwrap() {
        assert_eq!(&paid[column], value, "{column}: {paid}");
    }
    assert!(paid["paid_at"].is_string());
    assert_eq!((&pending["status"], &pending["paid_at"]), (&json!("pending"), &Value::Null));

    let disputes = run_page_query(&gateway, "stripe_disputes", "").await;
    assert_eq!(disputes[0]["dispute_id"], "dp_1");
    let active = run_page_query(&gateway, "stripe_accounts", "'acct_a'").await;
    assert_eq!(
        (&active[0]["status"], &active[0]["charges_enabled"]),
        (&json!("active"), &json!(true))
    );
    let disconnected = run_page_query(&gateway, "stripe_accounts", "'acct_gone'").await;
    assert_eq!(disconnected[0]["status"], "not_connected");
}

#[tokio::test]
async fn webkit_queries_read_plans() {
    let gateway = webkit().await;
    let subscription = |name: &str, status: &str| {
        json!({
            "id": format!("sub_{name}"), "object": "subscription", "customer": "cus_1",
            "status": status, "ended_at": if status == "canceled" { json!(CREATED) } else { Value::Null },
            "items": { "data": [{
                "id": format!("si_{name}"), "quantity": 1, "current_period_end": CREATED + 9_000,
                "price": { "id": format!("price_{name}"), "product": "prod_1" },
            }] },
        })
    };
    let checkout = |name: &str| {
        json!({
            "id": format!("cs_{name}"), "object": "checkout.session", "mode": "subscription",
            "payment_status": "paid", "amount_total": 4_900, "currency": "aud",
            "subscription": format!("sub_{name}"), "customer": "cus_1",
            "metadata": { "agency_id": "agency_7" },
        })
    };
    let failed = json!({
        "id": "in_1", "object": "invoice", "customer": "cus_1", "status": "open",
        "amount_due": 4_900, "amount_paid": 0, "currency": "aud", "attempt_count": 1,
        "parent": { "subscription_details": { "subscription": "sub_new" } },
    });
    for event in [
        live("evt_1", "checkout.session.completed", 0, None, &checkout("old")),
        live("evt_2", "customer.subscription.deleted", 900, None, &subscription("old", "canceled")),
        live("evt_3", "customer.subscription.created", 500, None, &subscription("new", "active")),
        live("evt_4", "checkout.session.completed", 501, None, &checkout("new")),
        live("evt_5", "invoice.payment_failed", 600, None, &failed),
    ] {
        let answer = send(&gateway, "webkit-billing", "/api/v1/billing/webhook", &event).await;
        assert_eq!(answer.status, 202, "{event}");
        gateway.run_until_idle().await;
    }
    assert_eq!(gateway.dead_letters().await, []);
    let plans = run_page_query(&gateway, "stripe_subscribers", "'agency_7'").await;
    assert_eq!(plans.len(), 2, "{plans:?}");
    assert_eq!(
        (&plans[0]["status"], &plans[0]["price_id"]),
        (&json!("active"), &json!("price_new"))
    );
    assert_eq!(plans[1]["status"], "canceled");
    assert_eq!(
        run_page_query(&gateway, "stripe_subscribers", "'agency_8'").await,
        Vec::<Value>::new()
    );
    let unpaid = run_page_query(&gateway, "stripe_invoices", "").await;
    assert_eq!(
        (&unpaid[0]["invoice_id"], &unpaid[0]["attempt_count"]),
        (&json!("in_1"), &json!(1))
    );
}

#[tokio::test]
async fn webkit_grants_allow_reading() {
    let gateway = webkit().await;
    let role = format!("webkit_{}", std::process::id());
    gateway.execute(&format!("CREATE ROLE {role}")).await;
    let grant = blocks("sql").into_iter().find(|sql| sql.contains("GRANT")).unwrap();
    gateway.execute(&grant.trim().trim_end_matches(';').replace("webkit", &role)).await;
    for sql in blocks("sql").into_iter().filter(|sql| !sql.contains("GRANT")) {
        let table = sql.split("FROM ").nth(1).unwrap().split_whitespace().next().unwrap();
        let privilege =
            format!("SELECT has_table_privilege('{role}', '{table}', 'SELECT')::int::bigint");
        assert_eq!(gateway.count(&privilege).await, 1, "{table}");
    }
    gateway.execute(&format!("DROP OWNED BY {role}")).await;
    gateway.execute(&format!("DROP ROLE {role}")).await;
}
