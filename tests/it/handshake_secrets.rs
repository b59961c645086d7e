//! Handshakes that bring a secret: accepted in a window, stored sealed, used by every gateway.

use std::sync::Arc;
use std::time::Duration;

use sealpost::admin::{Caller, MasterKeys, Rotated, Scope};
use sealpost::clock::{Clock as _, SystemClock};
use sealpost::store::Store;
use sealpost::vault::{MasterKey, Vault};
use sealpost::verify::{RefusalReason, Secret};
use serde_json::{Value, json};

use crate::access::log::Log;
use crate::cli::Program;
use crate::harness::{Answer, Builder, Gateway, MASTER_KEY};
use crate::rejected_requests::wait_for_rejected;

const FIRST: &str = "first-canary-0123456789abcdef";
const SECOND: &str = "second-canary-0123456789abcde";
const CONFIGURED: &str = "configured-0123456789abcdef01";

pub(crate) const SOURCES: &str = r#"
[[source]]
name = "tasks"
provider = "asana"
keep_rejected = "1h"

[[source]]
name = "pages"
provider = "notion"
keep_rejected = "1h"

[[source]]
name = "own"
provider = "custom"
secrets = [{ env = "OWN_SECRET" }]

[source.scheme]
algorithm = "hmac-sha256"
signed = "{body}"
signature = { header = "x-own-signature" }
event = { type = "json:/type", id = "json:/id" }

[[source.scheme.handshake]]
when = { "json:/type" = "hello" }
store = "json:/keys/0"
body = '{{"hello":{json:/name|json}}}'
"#;

fn builder() -> Builder {
    Gateway::builder().more_config(SOURCES).variable("OWN_SECRET", CONFIGURED)
}

fn lines(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

async fn asana_handshake(gateway: &Gateway, secret: &str) -> Answer {
    gateway.send_raw("tasks", None, &lines(&[("x-hook-secret", secret)]), b"{}").await
}

async fn notion_handshake(gateway: &Gateway, secret: &str) -> Answer {
    let body = json!({ "verification_token": secret }).to_string();
    gateway.send_raw("pages", None, &[], body.as_bytes()).await
}

fn mac(secret: &str, body: &str) -> String {
    hex::encode(Secret::new(secret).unwrap().sign(&[body.as_bytes()]))
}

/// A task event, signed with this secret.
async fn task(gateway: &Gateway, secret: &str, number: u32) -> Answer {
    let body = json!({ "events": [{ "action": "added", "number": number }] }).to_string();
    let headers = lines(&[("x-hook-signature", &*mac(secret, &body))]);
    gateway.send_raw("tasks", None, &headers, body.as_bytes()).await
}

/// Runs an action on a source over the API.
async fn act(gateway: &Gateway, source: &str, verb: &str, more: &[(&str, &str)]) -> Answer {
    let mut body = json!({ "reason": "setting up" });
    for (name, value) in more {
        body[*name] = json!(value);
    }
    let path = format!("/api/v1/sources/{source}/{verb}");
    gateway.call(&path, &[("content-type", "application/json")], &body.to_string()).await
}

pub(crate) async fn open(gateway: &Gateway, source: &str) {
    let answer = act(gateway, source, "accept-handshake", &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

fn fingerprint(secret: &str) -> String {
    Secret::new(secret).unwrap().fingerprint().to_string()
}

async fn shown(gateway: &Gateway, source: &str) -> Value {
    gateway.operator(&format!("/api/v1/sources/{source}")).await.json
}

async fn events(gateway: &Gateway) -> i64 {
    gateway.count("SELECT count(*) FROM events").await
}

#[tokio::test]
async fn handshake_without_a_window_is_rejected_and_says_what_to_do() {
    let gateway = builder().start().await;
    let unknown = gateway.send_raw("nobody", None, &[], b"{}").await;
    let answer = asana_handshake(&gateway, FIRST).await;
    assert_eq!((answer.status, &*answer.text), (401, &*unknown.text));
    assert!(!answer.headers.contains_key("x-hook-secret"));
    let answer = notion_handshake(&gateway, SECOND).await;
    assert_eq!((answer.status, &*answer.text), (401, &*unknown.text));
    // A signature makes no difference, and neither does the name of an unknown source.
    let body = json!({ "verification_token": SECOND }).to_string();
    let signed = lines(&[("x-notion-signature", &*format!("sha256={}", mac(SECOND, &body)))]);
    let answer = gateway.send_raw("pages", None, &signed, body.as_bytes()).await;
    assert_eq!((answer.status, &*answer.text), (401, &*unknown.text));
    for number in 0..8 {
        let name = format!("nobody-{number}");
        let secret = lines(&[("x-hook-secret", FIRST)]);
        let answer = gateway.send_raw(&name, None, &secret, b"{}").await;
        assert_eq!((answer.status, &*answer.text), (401, &*unknown.text));
    }
    assert_eq!(task(&gateway, FIRST, 1).await.status, 401);

    let rejected = wait_for_rejected(&gateway, 4).await;
    let caller = Caller::local("grace");
    for one in &rejected {
        let is_event = one.reason == RefusalReason::NoSecret;
        assert!(is_event || one.reason == RefusalReason::HandshakeClosed, "{:?}", one.reason);
        let detail = gateway.rejected_requests().show(&caller, one.id).await.unwrap();
        let text = serde_json::to_string(&detail).unwrap();
        let hint = detail.explanation.unwrap().hint.unwrap();
        assert!(hint.contains("sealpost sources accept-handshake"), "{hint}");
        assert!(!text.contains("canary"), "{text}");
        assert!(is_event || text.contains("[removed]"), "{text}");
    }
    assert_eq!(events(&gateway).await, 0);
    assert_eq!(gateway.count("SELECT count(*) FROM credentials").await, 0);
}

#[tokio::test]
async fn first_handshake_in_the_window_is_stored_and_echoed() {
    let gateway = builder().start().await;
    open(&gateway, "tasks").await;
    assert_eq!(shown(&gateway, "tasks").await["handshake"]["opened_by"], "key:test");
    let answer = asana_handshake(&gateway, FIRST).await;
    assert_eq!((answer.status, &*answer.text), (200, ""));
    assert_eq!(answer.headers["x-hook-secret"], FIRST);
    assert_eq!(asana_handshake(&gateway, SECOND).await.status, 401, "the window is closed");
    // The sender did not get the response.
    let answer = asana_handshake(&gateway, FIRST).await;
    assert_eq!((answer.status, answer.headers["x-hook-secret"].to_str().unwrap()), (200, FIRST));

    assert_eq!(events(&gateway).await, 0, "a handshake is no event");
    assert_eq!(task(&gateway, FIRST, 1).await.status, 202);
    assert_eq!(task(&gateway, FIRST, 1).await.status, 200);
    assert_eq!(task(&gateway, SECOND, 2).await.status, 401);
    assert_eq!(events(&gateway).await, 1);

    let source = shown(&gateway, "tasks").await;
    assert_eq!(source["handshake"]["open_until"], Value::Null);
    assert_eq!(source["secrets"][0]["fingerprint"], fingerprint(FIRST));
    assert_eq!(source["secrets"][0]["stored_at"], "2026-11-20T12:00:00Z");
    let audited = gateway.audited_changes().await;
    let did: Vec<(&str, &str)> = audited
        .iter()
        .map(|row| (row["action"].as_str().unwrap(), row["target"].as_str().unwrap()))
        .collect();
    let accepted = format!("source tasks, secret {}", fingerprint(FIRST));
    assert_eq!(did, [("open handshake", "source tasks, for 1h"), ("accept handshake", &*accepted)]);
}

#[tokio::test]
async fn window_closes_by_itself_and_by_an_operator() {
    let gateway = builder().start().await;
    let answer = act(&gateway, "tasks", "accept-handshake", &[("for", "5m")]).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    gateway.clock().advance(Duration::from_mins(5));
    assert_eq!(asana_handshake(&gateway, FIRST).await.status, 401);
    open(&gateway, "tasks").await;
    assert_eq!(act(&gateway, "tasks", "refuse-handshake", &[]).await.json["changed"], true);
    assert_eq!(asana_handshake(&gateway, FIRST).await.status, 401);
    for (source, span, status) in [
        ("tasks", "0s", 400),
        ("tasks", "25h", 400),
        ("tasks", "soon", 400),
        ("billing", "1h", 409),
        ("nowhere", "1h", 404),
    ] {
        let answer = act(&gateway, source, "accept-handshake", &[("for", span)]).await;
        assert_eq!(answer.status, status, "{source} {span}: {}", answer.text);
    }
    // A window is of one source.
    open(&gateway, "pages").await;
    assert_eq!(asana_handshake(&gateway, FIRST).await.status, 401);
    // A secret that can be guessed is not accepted, and closes nothing.
    assert_eq!(notion_handshake(&gateway, "short").await.status, 401);
    assert_eq!(notion_handshake(&gateway, FIRST).await.status, 200);
}

#[tokio::test]
async fn secret_is_used_by_every_gateway_and_after_a_restart() {
    let first = builder().start().await;
    let second = builder().sharing_database(&first).start().await;
    assert_eq!(task(&second, FIRST, 1).await.status, 401);
    open(&first, "tasks").await;
    assert_eq!(asana_handshake(&second, FIRST).await.status, 200, "the window is everywhere");
    assert_eq!(task(&first, FIRST, 1).await.status, 202);
    open(&first, "tasks").await;
    assert_eq!(asana_handshake(&first, SECOND).await.status, 200);
    assert_eq!(task(&second, SECOND, 2).await.status, 202);
    first.stop();
    second.stop();
    let restarted = builder().sharing_database(&first).start().await;
    assert_eq!(task(&restarted, FIRST, 3).await.status, 202);
}

#[tokio::test]
async fn several_secrets_live_side_by_side_until_one_is_removed() {
    let gateway = builder().start().await;
    for secret in [FIRST, SECOND] {
        open(&gateway, "tasks").await;
        assert_eq!(asana_handshake(&gateway, secret).await.status, 200);
        gateway.clock().advance(Duration::from_mins(1));
    }
    assert_eq!(task(&gateway, FIRST, 1).await.status, 202);
    assert_eq!(task(&gateway, SECOND, 2).await.status, 202);
    let secrets = shown(&gateway, "tasks").await["secrets"].clone();
    let listed: Vec<&Value> =
        secrets.as_array().unwrap().iter().map(|one| &one["fingerprint"]).collect();
    assert_eq!(listed, [&*fingerprint(FIRST), &*fingerprint(SECOND)], "oldest first");

    let of_first = fingerprint(FIRST);
    let answer = act(&gateway, "tasks", "remove-secret", &[("secret", &*of_first)]).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    gateway.admin().stored_secrets.refresh().await.unwrap();
    assert_eq!(task(&gateway, FIRST, 3).await.status, 401);
    assert_eq!(task(&gateway, SECOND, 4).await.status, 202);
    let again = act(&gateway, "tasks", "remove-secret", &[("secret", &*of_first)]).await;
    assert_eq!(again.status, 404);
    assert_eq!(act(&gateway, "tasks", "remove-secret", &[]).await.status, 400);
    // A secret that was removed has to be brought again, and goes on counting.
    assert_eq!(asana_handshake(&gateway, FIRST).await.status, 401);
    gateway.flush_stats().await;
    open(&gateway, "tasks").await;
    assert_eq!(asana_handshake(&gateway, FIRST).await.status, 200);
    assert_eq!(task(&gateway, FIRST, 5).await.status, 202);
    gateway.flush_stats().await;
    let secrets = shown(&gateway, "tasks").await["secrets"].clone();
    let uses = |secret: &str| {
        let fingerprint = fingerprint(secret);
        let mut all = secrets.as_array().unwrap().iter();
        all.find(|one| one["fingerprint"] == fingerprint).unwrap()["requests"].clone()
    };
    assert_eq!((uses(FIRST), uses(SECOND)), (json!(2), json!(2)));
}

#[tokio::test]
async fn number_of_stored_secrets_is_bounded() {
    let gateway = builder().start().await;
    open(&gateway, "tasks").await;
    assert_eq!(asana_handshake(&gateway, FIRST).await.status, 200);
    let copies = gateway
        .execute(
            "WITH copied AS (
                 INSERT INTO credentials
                 SELECT tenant, source, 'handshake ' || n, key_id, nonce, ciphertext, sealed_at
                   FROM credentials, generate_series(1, 31) AS n RETURNING *)
             INSERT INTO handshake_secrets SELECT tenant, source, name, sealed_at FROM copied",
        )
        .await;
    assert_eq!(copies, 31);
    let answer = act(&gateway, "tasks", "accept-handshake", &[]).await;
    assert_eq!(answer.status, 409);
    assert!(answer.text.contains("remove one with"), "{}", answer.text);
}

#[tokio::test]
async fn custom_scheme_stores_secrets_beside_the_configured_ones() {
    let gateway = builder().start().await;
    let send = async |secret: &str, body: &str| {
        let headers = lines(&[("x-own-signature", &*mac(secret, body))]);
        gateway.send_raw("own", None, &headers, body.as_bytes()).await
    };
    assert_eq!(send(CONFIGURED, r#"{"id":"1","type":"a"}"#).await.status, 202);
    open(&gateway, "own").await;
    let hello = json!({ "type": "hello", "name": "N", "keys": [FIRST] }).to_string();
    let answer = gateway.send_raw("own", None, &[], hello.as_bytes()).await;
    assert_eq!((answer.status, &*answer.text), (200, r#"{"hello":"N"}"#));
    assert_eq!(send(CONFIGURED, r#"{"id":"2","type":"a"}"#).await.status, 202);
    assert_eq!(send(FIRST, r#"{"id":"3","type":"a"}"#).await.status, 202);
    assert_eq!(send(SECOND, r#"{"id":"4","type":"a"}"#).await.status, 401);
}

#[tokio::test]
async fn secret_can_be_read_for_an_hour_and_only_there() {
    let log = Log::listen();
    let gateway = builder().start().await;
    let none = act(&gateway, "pages", "reveal-secret", &[]).await;
    assert_eq!(none.status, 409, "{}", none.text);
    assert_eq!(notion_handshake(&gateway, FIRST).await.status, 401);
    open(&gateway, "pages").await;
    assert_eq!(notion_handshake(&gateway, FIRST).await.status, 200);
    let reader = gateway.key("reader", &[Scope::EventsRead, Scope::SourcesWrite], None).await;
    let reading =
        gateway.client().post(gateway.operator_url("/api/v1/sources/pages/reveal-secret"));
    let reading = reading
        .bearer_auth(reader)
        .header("content-type", "application/json")
        .body(r#"{"reason":"curious"}"#)
        .send();
    assert_eq!(reading.await.unwrap().status(), 403);
    let answer = act(&gateway, "pages", "reveal-secret", &[]).await;
    assert_eq!((answer.status, &answer.json["secret"]["secret"]), (200, &json!(FIRST)));
    gateway.clock().advance(Duration::from_hours(1));
    assert_eq!(act(&gateway, "pages", "reveal-secret", &[]).await.status, 409);

    let audited = gateway.query("SELECT * FROM audit_log WHERE action = 'read secret'").await;
    assert_eq!(audited.len(), 1);
    wait_for_rejected(&gateway, 1).await;
    assert_eq!(log.lines(FIRST), Vec::<String>::new());
    assert!(!log.lines("handshake accepted").is_empty());
    for table in ["audit_log", "credentials", "rejected_requests", "idempotency_keys", "events"] {
        let rows = json!(gateway.rows(table).await).to_string();
        assert!(!rows.contains(FIRST) && !rows.contains(&hex::encode(FIRST)), "{table}: {rows}");
    }
    for path in ["/api/v1/sources", "/api/v1/sources/pages", "/api/v1/audit-log", "/metrics"] {
        assert!(!gateway.operator(path).await.text.contains(FIRST), "{path}");
    }
}

#[tokio::test]
async fn secret_survives_the_rotation_of_the_master_key() {
    let gateway = builder().start().await;
    open(&gateway, "tasks").await;
    assert_eq!(asana_handshake(&gateway, FIRST).await.status, 200);
    let new = MasterKey::generate();
    let keys = [&*new, MASTER_KEY].map(|text| MasterKey::read(text).unwrap());
    let store: Store = gateway.store().clone();
    let clock = Arc::new(SystemClock);
    let rotation = MasterKeys::new(store, clock, Vault::new(keys.to_vec()));
    let mut done = Rotated::default();
    rotation.rotate(&Caller::local("grace"), "a drill", &mut done).await.unwrap();
    assert_eq!(done.sealed, 1);
    let restarted = builder().sharing_database(&gateway).variable("SEALPOST_MASTER_KEY", &new);
    assert_eq!(task(&restarted.start().await, FIRST, 1).await.status, 202);
    // The old key opens nothing.
    let outdated = builder().sharing_database(&gateway).start().await;
    assert_eq!(task(&outdated, FIRST, 2).await.status, 401);
}

#[test]
fn check_names_what_is_missing_or_wrong() {
    let source = "[ingest]\n[[source]]\nname = \"tasks\"\nprovider = \"asana\"\n";
    let run = Program::new(source).run(&["check"]);
    assert_ne!(run.code, 0, "{}", run.all());
    for part in ["source `tasks`", "brings the secret in a handshake", "SEALPOST_MASTER_KEY"] {
        assert!(run.stderr.contains(part), "{part}: {}", run.all());
    }
    let custom = |handshake: &str| {
        format!(
            "[[source]]\nname = \"own\"\nprovider = \"custom\"\n[source.scheme]\n\
             algorithm = \"hmac-sha256\"\nsigned = \"{{body}}\"\n\
             signature = {{ header = \"x-own\" }}\n[[source.scheme.handshake]]\n{handshake}\n"
        )
    };
    for (handshake, why) in [
        (
            "store = \"query:secret\"",
            "store: `query:secret` must be `header:NAME` or `json:/pointer`",
        ),
        ("store = \"json:secret\"", "store: `json:secret`: a JSON pointer begins with `/`"),
        ("store = \"header:x\"\nmethod = \"GET\"", "store: only an unverified POST"),
        ("store = \"header:x\"\nverified = true", "store: only an unverified POST"),
    ] {
        let run = Program::new(&custom(handshake)).run(&["check"]);
        let place = "scheme.handshake[0].";
        assert!(run.stderr.contains(&format!("{place}{why}")), "{handshake}: {}", run.all());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn command_line_opens_the_window_and_reads_the_secret() {
    // The program has the clock of the machine.
    let gateway = builder().start_at(SystemClock.now()).start().await;
    let config = format!("{}{SOURCES}", include_str!("harness/config.toml"));
    let mut program = Program::beside_with(&gateway, &config).await;
    program.set("SEALPOST_MASTER_KEY", MASTER_KEY);
    let on_pages = |verb: &str, more: &[&str]| {
        let run = program.run(&[&["sources", verb, "pages", "--reason", "set-up"], more].concat());
        assert_eq!(run.code, 0, "{verb}: {}", run.all());
        run.stdout
    };
    let show = || program.run(&["sources", "show", "pages"]).stdout;
    assert!(show().contains("not accepted"), "{}", show());
    let opened = on_pages("accept-handshake", &["--for", "2h"]);
    assert!(opened.starts_with("pages: the next handshake until "), "{opened}");
    assert!(show().contains("opened by grace"), "{}", show());
    assert_eq!(notion_handshake(&gateway, FIRST).await.status, 200);
    assert_eq!(on_pages("reveal-secret", &[]), format!("{FIRST}\n"));
    assert!(show().contains("of the handshake at"), "{}", show());
    on_pages("remove-secret", &["--secret", &fingerprint(FIRST)]);
    assert!(!show().contains(&fingerprint(FIRST)), "{}", show());
}
