//! Thin events: stored without an API key, and fetched from a stub of Stripe with one.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::stub::{Stub, StubResponse};
use super::{CREATED, Event, accept, connected, row, send_and_handle};
use crate::harness::{Builder, Gateway};

const KEY: &str = "sk_test_0123456789abcdef";
/// 2026-11-20T12:00:00Z, when every test starts and fetches.
const FETCHED: u64 = 1_795_176_000;

fn thin(id: &str, kind: &str, object: &str, url: &str) -> Value {
    json!({
        "id": id, "object": "v2.core.event", "type": kind, "livemode": false,
        "created": "2025-11-20T00:53:20.000Z", "context": "acct_a", "reason": null,
        "related_object": { "id": object, "type": "subscription", "url": url },
    })
}

fn subscription(status: &str) -> Value {
    json!({
        "id": "sub_1", "object": "subscription", "customer": "cus_1", "status": status,
        "items": { "data": [{ "id": "si_1", "price": { "id": "price_1" }, "quantity": 1 }] },
    })
}

/// A gateway whose source `billing` fetches from a URL; its API key is in the folder.
async fn fetching_from(base: &str) -> (Gateway, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (builder(base, &folder).start().await, folder)
}

fn builder(base: &str, folder: &TempDir) -> Builder {
    let key = folder.path().join("key");
    std::fs::write(&key, KEY).unwrap();
    let plain = "aliases = [\"/api/stripe/webhook\"]\noptions = { livemode = false }";
    let token = format!("token = {{ file = \"{}\" }}", key.display());
    let options = format!("options = {{ livemode = false, api_base = \"{base}\" }}");
    Gateway::builder()
        .config(plain, &format!("{token}\n{options}"))
        .more_config("\n[outbound]\nallow = [\"127.0.0.0/8\"]\n")
}

fn updated() -> Value {
    let kind = "v1.customer.subscription.updated";
    thin("evt_thin", kind, "sub_1", "/v1/subscriptions/sub_1")
}

#[tokio::test]
async fn a_thin_event_is_fetched_and_its_object_handled() {
    let stub = Stub::start().await;
    let mut full_event = updated();
    full_event["changes"] = json!({ "before": { "status": "active" } });
    stub.responses("/v2/core/events/evt_thin", vec![StubResponse::ok(&full_event)]);
    stub.responses("/v1/subscriptions/sub_1", vec![StubResponse::ok(&subscription("past_due"))]);
    let (gateway, _folder) = fetching_from(&stub.url()).await;
    send_and_handle(&gateway, &[updated()]).await;

    assert_eq!(gateway.dead_letters().await, []);
    let known = row(&gateway, "stripe_subscriptions", "subscription_id", "sub_1").await.unwrap();
    assert_eq!(known["status"], "past_due");
    assert_eq!(known["account"], "acct_a");
    let stored = row(&gateway, "stripe_thin_events", "stripe_event_id", "evt_thin").await.unwrap();
    assert_eq!(stored["status"], "fetched");
    assert_eq!(stored["context"], "acct_a");
    let text =
        |column: &str| -> Value { serde_json::from_str(stored[column].as_str().unwrap()).unwrap() };
    assert_eq!(text("event"), full_event);
    assert_eq!(text("object"), subscription("past_due"));

    let requests = stub.requests();
    let paths: Vec<&str> = requests.iter().map(|requests| &*requests.path).collect();
    assert_eq!(paths, ["/v2/core/events/evt_thin", "/v1/subscriptions/sub_1"]);
    for one in requests {
        assert_eq!(one.headers["authorization"], format!("Bearer {KEY}"));
        assert_eq!(one.headers["stripe-version"], "2025-09-30.clover");
        assert_eq!(one.headers["stripe-context"], "acct_a");
    }
}

#[tokio::test]
async fn fetched_object_is_dated_by_its_request() {
    let stub = Stub::start().await;
    stub.responses("/v2/core/events/evt_thin", vec![StubResponse::ok(&updated())]);
    stub.responses("/v1/subscriptions/sub_1", vec![StubResponse::ok(&subscription("past_due"))]);
    let (gateway, _folder) = fetching_from(&stub.url()).await;
    send_and_handle(&gateway, &[updated()]).await;
    // A snapshot after the thin event but before the fetch is older.
    for (id, created, expected) in
        [("evt_1", CREATED + 60, "past_due"), ("evt_2", FETCHED + 60, "active")]
    {
        let kind = "customer.subscription.updated";
        let object = subscription("active");
        let snapshot = Event { id, kind, created, account: "acct_a", object };
        send_and_handle(&gateway, &[snapshot.json()]).await;
        let known = row(&gateway, "stripe_subscriptions", "subscription_id", "sub_1").await;
        assert_eq!(known.unwrap()["status"], expected, "after {id}");
    }
}

#[tokio::test]
async fn thin_event_without_an_api_key_is_stored() {
    let gateway = Gateway::start().await;
    send_and_handle(&gateway, &[updated()]).await;
    let stored = row(&gateway, "stripe_thin_events", "stripe_event_id", "evt_thin").await.unwrap();
    assert_eq!(stored["status"], "kept");
    assert_eq!(stored["kind"], "v1.customer.subscription.updated");
    assert_eq!(stored["event"], Value::Null);
    assert_eq!(gateway.rows("stripe_subscriptions").await, Vec::<Value>::new());
    let outcome = gateway.query("SELECT outcome FROM deliveries").await;
    assert_eq!(outcome[0]["outcome"], "ignored");
}

#[tokio::test]
async fn unhandled_thin_type_fetches_only_the_event() {
    let stub = Stub::start().await;
    let kind = "v2.core.account[requirements].updated";
    let event = thin("evt_other", kind, "acct_a", "/v2/core/accounts/acct_a");
    stub.responses("/v2/core/events/evt_other", vec![StubResponse::ok(&event)]);
    let (gateway, _folder) = fetching_from(&stub.url()).await;
    send_and_handle(&gateway, &[event]).await;
    let stored = row(&gateway, "stripe_thin_events", "stripe_event_id", "evt_other").await.unwrap();
    assert_eq!((&stored["status"], &stored["object"]), (&json!("fetched"), &Value::Null));
    assert_eq!(stub.requests().len(), 1);
}

#[tokio::test]
async fn deauthorized_account_is_not_fetched() {
    let stub = Stub::start().await;
    let kind = "v1.account.application.deauthorized";
    let event = thin("evt_gone", kind, "acct_a", "/v1/accounts/acct_a");
    stub.responses("/v2/core/events/evt_gone", vec![StubResponse::ok(&event)]);
    let (gateway, _folder) = fetching_from(&stub.url()).await;
    send_and_handle(&gateway, &[event]).await;
    assert_eq!(connected(&gateway, "acct_a").await.unwrap()["status"], "not_connected");
    assert_eq!(stub.requests().len(), 1);
}

#[tokio::test]
async fn overloaded_stripe_is_retried_after_its_retry_after() {
    let stub = Stub::start().await;
    let mut busy = StubResponse::error(429, "rate_limit");
    busy.headers.push(("Retry-After", "600".to_owned()));
    let down = StubResponse::error(503, "api_error");
    stub.responses("/v2/core/events/evt_thin", vec![busy, down, StubResponse::ok(&updated())]);
    let answers =
        vec![StubResponse::error(500, "api_error"), StubResponse::ok(&subscription("active"))];
    stub.responses("/v1/subscriptions/sub_1", answers);
    let (gateway, _folder) = fetching_from(&stub.url()).await;
    send_and_handle(&gateway, &[updated()]).await;
    let due = gateway.query("SELECT state, due_at, last_error FROM deliveries").await;
    assert_eq!(due[0]["state"], "ready");
    assert!(due[0]["due_at"].as_str().unwrap().starts_with("2026-11-20T12:10:00"), "{due:?}");
    assert_eq!(due[0]["last_error"], "Stripe responded 429 rate_limit");
    gateway.run_to_the_end().await;
    let known = row(&gateway, "stripe_subscriptions", "subscription_id", "sub_1").await.unwrap();
    assert_eq!(known["status"], "active");
    assert_eq!(stub.requests().len(), 6);
}

#[tokio::test]
async fn permanent_fetch_error_is_dead_lettered_without_secrets() {
    let huge = json!({ "id": "evt_thin", "fill": "x".repeat(1024 * 1024) });
    let other = thin("evt_other", "x", "sub_1", "/v1/subscriptions/sub_1");
    let mut elsewhere = updated();
    elsewhere["related_object"]["url"] = json!("//elsewhere.example/v1/subscriptions/sub_1");
    let mut nowhere = updated();
    nowhere["related_object"]["url"] = json!("/v1/../v2/core/events/evt_thin");
    for (answer, expected) in [
        (StubResponse::error(401, "api_key_expired"), "rejected the API key (401 api_key_expired)"),
        (StubResponse::error(403, "secret key"), "rejected the API key (403)"),
        (StubResponse::error(404, "not_found"), "has no event with this id"),
        (StubResponse::error(400, "parameter_invalid"), "responded 400 parameter_invalid"),
        (StubResponse::error(302, ""), "responded 302"),
        (StubResponse::ok(&huge), "larger than 1048576 bytes"),
        (StubResponse::ok(&json!([])), "not the requested event"),
        (StubResponse::ok(&other), "a different event than requested"),
        (StubResponse::ok(&elsewhere), "is not a valid path of a Stripe object"),
        (StubResponse::ok(&nowhere), "is not a valid path of a Stripe object"),
        (StubResponse::ok(&updated()), "a different object than requested"),
    ] {
        let stub = Stub::start().await;
        stub.responses("/v2/core/events/evt_thin", vec![answer]);
        stub.responses(
            "/v1/subscriptions/sub_1",
            vec![StubResponse::ok(&json!({ "id": "sub_2" }))],
        );
        let (gateway, _folder) = fetching_from(&stub.url()).await;
        send_and_handle(&gateway, &[updated()]).await;
        let [(reason, error)] = gateway.dead_letters().await.try_into().unwrap();
        assert_eq!(reason, "permanent", "{error}");
        assert!(error.contains(expected), "{expected:?} is not in {error:?}");
        assert!(!error.contains("sk_test"), "{error}");
        assert_eq!(gateway.rows("stripe_thin_events").await, Vec::<Value>::new());
        assert_eq!(gateway.rows("stripe_objects").await, Vec::<Value>::new());
    }
}

#[tokio::test]
async fn unreachable_stripe_is_retried() {
    let stub = Stub::start().await;
    stub.responses("/v2/core/events/evt_thin", vec![StubResponse::ok(&updated())]);
    stub.responses("/v1/subscriptions/sub_1", vec![StubResponse::ok(&subscription("active"))]);
    let closed_port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", closed_port.local_addr().unwrap());
    drop(closed_port);
    let folder = tempfile::tempdir().unwrap();
    let gateway = builder(&base, &folder).allow_unfinished().start().await;
    accept(&gateway, &updated()).await;
    gateway.run_until_idle().await;
    let left = gateway.query("SELECT state, last_error FROM deliveries").await;
    assert_eq!(left[0]["state"], "ready");
    assert!(left[0]["last_error"].as_str().unwrap().starts_with("request to Stripe failed"));
    let again = builder(&stub.url(), &folder).sharing_database(&gateway).start().await;
    again.run_to_the_end().await;
    let known = row(&again, "stripe_subscriptions", "subscription_id", "sub_1").await.unwrap();
    assert_eq!(known["status"], "active");
}

#[tokio::test]
async fn source_of_one_account_fetches_no_other_account() {
    let stub = Stub::start().await;
    let folder = tempfile::tempdir().unwrap();
    let gateway = builder(&stub.url(), &folder)
        .config("livemode = false, api_base", "livemode = false, account = \"acct_z\", api_base")
        .start()
        .await;
    send_and_handle(&gateway, &[updated()]).await;
    let [(reason, _)] = gateway.dead_letters().await.try_into().unwrap();
    assert_eq!(reason, "wrong_account");
    assert_eq!(stub.requests(), []);
}
