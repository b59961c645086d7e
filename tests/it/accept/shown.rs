//! What leaves the gateway of an event: GitHub's tokens do not.

use serde_json::{Value, json};

use crate::cli::Program;
use crate::destinations::receiver::Receiver;
use crate::harness::Gateway;
use crate::receive::{Bench, DeliveryOutcome, file_event};

const TOKEN: &str = "ghp_0000canaryCANARY0000";

/// As Docora writes it.
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
async fn a_token_in_a_failure_message_leaves_its_table_nowhere() {
    let receiver = Receiver::content().await;
    let destination = format!(
        "\n[outbound]\nallow = [\"127.0.0.0/8\"]\n[[destination]]\nname = \"app\"\nurl = \"{}\"\n\
         sources = [\"cards\"]\nsecret = {{ env = \"APP_SECRET\" }}\n",
        receiver.url("/hooks")
    );
    let gateway = Gateway::builder().more_config(&destination).start().await;
    let body = failure();
    let accepted = gateway.send("cards", Some("sync_failed"), body.as_bytes()).await;
    assert_eq!(accepted.what(), "accepted");
    // The same on a wrong path, and one that cannot be read: dead letters.
    let stray = gateway.send("cards", Some("create"), body.replace("4,", "5,").as_bytes()).await;
    let broken = format!("{{\"event\":\"sync_failed\",\"error\":\"{TOKEN}");
    let broken = gateway.send("cards", Some("sync_failed"), broken.as_bytes()).await;
    assert_eq!((stray.what(), broken.what()), ("quarantined", "quarantined"));
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

    // What an application gets is otherwise the very text, signed as such.
    let clean = body.replace(TOKEN, "[redacted]");
    assert_eq!(String::from_utf8_lossy(&sent[0].body), clean);
    let shown = gateway.operator(&format!("/api/v1/events/{}/body", accepted.id())).await;
    assert_eq!(shown.text, clean);
    // The table keeps what was signed.
    let kept = gateway.query("SELECT convert_from(body, 'UTF8') AS body FROM events").await;
    assert!(kept.iter().all(|row| row["body"].as_str().unwrap().contains(TOKEN)));
}

#[tokio::test]
async fn a_file_that_holds_a_token_is_shown_as_it_is() {
    let gateway = Gateway::start().await;
    let file = file_event("notes.txt", &format!("\"event\":\"sync_failed\" {TOKEN}")).to_string();
    let answer = gateway.send("cards", Some("create"), file.as_bytes()).await;
    gateway.run_until_idle().await;
    let shown = gateway.operator(&format!("/api/v1/events/{}/body", answer.id())).await;
    assert_eq!(shown.text, file);
}

#[tokio::test]
async fn names_of_files_in_every_script_are_taken() {
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
        bench.check(path, "docora", DeliveryOutcome::Accepted, sent).await;
    }
    for path in ["a\nb.md", "a\0b.md", "../x.md", "a\\..\\b.md", "%2e%2e/x.md", ".\u{200d}./x.md"] {
        let body = file_event(path, "# A card").to_string();
        let sent = bench.gateway.send("cards", Some("create"), body.as_bytes());
        bench.check(path, "docora", DeliveryOutcome::Quarantined("path_invalid"), sent).await;
    }
    bench.finish().await;
}

#[tokio::test]
async fn names_that_look_alike_are_files_of_their_own() {
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
