//! What a sender sends along is kept for people, within bounds, and goes nowhere else.

use serde_json::json;

use crate::destinations::receiver::Receiver;
use crate::destinations::sending_to;
use crate::harness::{API_KEY, Answer};

#[tokio::test(flavor = "multi_thread")]
async fn content_type_user_agent_and_address_are_shown_and_not_sent_on() {
    let receiver = Receiver::content().await;
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
    assert_eq!(answer.what(), "accepted", "{}", answer.text);
    gateway.run_until_idle().await;
    let path = gateway.operator_url(&format!("/api/v1/events/{}", answer.id()));
    let shown = gateway.client().get(path).bearer_auth(API_KEY).send().await.unwrap();
    let shown = Answer::of(shown).await.json;
    let kept = &shown["payload"]["headers"];
    assert_eq!(kept[":content-type"], "application/json; charset=utf-8", "{kept}");
    assert_eq!(kept[":user-agent"], agent[..200]);
    assert_eq!(kept[":peer"], "127.0.0.1");
    let seen = receiver.seen();
    let sent = format!("{:?}", seen[0].headers);
    assert!(!sent.contains("Stripe/1.0") && !sent.contains(":peer"), "{sent}");
}
