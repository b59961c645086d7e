//! What a sender sends along is kept for people, within bounds, and goes nowhere else.

use serde_json::{Value, json};

use crate::chunks::Transfer;
use crate::destinations::receiver::Receiver;
use crate::destinations::sending_to;
use crate::harness::{API_KEY, Answer, Gateway, RETIRED_SECRET};
use crate::rejected_requests::{HOLDS, PLAIN, held};

/// Adds what a sender says of itself to the headers that sign its request.
fn along(headers: &mut Vec<(String, String)>, agent: &str) {
    headers.retain(|(name, _)| name != "content-type" && name != "user-agent");
    for (name, value) in [("user-agent", agent), ("content-type", "application/json; v=1")] {
        headers.push((name.to_owned(), value.to_owned()));
    }
}

/// What was kept with an event.
async fn kept(gateway: &Gateway, event: &str) -> Value {
    let path = gateway.operator_url(&format!("/api/v1/events/{event}"));
    let shown = gateway.client().get(path).bearer_auth(API_KEY).send().await.unwrap();
    Answer::of(shown).await.json["payload"]["headers"].clone()
}

fn assert_kept(kept: &Value, agent: &str) {
    assert_eq!(kept[":user-agent"], agent, "{kept}");
    assert_eq!(kept[":content-type"], "application/json; v=1", "{kept}");
    assert_eq!(kept[":peer"], "127.0.0.1", "{kept}");
}

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

#[tokio::test]
async fn of_a_payload_in_chunks_it_is_that_of_the_first_and_of_a_quarantined_request_its_own() {
    let gateway = Gateway::start().await;
    let send = async |body: &str, agent: &str| {
        let mut headers = gateway.sign("cards", body.as_bytes(), &[]);
        along(&mut headers, agent);
        gateway.send_raw("cards", Some("create"), &headers, body.as_bytes()).await
    };
    let (whole, lost) = (Transfer::of_text(2), Transfer::of_text(2));
    assert_eq!(send(&whole.chunk(1).to_string(), "first/1.0").await.status, 202);
    let last = send(&whole.chunk(0).to_string(), "second/1.0").await;
    assert_eq!(last.what(), "accepted", "{}", last.text);
    let useless = send("{}", "useless/1.0").await;
    assert_eq!(useless.what(), "quarantined", "{}", useless.text);
    let begun = send(&lost.chunk(0).to_string(), "lost/1.0").await;
    gateway.run_until_idle().await;
    gateway.clock().advance(std::time::Duration::from_hours(2));
    gateway.tidy().await;
    for (answer, agent) in [(&last, "first/1.0"), (&useless, "useless/1.0"), (&begun, "lost/1.0")] {
        assert_kept(&kept(&gateway, answer.id()).await, agent);
    }
    let app_id = "app_0123456789abcdef01234567";
    assert_eq!(kept(&gateway, last.id()).await["x-docora-app-id"], app_id, "as with a whole");
}

#[tokio::test]
async fn a_held_request_has_it_and_so_has_the_event_that_it_becomes() {
    let gateway = Gateway::builder().config(PLAIN, HOLDS).start().await;
    let body = r#"{"id":"evt_1","object":"event","type":"ping","created":1763640000}"#;
    let stranger = sealpost::verify::Secret::new(RETIRED_SECRET).unwrap();
    let at = gateway.clock_seconds();
    let mut headers = gateway.sign_with("billing", body.as_bytes(), &[], at, &stranger);
    along(&mut headers, "held/1.0");
    let refused = gateway.send_raw("billing", None, &headers, body.as_bytes()).await;
    assert_eq!(refused.status, 401);
    let id = held(&gateway, 1).await[0].id;
    let page = gateway.operator(&format!("/rejected-requests/{id}")).await.text;
    assert!(page.contains("held/1.0") && page.contains(":user-agent"), "{page}");

    let secrets = "{ env = \"BILLING_SECRET_OLD\" }";
    let repaired = Gateway::builder()
        .config(PLAIN, HOLDS)
        .config(secrets, &format!("{secrets}, {{ env = \"RETIRED_SECRET\" }}"))
        .beside(&gateway)
        .start()
        .await;
    let reason = "reason=the+secret+is+right+now";
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let answer = repaired.call(&format!("/rejected-requests/{id}/verify"), &form, reason).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    let place = answer.headers["location"].to_str().unwrap();
    let event = place.strip_prefix("/events/").and_then(|rest| rest.split('?').next()).unwrap();
    assert_kept(&kept(&repaired, event).await, "held/1.0");
    repaired.run_until_idle().await;
}
