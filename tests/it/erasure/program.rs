//! `sealpost erase` and `sealpost export`.

use serde_json::{Value, json};

use crate::cli::Program;
use crate::dead_letters::{Fragile, gateway, make_dead_letter};
use crate::harness::Gateway;

const CONFIG: &str = include_str!("../harness/config.toml");

async fn gateway_with_event(customer: &str) -> (Gateway, Program) {
    let gateway = Gateway::start().await;
    let body = json!({
        "id": "evt_1", "object": "event", "type": "charge.expired", "created": 1_763_600_000,
        "livemode": false, "data": { "object": { "id": "ch_1", "customer": customer } },
    });
    let answer = gateway.send("billing", None, body.to_string().as_bytes()).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    gateway.run_until_idle().await;
    let program = Program::beside_with(&gateway, CONFIG).await;
    (gateway, program)
}

#[tokio::test(flavor = "multi_thread")]
async fn erase_is_a_dry_run_unless_it_is_confirmed() {
    let (gateway, program) = gateway_with_event("cus_1").await;
    let erase = ["erase", "--pointer", "/data/object/customer=cus_1"];
    let dry = program.run(&erase);
    assert!(dry.code == 0 && dry.stdout.starts_with("would erase 1 events\n"), "{}", dry.all());
    assert!(dry.stderr.contains("pass --yes and --reason"), "{}", dry.all());
    let erased = "SELECT count(*) FROM events WHERE erased_by = 'grace'";
    assert_eq!(gateway.count(erased).await, 0);
    let without_reason = program.run(&[&erase[..], &["--yes"][..]].concat());
    assert_eq!(without_reason.code, 64, "{}", without_reason.all());
    let yes = ["--yes", "--reason", "asked for", "--format", "json"];
    let done = program.json(&[&erase[..], &yes[..]].concat());
    assert_eq!((&done["events"], &done["dry_run"]), (&json!(1), &json!(false)));
    assert_eq!(gateway.count(erased).await, 1);
    assert_eq!(program.run(&erase).code, 2, "nothing matches any more");
    let both = program.run(&["erase", "--tenant", "default", "--key", "evt_1"]);
    assert_eq!(both.code, 64, "{}", both.all());
    let body = program.run(&["events", "body", done["sample"][0].as_str().unwrap()]);
    assert!(body.code == 1 && body.stderr.contains("by grace: asked for"), "{}", body.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn unfinished_events_are_listed() {
    let handler = Fragile::default();
    let gateway = gateway(&handler).await;
    let (event, delivery) = make_dead_letter(&gateway, "evt_1").await;
    let program = Program::beside_with(&gateway, CONFIG).await;
    let erase = ["erase", "--event-id", &event, "--yes", "--reason", "asked for"];
    let refused = program.run(&erase);
    assert_eq!(refused.code, 1, "{}", refused.all());
    let line = format!("delivery {delivery}, fragile, dead, of event {event}\n");
    assert!(refused.stdout.contains(&line), "{}", refused.all());
    let done = program.run(&[&erase[..], &["--discard-unfinished"][..]].concat());
    assert!(done.code == 0 && done.stdout.contains("erased 1 events\n"), "{}", done.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn export_is_verifiable_and_a_changed_byte_is_found() {
    let (gateway, program) = gateway_with_event("cus_1").await;
    let export = ["export", "--pointer", "/data/object/customer=cus_1", "--to", "archive"];
    let run = program.run(&export);
    assert!(run.code == 0 && run.stdout == "exported 1 events\n", "{}", run.all());
    let read = |name: &str| std::fs::read_to_string(program.path("archive").join(name)).unwrap();
    let line: Value = serde_json::from_str(&read("events.ndjson")).unwrap();
    assert_eq!(line["source"], "billing");
    assert!(line["body"]["text"].as_str().unwrap().contains("cus_1"));
    assert_eq!(line["deliveries_of_event"][0]["state"], "done");
    let manifest: Value = serde_json::from_str(&read("manifest.json")).unwrap();
    assert_eq!(manifest["events"], 1);
    assert_eq!(manifest["bodies"][line["id"].as_str().unwrap()], line["body"]["sha256"]);

    let verified = program.run(&["export", "verify", "archive"]);
    assert!(verified.code == 0 && verified.stdout == "unchanged: 1 events\n", "{}", verified.all());
    let digest = verified.stderr.trim().rsplit(' ').next().unwrap().to_owned();
    let audited = gateway
        .query("SELECT encode(after, 'hex') AS after, count FROM audit_log WHERE action = 'export'")
        .await;
    assert_eq!(audited, [json!({ "after": digest, "count": 1 })]);
    let reads = "SELECT count(*) FROM audit_log WHERE action = 'export payload'";
    assert_eq!(gateway.count(reads).await, 1);
    let values = "SELECT count(*) FROM audit_log WHERE target LIKE '%cus_1%'";
    assert_eq!(gateway.count(values).await, 0);
    assert_eq!(program.run(&export).code, 1, "an archive is never overwritten");

    let path = program.path("archive").join("events.ndjson");
    for (from, to) in [("cus_1", "cus_2"), ("\"done\"", "\"dead\"")] {
        let text = read("events.ndjson");
        assert!(text.contains(from));
        std::fs::write(&path, text.replace(from, to)).unwrap();
        let changed = program.run(&["export", "verify", "archive"]);
        assert!(changed.code == 1 && changed.stdout == "changed\n", "{}", changed.all());
        std::fs::write(&path, text).unwrap();
    }
    let nothing = ["export", "--key", "evt_unknown", "--to", "empty"];
    assert_eq!(program.run(&nothing).code, 2);
}
