//! The command `sealpost destinations`.

use std::time::Duration;

use serde_json::{Value, json};

use super::receiver::{Receiver, Reply};
use super::{builder, destination, send, single_delivery, summary};
use crate::cli::Program;
use crate::harness::Gateway;

/// The program on the database of the gateway, with a destination `name` in its configuration.
async fn program(gateway: &Gateway, receiver: &Receiver, name: &str) -> Program {
    let config = format!(
        "{}\n[outbound]\nallow = [\"127.0.0.0/8\"]\n{}",
        include_str!("../harness/config.toml"),
        destination(name, &receiver.url("/"), "sources = [\"billing\"]")
    );
    Program::beside_with(gateway, &config).await
}

async fn gateway(receiver: &Receiver) -> Gateway {
    let table = destination("app", &receiver.url("/"), "sources = [\"billing\"]");
    builder().more_config(&table).start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_is_listed_paused_resumed_and_enabled() {
    let receiver =
        Receiver::start(|_, number| Reply::status(if number == 0 { 410 } else { 204 })).await;
    let gateway = gateway(&receiver).await;
    let program = program(&gateway, &receiver, "app").await;
    let list = || program.json(&["destinations", "list", "--format", "json"]);
    assert_eq!((&list()["state"], &list()["ready"]), (&json!("ok"), &json!(0)));

    let paused = program.run(&["destinations", "pause", "app", "--reason", "deploying"]);
    assert_eq!((paused.code, paused.stdout.as_str()), (0, "paused app\n"));
    let again = program.run(&["destinations", "pause", "app", "--reason", "deploying"]);
    assert_eq!(again.stdout, "app is already paused\n");
    send(&gateway, "invoice.paid", "in_1").await;
    gateway.run_until_idle().await;
    assert_eq!(receiver.connections(), 0);
    assert_eq!((&list()["state"], &list()["ready"]), (&json!("paused"), &json!(1)));
    let pause = list()["paused"].clone();
    assert_eq!((&pause["paused_by"], &pause["reason"]), (&json!("grace"), &json!("deploying")));
    assert_eq!(pause["paused_at"], list()["since"]);
    for (command, who) in [
        (&["destinations", "list"][..], "by grace: deploying"),
        (&["destinations", "show", "app"], "Z by grace: deploying"),
    ] {
        let shown = program.run(command);
        assert!(shown.stdout.contains(who), "{}", shown.all());
    }
    program.run(&["destinations", "resume", "app", "--reason", "deployed"]);
    assert_eq!(list()["paused"], Value::Null);
    gateway.run_until_idle().await;

    let listed = list();
    assert_eq!(listed["state"], "disabled");
    assert_eq!(listed["reason"], "destination responded 410 (Gone)");
    assert_eq!(listed["last_error"], "destination responded 410");
    let text = program.run(&["destinations", "list"]);
    let mut lines = text.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(lines.next().unwrap()[..4], ["NAME", "STATE", "FOR", "READY"]);
    assert_eq!(lines.next().unwrap()[..2], ["app", "disabled"]);

    program.run(&["destinations", "enable", "app", "--reason", "it is back"]);
    gateway.clock().advance(Duration::from_mins(1));
    gateway.run_until_idle().await;
    assert_eq!(single_delivery(&gateway).await, summary("done", "handled", "deferred done"));
    let audit = gateway
        .query("SELECT actor, action, target, reason, count FROM audit_log ORDER BY id")
        .await;
    let actions: Vec<&Value> = audit.iter().map(|row| &row["action"]).collect();
    assert_eq!(actions, ["pause", "pause", "resume", "enable"]);
    assert_eq!(
        audit[0],
        json!({ "actor": "grace", "action": "pause", "target": "destination app",
                "reason": "deploying", "count": 1 })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn forget_dead_letters_the_backlog_of_an_unconfigured_destination() {
    let receiver = Receiver::accepting().await;
    let gateway = gateway(&receiver).await;
    let forget = ["destinations", "forget", "app", "--reason", "it is gone"];
    let configured = program(&gateway, &receiver, "app").await;
    let refused = configured.run(&forget);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    send(&gateway, "invoice.paid", "in_1").await;
    let program = program(&gateway, &receiver, "another").await;
    let listed = program.run(&["destinations", "list", "--format", "json"]);
    let listed: Vec<Value> =
        listed.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&listed[0]["name"], &listed[0]["state"]), (&json!("another"), &json!("ok")));
    assert_eq!((&listed[1]["name"], &listed[1]["state"]), (&json!("app"), &json!("unconfigured")));
    let forgotten = program.run(&forget);
    assert_eq!(forgotten.stdout, "app: 1 deliveries dead-lettered\n");
    assert_eq!(gateway.dead_letters().await[0].0, "handler_missing");
    let unknown = program.run(&["destinations", "pause", "nobody", "--reason", "r"]);
    assert_eq!(unknown.code, 2, "{}", unknown.stderr);
    gateway.run_until_idle().await;
    assert_eq!(receiver.connections(), 0);
}

#[test]
fn check_reports_destination_errors_without_a_database() {
    for (more, expected) in [
        ("sources = [\"nothing\"]", "unknown source `nothing`"),
        ("sources = []", "sources must list at least one"),
        ("timeout = \"30s\"", "shorter than dispatch.handler_deadline"),
        ("rate = 1\nconcurrency = 40", "shorter than dispatch.handler_deadline"),
        ("sign = \"bot\"", "`service` and sign = \"bot\" require each other"),
        ("service = \"api\"", "`service` and sign = \"bot\" require each other"),
        ("types = []", "the list is empty"),
        ("types = [\"*.paid\"]", "`*.paid` is not an event type"),
        ("filter = \"type ==\"", "not a valid JSONPath query"),
        ("headers = { Webhook-Id = \"x\" }", "the header `Webhook-Id` cannot be set"),
        ("headers = { \"webhook-signature\" = \"x\" }", "cannot be set"),
        ("headers = { Svix-Id = \"x\" }", "the header `Svix-Id` cannot be set"),
        ("header_prefix = \"svix\"\nheaders = { webhook-id = \"x\" }", "cannot be set"),
        (
            "sign = \"bot\"\nservice = \"api\"\nheader_prefix = \"svix\"",
            "`header_prefix` requires sign",
        ),
        ("headers = { Authorization = \"x\" }", "cannot be set"),
        ("headers = { Host = \"x\" }", "cannot be set"),
        ("headers = { X = \"a\\r\\nHost: b\" }", "cannot be set"),
        ("token = { env = \"ABSENT\" }", "`ABSENT` is not set"),
    ] {
        let table = destination("app", "https://app.example.com/", more);
        let run = Program::new(&table).run(&["check"]);
        assert_eq!(run.code, 64, "{more}: {}", run.stderr);
        assert!(run.stderr.contains("destination `app`"), "{more}: {}", run.stderr);
        assert!(run.stderr.contains(expected), "{more}: {}", run.stderr);
    }
    for (url, expected) in [
        ("app.example.com", "destination `app`: invalid URL"),
        ("http://app.example.com/", "outbound.allow"),
        ("https://app.example.com:5432/", "outbound.allow"),
        ("https://10.0.0.1/", "10.0.0.1 is neither public"),
        ("https://[::ffff:127.0.0.1]/", "is neither public"),
        ("https://2130706433/", "127.0.0.1 is neither public"),
        ("https://me:secret@app.example.com/", "user name or a password"),
        ("ftp://app.example.com/", "`ftp` is not https"),
    ] {
        let run = Program::new(&destination("app", url, "")).run(&["check"]);
        assert_eq!(run.code, 64, "{url}: {}", run.stderr);
        assert!(run.stderr.contains(expected), "{url}: {}", run.stderr);
    }
}
