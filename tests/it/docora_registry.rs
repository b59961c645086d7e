//! Registering repositories with Docora, against a stub with the documented behavior of its API and
//! its quirks.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use sealpost::admin::{AdminError, Caller, Filter, Scope, Scopes, Selection};
use sealpost::app::{Repositories, repositories as listed};
use sealpost::outbound::{Outbound, Policy};
use sealpost::providers::docora::registry::{
    Address, ApiError, ApiUrl, Changed, DocoraClient, GithubToken, Registering, RegistrarError,
    RepositoryRegistrar,
};
use sealpost::vault::{Label, MasterKey, Vault, VaultError};
use sealpost::verify::Secret;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::cli::Program;
use crate::dead_letters::replay;
use crate::harness::web::{Received, Reply, Web};
use crate::harness::{Gateway, START};

const API_TOKEN: &str = "docora_0123456789abcdef0123456789abcdef";
const URL: &str = "https://github.com/owner/repo";
const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// State of the Docora stub.
#[derive(Default)]
struct Known {
    /// Ids by URL.
    repositories_by_url: BTreeMap<String, String>,
    /// Tokens by id.
    tokens: BTreeMap<String, String>,
    last_id: usize,
    /// Responses that replace the next ones.
    overrides: Vec<Reply>,
}

type Docora = Arc<Mutex<Known>>;

fn error(status: u16, text: &str) -> Reply {
    Reply::json(status, &json!({ "error": text }))
}

/// Responds like Docora.
fn answer(docora: &Docora, request: &Received) -> Reply {
    let mut known = docora.lock().unwrap();
    if !known.overrides.is_empty() {
        return known.overrides.remove(0);
    }
    if request.header("authorization") != format!("Bearer {API_TOKEN}") {
        return error(401, "Invalid token");
    }
    let id = request.path.strip_prefix("/base/api/repositories/").unwrap_or_default();
    match (request.method.as_str(), id.strip_suffix("/token").unwrap_or(id)) {
        ("POST", "") => {
            let body = request.json();
            let url = body["github_url"].as_str().unwrap_or_default().to_owned();
            let token = body["github_token"].as_str().map(str::to_owned);
            if token.as_deref().is_some_and(|token| token.contains("revoked")) {
                return error(404, "Invalid GitHub token");
            }
            if url.contains("private") && token.is_none() {
                return error(404, "Repository not found or not accessible");
            }
            if known.repositories_by_url.remove(&url).is_some() {
                // Quirk of Docora: it deletes the row of a known repository before linking it.
                return error(500, "violates foreign key constraint");
            }
            known.last_id += 1;
            let id = format!("repo_{:024x}", known.last_id);
            known.repositories_by_url.insert(url.clone(), id.clone());
            let private = url.contains("private");
            known.tokens.extend(token.map(|token| (id.clone(), token)));
            Reply::json(
                201,
                &json!({
                    "repository_id": id, "github_url": url, "owner": "owner", "name": "repo",
                    "is_private": private, "created_at": "2026-11-20T12:00:00.000Z",
                }),
            )
        }
        (method, id) => {
            if !known
                .repositories_by_url
                .values()
                .any(|repositories_by_url| repositories_by_url == id)
            {
                return error(404, "Repository not found or not registered for this app");
            }
            match method {
                "DELETE" => {
                    known
                        .repositories_by_url
                        .retain(|_, repositories_by_url| repositories_by_url != id);
                    Reply::empty(204)
                }
                "PATCH" => {
                    let token = request.json()["github_token"].as_str().unwrap().to_owned();
                    known.tokens.insert(id.to_owned(), token);
                    Reply::json(200, &json!({ "message": "Token updated successfully" }))
                }
                _ => error(404, "Not Found"),
            }
        }
    }
}

async fn start() -> (Docora, Web) {
    let docora = Docora::default();
    let known = Arc::clone(&docora);
    let web = Web::start(move |request| {
        let answer = answer(&known, &request);
        async move { answer }
    })
    .await;
    (docora, web)
}

fn vault() -> Vault {
    Vault::new(vec![MasterKey::read(KEY).unwrap()])
}

/// Reason of a registration.
const WHY: &str = "the team has moved its cards";

fn registrar(gateway: &Gateway, web: &Web) -> RepositoryRegistrar {
    repositories(gateway, web).desk(&Caller::local("grace"), WHY).unwrap()
}

fn repositories(gateway: &Gateway, web: &Web) -> Repositories {
    let policy = Policy { allow: vec!["127.0.0.0/8".parse().unwrap()] };
    let url = ApiUrl::try_from(web.url("/base")).unwrap();
    let token = Secret::new(API_TOKEN).unwrap();
    Repositories {
        store: gateway.store().clone(),
        vault: vault(),
        tenant: "default".into(),
        source: "cards".into(),
        api: DocoraClient::new(Outbound::new(&policy).unwrap(), url, token),
    }
}

fn address(url: &str) -> Address {
    url.parse().unwrap()
}

fn token(text: &str) -> GithubToken {
    GithubToken::new(text.as_bytes()).unwrap()
}

fn id(number: usize) -> String {
    format!("repo_{number:024x}")
}

async fn register(
    registrar: &RepositoryRegistrar,
    token: Option<&GithubToken>,
    again: bool,
) -> Registering {
    registrar.register(&address(URL), token, again, START).await.unwrap()
}

fn newly_registered(number: usize, before: Option<usize>) -> Registering {
    Registering::Registered(Changed {
        repository_id: id(number),
        before: before.map(id),
        anew: true,
        released: 0,
    })
}

/// The stored token of the repository.
async fn stored_token(gateway: &Gateway) -> Option<String> {
    let name = format!("github_token:{URL}");
    let label = Label { tenant: "default".into(), source: "cards".into(), name };
    let mut tx = gateway.store().begin().await.unwrap();
    let sealed = tx.credential(&label).await.unwrap()?;
    Some(String::from_utf8(vault().open(&label, &sealed).unwrap().to_vec()).unwrap())
}

/// A gateway that accepts only registered repositories.
async fn strict_gateway() -> Gateway {
    let open = "options = { app_id = \"app_0123456789abcdef01234567\" }";
    let strict_gateway =
        "options = { app_id = \"app_0123456789abcdef01234567\", registration = \"required\" }";
    Gateway::builder().config(open, strict_gateway).start().await
}

/// Sends a card like Docora; later minutes are newer.
async fn send_card(gateway: &Gateway, repository_id: &str, content: &str, minute: u32) {
    let file = json!({
        "path": "cards/a.md", "sha": hex::encode(Sha256::digest(content)), "size": content.len(),
        "content": content,
    });
    let body = json!({
        "repository": repository(repository_id), "file": file,
        "commit_sha": "0123456789abcdef0123456789abcdef01234567",
        "timestamp": format!("2025-01-11T12:{minute:02}:00.000Z"),
    });
    let answer = gateway.send("cards", Some("create"), body.to_string().as_bytes()).await;
    assert_eq!((answer.status, answer.body_status()), (202, "accepted"), "{}", answer.text);
}

async fn send_failure(gateway: &Gateway, repository_id: &str, message: &str, minute: u32) {
    let body = json!({
        "event": "sync_failed", "repository": repository(repository_id),
        "error": { "type": "git_failure", "message": message },
        "circuit_breaker": { "status": "open", "consecutive_failures": 5, "threshold": 5 },
        "retry_count": 4, "timestamp": format!("2025-01-11T12:{minute:02}:00.000Z"),
    });
    let answer = gateway.send("cards", Some("sync_failed"), body.to_string().as_bytes()).await;
    assert_eq!((answer.status, answer.body_status()), (202, "accepted"), "{}", answer.text);
}

fn repository(repository_id: &str) -> Value {
    json!({ "repository_id": repository_id, "github_url": URL, "owner": "owner", "name": "repo" })
}

#[tokio::test]
async fn repository_is_registered_once_with_an_encrypted_token() {
    let gateway = Gateway::start().await;
    let (docora, web) = start().await;
    let registrar = registrar(&gateway, &web);
    let secret = token("ghp_0123456789abcdef");
    assert_eq!(register(&registrar, Some(&secret), false).await, newly_registered(1, None));
    let [call] = &web.received()[..] else { panic!("one call") };
    assert_eq!((&*call.method, &*call.path), ("POST", "/base/api/repositories"));
    assert_eq!(call.json(), json!({ "github_url": URL, "github_token": "ghp_0123456789abcdef" }));
    assert_eq!(docora.lock().unwrap().tokens[&id(1)], "ghp_0123456789abcdef");

    let [row] = &gateway.rows("docora_repositories").await[..] else { panic!("one row") };
    assert_eq!((&row["repository_id"], &row["status"]), (&json!(id(1)), &json!("pending")));
    assert_eq!((&row["owner"], &row["name"]), (&json!("owner"), &json!("repo")));
    assert_eq!(stored_token(&gateway).await.as_deref(), Some("ghp_0123456789abcdef"));
    let row = gateway.query("SELECT encode(ciphertext, 'escape') AS text FROM credentials").await;
    assert!(!row[0]["text"].as_str().unwrap().contains("ghp_"), "{row:?}");

    assert_eq!(register(&registrar, None, false).await, Registering::Known(id(1)));
    let otherwise = address("https://github.com/Owner/Repo.git");
    let otherwise = registrar.register(&otherwise, None, false, START).await;
    assert_eq!(otherwise.unwrap(), Registering::Known(id(1)));
    assert_eq!(web.received().len(), 1, "Docora was called only once");
    let audit = gateway.query("SELECT actor, action, target, reason FROM audit_log").await;
    let target = format!("repository {URL} of source cards");
    let expected =
        json!({ "actor": "grace", "action": "register", "target": target, "reason": WHY });
    assert_eq!(audit, [expected]);
}

#[tokio::test]
async fn registering_requires_sources_write_and_a_reason() {
    let gateway = Gateway::start().await;
    let (_docora, web) = start().await;
    let repositories = repositories(&gateway, &web);
    let with = |scope: Scope, tenant: Option<&str>| {
        Caller::new("rita", tenant.map(str::to_owned), Scopes::from_iter([scope]))
    };
    let denied = repositories.desk(&with(Scope::SecretsWrite, None), WHY).unwrap_err();
    assert_eq!(denied.missing(), Some(Scope::SourcesWrite));
    let elsewhere = repositories.desk(&with(Scope::SourcesWrite, Some("other")), WHY).unwrap_err();
    assert!(matches!(elsewhere, AdminError::NotFound(_)), "{elsewhere:?}");
    let own = with(Scope::SourcesWrite, Some("default"));
    for reason in ["", " \t", "one\nand another"] {
        let error = repositories.desk(&own, reason).unwrap_err();
        assert!(matches!(error, AdminError::Invalid(_)), "{reason:?}: {error:?}");
    }
    let list = async |caller: &Caller| listed(caller, gateway.store(), "default", "cards").await;
    assert_eq!(list(&own).await.unwrap_err().missing(), Some(Scope::EventsRead));
    assert!(list(&with(Scope::EventsRead, Some("other"))).await.is_err());
    assert_eq!(web.received().len(), 0, "Docora was not called");

    let registrar = repositories.desk(&own, WHY).unwrap();
    assert_eq!(register(&registrar, None, false).await, newly_registered(1, None));
    let audit = gateway.query("SELECT actor, tenant, reason FROM audit_log").await;
    assert_eq!(audit, [json!({ "actor": "rita", "tenant": "default", "reason": WHY })]);
    let shown = list(&with(Scope::EventsRead, Some("default"))).await.unwrap();
    assert_eq!(shown.len(), 1);
}

#[tokio::test]
async fn reregistering_handles_a_failed_call_and_a_new_id() {
    let gateway = Gateway::start().await;
    let (_docora, web) = start().await;
    let registrar = registrar(&gateway, &web);
    register(&registrar, Some(&token("ghp_0123456789abcdef")), false).await;
    send_card(&gateway, &id(1), "old", 1).await;
    gateway.run_until_idle().await;
    assert_eq!(register(&registrar, None, true).await, newly_registered(2, Some(1)));
    let calls = web.received();
    assert_eq!(calls.len(), 3, "the first of the two gets a 500");
    assert_eq!(calls[2].json()["github_token"], "ghp_0123456789abcdef", "the stored token");
    let rows = gateway
        .query(
            "SELECT repository_id, registered_at IS NOT NULL AS registered, replaced_by, status
               FROM docora_repositories ORDER BY 1",
        )
        .await;
    assert_eq!(
        rows,
        [
            json!({ "repository_id": id(1), "registered": false, "replaced_by": id(2),
                    "status": "synced" }),
            json!({ "repository_id": id(2), "registered": true, "replaced_by": null,
                    "status": "pending" }),
        ]
    );
    // Later events belong to the new id.
    send_card(&gateway, &id(2), "new", 2).await;
    gateway.run_until_idle().await;
    let synced = "SELECT count(*) FROM docora_repositories WHERE status = 'synced'";
    assert_eq!(gateway.count(synced).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn event_before_the_registration_response_waits() {
    let gateway = Arc::new(strict_gateway().await);
    let (docora, sender) = (Docora::default(), Arc::clone(&gateway));
    let web = Web::start(move |request| {
        let (answer, sender) = (answer(&docora, &request), Arc::clone(&sender));
        async move {
            // Docora sends the event before its response.
            send_card(&sender, &id(1), "early", 1).await;
            sender.run_until_idle().await;
            let waiting = "SELECT count(*) FROM deliveries WHERE state = 'ready' AND attempts = 1";
            assert_eq!(sender.count(waiting).await, 1);
            answer
        }
    })
    .await;
    let registrar = registrar(&gateway, &web);
    let now = sealpost::clock::Clock::now(gateway.clock());
    let done = registrar.register(&address(URL), None, false, now).await.unwrap();
    let Registering::Registered(changed) = done else { panic!("{done:?}") };
    assert_eq!((changed.repository_id, changed.released), (id(1), 1));
    gateway.run_until_idle().await;
    let [card] = &gateway.rows("docora_cards").await[..] else { panic!("one card") };
    assert_eq!(card["raw"], "early");
    drop(web);
}

#[tokio::test]
async fn unregistered_repository_is_dead_lettered_and_replayable() {
    let gateway = strict_gateway().await;
    let (_docora, web) = start().await;
    send_card(&gateway, &id(1), "patient", 1).await;
    send_failure(&gateway, &id(1), "no such repository", 2).await;
    gateway.run_to_the_end().await;
    let why = format!("repository {} is not registered (run `sealpost docora register`)", id(1));
    let dead = ("precondition_not_met".to_owned(), why);
    assert_eq!(gateway.dead_letters().await, [dead.clone(), dead]);
    assert_eq!(gateway.rows("docora_repositories").await.len(), 0);

    register(&registrar(&gateway, &web), None, false).await;
    let all = Selection::Matching(Filter::default());
    replay(gateway.dead_letter_service(), &all).await;
    gateway.run_until_idle().await;
    assert_eq!(gateway.rows("docora_cards").await[0]["raw"], "patient");
    assert_eq!(gateway.rows("docora_repositories").await[0]["status"], "sync_failed");
}

#[tokio::test]
async fn open_registration_adds_a_repository_on_its_first_event() {
    let gateway = Gateway::start().await;
    let (_docora, web) = start().await;
    send_card(&gateway, &id(1), "first", 1).await;
    gateway.run_until_idle().await;
    assert_eq!(register(&registrar(&gateway, &web), None, false).await, newly_registered(1, None));
    let [row] = &gateway.rows("docora_repositories").await[..] else { panic!("one row") };
    assert_eq!((&row["status"], &row["cards_count"]), (&json!("synced"), &json!(1)));
    assert!(row["registered_at"].is_string());
}

#[tokio::test]
async fn repository_unknown_to_docora_can_be_unregistered() {
    let gateway = Gateway::start().await;
    let (docora, web) = start().await;
    let registrar = registrar(&gateway, &web);
    for forgotten in [false, true] {
        register(&registrar, Some(&token("ghp_0123456789abcdef")), false).await;
        if forgotten {
            docora.lock().unwrap().repositories_by_url.clear();
        } else {
            docora.lock().unwrap().overrides.push(error(503, "maintenance"));
            let error = registrar.unregister(&address(URL), START).await.unwrap_err();
            assert!(matches!(error, RegistrarError::Api(ApiError::Refused { status: 503, .. })));
            assert!(stored_token(&gateway).await.is_some(), "the token is still stored");
        }
        let done = registrar.unregister(&address(URL), START).await.unwrap();
        assert_eq!(done.known, !forgotten);
        assert_eq!(stored_token(&gateway).await, None);
        let registered = "SELECT count(registered_at) FROM docora_repositories";
        assert_eq!(gateway.count(registered).await, 0);
        let error = registrar.unregister(&address(URL), START).await.unwrap_err();
        assert!(matches!(error, RegistrarError::NotRegistered), "{error:?}");
    }
}

#[tokio::test]
async fn token_update_reregisters_a_forgotten_repository() {
    let gateway = Gateway::start().await;
    let (docora, web) = start().await;
    let registrar = registrar(&gateway, &web);
    let update =
        async |text: &str| registrar.update_token(&address(URL), &token(text), START).await;
    let error = update("ghp_1111222233334444").await.unwrap_err();
    assert!(matches!(error, RegistrarError::NotRegistered), "{error:?}");
    register(&registrar, Some(&token("ghp_0123456789abcdef")), false).await;
    let changed = update("github_pat_0123456789").await.unwrap();
    assert_eq!((changed.repository_id, changed.anew), (id(1), false));
    assert_eq!(docora.lock().unwrap().tokens[&id(1)], "github_pat_0123456789");
    assert_eq!(stored_token(&gateway).await.as_deref(), Some("github_pat_0123456789"));
    let [.., call] = &web.received()[..] else { panic!("calls") };
    let path = format!("/base/api/repositories/{}/token", id(1));
    assert_eq!((&*call.method, &*call.path), ("PATCH", &*path));

    send_failure(&gateway, &id(1), "no such token", 1).await;
    gateway.run_until_idle().await;
    docora.lock().unwrap().repositories_by_url.clear();
    let changed = update("ghp_5555666677778888").await.unwrap();
    assert_eq!((changed.repository_id, changed.before), (id(2), Some(id(1))));
    assert_eq!(stored_token(&gateway).await.as_deref(), Some("ghp_5555666677778888"));

    let ended = gateway.query("SELECT text FROM alerts WHERE resolution").await;
    assert_eq!(ended, [json!({ "text": "owner/repo was registered again" })]);
    let error = {
        docora.lock().unwrap().repositories_by_url.clear();
        update("ghp_revoked_000000000").await.unwrap_err()
    };
    assert_eq!(error.to_string(), "docora responded not found: Invalid GitHub token");
    assert_eq!(
        stored_token(&gateway).await.as_deref(),
        Some("ghp_5555666677778888"),
        "the token is unchanged"
    );
}

#[tokio::test]
async fn api_errors_are_reported_and_change_nothing() {
    let gateway = Gateway::start().await;
    let (docora, web) = start().await;
    let registrar = registrar(&gateway, &web);
    let secret = token("ghp_0123456789abcdef");
    let of = |status, text| vec![error(status, text)];
    for (overrides, expected) in [
        (of(400, "body must match"), "docora responded 400: body must match"),
        (of(401, "Invalid token"), "docora rejected the source's token: Invalid token"),
        (
            of(404, "Repository not found or not accessible"),
            "docora responded not found: Repository not found or not accessible",
        ),
        (of(422, "Invalid GitHub URL format"), "docora responded 422: Invalid GitHub URL format"),
        (of(429, "slow down"), "docora rate limited the source: too many calls per minute"),
        (vec![error(500, "oh"); 3], "docora responded 500: oh"),
        (vec![Reply::empty(302).with("location", "/x")], "docora responded 302: no reason given"),
        (
            vec![Reply::json(201, &json!({ "repository_id": "repo_../../x" }))],
            "docora responded 201 with an invalid body",
        ),
    ] {
        docora.lock().unwrap().overrides = overrides;
        let error =
            registrar.register(&address(URL), Some(&secret), false, START).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert!(docora.lock().unwrap().overrides.is_empty());
    }
    drop(web);
    let error = registrar.register(&address(URL), Some(&secret), false, START).await.unwrap_err();
    assert!(matches!(error, RegistrarError::Api(ApiError::NoAnswer(_))), "{error:?}");
    assert_eq!(gateway.rows("docora_repositories").await, [Value::Null; 0]);
    assert_eq!(gateway.rows("credentials").await, [Value::Null; 0]);
}

#[tokio::test]
async fn token_is_not_sent_without_a_master_key() {
    let gateway = Gateway::start().await;
    let (_docora, web) = start().await;
    let repositories = Repositories { vault: Vault::default(), ..repositories(&gateway, &web) };
    let registrar = repositories.desk(&Caller::local("grace"), WHY).unwrap();
    let secret = token("ghp_0123456789abcdef");
    let error = registrar.register(&address(URL), Some(&secret), false, START).await.unwrap_err();
    assert!(matches!(error, RegistrarError::Vault(VaultError::NoKey)), "{error:?}");
    assert_eq!(web.received().len(), 0);
    register(&registrar, None, false).await;
    assert_eq!(web.received().len(), 1, "a public repository needs no key");
}

#[tokio::test]
async fn failed_sync_and_its_recovery_alert_once() {
    let gateway = Gateway::start().await;
    send_card(&gateway, &id(1), "fine", 0).await;
    for minute in 1..=3 {
        let message = "fatal: could not read 'https://ghp_0000fake@github.com/' @everyone";
        send_failure(&gateway, &id(1), message, minute).await;
    }
    gateway.run_until_idle().await;
    let alerts =
        gateway.query("SELECT alert_type, source, text, count, resolution FROM alerts ORDER BY id");
    let text = "owner/repo cannot be read: fatal: could not read 'https://[redacted]@github.com/' \
                @everyone";
    let failure = json!({ "alert_type": "sync_failed", "source": "cards", "text": text, "count": 3,
                          "resolution": false });
    assert_eq!(alerts.await, std::slice::from_ref(&failure));

    send_card(&gateway, &id(1), "fine", 2).await;
    gateway.run_until_idle().await;
    assert_eq!(gateway.rows("alerts").await.len(), 1, "built before the failure");
    send_card(&gateway, &id(1), "fine", 4).await;
    send_card(&gateway, &id(1), "finer", 5).await;
    gateway.run_until_idle().await;
    let recovery = json!({ "alert_type": "sync_failed", "source": "cards", "count": 1,
                           "resolution": true,
                           "text": "owner/repo recovered: files are arriving again" });
    let alerts =
        gateway.query("SELECT alert_type, source, text, count, resolution FROM alerts ORDER BY id");
    assert_eq!(alerts.await, [failure, recovery]);
    assert_eq!(gateway.count("SELECT count(*) FROM alerts WHERE closed_at IS NULL").await, 0);
}

/// The program on the database of the gateway, with the Docora API at `web`.
async fn program(gateway: &Gateway, web: &Web) -> Program {
    let config = include_str!("harness/config.toml");
    let options = "options = { app_id = \"app_0123456789abcdef01234567\" }";
    let with_api = format!(
        "token = {{ env = \"DOCORA_API_TOKEN\" }}\n\
         options = {{ app_id = \"app_0123456789abcdef01234567\", api_url = \"{}\" }}",
        web.url("/base")
    );
    let loopback = "\n[outbound]\nallow = [\"127.0.0.0/8\"]\n";
    let config = config.replace(options, &with_api) + loopback;
    let mut program = Program::beside_with(gateway, &config).await;
    program.set("DOCORA_API_TOKEN", API_TOKEN);
    program
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_register_list_and_unregister_without_showing_tokens() {
    let gateway = Gateway::start().await;
    let (docora, web) = start().await;
    let mut program = program(&gateway, &web).await;
    let of = |words: &[&'static str]| {
        [&["docora"], words, &["--source", "cards", "--reason", WHY]].concat()
    };

    program.set("TOKEN", "ghp_0123456789abcdef");
    let register = of(&["register", URL, "--token-env", "TOKEN"]);
    let run = program.run(&register);
    assert_eq!(run.code, 64, "{}", run.all());
    assert!(run.stderr.starts_with("error: no master key is configured"), "{}", run.stderr);
    assert_eq!(web.received().len(), 0);

    program.set("SEALPOST_MASTER_KEY", KEY);
    let mut child = program
        .command(&of(&["register", URL, "--token-stdin"]))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"ghp_0123456789abcdef\n").unwrap();
    let done = child.wait_with_output().unwrap();
    let stdout = String::from_utf8(done.stdout).unwrap();
    assert_eq!(stdout, format!("{URL}: registered, repository {}\n", id(1)));
    assert_eq!(docora.lock().unwrap().tokens[&id(1)], "ghp_0123456789abcdef");
    let run = program.run(&register);
    assert_eq!(run.stdout, format!("{URL}: already registered, repository {}\n", id(1)));
    assert!(run.stderr.contains("use `update-token` to replace it"), "{}", run.stderr);

    let list = program.json(&["docora", "list", "--format", "json"]);
    assert_eq!((&list["repository_id"], &list["token"]), (&json!(id(1)), &json!(true)));
    assert_eq!((&list["status"], &list["source"]), (&json!("pending"), &json!("cards")));
    let list = program.run(&["docora", "list"]);
    assert!(list.stdout.contains("sealed"), "{}", list.stdout);

    program.set("TOKEN2", "ghp_9999888877776666");
    let run = program.run(&of(&["update-token", URL, "--token-env", "TOKEN2"]));
    assert_eq!(run.stdout, format!("{URL}: token updated, repository {}\n", id(1)));
    let again = program.json(&of(&["register", URL, "--again", "--format", "json"]));
    assert_eq!((&again["repository_id"], &again["before"]), (&json!(id(2)), &json!(id(1))));
    let run = program.run(&of(&["unregister", URL]));
    assert_eq!((run.code, run.stdout), (0, format!("{URL}: unregistered, repository {}\n", id(2))));
    let run = program.run(&of(&["unregister", URL]));
    assert_eq!(run.code, 1, "{}", run.all());

    for (words, code) in [
        (&["register", "https://gitlab.com/o/n"][..], 64),
        (&["register", "https://github.com/o/a.b"], 64),
        (&["register", URL, "--token-env", "UNSET"], 64),
        (&["register", URL, "--token-env", "A", "--token-stdin"], 64),
        (&["update-token", URL], 64),
        (&["register", URL, "--token-env", "USER"], 1),
    ] {
        let run = program.run(&of(words));
        assert_eq!((run.code, run.stdout.as_str()), (code, ""), "{words:?}: {}", run.stderr);
    }
    let run = program.run(&["docora", "register", URL, "--reason", WHY]);
    assert!(run.stderr.contains("choose one with --source"), "{}", run.stderr);
    let run = program.run(&["docora", "register", URL, "--reason", WHY, "--source", "cards-too"]);
    assert!(run.stderr.contains("has no option `api_url`"), "{}", run.stderr);
}
