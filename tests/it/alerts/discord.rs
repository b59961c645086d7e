//! Messages to Discord, against a local server that responds as Discord does.

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

/// Allows requests to the test's server.
const LOOPBACK: &str = "[outbound]\nallow = [\"127.0.0.0/8\"]\n";

/// A file with the channel's URL.
fn address(url: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), url).unwrap();
    file
}

fn with_channel(builder: Builder, address: &tempfile::NamedTempFile) -> Builder {
    let path = address.path().display();
    builder.more_config(&format!("\n{LOOPBACK}[alerts]\ndiscord = {{ file = \"{path}\" }}\n"))
}

/// A channel that accepts every message, and a gateway that uses it.
async fn channel() -> (Web, Gateway) {
    let web = Web::start(async |_| Reply::json(200, &json!({ "id": "1" }))).await;
    let address = address(&web.url(TOKEN));
    let gateway = with_channel(Gateway::builder(), &address).start().await;
    (web, gateway)
}

async fn raise(store: &Store, key: &str, text: &str) {
    raise_as(store, Severity::Warning, key, text).await;
}

async fn raise_as(store: &Store, severity: Severity, key: &str, text: &str) {
    let mut tx = store.begin().await.unwrap();
    let (alert_type, source, passing) = ("sync_failed", "cards", false);
    let alert = Alert { alert_type, key, severity, source, event: None, text, passing };
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
async fn pending_alerts_are_sent_in_one_message_without_mentions() {
    let (web, gateway) = channel().await;
    assert_eq!(step(&gateway).await, Step::Nothing);
    raise(gateway.store(), "a", "fatal: `@everyone` <@123> **no** [such](https://x.test) repo")
        .await;
    raise(gateway.store(), "a", "fatal: `@everyone` <@123> **no** [such](https://x.test) repo")
        .await;
    raise_as(gateway.store(), Severity::Critical, "b", "the disk is full").await;
    raise_as(gateway.store(), Severity::Info, "c", "below the threshold").await;
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
async fn flood_of_alerts_is_one_bounded_message_with_a_count() {
    let (web, gateway) = channel().await;
    for n in 0..60 {
        raise(gateway.store(), &n.to_string(), &"\u{1f4a5}\n".repeat(400)).await;
    }
    assert_eq!(step(&gateway).await, Step::Sent(60));
    let [message] = &web.received()[..] else { panic!("one message") };
    let text = content(message);
    assert!(text.encode_utf16().count() <= 1_900, "{}", text.len());
    let shown = text.lines().count() - 1;
    assert!(
        shown >= 4 && text.ends_with(&format!("and {} more: `sealpost alerts list`", 60 - shown))
    );
}

#[tokio::test]
async fn retry_after_of_the_channel_applies_to_every_gateway() {
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
    let gateway = with_channel(Gateway::builder(), &address).start().await;
    let other = with_channel(Gateway::builder().sharing_database(&gateway), &address).start().await;
    raise(gateway.store(), "a", "broken").await;
    assert_eq!(step(&gateway).await, Step::Backlog(Duration::from_secs(62)));
    raise(gateway.store(), "b", "another").await;
    assert_eq!(step(&other).await, Step::Nothing, "new alerts wait too");
    pass(&gateway, "63 seconds").await;
    assert_eq!(step(&other).await, Step::Sent(2));
    assert_eq!(web.received().len(), 2);
}

#[tokio::test]
async fn alerts_are_kept_and_merged_while_discord_is_down() {
    // A port without a listener at first.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let address = address(&format!("http://{port}{TOKEN}"));
    let gateway = with_channel(Gateway::builder(), &address).start().await;
    for seconds in [5, 10, 20, 40, 80, 160, 320, 640, 900, 900] {
        raise(gateway.store(), "a", "broken").await;
        assert_eq!(step(&gateway).await, Step::Backlog(Duration::from_secs(seconds)));
        assert_eq!(step(&gateway).await, Step::Nothing, "not before then");
        gateway.execute("UPDATE alerts SET retry_at = retry_at - interval '901 seconds'").await;
    }
    let web = Web::on(TcpListener::bind(port).await.unwrap(), async |_| Reply::empty(204));
    assert_eq!(step(&gateway).await, Step::Sent(1));
    let [message] = &web.received()[..] else { panic!("one message") };
    assert!(content(message).contains("(\u{d7}10): `broken`"), "{}", content(message));
    raise(gateway.store(), "b", "another").await;
    assert_eq!(step(&gateway).await, Step::Sent(1), "the backoff is reset");
}

#[tokio::test]
async fn deleted_channel_is_given_up_and_its_url_stays_hidden() {
    let web = Web::start(async |_| {
        Reply::json(404, &json!({ "message": "Unknown Webhook", "code": 10015 }))
    })
    .await;
    let address = address(&web.url(TOKEN));
    let gateway = with_channel(Gateway::builder(), &address).start().await;
    raise(gateway.store(), "a", "broken").await;
    assert_eq!(step(&gateway).await, Step::Backlog(Duration::from_secs(5)));
    pass(&gateway, "25 hours").await;
    assert_eq!(step(&gateway).await, Step::Nothing, "given up");
    assert_eq!(web.received().len(), 1);
    let shown = format!("{:?} {:?}", gateway.config(), gateway.notifier());
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[tokio::test]
async fn text_rejected_by_discord_does_not_block_other_alerts() {
    let web = Web::start(async |request| {
        let offends = content(&request).contains("offensive");
        if offends { Reply::empty(400) } else { Reply::empty(204) }
    })
    .await;
    let address = address(&web.url(TOKEN));
    let gateway = with_channel(Gateway::builder(), &address).start().await;
    raise(gateway.store(), "a", "offensive").await;
    raise(gateway.store(), "b", "fine").await;
    assert_eq!(step(&gateway).await, Step::Sent(2));
    let [_, message] = &web.received()[..] else { panic!("two messages") };
    assert!(content(message).contains("2 cannot be shown here: `sealpost alerts list`"));
}

#[tokio::test]
async fn two_gateways_send_an_alert_once() {
    let (web, gateway) = channel().await;
    let address = address(&web.url(TOKEN));
    let other = with_channel(Gateway::builder().sharing_database(&gateway), &address).start().await;
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
async fn cli_lists_alerts_and_tests_the_channel() {
    let web = Web::start(async |_| Reply::empty(204)).await;
    let address = address(&web.url(TOKEN));
    let gateway = with_channel(Gateway::builder(), &address).start().await;
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
        "error: config.toml: alerts.discord: the address in variable `CHANNEL` is not a valid URL\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn running_gateway_sends_alerts_and_logs_no_channel_url() {
    let (sender, mut messages) = tokio::sync::mpsc::unbounded_channel();
    let web = Web::start(move |request| {
        sender.send(content(&request)).unwrap();
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
    let text = tokio::time::timeout(Duration::from_secs(60), messages.recv()).await;
    assert!(text.unwrap().unwrap().contains("`broken`"));
    let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    let ended = child.wait_with_output().unwrap();
    let log = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(0), "{log}");
    assert!(!log.contains("s3cret") && !log.contains("webhooks/"), "{log}");
    assert_eq!(web.received().len(), 1);
}
