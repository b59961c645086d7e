//! Events of Docora, from the request to the row.

pub(crate) mod content;
mod model;
pub(crate) mod objects;
mod repository;
mod s3;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness::Gateway;

const SOURCE: &str = "cards";
const REPOSITORY: &str = "repo_0123456789abcdef01234567";

/// Build time of a payload, in the format of the sender.
fn minute(minute: u32) -> String {
    format!("2025-01-11T12:{minute:02}:00.000Z")
}

fn repository() -> Value {
    json!({
        "repository_id": REPOSITORY, "github_url": "https://github.com/owner/repo",
        "owner": "owner", "name": "repo",
    })
}

fn sha(content: &str) -> String {
    hex::encode(Sha256::digest(content))
}

pub(crate) async fn put(gateway: &Gateway, action: &str, path: &str, content: &str, at: u32) {
    let file =
        json!({ "path": path, "sha": sha(content), "size": content.len(), "content": content });
    send_file(gateway, action, &file, at).await;
}

async fn delete(gateway: &Gateway, path: &str, at: u32) {
    send_file(gateway, "delete", &json!({ "path": path, "sha": sha("") }), at).await;
}

async fn send_file(gateway: &Gateway, action: &str, file: &Value, at: u32) {
    let body = json!({
        "repository": repository(), "file": file,
        "commit_sha": "0123456789abcdef0123456789abcdef01234567", "timestamp": minute(at),
    });
    send(gateway, action, &body).await;
}

pub(crate) async fn sync_failed(gateway: &Gateway, message: &str, at: u32) {
    let body = json!({
        "event": "sync_failed", "repository": repository(),
        "error": { "type": "git_failure", "message": message },
        "circuit_breaker": { "status": "open", "consecutive_failures": 5, "threshold": 5 },
        "retry_count": 4, "timestamp": minute(at),
    });
    send(gateway, "sync_failed", &body).await;
}

async fn send(gateway: &Gateway, action: &str, body: &Value) {
    let answer = gateway.send(SOURCE, Some(action), body.to_string().as_bytes()).await;
    let status = answer.json.get("status").and_then(Value::as_str);
    assert_eq!((answer.status, status), (202, Some("accepted")), "{}", answer.json);
}

/// The only row of a table.
async fn only(gateway: &Gateway, table: &str) -> Value {
    let mut rows = gateway.rows(table).await;
    assert_eq!(rows.len(), 1, "{table}: {rows:?}");
    rows.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_markdown_file_becomes_a_card_of_a_synced_repository() {
    let gateway = Gateway::start().await;
    put(&gateway, "create", "cards/a.md", "---\ntitle: A\ntags: [x]\n---\nBody", 0).await;
    gateway.run_until_idle().await;
    let card = only(&gateway, "docora_cards").await;
    assert_eq!(card["title"], "A");
    assert_eq!(card["tags"], json!(["x"]));
    assert_eq!(card["body"], "Body");
    let repository = only(&gateway, "docora_repositories").await;
    assert_eq!(repository["status"], "synced");
    assert_eq!(repository["cards_count"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn recreated_file_is_available_again() {
    let gateway = Gateway::start().await;
    for (available, count, at) in [(true, 1, 0), (false, 0, 1), (true, 1, 2)] {
        if available {
            put(&gateway, "create", "cards/a.md", "Same", at).await;
        } else {
            delete(&gateway, "cards/a.md", at).await;
        }
        gateway.run_until_idle().await;
        assert_eq!(only(&gateway, "docora_cards").await["source_available"], available);
        assert_eq!(only(&gateway, "docora_files").await["deleted"], !available);
        assert_eq!(only(&gateway, "docora_repositories").await["cards_count"], count);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn older_payload_does_not_overwrite_a_newer_one() {
    let gateway = Gateway::start().await;
    put(&gateway, "create", "cards/a.md", "New", 10).await;
    put(&gateway, "update", "cards/a.md", "Old", 5).await;
    delete(&gateway, "cards/a.md", 6).await;
    delete(&gateway, "cards/b.md", 10).await;
    put(&gateway, "create", "cards/b.md", "Gone", 5).await;
    gateway.run_until_idle().await;
    let card = only(&gateway, "docora_cards").await;
    assert_eq!((&card["raw"], &card["source_available"]), (&json!("New"), &json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn unchanged_newer_payload_protects_from_an_older_one() {
    let gateway = Gateway::start().await;
    put(&gateway, "create", "cards/a.md", "Same", 0).await;
    put(&gateway, "create", "cards/a.md", "Same", 10).await;
    put(&gateway, "update", "cards/a.md", "Between", 5).await;
    gateway.run_until_idle().await;
    assert_eq!(only(&gateway, "docora_cards").await["raw"], "Same");
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_sync_is_shown_redacted_until_a_later_file_event() {
    let gateway = Gateway::start().await;
    put(&gateway, "create", "LICENSE", "MIT", 0).await;
    gateway.run_until_idle().await;
    sync_failed(&gateway, "fatal: 'https://ghp_0000fake@github.com/' \0", 10).await;
    gateway.run_until_idle().await;
    let repository = only(&gateway, "docora_repositories").await;
    assert_eq!(repository["status"], "sync_failed");
    assert_eq!(repository["error_message"], "fatal: 'https://[redacted]@github.com/' \u{fffd}");
    assert_eq!(repository["consecutive_failures"], 5);

    // Built before the failure, so it does not resolve it.
    put(&gateway, "create", "LICENSE.md", "MIT", 9).await;
    gateway.run_until_idle().await;
    assert_eq!(only(&gateway, "docora_repositories").await["status"], "sync_failed");

    // The unchanged file, built after the failure, shows that the repository can be read.
    put(&gateway, "create", "LICENSE", "MIT", 11).await;
    gateway.run_until_idle().await;
    let repository = only(&gateway, "docora_repositories").await;
    assert_eq!(repository["status"], "synced");
    assert_eq!(repository["error_message"], Value::Null);
    assert_eq!(repository["consecutive_failures"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn card_count_is_correct_for_concurrent_files() {
    let gateway = Gateway::start().await;
    for n in 0..20 {
        put(&gateway, "create", &format!("cards/{n}.md"), &format!("Card {n}"), 0).await;
        put(&gateway, "update", &format!("cards/{n}.md"), &format!("Card {n}!"), 1).await;
        if n % 2 == 0 {
            delete(&gateway, &format!("cards/{n}.md"), 2).await;
        }
    }
    gateway.run_until_idle().await;
    let cards = gateway.rows("docora_cards").await;
    assert_eq!(cards.iter().filter(|card| card["source_available"] == true).count(), 10);
    assert_eq!(only(&gateway, "docora_repositories").await["cards_count"], 10);
}
