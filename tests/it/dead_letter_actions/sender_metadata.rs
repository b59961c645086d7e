//! Content type, user agent and address of a sender are stored, truncated, and not forwarded.

use serde_json::{Value, json};

use crate::chunks::Transfer;
use crate::destinations::receiver::Receiver;
use crate::destinations::sending_to;
use crate::harness::{API_KEY, Answer, Gateway, RETIRED_SECRET};
use crate::rejected_requests::{KEEP_REJECTED, PLAIN, wait_for_rejected};

/// Adds a user agent and a content type to signed headers.
fn add_metadata(headers: &mut Vec<(String, String)>, agent: &str) {
    headers.retain(|(name, _)| name != "content-type" && name != "user-agent");
    for (name, value) in [("user-agent", agent), ("content-type", "application/json; v=1")] {
        headers.push((name.to_owned(), value.to_owned()));
    }
}

/// The headers stored with an event.
async fn stored(gateway: &Gateway, event: &str) -> Value {
    let path = gateway.operator_url(&format!("/api/v1/events/{event}"));
    let shown = gateway.client().get(path).bearer_auth(API_KEY).send().await.unwrap();
    Answer::of(shown).await.json["payload"]["headers"].clone()
}

fn assert_metadata(stored: &Value, agent: &str) {
    assert_eq!(stored[":user-agent"], agent, "{stored}");
    assert_eq!(stored[":content-type"], "application/json; v=1", "{stored}");
    assert_eq!(stored[":peer"], "127.0.0.1", "{stored}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sender_metadata_is_shown_but_not_forwarded() {
    let receiver = Receiver::accepting().await;
    let gateway = sending_to(&receiver, "provider_headers = true").start().await;
    let body = json!({
        "id": "evt_1", "object": "event", "type": "invoice.paid", "created": 1_763_600_000,
        "livemode": false, "data": { "object": { "id": "in_1" } },
    })
    .to_string();
    let mut headers = gateway.sign("billing", body.as_bytes(), &[]);
    headers.retain(|(name, _)| name != "content-type" && name != "user-agent");
    let agent = "Stripe/1.0 (+https://stripe.com/docs/webhooks)".to_owned() + &"x".repeat(500);
    headers.push(("user-agent".to_owned(), agent.clone()));
    headers.push(("content-type".to_owned(), "application/json; charset=utf-8".to_owned()));
    let answer = gateway.send_raw("billing", None, &headers, body.as_bytes()).await;
    assert_eq!(answer.body_status(), "accepted", "{}", answer.text);
    gateway.run_until_idle().await;
    let path = gateway.operator_url(&format!("/api/v1/events/{}", answer.id()));
    let shown = gateway.client().get(path).bearer_auth(API_KEY).send().await.unwrap();
    let shown = Answer::of(shown).await.json;
    let stored = &shown["payload"]["headers"];
    assert_eq!(stored[":content-type"], "application/json; charset=utf-8", "{stored}");
    assert_eq!(stored[":user-agent"], agent[..200]);
    assert_eq!(stored[":peer"], "127.0.0.1");
    let seen = receiver.seen();
    let sent = format!("{:?}", seen[0].headers);
    assert!(!sent.contains("Stripe/1.0") && !sent.contains(":peer"), "{sent}");
}

#[tokio::test]
async fn chunked_and_quarantined_events_keep_sender_metadata() {
    let gateway = Gateway::start().await;
    let send = async |body: &str, agent: &str| {
        let mut headers = gateway.sign("cards", body.as_bytes(), &[]);
        add_metadata(&mut headers, agent);
        gateway.send_raw("cards", Some("create"), &headers, body.as_bytes()).await
    };
    let (whole, unfinished) = (Transfer::of_text(2), Transfer::of_text(2));
    assert_eq!(send(&whole.chunk(1).to_string(), "first/1.0").await.status, 202);
    let last = send(&whole.chunk(0).to_string(), "second/1.0").await;
    assert_eq!(last.body_status(), "accepted", "{}", last.text);
    let quarantined = send("{}", "useless/1.0").await;
    assert_eq!(quarantined.body_status(), "quarantined", "{}", quarantined.text);
    let incomplete = send(&unfinished.chunk(0).to_string(), "lost/1.0").await;
    gateway.run_until_idle().await;
    gateway.clock().advance(std::time::Duration::from_hours(2));
    gateway.run_maintenance().await;
    for (answer, agent) in
        [(&last, "first/1.0"), (&quarantined, "useless/1.0"), (&incomplete, "lost/1.0")]
    {
        assert_metadata(&stored(&gateway, answer.id()).await, agent);
    }
    let app_id = "app_0123456789abcdef01234567";
    assert_eq!(
        stored(&gateway, last.id()).await["x-docora-app-id"],
        app_id,
        "the provider headers are stored too"
    );
}

#[tokio::test]
async fn rejected_request_passes_its_metadata_to_the_event() {
    let gateway = Gateway::builder().config(PLAIN, KEEP_REJECTED).start().await;
    let body = r#"{"id":"evt_1","object":"event","type":"ping","created":1763640000}"#;
    let stranger = sealpost::verify::Secret::new(RETIRED_SECRET).unwrap();
    let at = gateway.clock_seconds();
    let mut headers = gateway.sign_with("billing", body.as_bytes(), &[], at, &stranger);
    add_metadata(&mut headers, "held/1.0");
    let refused = gateway.send_raw("billing", None, &headers, body.as_bytes()).await;
    assert_eq!(refused.status, 401);
    let id = wait_for_rejected(&gateway, 1).await[0].id;
    let page = gateway.operator(&format!("/rejected-requests/{id}")).await.text;
    assert!(page.contains("held/1.0") && page.contains(":user-agent"), "{page}");

    let secrets = "{ env = \"BILLING_SECRET_OLD\" }";
    let fixed = Gateway::builder()
        .config(PLAIN, KEEP_REJECTED)
        .config(secrets, &format!("{secrets}, {{ env = \"RETIRED_SECRET\" }}"))
        .sharing_database(&gateway)
        .start()
        .await;
    let reason = "reason=the+secret+is+right+now";
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let answer = fixed.call(&format!("/rejected-requests/{id}/reprocess"), &form, reason).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    let location = answer.headers["location"].to_str().unwrap();
    let event = location.strip_prefix("/events/").and_then(|rest| rest.split('?').next()).unwrap();
    assert_metadata(&stored(&fixed, event).await, "held/1.0");
    fixed.run_until_idle().await;
}
