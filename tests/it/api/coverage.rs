//! Calls every operation of the document without a key, with keys of the wrong scopes, and with
//! another tenant's key. A new operation needs a line here.

use reqwest::Method;
use sealpost::admin::{Scope, Scopes};
use serde_json::{Value, json};

use super::document::operations;
use super::{dead_letters, get, post, problem, send};
use crate::access::users::signed_in;
use crate::alerts::outbox;
use crate::chunks::Transfer;
use crate::harness::{API_KEY, Gateway};
use crate::rejected_requests;

/// A tenant that owns nothing in the gateway.
const STRANGER: &str = "stranger";

/// How an operation is called.
struct Line {
    id: &'static str,
    /// The first scope that it requires; `None` if any key is accepted.
    scope: Option<Scope>,
    /// The path, with placeholders such as `{delivery}` for ids of the tenant `default`.
    path: &'static str,
    body: Option<&'static str>,
    stranger: Sees,
}

/// The response to another tenant.
#[derive(Clone, Copy, PartialEq)]
enum Sees {
    NotFound,
    /// An empty list.
    Empty,
    /// A list of the other tenant's own items.
    Own,
    /// An overview without sources.
    NoSources,
    /// A tenant cannot grant access to another.
    Invalid,
    /// Rejected, as the data is of all tenants.
    Refused,
    /// The same response for every tenant.
    All,
    /// An endless response, tested in `tests/it/access/stream.rs`.
    Stream,
}

const BECAUSE: Option<&str> = Some(r#"{"reason":"a test"}"#);
const REPROCESS_PLAN: Option<&str> = Some(r#"{"action":"reprocess","reason":"a reason"}"#);
const GRANT: Option<&str> = Some(r#"{"name":"new","scopes":["events:read"],"tenant":"default"}"#);
const RECORDED: Option<&str> = Some(r#"{"source":"billing","headers":[],"body":{"text":"{}"}}"#);
const REMOVE: Option<&str> = Some(r#"{"reason":"a test","secret":"0123456789ab"}"#);
const EDIT: Option<&str> = Some(r#"{"body":"{}","reason":"a test"}"#);
const DRAFT: Option<&str> = Some(r#"{"body":"{}"}"#);
const PLAN: &str =
    r#"{"action":"discard","selection":{"matching":{"source":"billing"}},"reason":"a test"}"#;

/// The operations that return a secret, which is not stored.
const SECRET: [&str; 3] = ["createApiKey", "inviteUser", "resetUser"];

/// Every operation that needs a key.
const TABLE: &[Line] = &[
    line("showDocument", None, "/api/v1/openapi.json", None, Sees::All),
    line("showCaller", None, "/api/v1/me", None, Sees::All),
    line("listProviders", None, "/api/v1/providers", None, Sees::All),
    line("showProvider", None, "/api/v1/providers/stripe", None, Sees::All),
    read("showMetrics", "/metrics", Sees::Refused),
    read("watchChanges", "/api/v1/stream", Sees::Stream),
    read("showOverview", "/api/v1/overview", Sees::NoSources),
    read("listAlerts", "/api/v1/alerts?all=true", Sees::Empty),
    read("listDeadLetters", "/api/v1/dead-letters", Sees::Empty),
    replay("replayDeadLetter", "/api/v1/dead-letters/{delivery}/replay", BECAUSE),
    replay("discardDeadLetter", "/api/v1/dead-letters/{delivery}/discard", BECAUSE),
    replay("unblockDeadLetterLane", "/api/v1/dead-letters/{delivery}/unblock", BECAUSE),
    payload("editDeadLetter", "/api/v1/dead-letters/{delivery}/edit", EDIT),
    payload("previewDeadLetterEdit", "/api/v1/dead-letters/{delivery}/edit/preview", DRAFT),
    read("showDelivery", "/api/v1/deliveries/{delivery}", Sees::NotFound),
    replay("retryDelivery", "/api/v1/deliveries/{delivery}/retry", BECAUSE),
    read("listDestinations", "/api/v1/destinations", Sees::Empty),
    read("showDestination", "/api/v1/destinations/app", Sees::NotFound),
    switch("retryDestination", "/api/v1/destinations/app/retry"),
    line(
        "testDestination",
        Some(Scope::SourcesWrite),
        "/api/v1/destinations/app/test",
        None,
        Sees::NotFound,
    ),
    switch("pauseDestination", "/api/v1/destinations/app/pause"),
    switch("resumeDestination", "/api/v1/destinations/app/resume"),
    switch("disableDestination", "/api/v1/destinations/app/disable"),
    switch("enableDestination", "/api/v1/destinations/app/enable"),
    switch("forgetDestination", "/api/v1/destinations/app/forget"),
    read("listEvents", "/api/v1/events", Sees::Empty),
    read("showEvent", "/api/v1/events/{event}", Sees::NotFound),
    payload("downloadEventBody", "/api/v1/events/{event}/body", None),
    payload("captureEvent", "/api/v1/events/{event}/fixture", None),
    line(
        "eraseEvent",
        Some(Scope::EventsErase),
        "/api/v1/events/{event}/erase",
        BECAUSE,
        Sees::NotFound,
    ),
    read("listGroups", "/api/v1/groups", Sees::Empty),
    read("showGroup", "/api/v1/groups/{group}", Sees::NotFound),
    replay("planJob", "/api/v1/jobs", Some(PLAN)),
    replay("previewJob", "/api/v1/jobs/preview", Some(PLAN)),
    replay("startJob", "/api/v1/jobs/{job}/start", None),
    replay("cancelJob", "/api/v1/jobs/{job}/cancel", BECAUSE),
    read("listJobs", "/api/v1/jobs", Sees::Empty),
    read("showJob", "/api/v1/jobs/{job}", Sees::NotFound),
    read("listTransfers", "/api/v1/transfers", Sees::Empty),
    read("showTransfer", "/api/v1/transfers/{transfer}", Sees::NotFound),
    read("listSources", "/api/v1/sources", Sees::Empty),
    read("showSource", "/api/v1/sources/billing", Sees::NotFound),
    read("listPauses", "/api/v1/pauses", Sees::Empty),
    switch("pauseSource", "/api/v1/sources/billing/pause"),
    switch("resumeSource", "/api/v1/sources/billing/resume"),
    secret("acceptHandshake", "/api/v1/sources/billing/accept-handshake", BECAUSE),
    secret("refuseHandshake", "/api/v1/sources/billing/refuse-handshake", BECAUSE),
    secret("removeSourceSecret", "/api/v1/sources/billing/remove-secret", REMOVE),
    secret("revealSourceSecret", "/api/v1/sources/billing/reveal-secret", BECAUSE),
    switch("pauseHandler", "/api/v1/handlers/cards/pause"),
    switch("resumeHandler", "/api/v1/handlers/cards/resume"),
    admin("listSettings", "/api/v1/settings", None, Sees::Refused),
    refusal("listRejectedRequests", "/api/v1/rejected-requests", None, Sees::Empty),
    refusal(
        "planRejectedRequestsJob",
        "/api/v1/rejected-requests/jobs",
        REPROCESS_PLAN,
        Sees::NotFound,
    ),
    refusal("showRejectedRequest", "/api/v1/rejected-requests/{rejected}", None, Sees::NotFound),
    refusal(
        "explainRejectedRequest",
        "/api/v1/rejected-requests/{rejected}/explanation",
        None,
        Sees::NotFound,
    ),
    refusal(
        "reprocessRejectedRequest",
        "/api/v1/rejected-requests/{rejected}/reprocess",
        BECAUSE,
        Sees::NotFound,
    ),
    refusal(
        "discardRejectedRequest",
        "/api/v1/rejected-requests/{rejected}/discard",
        BECAUSE,
        Sees::NotFound,
    ),
    refusal("explainRequest", "/api/v1/explanations", RECORDED, Sees::NotFound),
    admin("listAuditEntries", "/api/v1/audit", None, Sees::Own),
    admin("verifyAudit", "/api/v1/audit/verification", None, Sees::Refused),
    admin("listApiKeys", "/api/v1/api-keys", None, Sees::Own),
    admin("createApiKey", "/api/v1/api-keys", GRANT, Sees::Invalid),
    admin("revokeApiKey", "/api/v1/api-keys/{key}/revoke", BECAUSE, Sees::NotFound),
    admin("listUsers", "/api/v1/users", None, Sees::Empty),
    admin("inviteUser", "/api/v1/users", GRANT, Sees::Invalid),
    admin("resetUser", "/api/v1/users/{user}/reset", BECAUSE, Sees::NotFound),
    admin("disableUser", "/api/v1/users/{user}/disable", BECAUSE, Sees::NotFound),
    admin("enableUser", "/api/v1/users/{user}/enable", BECAUSE, Sees::NotFound),
    admin("listSessions", "/api/v1/users/bob/sessions", None, Sees::NotFound),
    admin("endSession", "/api/v1/users/bob/sessions/{session}/end", BECAUSE, Sees::NotFound),
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

const fn read(id: &'static str, path: &'static str, stranger: Sees) -> Line {
    line(id, Some(Scope::EventsRead), path, None, stranger)
}

const fn payload(id: &'static str, path: &'static str, body: Option<&'static str>) -> Line {
    line(id, Some(Scope::PayloadRead), path, body, Sees::NotFound)
}

const fn replay(id: &'static str, path: &'static str, body: Option<&'static str>) -> Line {
    line(id, Some(Scope::EventsReplay), path, body, Sees::NotFound)
}

const fn refusal(
    id: &'static str,
    path: &'static str,
    body: Option<&'static str>,
    stranger: Sees,
) -> Line {
    line(id, Some(Scope::SecretsWrite), path, body, stranger)
}

const fn secret(id: &'static str, path: &'static str, body: Option<&'static str>) -> Line {
    line(id, Some(Scope::SecretsWrite), path, body, Sees::NotFound)
}

const fn admin(
    id: &'static str,
    path: &'static str,
    body: Option<&'static str>,
    stranger: Sees,
) -> Line {
    line(id, Some(Scope::Admin), path, body, stranger)
}

const fn switch(id: &'static str, path: &'static str) -> Line {
    line(id, Some(Scope::SourcesWrite), path, BECAUSE, Sees::NotFound)
}

/// Every line, with its method and its operation in the document.
fn covered() -> Vec<(Method, &'static Line, Value)> {
    let mut covered = Vec::new();
    for (method, path, operation) in operations() {
        let id = operation["operationId"].as_str().unwrap();
        let open = operation["security"].as_array().is_some_and(Vec::is_empty);
        let line = TABLE.iter().find(|line| line.id == id);
        assert_eq!(line.is_none(), open, "{id} ({method} {path}) has no line in this table");
        covered.extend(line.map(|line| (method.parse().unwrap(), line, operation.clone())));
    }
    assert_eq!(covered.len(), TABLE.len(), "a line has no operation");
    covered
}

/// The values of the placeholders in paths.
struct Ids(Vec<(&'static str, String)>);

impl Ids {
    fn path(&self, line: &Line) -> String {
        self.0.iter().fold(line.path.to_owned(), |path, (name, value)| path.replace(name, value))
    }
}

/// A gateway with one of everything, owned by the tenant `default`.
async fn gateway() -> (Gateway, Ids) {
    let gateway = Gateway::builder()
        .config(
            "[operator]\n",
            "[operator]\nfailures_per_minute = 1000\n\
             reads = { per_second = 1000, burst = 1000 }\n\
             changes = { per_second = 1000, burst = 1000 }\n",
        )
        .config(rejected_requests::PLAIN, rejected_requests::KEEP_REJECTED)
        .more_config(
            "\n[[destination]]\nname = \"app\"\nurl = \"https://app.example.com/hooks\"\n\
             sources = [\"bot\"]\nsecret = { env = \"APP_SECRET\" }\n",
        )
        .allow_unfinished()
        .start()
        .await;
    dead_letters(&gateway, 0..1).await;
    Transfer::of(2).send(&gateway, 0).await;
    outbox::raise(gateway.store(), outbox::alert("a", "it does not work")).await;
    rejected_requests::send_rejected(&gateway, "{}").await;
    let rejected = rejected_requests::wait_for_rejected(&gateway, 1).await[0].id.to_string();
    let first = async |path: &str| get(&gateway, path, &[]).await.json["items"][0].clone();
    let dead_letter = first("/api/v1/dead-letters").await;
    let job = post(&gateway, "/api/v1/jobs", &[], PLAN).await;
    let paused = post(&gateway, "/api/v1/sources/bot/pause", &[], BECAUSE.unwrap()).await;
    assert_eq!(paused.status, 200, "{}", paused.text);
    let granted = |name: &str| json!({ "name": name, "scopes": ["admin"] }).to_string();
    let key = post(&gateway, "/api/v1/api-keys", &[], &granted("theirs")).await;
    let invited = post(&gateway, "/api/v1/users", &[], &granted("ada")).await;
    assert_eq!((job.status, key.status, invited.status), (200, 200, 200), "{}", job.text);
    signed_in(&gateway, "bob", Scope::Admin).await;
    let session = first("/api/v1/users/bob/sessions").await;
    let ids = vec![
        ("{session}", session["id"].to_string()),
        ("{delivery}", dead_letter["id"].to_string()),
        ("{event}", dead_letter["event"].as_str().unwrap().to_owned()),
        ("{group}", first("/api/v1/groups").await["id"].to_string()),
        ("{transfer}", first("/api/v1/transfers").await["id"].to_string()),
        ("{job}", job.json["job"]["id"].to_string()),
        ("{rejected}", rejected),
        ("{key}", key.json["about"]["id"].as_str().unwrap().to_owned()),
        ("{user}", "ada".to_owned()),
    ];
    (gateway, Ids(ids))
}

#[tokio::test]
async fn every_operation_requires_a_key() {
    let (gateway, ids) = gateway().await;
    for (method, line, _) in covered() {
        let answer = send(&gateway, (method, &ids.path(line)), None, &[], line.body).await;
        assert_eq!((answer.status, problem(&answer)), (401, "key-required"), "{}", line.id);
    }
}

#[tokio::test]
async fn every_operation_names_the_missing_scope() {
    let (gateway, ids) = gateway().await;
    for (method, line, operation) in covered() {
        let documented: Vec<Scope> = operation["security"][0]["bearer"]
            .as_array()
            .unwrap()
            .iter()
            .map(|scope| scope.as_str().unwrap().parse().unwrap())
            .collect();
        assert_eq!(documented.first(), line.scope.as_ref(), "{}", line.id);
        for scope in documented {
            let wrong: Vec<Scope> = Scopes::all()
                .iter()
                .filter(|other| ![scope, Scope::Admin].contains(other))
                .collect();
            let name = format!("{} {scope}", line.id).replace(':', " ");
            let key = gateway.key(&name, &wrong, None).await;
            let call = (method.clone(), &*ids.path(line));
            let answer = send(&gateway, call, Some(&key), &[], line.body).await;
            assert_eq!((answer.status, problem(&answer)), (403, "scope-missing"), "{}", line.id);
            assert_eq!(answer.json["scope"], scope.as_str(), "{}", line.id);
        }
    }
    assert!(gateway.rows("operator_actions").await.is_empty(), "nothing was done");
}

#[tokio::test]
async fn reads_return_the_tenants_own_data() {
    let (gateway, ids) = gateway().await;
    for (method, line, _) in covered() {
        if method != Method::GET || line.stranger == Sees::Stream {
            continue;
        }
        let answer = get(&gateway, &ids.path(line), &[]).await;
        assert_eq!(answer.status, 200, "{}: {}", line.id, answer.text);
        let items = answer.json["items"].as_array();
        assert!(items.is_none_or(|items| !items.is_empty()), "{} is not empty", line.id);
    }
}

#[tokio::test]
async fn unchanged_resources_return_304() {
    let (gateway, ids) = gateway().await;
    let (mut count, mut all) = (0, 0);
    for (method, line, operation) in covered() {
        if method != Method::GET || operation["responses"]["304"].is_null() {
            continue;
        }
        let mut known = get(&gateway, &ids.path(line), &[]).await;
        // Other tests in the same server may change it, such as by an open transaction.
        for _ in 0..10 {
            let tag = known.headers["etag"].to_str().unwrap();
            let again = get(&gateway, &ids.path(line), &[("if-none-match", tag)]).await;
            if again.status == 304 {
                assert_eq!(again.text, "", "{}", line.id);
                count += 1;
                break;
            }
            assert_eq!(again.status, 200, "{}", line.id);
            assert_ne!(again.text, known.text, "{}", line.id);
            known = again;
        }
        all += 1;
    }
    assert!(all > 20, "too few operations document 304");
    assert_eq!(count, all, "a resource changes with every request");
}

#[tokio::test]
async fn wrong_methods_and_unknown_parameters_are_rejected() {
    let (gateway, ids) = gateway().await;
    for (method, line, operation) in covered() {
        let (id, path) = (line.id, ids.path(line));
        let other = send(&gateway, (Method::PATCH, &path), Some(API_KEY), &[], None).await;
        assert_eq!((other.status, problem(&other)), (405, "method-not-allowed"), "{id}");
        let allow = other.headers["allow"].to_str().unwrap();
        assert!(allow.split(", ").any(|allowed| allowed == method.as_str()), "{id}: {allow}");
        if line.stranger == Sees::Stream {
            continue;
        }
        let and = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{and}colour=red");
        let unknown = send(&gateway, (method, &path), Some(API_KEY), &[], line.body).await;
        assert_eq!((unknown.status, problem(&unknown)), (400, "malformed"), "{id}");
        assert!(!operation["responses"]["400"].is_null(), "{id} does not document 400");
    }
    assert!(gateway.rows("operator_actions").await.is_empty(), "nothing was done");
}

#[tokio::test]
async fn changes_are_idempotent_with_a_key() {
    let (gateway, ids) = gateway().await;
    for (method, line, _) in covered() {
        if method != Method::POST {
            continue;
        }
        let (id, path) = (line.id, ids.path(line));
        let key = [("idempotency-key", id)];
        let call = || send(&gateway, (Method::POST, &path), Some(API_KEY), &key, line.body);
        let (first, again) = (call().await, call().await);
        if first.status >= 300 {
            assert_eq!((again.status, problem(&again)), (first.status, problem(&first)), "{id}");
        } else if SECRET.contains(&id) {
            assert_eq!(problem(&again), "idempotency-answer-not-kept", "{id}");
        } else {
            assert_eq!((again.status, &again.text), (first.status, &first.text), "{id}");
            assert_eq!(again.headers["idempotency-replayed"], "true", "{id}");
        }
    }
}

#[tokio::test]
async fn other_tenants_data_is_not_found() {
    let (gateway, ids) = gateway().await;
    let key = gateway.key("stranger", &Vec::from(Scopes::all()), Some(STRANGER)).await;
    for (method, line, _) in covered() {
        if line.stranger == Sees::Stream {
            continue;
        }
        let call = (method, &*ids.path(line));
        let answer = send(&gateway, call, Some(&key), &[], line.body).await;
        let (id, text) = (line.id, &answer.text);
        match line.stranger {
            Sees::NotFound => {
                assert_eq!((answer.status, problem(&answer)), (404, "not-found"), "{id}");
            }
            Sees::Empty => {
                assert_eq!((answer.status, &answer.json["items"]), (200, &json!([])), "{id}");
            }
            Sees::Own => {
                let items = answer.json["items"].as_array().unwrap();
                assert!(items.iter().all(|item| item["tenant"] == STRANGER), "{id}: {text}");
            }
            Sees::NoSources => {
                assert_eq!((answer.status, &answer.json["sources"]), (200, &json!([])), "{id}");
            }
            Sees::Invalid => {
                assert_eq!((answer.status, problem(&answer)), (400, "invalid"), "{id}");
            }
            Sees::Refused => {
                assert_eq!((answer.status, problem(&answer)), (403, "all-tenants"), "{id}");
            }
            Sees::All => assert_eq!(answer.status, 200, "{id}: {text}"),
            Sees::Stream => {}
        }
    }
}
