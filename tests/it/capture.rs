//! Captured fixtures reproduce the outcome of their events.

use sealpost::admin::{AdminError, Caller, Scope, Scopes, capture};
use sealpost::fixtures::{self, Played};
use sealpost::store::EventId;
use serde_json::{Value, json};

use crate::cli::Program;
use crate::harness::{Gateway, START, database};

const CONFIG: &str = include_str!("harness/config.toml");

fn dead_letter() -> String {
    json!({
        "id": "evt_1NG8Du2eZvKYlo2C", "object": "event", "type": "account.updated",
        "created": 1_763_600_000, "livemode": false, "account": null,
        "data": { "object": { "object": "account", "email": "ada@example.org" } },
    })
    .to_string()
}

fn card() -> String {
    let stored = include_str!("../../fixtures/docora/create-markdown.json");
    let stored: Value = serde_json::from_str(stored).unwrap();
    stored["body"].to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn captured_fixtures_reproduce_the_outcome() {
    let gateway = Gateway::start().await;
    let dead = gateway.send("billing", None, dead_letter().as_bytes()).await;
    let done = gateway.send("cards", Some("create"), card().as_bytes()).await;
    gateway.run_to_the_end().await;
    assert_eq!(gateway.dead_letters().await.len(), 1);

    let program = Program::beside_with(&gateway, CONFIG).await;
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().to_str().unwrap();
    let run = program.run(&["fixtures", "capture", dead.id(), done.id(), "--to", to]);
    assert_eq!(run.code, 0, "{}", run.all());
    assert_eq!(run.stdout.lines().count(), 2, "{}", run.all());
    let text: String =
        run.stdout.lines().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    for gone in ["ada@example.org", "1NG8Du2eZvKYlo2C", "Squat"] {
        assert!(!text.contains(gone), "{gone}: {text}");
    }

    let captured = fixtures::load(&[folder.path().to_owned()]).unwrap();
    let played = fixtures::run(database::fresh().await, &captured, |_| {}).await.unwrap();
    assert!(played.iter().all(Played::is_as_expected), "\n{}", fixtures::diff(&played));
    let mut outcomes: Vec<&str> = played.iter().map(Played::outcome).collect();
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["dead", "handled"]);
    let junit = fixtures::junit(&played).unwrap();
    assert!(junit.contains("tests=\"2\"") && junit.contains("failures=\"0\""), "{junit}");
}

#[tokio::test]
async fn capture_requires_payload_scope_and_tenant() {
    let gateway = Gateway::start().await;
    let done = gateway.send("cards", Some("create"), card().as_bytes()).await;
    let id = EventId(done.id().parse().unwrap());
    let verifiers = sealpost::app::verifiers(gateway.config()).unwrap();
    let with = |tenant: Option<&str>, scopes: Scopes| {
        Caller::new("ada", tenant.map(str::to_owned), scopes)
    };
    let blind = with(None, [Scope::EventsRead, Scope::EventsReplay].into_iter().collect());
    let denied = capture(&blind, gateway.store(), &verifiers, (id, START), &[]).await.unwrap_err();
    assert_eq!(denied.missing(), Some(Scope::PayloadRead));
    let other = with(Some("other"), Scopes::all());
    let absent = capture(&other, gateway.store(), &verifiers, (id, START), &[]).await.unwrap_err();
    assert!(matches!(absent, AdminError::NotFound(_)));
    let early =
        capture(&with(None, Scopes::all()), gateway.store(), &verifiers, (id, START), &[]).await;
    assert!(early.unwrap_err().to_string().contains("not finished"));
    gateway.run_until_idle().await;
}

#[test]
fn completions_and_manual_pages_cover_commands() {
    let program = Program::new("nonsense");
    for shell in ["bash", "zsh", "fish"] {
        let run = program.run(&["completions", shell]);
        assert_eq!(run.code, 0, "{}", run.all());
        assert!(run.stdout.contains("dead-letters") && run.stdout.contains("explain"));
    }
    let folder = tempfile::tempdir().unwrap();
    let run = program.run(&["man", "--to", folder.path().to_str().unwrap()]);
    assert_eq!(run.code, 0, "{}", run.all());
    let page =
        std::fs::read_to_string(folder.path().join("sealpost-rejected-reprocess.1")).unwrap();
    assert!(page.contains("reason") && page.contains("Reprocess rejected requests"), "{page}");
    assert!(folder.path().join("sealpost.1").exists());
}
