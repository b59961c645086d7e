//! What arrives at Discord: a server on the loopback that answers as Discord does.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sealpost::alerts::Step;
use sealpost::store::{Alert, Severity, Store};
use serde_json::json;
use tokio::net::TcpListener;

use super::outbox::pass;
use crate::cli::Program;
use crate::harness::web::{Received, Reply, Web};
use crate::harness::{Builder, Gateway};

const TOKEN: &str = "/api/webhooks/123456789/s3cret-t0ken-of-the-channel";

/// The way to a server of the test's own.
const LOOPBACK: &str = "[outbound]\nallow = [\"127.0.0.0/8\"]\n";

/// A file that holds the channel's address.
fn address(url: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), url).unwrap();
    file
}

fn telling(builder: Builder, address: &tempfile::NamedTempFile) -> Builder {
    let path = address.path().display();
    builder.more_config(&format!("\n{LOOPBACK}[alerts]\ndiscord = {{ file = \"{path}\" }}\n"))
}

/// A channel that takes every message, and a gateway that tells it.
async fn channel() -> (Web, Gateway) {
    let web = Web::start(async |_| Reply::json(200, &json!({ "id": "1" }))).await;
    let address = address(&web.url(TOKEN));
    let gateway = telling(Gateway::builder(), &address).start().await;
    (web, gateway)
}

async fn raise(store: &Store, key: &str, text: &str) {
    raise_as(store, Severity::Warning, key, text).await;
}

async fn raise_as(store: &Store, severity: Severity, key: &str, text: &str) {
    let mut tx = store.begin().await.unwrap();
    let alert = Alert { kind: "sync_failed", key, severity, source: "cards", text, passing: false };
    tx.alert(&alert).await.unwrap();
    tx.commit(()).await.unwrap();
}

fn content(received: &Received) -> String {
    received.json()["content"].as_str().expect("a text").to_owned()
}

async fn step(gateway: &Gateway) -> Step {
    gateway.notifier().step().await.unwrap()
}

#[tokio::test]
async fn what_came_up_is_told_in_one_message_that_calls_nobody() {
    let (web, gateway) = channel().await;
    assert_eq!(step(&gateway).await, Step::Nothing);
    raise(gateway.store(), "a", "fatal: `@everyone` <@123> **no** [such](https://x.test) repo")
        .await;
    raise(gateway.store(), "a", "fatal: `@everyone` <@123> **no** [such](https://x.test) repo")
        .await;
    raise_as(gateway.store(), Severity::Critical, "b", "the disk is full").await;
    raise_as(gateway.store(), Severity::Info, "c", "below what is told").await;
    assert_eq!(step(&gateway).await, Step::Sent(2));
    assert_eq!(step(&gateway).await, Step::Nothing);
    let [message] = &web.received()[..] else { panic!("{:?}", web.received()) };
    assert_eq!((&*message.method, &*message.path), ("POST", &*format!("{TOKEN}?wait=true")));
    assert_eq!(message.header("content-type"), "application/json");
    assert_eq!(message.json()["allowed_mentions"], json!({ "parse": [] }));
    assert_eq!(message.json()["flags"], 4, "no previews");
    let invisible = '\u{200b}';
    assert_eq!(
        content(message),
        format!(
            "\u{1f534} `cards` `sync_failed`: `the disk is full`\n\
             \u{1f7e0} `cards` `sync_failed` (\u{d7}2): `fatal: '@{invisible}everyone' \
             <@{invisible}123> **no** [such](https://x.test) repo`"
        )
    );
}

#[tokio::test]
async fn a_flood_is_one_message_of_bounded_length_that_counts_the_rest() {
    let (web, gateway) = channel().await;
    for n in 0..60 {
        raise(gateway.store(), &n.to_string(), &"\u{1f4a5}\n".repeat(400)).await;
    }
    assert_eq!(step(&gateway).await, Step::Sent(60));
    let [message] = &web.received()[..] else { panic!("one message") };
    let text = content(message);
    assert!(text.encode_utf16().count() <= 1_900, "{}", text.len());
    let told = text.lines().count() - 1;
    assert!(
        told >= 4 && text.ends_with(&format!("and {} more: `sealpost alerts list`", 60 - told))
    );
}

#[tokio::test]
async fn a_channel_that_asks_to_wait_is_left_alone_for_that_long_by_every_gateway() {
    let answers = Arc::new(AtomicUsize::new(0));
    let web = Web::start(move |_| {
        let first = answers.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            if !first {
                return Reply::empty(204);
            }
            let slow = json!({ "message": "slow", "retry_after": 61.5 });
            Reply::json(429, &slow).with("retry-after", "62")
        }
    })
    .await;
    let address = address(&web.url(TOKEN));
    let gateway = telling(Gateway::builder(), &address).start().await;
    let other = telling(Gateway::builder().beside(&gateway), &address).start().await;
    raise(gateway.store(), "a", "broken").await;
    assert_eq!(step(&gateway).await, Step::Backlog(Duration::from_secs(62)));
    raise(gateway.store(), "b", "another").await;
    assert_eq!(step(&other).await, Step::Nothing, "what came since waits too");
    pass(&gateway, "63 seconds").await;
    assert_eq!(step(&other).await, Step::Sent(2));
    assert_eq!(web.received().len(), 2);
}

#[tokio::test]
async fn while_discord_is_down_alerts_are_kept_and_folded_and_told_when_it_is_up() {
    // A port that nobody listens on, until somebody does.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let address = address(&format!("http://{port}{TOKEN}"));
    let gateway = telling(Gateway::builder(), &address).start().await;
    for seconds in [5, 10, 20, 40, 80, 160, 320, 640, 900, 900] {
        raise(gateway.store(), "a", "broken").await;
        assert_eq!(step(&gateway).await, Step::Backlog(Duration::from_secs(seconds)));
        assert_eq!(step(&gateway).await, Step::Nothing, "not before that");
        gateway.execute("UPDATE alerts SET retry_at = retry_at - interval '901 seconds'").await;
    }
    let web = Web::on(TcpListener::bind(port).await.unwrap(), async |_| Reply::empty(204));
    assert_eq!(step(&gateway).await, Step::Sent(1));
    let [message] = &web.received()[..] else { panic!("one message") };
    assert!(content(message).contains("(\u{d7}10): `broken`"), "{}", content(message));
    raise(gateway.store(), "b", "another").await;
    assert_eq!(step(&gateway).await, Step::Sent(1), "what failed is forgotten");
}

#[tokio::test]
async fn a_channel_that_is_gone_harms_nothing_and_its_address_is_not_shown() {
    let web = Web::start(async |_| {
        Reply::json(404, &json!({ "message": "Unknown Webhook", "code": 10015 }))
    })
    .await;
    let address = address(&web.url(TOKEN));
    let gateway = telling(Gateway::builder(), &address).start().await;
    raise(gateway.store(), "a", "broken").await;
    assert_eq!(step(&gateway).await, Step::Backlog(Duration::from_secs(5)));
    pass(&gateway, "25 hours").await;
    assert_eq!(step(&gateway).await, Step::Nothing, "given up");
    assert_eq!(web.received().len(), 1);
    let shown = format!("{:?} {:?}", gateway.config(), gateway.notifier());
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[tokio::test]
async fn a_text_that_discord_refuses_does_not_hold_up_the_others() {
    let web = Web::start(async |request| {
        let offends = content(&request).contains("offensive");
        if offends { Reply::empty(400) } else { Reply::empty(204) }
    })
    .await;
    let address = address(&web.url(TOKEN));
    let gateway = telling(Gateway::builder(), &address).start().await;
    raise(gateway.store(), "a", "offensive").await;
    raise(gateway.store(), "b", "fine").await;
    assert_eq!(step(&gateway).await, Step::Sent(2));
    let [_, message] = &web.received()[..] else { panic!("two messages") };
    assert!(content(message).contains("2 cannot be shown here: `sealpost alerts list`"));
}

#[tokio::test]
async fn two_gateways_tell_an_alert_once() {
    let (web, gateway) = channel().await;
    let address = address(&web.url(TOKEN));
    let other = telling(Gateway::builder().beside(&gateway), &address).start().await;
    for n in 0..20 {
        raise(gateway.store(), &n.to_string(), &format!("number {n}.")).await;
        let (one, two) = tokio::join!(step(&gateway), step(&other));
        assert!([one, two].contains(&Step::Sent(1)), "{one:?} {two:?}");
    }
    let all: String = web.received().iter().map(content).collect();
    for n in 0..20 {
        assert_eq!(all.matches(&format!("number {n}.")).count(), 1, "{all}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_list_what_there_is_and_try_the_channel() {
    let web = Web::start(async |_| Reply::empty(204)).await;
    let address = address(&web.url(TOKEN));
    let gateway = telling(Gateway::builder(), &address).start().await;
    let path = address.path().display();
    let config = format!("{LOOPBACK}[alerts]\ndiscord = {{ file = \"{path}\" }}\n");
    let program = Program::beside_with(&gateway, &config).await;
    let run = program.run(&["alerts", "list"]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{}", run.stderr);

    raise(gateway.store(), "a", "broken \x1b[31m").await;
    raise(gateway.store(), "a", "broken \x1b[31m").await;
    let listed = program.json(&["alerts", "list", "--format", "json"]);
    assert_eq!((&listed["count"], &listed["notification"]), (&json!(2), &json!("pending")));
    assert_eq!((&listed["state"], &listed["severity"]), (&json!("open"), &json!("warning")));
    step(&gateway).await;
    let list = program.run(&["alerts", "list"]);
    assert!(list.stdout.contains("sent") && list.stdout.contains(r"broken \u{1b}[31m"));

    let run = program.run(&["alerts", "test", "--text", "hello @here"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, "test message sent\n"), "{}", run.stdout);
    let [.., message] = &web.received()[..] else { panic!("a message") };
    assert_eq!(content(message), "\u{2705} `hello @\u{200b}here`");
    drop(web);
    let run = program.run(&["alerts", "test"]);
    assert_eq!(run.code, 1, "{}", run.all());
    assert!(!run.stderr.contains("s3cret"), "{}", run.stderr);
    let run = Program::new("").run(&["alerts", "test"]);
    assert_eq!(run.code, 64, "{}", run.stderr);
    let mut program = Program::new("[alerts]\ndiscord = { env = \"CHANNEL\" }\n");
    program.set("CHANNEL", "not-an-address-s3cret");
    let run = program.run(&["check"]);
    assert_eq!((run.code, run.stdout.as_str()), (64, ""));
    assert_eq!(
        run.stderr,
        "error: alerts.discord: the address in variable `CHANNEL` is not a valid URL\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_runs_tells_by_itself_and_logs_no_address() {
    let (told, mut telling) = tokio::sync::mpsc::unbounded_channel();
    let web = Web::start(move |request| {
        told.send(content(&request)).unwrap();
        async { Reply::empty(204) }
    })
    .await;
    let address = address(&web.url(TOKEN));
    let gateway = Gateway::start().await;
    raise(gateway.store(), "a", "broken").await;
    let config = format!(
        "[ingest]\nlisten = \"127.0.0.1:0\"\n[operator]\nlisten = \"127.0.0.1:0\"\n\
         {LOOPBACK}[alerts]\nevery = \"100ms\"\ndiscord = {{ file = \"{}\" }}\n",
        address.path().display()
    );
    let program = Program::beside_with(&gateway, &config).await;
    let child = program.command(&["serve"]).stderr(Stdio::piped()).spawn().unwrap();
    let text = tokio::time::timeout(Duration::from_secs(60), telling.recv()).await;
    assert!(text.unwrap().unwrap().contains("`broken`"));
    let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    let ended = child.wait_with_output().unwrap();
    let log = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(0), "{log}");
    assert!(!log.contains("s3cret") && !log.contains("webhooks/"), "{log}");
    assert_eq!(web.received().len(), 1);
}
