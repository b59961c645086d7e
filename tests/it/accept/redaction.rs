//! Redaction of GitHub tokens, and file names in every script.

use serde_json::{Value, json};

use crate::cli::Program;
use crate::destinations::receiver::Receiver;
use crate::harness::Gateway;
use crate::receive::{Bench, RequestOutcome, file_event};

const TOKEN: &str = "ghp_0000canaryCANARY0000";

/// A `sync_failed` event as Docora sends it.
fn failure() -> String {
    let repository = file_event("a", "b")["repository"].clone();
    json!({
        "event": "sync_failed", "repository": repository,
        "error": {
            "type": "git_failure",
            "message": format!("fatal: could not read Password for 'http://{TOKEN}@github.com': no tty"),
        },
        "circuit_breaker": { "status": "open", "consecutive_failures": 5, "threshold": 5 },
        "retry_count": 4, "timestamp": "2026-11-20T11:59:00.000Z",
    })
    .to_string()
}

#[tokio::test]
async fn github_token_in_a_failure_message_is_redacted_everywhere() {
    let receiver = Receiver::accepting().await;
    let destination = format!(
        "\n[outbound]\nallow = [\"127.0.0.0/8\"]\n[[destination]]\nname = \"app\"\nurl = \"{}\"\n\
         sources = [\"cards\"]\nsecret = {{ env = \"APP_SECRET\" }}\n",
        receiver.url("/hooks")
    );
    let gateway = Gateway::builder().more_config(&destination).start().await;
    let body = failure();
    let accepted = gateway.send("cards", Some("sync_failed"), body.as_bytes()).await;
    assert_eq!(accepted.body_status(), "accepted");
    // Dead letters: the same on a wrong path, and one that cannot be parsed.
    let stray = gateway.send("cards", Some("create"), body.replace("4,", "5,").as_bytes()).await;
    let broken = format!("{{\"event\":\"sync_failed\",\"error\":\"{TOKEN}");
    let broken = gateway.send("cards", Some("sync_failed"), broken.as_bytes()).await;
    assert_eq!((stray.body_status(), broken.body_status()), ("quarantined", "quarantined"));
    gateway.run_until_idle().await;

    let config = include_str!("../harness/config.toml").to_owned() + &destination;
    let program = Program::beside_with(&gateway, &config).await;
    let mut seen = String::new();
    for answer in [&accepted, &stray, &broken] {
        let id = answer.id();
        for path in [
            format!("/api/v1/events/{id}"),
            format!("/api/v1/events/{id}/body"),
            format!("/api/v1/events?text={TOKEN}"),
            format!("/api/v1/events/{id}/fixture"),
            format!("/events/{id}"),
            format!("/events/{id}/body"),
            format!("/events/{id}/fixture"),
        ] {
            seen += &gateway.operator(&path).await.text.replace(&format!("text={TOKEN}"), "");
        }
        for arguments in [["events", "show", id], ["events", "body", id]] {
            seen += &program.run(&arguments).all();
        }
        seen += &program.run(&["fixtures", "capture", id]).all();
    }
    let deliveries = gateway.query("SELECT id FROM deliveries ORDER BY id").await;
    for delivery in deliveries {
        let id = &delivery["id"];
        for path in [format!("/api/v1/deliveries/{id}"), format!("/deliveries/{id}")] {
            seen += &gateway.operator(&path).await.text;
        }
        seen += &program.run(&["deliveries", "show", &id.to_string()]).all();
    }
    for path in ["/api/v1/dead-letters", "/api/v1/alerts", "/api/v1/groups", "/api/v1/audit"] {
        seen += &gateway.operator(path).await.text;
    }
    let sent = receiver.seen();
    assert_eq!(sent.len(), 1);
    seen += &String::from_utf8_lossy(&sent[0].body);
    for table in ["deliveries", "attempts", "alerts", "docora_repositories", "dead_letter_groups"] {
        seen += &json!(gateway.rows(table).await).to_string();
    }
    let place = seen.find("canary").map(|at| &seen[at.saturating_sub(300)..at + 20]);
    assert_eq!(place, None);
    assert!(seen.contains("[redacted]"));

    // Otherwise the application gets the unchanged text, and the signature covers it.
    let clean = body.replace(TOKEN, "[redacted]");
    assert_eq!(String::from_utf8_lossy(&sent[0].body), clean);
    let shown = gateway.operator(&format!("/api/v1/events/{}/body", accepted.id())).await;
    assert_eq!(shown.text, clean);
    // The table keeps the signed bytes.
    let kept = gateway.query("SELECT convert_from(body, 'UTF8') AS body FROM events").await;
    assert!(kept.iter().all(|row| row["body"].as_str().unwrap().contains(TOKEN)));
}

#[tokio::test]
async fn token_in_the_content_of_a_file_is_not_redacted() {
    let gateway = Gateway::start().await;
    let file = file_event("notes.txt", &format!("\"event\":\"sync_failed\" {TOKEN}")).to_string();
    let answer = gateway.send("cards", Some("create"), file.as_bytes()).await;
    gateway.run_until_idle().await;
    let shown = gateway.operator(&format!("/api/v1/events/{}/body", answer.id())).await;
    assert_eq!(shown.text, file);
}

#[tokio::test]
async fn file_names_in_every_script_are_accepted() {
    let bench = Bench::start().await;
    for path in [
        "می\u{200c}خواهم.md",
        "क्\u{200d}ष.md",
        "👨\u{200d}👩\u{200d}👧.md",
        "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}.md",
        "back\\slash.md",
        "q%2Ea.md",
        "a／b.md",
        "ខ្មែរ\u{200b}.md",
    ] {
        let body = file_event(path, "# A card").to_string();
        let sent = bench.gateway.send("cards", Some("create"), body.as_bytes());
        bench.check(path, "docora", RequestOutcome::Accepted, sent).await;
    }
    for path in ["a\nb.md", "a\0b.md", "../x.md", "a\\..\\b.md", "%2e%2e/x.md", ".\u{200d}./x.md"] {
        let body = file_event(path, "# A card").to_string();
        let sent = bench.gateway.send("cards", Some("create"), body.as_bytes());
        bench.check(path, "docora", RequestOutcome::Quarantined("path_invalid"), sent).await;
    }
    bench.finish().await;
}

#[tokio::test]
async fn similar_file_names_are_distinct_files() {
    let gateway = Gateway::start().await;
    let paths = ["a b.md", "a\u{200d}b.md", "ab.md", "a%20b.md", "a\\b.md"];
    for path in paths {
        let body = file_event(path, "# A card").to_string();
        assert_eq!(gateway.send("cards", Some("create"), body.as_bytes()).await.status, 202);
    }
    gateway.run_until_idle().await;
    let mut kept: Vec<Value> =
        gateway.rows("docora_files").await.into_iter().map(|row| row["path"].clone()).collect();
    kept.sort_by_key(Value::to_string);
    let mut expected: Vec<Value> = paths.map(|path| json!(path)).to_vec();
    expected.sort_by_key(Value::to_string);
    assert_eq!(kept, expected);
}
