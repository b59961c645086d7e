//! Thin events: kept where there is no API key, fetched from a stand-in for Stripe where there is.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::stub::{Stub, Told};
use super::{CREATED, Event, accept, connected, row, tell};
use crate::harness::{Builder, Gateway};

const KEY: &str = "sk_test_0123456789abcdef";
/// 2026-11-20T12:00:00Z, when every test begins and Stripe is asked.
const ASKED: u64 = 1_795_176_000;

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

/// A gateway whose source `billing` has an API key and asks this address; the folder holds the key.
async fn asking(base: &str) -> (Gateway, TempDir) {
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
    let mut whole = updated();
    whole["changes"] = json!({ "before": { "status": "active" } });
    stub.answers("/v2/core/events/evt_thin", vec![Told::ok(&whole)]);
    stub.answers("/v1/subscriptions/sub_1", vec![Told::ok(&subscription("past_due"))]);
    let (gateway, _folder) = asking(&stub.url()).await;
    tell(&gateway, &[updated()]).await;

    assert_eq!(gateway.dead_letters().await, []);
    let known = row(&gateway, "stripe_subscriptions", "subscription_id", "sub_1").await.unwrap();
    assert_eq!(known["status"], "past_due");
    assert_eq!(known["account"], "acct_a");
    let kept = row(&gateway, "stripe_thin_events", "stripe_event_id", "evt_thin").await.unwrap();
    assert_eq!(kept["status"], "fetched");
    assert_eq!(kept["context"], "acct_a");
    let text =
        |column: &str| -> Value { serde_json::from_str(kept[column].as_str().unwrap()).unwrap() };
    assert_eq!(text("event"), whole);
    assert_eq!(text("object"), subscription("past_due"));

    let asked = stub.asked();
    let paths: Vec<&str> = asked.iter().map(|asked| &*asked.path).collect();
    assert_eq!(paths, ["/v2/core/events/evt_thin", "/v1/subscriptions/sub_1"]);
    for one in asked {
        assert_eq!(one.headers["authorization"], format!("Bearer {KEY}"));
        assert_eq!(one.headers["stripe-version"], "2025-09-30.clover");
        assert_eq!(one.headers["stripe-context"], "acct_a");
    }
}

#[tokio::test]
async fn a_fetched_object_is_known_as_of_when_it_was_asked_for() {
    let stub = Stub::start().await;
    stub.answers("/v2/core/events/evt_thin", vec![Told::ok(&updated())]);
    stub.answers("/v1/subscriptions/sub_1", vec![Told::ok(&subscription("past_due"))]);
    let (gateway, _folder) = asking(&stub.url()).await;
    tell(&gateway, &[updated()]).await;
    // A snapshot from after the thin event, but from before Stripe was asked, is older.
    for (id, created, expected) in
        [("evt_1", CREATED + 60, "past_due"), ("evt_2", ASKED + 60, "active")]
    {
        let kind = "customer.subscription.updated";
        let object = subscription("active");
        let snapshot = Event { id, kind, created, account: "acct_a", object };
        tell(&gateway, &[snapshot.json()]).await;
        let known = row(&gateway, "stripe_subscriptions", "subscription_id", "sub_1").await;
        assert_eq!(known.unwrap()["status"], expected, "after {id}");
    }
}

#[tokio::test]
async fn without_a_key_a_thin_event_is_kept_and_marked() {
    let gateway = Gateway::start().await;
    tell(&gateway, &[updated()]).await;
    let kept = row(&gateway, "stripe_thin_events", "stripe_event_id", "evt_thin").await.unwrap();
    assert_eq!(kept["status"], "kept");
    assert_eq!(kept["kind"], "v1.customer.subscription.updated");
    assert_eq!(kept["event"], Value::Null);
    assert_eq!(gateway.rows("stripe_subscriptions").await, Vec::<Value>::new());
    let outcome = gateway.query("SELECT outcome FROM deliveries").await;
    assert_eq!(outcome[0]["outcome"], "ignored");
}

#[tokio::test]
async fn of_a_type_without_a_handler_only_the_event_is_fetched() {
    let stub = Stub::start().await;
    let kind = "v2.core.account[requirements].updated";
    let event = thin("evt_other", kind, "acct_a", "/v2/core/accounts/acct_a");
    stub.answers("/v2/core/events/evt_other", vec![Told::ok(&event)]);
    let (gateway, _folder) = asking(&stub.url()).await;
    tell(&gateway, &[event]).await;
    let kept = row(&gateway, "stripe_thin_events", "stripe_event_id", "evt_other").await.unwrap();
    assert_eq!((&kept["status"], &kept["object"]), (&json!("fetched"), &Value::Null));
    assert_eq!(stub.asked().len(), 1);
}

#[tokio::test]
async fn an_authorisation_that_ended_is_not_asked_about() {
    let stub = Stub::start().await;
    let kind = "v1.account.application.deauthorized";
    let event = thin("evt_gone", kind, "acct_a", "/v1/accounts/acct_a");
    stub.answers("/v2/core/events/evt_gone", vec![Told::ok(&event)]);
    let (gateway, _folder) = asking(&stub.url()).await;
    tell(&gateway, &[event]).await;
    assert_eq!(connected(&gateway, "acct_a").await.unwrap()["status"], "not_connected");
    assert_eq!(stub.asked().len(), 1);
}

#[tokio::test]
async fn an_overloaded_stripe_is_asked_again_when_it_says() {
    let stub = Stub::start().await;
    let mut busy = Told::error(429, "rate_limit");
    busy.headers.push(("Retry-After", "600".to_owned()));
    let down = Told::error(503, "api_error");
    stub.answers("/v2/core/events/evt_thin", vec![busy, down, Told::ok(&updated())]);
    let answers = vec![Told::error(500, "api_error"), Told::ok(&subscription("active"))];
    stub.answers("/v1/subscriptions/sub_1", answers);
    let (gateway, _folder) = asking(&stub.url()).await;
    tell(&gateway, &[updated()]).await;
    let due = gateway.query("SELECT state, due_at, last_error FROM deliveries").await;
    assert_eq!(due[0]["state"], "ready");
    assert!(due[0]["due_at"].as_str().unwrap().starts_with("2026-11-20T12:10:00"), "{due:?}");
    assert_eq!(due[0]["last_error"], "Stripe responded 429 rate_limit");
    gateway.run_to_the_end().await;
    let known = row(&gateway, "stripe_subscriptions", "subscription_id", "sub_1").await.unwrap();
    assert_eq!(known["status"], "active");
    assert_eq!(stub.asked().len(), 6);
}

#[tokio::test]
async fn what_no_other_attempt_can_mend_is_a_dead_letter_that_tells_no_secret() {
    let huge = json!({ "id": "evt_thin", "fill": "x".repeat(1024 * 1024) });
    let other = thin("evt_other", "x", "sub_1", "/v1/subscriptions/sub_1");
    let mut elsewhere = updated();
    elsewhere["related_object"]["url"] = json!("//elsewhere.example/v1/subscriptions/sub_1");
    let mut nowhere = updated();
    nowhere["related_object"]["url"] = json!("/v1/../v2/core/events/evt_thin");
    for (answer, told) in [
        (Told::error(401, "api_key_expired"), "rejected the API key (401 api_key_expired)"),
        (Told::error(403, "secret key"), "rejected the API key (403)"),
        (Told::error(404, "not_found"), "has no event with this id"),
        (Told::error(400, "parameter_invalid"), "responded 400 parameter_invalid"),
        (Told::error(302, ""), "responded 302"),
        (Told::ok(&huge), "larger than 1048576 bytes"),
        (Told::ok(&json!([])), "not the requested event"),
        (Told::ok(&other), "a different event than requested"),
        (Told::ok(&elsewhere), "is not a valid path of a Stripe object"),
        (Told::ok(&nowhere), "is not a valid path of a Stripe object"),
        (Told::ok(&updated()), "a different object than requested"),
    ] {
        let stub = Stub::start().await;
        stub.answers("/v2/core/events/evt_thin", vec![answer]);
        stub.answers("/v1/subscriptions/sub_1", vec![Told::ok(&json!({ "id": "sub_2" }))]);
        let (gateway, _folder) = asking(&stub.url()).await;
        tell(&gateway, &[updated()]).await;
        let [(reason, error)] = gateway.dead_letters().await.try_into().unwrap();
        assert_eq!(reason, "permanent", "{error}");
        assert!(error.contains(told), "{told:?} is not in {error:?}");
        assert!(!error.contains("sk_test"), "{error}");
        assert_eq!(gateway.rows("stripe_thin_events").await, Vec::<Value>::new());
        assert_eq!(gateway.rows("stripe_objects").await, Vec::<Value>::new());
    }
}

#[tokio::test]
async fn a_stripe_that_cannot_be_reached_is_asked_again() {
    let stub = Stub::start().await;
    stub.answers("/v2/core/events/evt_thin", vec![Told::ok(&updated())]);
    stub.answers("/v1/subscriptions/sub_1", vec![Told::ok(&subscription("active"))]);
    let away = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", away.local_addr().unwrap());
    drop(away);
    let folder = tempfile::tempdir().unwrap();
    let gateway = builder(&base, &folder).leaves_work().start().await;
    accept(&gateway, &updated()).await;
    gateway.run_until_idle().await;
    let left = gateway.query("SELECT state, last_error FROM deliveries").await;
    assert_eq!(left[0]["state"], "ready");
    assert!(left[0]["last_error"].as_str().unwrap().starts_with("request to Stripe failed"));
    let again = builder(&stub.url(), &folder).beside(&gateway).start().await;
    again.run_to_the_end().await;
    let known = row(&again, "stripe_subscriptions", "subscription_id", "sub_1").await.unwrap();
    assert_eq!(known["status"], "active");
}

#[tokio::test]
async fn a_source_of_one_account_asks_for_no_other() {
    let stub = Stub::start().await;
    let folder = tempfile::tempdir().unwrap();
    let gateway = builder(&stub.url(), &folder)
        .config("livemode = false, api_base", "livemode = false, account = \"acct_z\", api_base")
        .start()
        .await;
    tell(&gateway, &[updated()]).await;
    let [(reason, _)] = gateway.dead_letters().await.try_into().unwrap();
    assert_eq!(reason, "wrong_account");
    assert_eq!(stub.asked(), []);
}
