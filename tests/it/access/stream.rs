//! Permissions of the change stream.

use std::time::Duration;

use sealpost::admin::{Caller, Scope};
use serde_json::json;

use super::STREAM;
use crate::harness::{Gateway, because};

/// Other tests share the server, and their transactions delay the stream.
const PATIENCE: Duration = Duration::from_secs(60);

/// Opens the stream from its start.
async fn watch(gateway: &Gateway, key: &str) -> reqwest::Response {
    let request = gateway.client().get(gateway.operator_url(&format!("{STREAM}?after=start")));
    let response = request.bearer_auth(key).send().await.expect("an answer");
    assert_eq!(response.status(), 200);
    response
}

/// Reads the stream until it contains `mark`, or ends.
async fn read_until(response: &mut reqwest::Response, mark: &str) -> String {
    let mut text = String::new();
    while !text.contains(mark) {
        let piece = tokio::time::timeout(PATIENCE, response.chunk()).await.expect("in time");
        let Ok(Some(piece)) = piece else { break };
        text.push_str(std::str::from_utf8(&piece).expect("text"));
    }
    text
}

/// Inserts an event of a tenant directly into the database.
async fn insert(gateway: &Gateway, tenant: &str, kind: &str) {
    let statement = format!(
        "INSERT INTO events (id, tenant, source, provider, event_type, strength, late, secret,
                             received_at, key, headers, body)
         VALUES (gen_random_uuid(), '{tenant}', 'billing', 'stripe', '{kind}', 'signed', false, '',
                 now(), gen_random_uuid(), '{{}}', '')"
    );
    gateway.execute(&statement).await;
}

#[tokio::test]
async fn tenant_keys_stream_only_their_tenant() {
    let gateway = Gateway::start().await;
    insert(&gateway, "default", "ours.first").await;
    insert(&gateway, "others", "theirs").await;
    insert(&gateway, "default", "ours.last").await;
    let ours = gateway.key("ours", &[Scope::EventsRead], Some("default")).await;
    let text = read_until(&mut watch(&gateway, &ours).await, "ours.last").await;
    assert!(text.contains("ours.first") && !text.contains("theirs"), "{text}");
    let theirs = gateway.key("theirs", &[Scope::EventsRead], Some("others")).await;
    let text = read_until(&mut watch(&gateway, &theirs).await, "theirs").await;
    assert!(!text.contains("ours.first"), "{text}");
    let all = gateway.key("all", &[Scope::EventsRead], None).await;
    let text = read_until(&mut watch(&gateway, &all).await, "ours.last").await;
    assert!(text.contains("theirs"), "{text}");
}

#[tokio::test]
async fn error_texts_require_payload_read() {
    let gateway = Gateway::start().await;
    let event = json!({
        "id": "evt_1", "object": "event", "type": "account.updated", "created": 1_763_600_000,
        "livemode": false, "data": { "object": { "id": "acct_1" } },
    });
    gateway.send("billing", None, event.to_string().as_bytes()).await;
    gateway.run_to_the_end().await;
    let [(_, error)] = &gateway.dead_letters().await[..] else { panic!("one dead letter") };
    let error = error.lines().next().unwrap().replace('`', "");
    let reads = gateway.key("reads", &[Scope::EventsRead, Scope::PayloadRead], None).await;
    let text = read_until(&mut watch(&gateway, &reads).await, "event: dead").await;
    assert!(text.contains("\"error\":"), "{text} {error}");
    let sees = gateway.key("sees", &[Scope::EventsRead], None).await;
    let text = read_until(&mut watch(&gateway, &sees).await, "event: dead").await;
    assert!(text.contains("\"reason\":") && !text.contains("\"error\":"), "{text}");
}

#[tokio::test]
async fn stream_ends_when_its_key_is_revoked() {
    let builder = Gateway::builder();
    let builder = builder.config("[operator]\n", "[operator]\nheartbeat = \"1s\"\n");
    let gateway = builder.start().await;
    let key = gateway.key("watcher", &[Scope::EventsRead], None).await;
    let mut response = watch(&gateway, &key).await;
    read_until(&mut response, "id: ").await;
    gateway
        .access()
        .revoke_key(&Caller::local("grace"), &key[4..20], &because("leaked"))
        .await
        .unwrap();
    let text = read_until(&mut response, "never read_until").await;
    assert!(text.contains(": the credentials are no longer valid or have changed"), "{text}");
}
