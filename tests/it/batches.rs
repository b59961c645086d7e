//! Requests with several events: recorded together, each under its own key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealpost::admin::{Caller, Reprocessing};
use sealpost::verify::Secret;
use serde_json::{Value, json};

use crate::harness::{Answer, Builder, Gateway, because};
use crate::receive::IgnoreAll;
use crate::rejected_requests::wait_for_rejected;

const OKTA: &str = "okta-secret-0123456789abcdef0";
const HUBSPOT: &str = "hubspot-secret-0123456789abcd";
const OTHER: &str = "hubspot-other-0123456789abcde";

const SOURCES: &str = r#"
[[source]]
name = "staff"
provider = "okta"
secrets = [{ env = "OKTA_SECRET" }]
options = { split = true }

[[source]]
name = "staff-whole"
provider = "okta"
secrets = [{ env = "OKTA_SECRET" }]

[[source]]
name = "crm"
provider = "hubspot-v3"
secrets = [{ env = "HUBSPOT_SECRET" }]
keep_rejected = "1h"
options = { split = true, url = "https://hooks.example.com/hooks/crm" }
"#;

fn builder() -> Builder {
    Gateway::builder()
        .more_config(SOURCES)
        .variable("OKTA_SECRET", OKTA)
        .variable("HUBSPOT_SECRET", HUBSPOT)
        .variable("HUBSPOT_OTHER", OTHER)
        .handler(IgnoreAll)
}

/// Sends a batch, signed with `secret` over `signed_query`.
async fn send_signed(
    gateway: &Gateway,
    secret: &str,
    (query, signed_query): (&str, &str),
    body: &str,
) -> Answer {
    let at = gateway.clock_seconds() * 1_000;
    let text = format!("POSThttps://hooks.example.com/hooks/crm{signed_query}{body}{at}");
    let signature = Secret::new(secret).unwrap().sign(&[text.as_bytes()]);
    let headers = [
        ("x-hubspot-request-timestamp".to_owned(), at.to_string()),
        ("x-hubspot-signature-v3".to_owned(), STANDARD.encode(signature)),
    ];
    gateway.post(&format!("/hooks/crm{query}"), &headers, body.as_bytes()).await
}

async fn send(gateway: &Gateway, body: &Value) -> Answer {
    send_signed(gateway, HUBSPOT, ("", ""), &body.to_string()).await
}

async fn send_staff(gateway: &Gateway, source: &str, events: &[Value]) -> Answer {
    let headers = [("authorization".to_owned(), OKTA.to_owned())];
    let body = json!({ "eventType": "com.okta.event_hook", "data": { "events": events } });
    gateway.send_raw(source, None, &headers, body.to_string().as_bytes()).await
}

fn item(id: u32, attempt: u32) -> Value {
    json!({
        "portalId": 62_515, "subscriptionId": 8_706, "eventId": id,
        "occurredAt": 1_763_640_000_000_i64, "subscriptionType": "contact.creation",
        "attemptNumber": attempt,
    })
}

async fn events(gateway: &Gateway) -> Vec<Value> {
    let query = "SELECT id, event_type, convert_from(body, 'UTF8') AS body FROM events
                  ORDER BY (convert_from(body, 'UTF8')::jsonb ->> 'eventId')::int";
    gateway.query(query).await
}

fn outcome(answer: &Answer) -> (u16, &str, Option<u64>) {
    (answer.status, answer.body_status(), answer.json["events"].as_u64())
}

#[tokio::test]
async fn batch_is_recorded_once_each_event_under_its_own_key() {
    let gateway = builder().start().await;
    let answer = send(&gateway, &json!([item(1, 0), item(2, 0), item(1, 0)])).await;
    assert_eq!(outcome(&answer), (202, "accepted", Some(3)));
    let stored = events(&gateway).await;
    assert_eq!(stored.len(), 2);
    for (row, id) in stored.iter().zip(1..) {
        assert_eq!(row["body"], item(id, 0).to_string());
        assert_eq!(row["event_type"], "contact.creation");
    }
    assert_eq!(answer.id(), stored[0]["id"]);

    // The sender retries, with another number of the attempt.
    let again = send(&gateway, &json!([item(1, 1), item(2, 1), item(1, 1)])).await;
    assert_eq!(outcome(&again), (200, "duplicate", Some(3)));
    assert_eq!(again.id(), answer.id());
    assert_eq!(events(&gateway).await, stored);

    let mixed = send(&gateway, &json!([item(2, 0), item(3, 0)])).await;
    assert_eq!(outcome(&mixed), (202, "accepted", Some(2)));
    assert_eq!(mixed.id(), stored[1]["id"]);
    assert_eq!(events(&gateway).await.len(), 3);
    let seen = "SELECT sum(seen_count)::bigint FROM event_keys";
    assert_eq!(gateway.count(seen).await, 8);
    gateway.run_until_idle().await;
    assert_eq!(gateway.count("SELECT count(*) FROM deliveries WHERE state = 'done'").await, 3);

    let page = gateway.operator("/metrics").await.text;
    let counted = page.lines().filter(|line| line.contains("source=\"crm\""));
    let counted: Vec<&str> = counted.filter(|line| line.contains("reason=\"batch\"")).collect();
    assert_eq!(counted.len(), 1, "{page}");
}

#[tokio::test]
async fn query_is_part_of_what_is_signed() {
    let gateway = builder().start().await;
    let body = json!([item(1, 0)]).to_string();
    let sent = send_signed(&gateway, HUBSPOT, ("?a=1%2C2", "?a=1,2"), &body).await;
    assert_eq!(outcome(&sent), (202, "accepted", Some(1)));
    for (query, signed) in [("?a=2", "?a=1"), ("", "?a=1"), ("?a=1", "")] {
        let sent = send_signed(&gateway, HUBSPOT, (query, signed), &body).await;
        assert_eq!(sent.status, 401, "{query}");
    }
    gateway.run_until_idle().await;
}

#[tokio::test]
async fn batch_is_recorded_as_a_whole_or_not_at_all() {
    let gateway = builder().start().await;
    let batch = json!([item(1, 0), item(2, 0), item(3, 0)]);
    let constraint = "ALTER TABLE events ADD CONSTRAINT unwanted
                      CHECK (position('\"eventId\":2' IN convert_from(body, 'UTF8')) = 0)";
    gateway.execute(constraint).await;
    assert_eq!(send(&gateway, &batch).await.status, 500);
    let rows = "SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM event_keys)";
    assert_eq!(gateway.count(rows).await, 0);
    gateway.execute("ALTER TABLE events DROP CONSTRAINT unwanted").await;
    assert_eq!(outcome(&send(&gateway, &batch).await), (202, "accepted", Some(3)));
    assert_eq!(gateway.count(rows).await, 6);
    gateway.run_until_idle().await;
}

#[tokio::test]
async fn large_batch_is_one_transaction() {
    let gateway = builder().allow_unfinished().start().await;
    let events: Vec<Value> = (0..1_000)
        .map(|number| json!({ "uuid": format!("id-{number}"), "eventType": "user.lifecycle" }))
        .collect();
    let answer = send_staff(&gateway, "staff", &events).await;
    assert_eq!(outcome(&answer), (202, "accepted", Some(1_000)));
    assert_eq!(gateway.count("SELECT count(*) FROM events").await, 1_000);
    assert_eq!(gateway.count("SELECT count(DISTINCT xact) FROM events").await, 1);
    let again = send_staff(&gateway, "staff", &events).await;
    assert_eq!(outcome(&again), (200, "duplicate", Some(1_000)));

    let whole = send_staff(&gateway, "staff-whole", &events).await;
    assert_eq!(outcome(&whole), (202, "accepted", None), "it is split only where that is wanted");
    assert_eq!(gateway.count("SELECT count(*) FROM events").await, 1_001);
}

#[tokio::test]
async fn rejected_batch_is_reprocessed_with_all_of_its_events() {
    let gateway = builder().start().await;
    let body = json!([item(1, 0), item(2, 0)]).to_string();
    assert_eq!(send_signed(&gateway, OTHER, ("?a=1", "?a=1"), &body).await.status, 401);
    let [rejected] = &wait_for_rejected(&gateway, 1).await[..] else { panic!("one") };

    let secrets = "secrets = [{ env = \"HUBSPOT_SECRET\" }]";
    let both = "secrets = [{ env = \"HUBSPOT_SECRET\" }, { env = \"HUBSPOT_OTHER\" }]";
    let fixed = builder().config(secrets, both).sharing_database(&gateway).start().await;
    let grace = Caller::local("grace");
    let reason = because("the secret is right");
    let reprocessed = fixed.rejected_requests().reprocess(&grace, rejected.id, &reason);
    let Reprocessing::Accepted(accepted) = reprocessed.await.unwrap() else {
        panic!("it does not verify")
    };
    assert!(!accepted.duplicate);
    let stored = events(&fixed).await;
    assert_eq!(stored.len(), 2);
    assert_eq!(stored[0]["id"], accepted.event.to_string());
    fixed.run_until_idle().await;
}
