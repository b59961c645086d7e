//! Every operation of the document is called without a key, with keys of the wrong scopes, and with
//! another tenant's key. Whoever adds an operation adds a line here: without one this fails.

use reqwest::Method;
use sealpost::operator::Scope;
use serde_json::{Value, json};

use super::document::operations;
use super::{dead_letters, problem, send};
use crate::harness::Gateway;

/// The tenant that owns nothing of what the tests put into the gateway.
const STRANGER: &str = "stranger";

/// One operation, as it is called here.
struct Line {
    id: &'static str,
    /// The scope that it needs; `None` where any key will do.
    scope: Option<Scope>,
    /// The request's path: `{delivery}` stands for a dead letter of the tenant `default`.
    path: &'static str,
    body: Option<&'static str>,
    /// What another tenant sees.
    stranger: Sees,
}

/// How it shows that something belongs to another tenant.
#[derive(Clone, Copy, PartialEq)]
enum Sees {
    /// It is not there.
    NotFound,
    /// The list has none of it.
    Empty,
    /// It is about all tenants together, and refused.
    Refused,
    /// It is about no tenant.
    All,
    /// It does not end, and is tested by itself: `tests/it/access/stream.rs`.
    Stream,
    /// Only when it is merged with the branch that filters it.
    Anything,
}

const BECAUSE: Option<&str> = Some(r#"{"reason":"a test"}"#);

/// Every operation that needs a key.
const TABLE: &[Line] = &[
    line("showDocument", None, "/api/v1/openapi.json", None, Sees::All),
    line("showMetrics", Some(Scope::EventsRead), "/metrics", None, Sees::Refused),
    line("watchChanges", Some(Scope::EventsRead), "/api/v1/stream", None, Sees::Stream),
    line("listAlerts", Some(Scope::EventsRead), "/api/v1/alerts?all=true", None, Sees::Empty),
    line("listDeadLetters", Some(Scope::EventsRead), "/api/v1/dead-letters", None, Sees::Anything),
    line(
        "replayDeadLetter",
        Some(Scope::EventsReplay),
        "/api/v1/dead-letters/{delivery}/replay",
        BECAUSE,
        Sees::Anything,
    ),
    line(
        "discardDeadLetter",
        Some(Scope::EventsReplay),
        "/api/v1/dead-letters/{delivery}/discard",
        BECAUSE,
        Sees::Anything,
    ),
    line(
        "showDelivery",
        Some(Scope::EventsRead),
        "/api/v1/deliveries/{delivery}",
        None,
        Sees::Anything,
    ),
    line("listDestinations", Some(Scope::EventsRead), "/api/v1/destinations", None, Sees::Empty),
    switch("pauseDestination", "/api/v1/destinations/app/pause"),
    switch("resumeDestination", "/api/v1/destinations/app/resume"),
    switch("disableDestination", "/api/v1/destinations/app/disable"),
    switch("enableDestination", "/api/v1/destinations/app/enable"),
    line(
        "startApifyRun",
        Some(Scope::SourcesWrite),
        "/api/v1/apify/runs",
        Some(r#"{"source":"apify-runs","guild_id":"1"}"#),
        Sees::NotFound,
    ),
];

const fn line(
    id: &'static str,
    scope: Option<Scope>,
    path: &'static str,
    body: Option<&'static str>,
    stranger: Sees,
) -> Line {
    Line { id, scope, path, body, stranger }
}

const fn switch(id: &'static str, path: &'static str) -> Line {
    line(id, Some(Scope::SourcesWrite), path, BECAUSE, Sees::NotFound)
}

/// Every line, with its method and what the document says of it.
fn covered() -> Vec<(Method, &'static Line, Value)> {
    let mut covered = Vec::new();
    for (method, path, operation) in operations() {
        let id = operation["operationId"].as_str().unwrap();
        let open = operation["security"].is_null();
        let line = TABLE.iter().find(|line| line.id == id);
        assert_eq!(line.is_none(), open, "{id} ({method} {path}) has no line in this table");
        covered.extend(line.map(|line| (method.parse().unwrap(), line, operation.clone())));
    }
    assert_eq!(covered.len(), TABLE.len(), "a line is about no operation");
    covered
}

/// A gateway where there is one of everything, all of it of the tenant `default`.
async fn gateway() -> (Gateway, String) {
    let gateway = Gateway::builder()
        .config(
            "[operator]\n",
            "[operator]\nreads = { per_second = 1000, burst = 1000 }\nchanges = { per_second = 1000, burst = 1000 }\n",
        )
        .more_config(
            "\n[[destination]]\nname = \"app\"\nurl = \"https://app.example.com/hooks\"\n\
             sources = [\"bot\"]\nsecret = { env = \"APP_SECRET\" }\n",
        )
        .leaves_work()
        .start()
        .await;
    dead_letters(&gateway, 0..1).await;
    let page = gateway.operator("/api/v1/dead-letters").await;
    let delivery = page.json["items"][0]["id"].to_string();
    (gateway, delivery)
}

#[tokio::test]
async fn without_a_key_nothing_is_let_in() {
    let (gateway, delivery) = gateway().await;
    for (method, line, _) in covered() {
        // From a good caller now and then, so that no peer is held back for its failures.
        let path = line.path.replace("{delivery}", &delivery);
        let answer = send(&gateway, (method, &path), None, &[], line.body).await;
        assert_eq!((answer.status, problem(&answer)), (401, "key-required"), "{}", line.id);
    }
}

#[tokio::test]
async fn with_every_scope_but_the_right_one_a_call_names_the_right_one() {
    let (gateway, delivery) = gateway().await;
    for (method, line, operation) in covered() {
        let documented: Vec<Value> = line.scope.iter().map(|scope| json!(scope.as_str())).collect();
        assert_eq!(operation["security"][0]["bearer"], json!(documented), "{}", line.id);
        let Some(scope) = line.scope else { continue };
        let wrong: Vec<Scope> =
            Scope::ALL.into_iter().filter(|other| ![scope, Scope::Admin].contains(other)).collect();
        let key = gateway.key(line.id, &wrong, None).await;
        let path = line.path.replace("{delivery}", &delivery);
        let answer = send(&gateway, (method, &path), Some(&key), &[], line.body).await;
        assert_eq!((answer.status, problem(&answer)), (403, "scope-missing"), "{}", line.id);
        assert_eq!(answer.json["scope"], scope.as_str(), "{}", line.id);
    }
    assert!(gateway.rows("operator_actions").await.is_empty(), "nothing was done");
}

#[tokio::test]
async fn what_belongs_to_another_tenant_is_not_there() {
    let (gateway, delivery) = gateway().await;
    let key = gateway.key("stranger", &Scope::ALL, Some(STRANGER)).await;
    for (method, line, _) in covered() {
        if matches!(line.stranger, Sees::Stream | Sees::Anything) {
            continue;
        }
        let path = line.path.replace("{delivery}", &delivery);
        let answer = send(&gateway, (method, &path), Some(&key), &[], line.body).await;
        let (id, text) = (line.id, &answer.text);
        match line.stranger {
            Sees::NotFound => {
                assert_eq!((answer.status, problem(&answer)), (404, "not-found"), "{id}");
            }
            Sees::Empty => {
                assert_eq!((answer.status, &answer.json["items"]), (200, &json!([])), "{id}");
            }
            Sees::Refused => {
                assert_eq!((answer.status, problem(&answer)), (403, "all-tenants"), "{id}");
            }
            Sees::All => assert_eq!(answer.status, 200, "{id}: {text}"),
            Sees::Stream | Sees::Anything => {}
        }
    }
}
