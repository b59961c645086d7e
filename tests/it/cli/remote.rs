//! The command line over the API: the same output as on the database, with the scopes and the actor
//! of a key.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use sealpost::admin::Scope;
use sealpost::clock::{Clock, SystemClock};
use serde_json::{Value, json};

use super::{Program, Run};
use crate::alerts::outbox;
use crate::chunks::Transfer;
use crate::harness::{API_KEY, Builder, Gateway, MASTER_KEY};
use crate::rejected_requests::{self, KEEP_REJECTED, PLAIN};

const DESTINATION: &str = "\n[[destination]]\nname = \"app\"\nurl = \
    \"https://app.example.com/hooks\"\nsources = [\"bot\"]\nsecret = { env = \"APP_SECRET\" }\n";

/// The program on the database of a gateway, and over its API.
pub(crate) struct Both {
    pub(crate) local: Program,
    pub(crate) remote: Program,
}

impl Both {
    pub(crate) async fn of(gateway: &Gateway) -> Self {
        let config =
            include_str!("../harness/config.toml").replace(PLAIN, KEEP_REJECTED) + DESTINATION;
        let mut local = Program::beside_with(gateway, &config).await;
        local.set("SEALPOST_MASTER_KEY", MASTER_KEY);
        Self { local, remote: over(gateway, API_KEY) }
    }

    /// Runs a command both ways, which must print the same and exit the same.
    pub(crate) fn same(&self, arguments: &[&str]) -> Run {
        let (local, remote) = (self.local.run(arguments), self.remote.run(arguments));
        assert_eq!(remote.code, local.code, "{arguments:?}\n{}\n{}", local.all(), remote.all());
        assert_eq!(comparable(&remote), comparable(&local), "{arguments:?}\n{}", remote.stderr);
        remote
    }

    /// As [`Both::same`], as text and as JSON.
    pub(crate) fn same_in_both_formats(&self, arguments: &[&str]) -> Run {
        self.same(&[arguments, &["--format", "json"]].concat());
        self.same(arguments)
    }
}

/// The program with a gateway and a key in its environment, and nothing else: no configuration, no
/// database, no secret.
fn over(gateway: &Gateway, key: &str) -> Program {
    let mut program = Program::new("");
    program.variables.clear();
    std::fs::remove_file(program.path("config.toml")).unwrap();
    program.set("SEALPOST_URL", &gateway.operator_url(""));
    program.set("SEALPOST_API_KEY", key);
    program
}

/// The output without values that depend on the time of the request.
fn comparable(run: &Run) -> String {
    let lines = run.stdout.lines().map(|line| match serde_json::from_str::<Value>(line) {
        Ok(mut value) => {
            remove_volatile(&mut value);
            value.to_string()
        }
        Err(_) => super::redact(line),
    });
    lines.collect::<Vec<String>>().join("\n")
}

/// Removes times of the request, remaining times, and the addresses of listeners.
fn remove_volatile(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !name.ends_with("_seconds") && name != "at" && name != "urls");
            fields.values_mut().for_each(remove_volatile);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_volatile),
        _ => {}
    }
}

/// A gateway at the current time.
fn builder() -> Builder {
    Gateway::builder().start_at(SystemClock.now()).allow_unfinished()
}

/// An event; a live one is a dead letter of a test source.
fn account_updated(number: usize, live: bool) -> Value {
    json!({
        "account": "acct_a", "created": 1_763_600_000, "data": { "object": { "id": "acct_a" } },
        "id": format!("evt_{number}"), "livemode": live, "object": "event",
        "type": "account.updated",
    })
}

/// One of everything, and three dead letters.
pub(crate) async fn gateway() -> Gateway {
    let gateway = builder().config(PLAIN, KEEP_REJECTED).more_config(DESTINATION).start().await;
    for number in 1..=3 {
        let event = account_updated(number, true);
        gateway.send("billing", None, event.to_string().as_bytes()).await;
    }
    gateway.run_until_idle().await;
    Transfer::of(2).send(&gateway, 0).await;
    outbox::raise(gateway.store(), outbox::alert("a", "it does not work")).await;
    rejected_requests::send_rejected(&gateway, "{}").await;
    rejected_requests::wait_for_rejected(&gateway, 1).await;
    gateway.flush_stats().await;
    gateway
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_items_are_the_same_over_the_api() {
    let gateway = gateway().await;
    let both = Both::of(&gateway).await;
    let first = |arguments: &[&str], field: &str| {
        let listed = both.remote.run(&[arguments, &["--format", "json"]].concat()).stdout;
        let row: Value = serde_json::from_str(listed.lines().next().expect("a row")).unwrap();
        row[field].as_str().map_or_else(|| row[field].to_string(), str::to_owned)
    };
    both.local.run(&["sources", "pause", "bot", "--reason", "a test"]);
    both.local.run(&["jobs", "plan", "discard", "--source", "billing", "--reason", "a test"]);
    both.local.run(&["users", "add", "bo", "--scopes", "events:read"]);
    let (event, group) = (first(&["events", "list"], "id"), first(&["groups", "list"], "id"));
    let (transfer, job) = (first(&["transfers", "list"], "id"), first(&["jobs", "list"], "id"));
    let rejected = first(&["rejected", "list"], "id");
    for command in [
        &["events", "list"][..],
        &["events", "list", "--type", "account.*", "--state", "dead", "--limit", "2"],
        &["events", "show", &event],
        &["dead-letters", "list"],
        &["dead-letters", "list", "--source", "billing", "--older-than", "0s", "--limit", "2"],
        &["dead-letters", "list", "--before", "3"],
        &["dead-letters", "list", "--after", "1", "--limit", "1"],
        &["dead-letters", "show", "2"],
        &["deliveries", "show", "1"],
        &["groups", "list", "--class", "handler"],
        &["groups", "show", &group],
        &["jobs", "list"],
        &["jobs", "show", &job],
        &["transfers", "list"],
        &["transfers", "show", &transfer],
        &["sources", "list"],
        &["sources", "show", "billing"],
        &["destinations", "list"],
        &["destinations", "show", "app"],
        &["pauses", "list"],
        &["providers", "list", "--search", "webhooks"],
        &["providers", "show", "stripe"],
        &["alerts", "list", "--all"],
        &["rejected", "list"],
        &["rejected", "show", &rejected],
        &["rejected", "explain", &rejected],
        &["users", "list"],
        &["api-keys", "list", "--all"],
        &["audit", "list", "--limit", "2"],
        &["audit", "list", "--actor", "grace", "--before", "3"],
    ] {
        let run = both.same_in_both_formats(command);
        assert!(!run.stdout.is_empty(), "{command:?}: {}", run.all());
    }
    for command in [
        &["events", "body", &event][..],
        &["audit", "verify"],
        &["overview"],
        &["providers", "new", "stripe"],
        &["providers", "new"],
        // Nothing matches.
        &["users", "sessions", "bo"],
        &["dead-letters", "list", "--source", "nobody"],
        &["dead-letters", "show", "999"],
        &["events", "list", "--type", "nothing"],
        &["jobs", "plan", "discard", "--source", "nobody", "--reason", "a test"],
        &["sources", "show", "nobody"],
        &["destinations", "show", "nobody"],
        &["providers", "list", "--search", "nobody"],
        &["providers", "show", "nobody"],
    ] {
        both.same(command);
    }
    let settings = both.remote.run(&["settings"]);
    assert!(settings.stdout.contains("source.billing.provider"), "{}", settings.all());

    let recorded = both.local.run(&["rejected", "show", &rejected, "--format", "json"]).stdout;
    let recorded: Value = serde_json::from_str(&recorded).unwrap();
    for program in [&both.local, &both.remote] {
        program.file("recorded.json", &recorded["payload"].to_string());
    }
    assert_eq!(both.same(&["explain", "recorded.json", "--source", "billing"]).code, 1);
    let fixture = both.remote.run(&["fixtures", "capture", &event]);
    let file = fixture.stdout.trim_end();
    assert!(fixture.code == 0 && both.remote.path(file).exists(), "{}", fixture.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_the_same_over_the_api_and_the_key_is_their_actor() {
    let gateway = gateway().await;
    let both = Both::of(&gateway).await;
    let because = ["--reason", "a test"];
    for (noun, name) in [("sources", "bot"), ("handlers", "stripe"), ("destinations", "app")] {
        for verb in ["pause", "resume"] {
            let command = [&[noun, verb, name][..], &because].concat();
            let (remote, again) = (both.remote.run(&command), both.local.run(&command));
            assert_eq!((remote.code, remote.stdout), (0, format!("{verb}d {name}\n")));
            assert_eq!(again.stdout, format!("{name} is already {verb}d\n"), "{}", again.stderr);
        }
    }
    both.same(&[&["destinations", "pause", "nowhere"][..], &because].concat());
    let unknown = both.local.run(&[&["handlers", "pause", "nope"][..], &because].concat());
    assert!(unknown.code == 2 && unknown.stderr.contains("stripe"), "{}", unknown.all());
    let named = both.local.run(&[&["handlers", "pause", "to:app"][..], &because].concat());
    assert!(named.stderr.contains("use `sealpost destinations pause app`"), "{}", named.all());
    let retry = [&["destinations", "retry", "app"][..], &because].concat();
    assert_eq!(both.same(&retry).stdout, "app: nothing is waiting\n");
    for (verb, expected) in [
        ("disable", "disabled app\n"),
        ("pause", "paused app\n"),
        ("resume", "resumed app; it is still disabled\n"),
        ("resume", "app is not paused; it is disabled\n"),
        ("enable", "enabled app\n"),
    ] {
        let run = both.remote.run(&[&["destinations", verb, "app"][..], &because].concat());
        assert_eq!(run.stdout, expected, "{verb}: {}", run.stderr);
    }
    both.same(&[&["dead-letters", "replay", "999"][..], &because].concat());

    let one = |program: &Program, id: &str| {
        let run = program.run(&[&["dead-letters", "discard", id][..], &because].concat());
        (run.code, run.stdout)
    };
    assert_eq!(one(&both.remote, "1"), (0, "discarded delivery 1\n".to_owned()));
    assert_eq!(one(&both.local, "2"), (0, "discarded delivery 2\n".to_owned()));
    assert_eq!(one(&both.remote, "1"), one(&both.local, "1"), "it is discarded already");
    let refused = [&["dead-letters", "replay", "1"][..], &because].concat();
    let expected =
        "error: delivery 1 is already discarded\nhint: add --force to do it anyway\n".to_owned();
    for program in [&both.local, &both.remote] {
        let run = program.run(&refused);
        assert_eq!((run.code, run.stderr), (1, expected.clone()), "{}", run.stdout);
    }
    let replayed = [&["dead-letters", "replay", "1", "--force"][..], &because].concat();
    let replayed = both.remote.run(&replayed);
    assert!(replayed.stdout.starts_with("replayed delivery 1; new: "), "{}", replayed.all());

    for program in [&both.local, &both.remote] {
        program.file("fixed.json", &account_updated(3, false).to_string());
    }
    let edit = ["dead-letters", "edit", "3", "--body", "fixed.json"];
    assert!(both.same(&edit).stdout.contains("+++ edited"));
    let edited = both.remote.run(&[&edit[..], &["--yes"], &because].concat());
    assert!(edited.code == 0 && edited.stdout.starts_with("event "), "{}", edited.all());

    let created = ["api-keys", "create", "ci", "--scopes", "events:read", "--format", "json"];
    let created = both.remote.json(&created);
    let id = created["about"]["id"].as_str().unwrap();
    let revoked = both.remote.run(&[&["api-keys", "revoke", id][..], &because].concat());
    assert_eq!(revoked.stdout, format!("revoked ci ({id})\n"), "{}", revoked.all());
    let again = both.local.run(&[&["api-keys", "revoke", id][..], &because].concat());
    assert_eq!(again.stdout, format!("ci ({id}) is already revoked\n"), "{}", again.all());
    let short = ["api-keys", "create", "x", "--scopes", "events:read", "--expires", "1h"];
    assert_eq!(both.remote.run(&short).code, 64);
    let link = both.remote.run(&["users", "add", "ada", "--scopes", "events:read"]).stdout;
    assert!(link.starts_with(&gateway.operator_url("/setup?token=")), "{link}");

    let actors = "SELECT DISTINCT actor FROM audit_log WHERE action = 'add user' OR reason <> ''";
    let actors = gateway.query(actors).await;
    let actor: Value = both.remote.json(&["audit", "list", "--limit", "1", "--format", "json"]);
    assert!(actors.contains(&json!({ "actor": "grace" })), "{actors:?}");
    assert!(actors.contains(&json!({ "actor": actor["actor"] })), "{actors:?}");
    assert!(actor["actor"].as_str().unwrap().starts_with("key:"), "{actor}");
    let named = [&["sources", "pause", "bot", "--actor", "ada"][..], &because].concat();
    let named = both.remote.run(&named);
    assert!(named.code == 64 && named.stderr.contains("--actor"), "{}", named.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_replays_are_previewed_and_run_over_the_api() {
    let gateway = gateway().await;
    let both = Both::of(&gateway).await;
    let because = ["--reason", "it works now"];
    let many = [&["dead-letters", "discard", "--source", "billing"][..], &because].concat();
    both.same_in_both_formats(&many);
    let jobs = gateway.count("SELECT count(*) FROM jobs").await;
    assert_eq!(jobs, 0, "a preview records nothing");
    let nothing = [&["dead-letters", "discard", "--source", "nobody"][..], &because].concat();
    assert_eq!(both.same(&nothing).code, 2);

    // A gateway that runs jobs.
    let worker =
        builder().config(PLAIN, KEEP_REJECTED).sharing_database(&gateway).running().start().await;
    let remote = over(&worker, API_KEY);
    let capped = [&many[..], &["--cap", "1", "--yes"]].concat();
    let done = remote.run(&capped);
    assert_eq!((done.code, done.stdout.as_str()), (0, "discarded 1 of 1\n"), "{}", done.stderr);
    let done = both.local.run(&capped);
    assert_eq!((done.code, done.stdout.as_str()), (0, "discarded 1 of 1\n"), "{}", done.stderr);
    let replay = [&["dead-letters", "replay", "--source", "billing"][..], &because].concat();
    let done = remote.json(&[&replay[..], &["--yes", "--format", "json"]].concat());
    assert_eq!((&done["state"], &done["resolved"]), (&json!("done"), &json!(1)), "{done}");
    assert_eq!((&done["created"], &done["goal"]), (&json!(1), &json!(1)), "{done}");
    let rejected = [&["rejected", "discard", "--all"][..], &because].concat();
    assert!(both.same(&rejected).stdout.starts_with("would discard 1: "));
    let done = remote.run(&[&rejected[..], &["--yes"]].concat());
    assert_eq!((done.code, done.stdout.as_str()), (0, "discarded 1 of 1\n"), "{}", done.stderr);
    worker.stop();
    tokio::time::sleep(Duration::from_millis(100)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn key_without_a_scope_and_invalid_key_are_rejected() {
    let gateway = gateway().await;
    let reader = over(&gateway, &gateway.key("reader", &[Scope::EventsRead], None).await);
    assert_eq!(reader.run(&["dead-letters", "list"]).code, 0);
    let refused = reader.run(&["dead-letters", "discard", "1", "--reason", "a test"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{}", refused.stderr);
    assert!(refused.stderr.contains("`events:replay` required"), "{}", refused.all());
    let refused = reader.run(&["users", "list"]);
    assert!(refused.code == 1 && refused.stderr.contains("`admin`"), "{}", refused.all());

    let wrong = over(&gateway, "slp_0123456789abcdef_wrong").run(&["dead-letters", "list"]);
    assert!(wrong.code == 1 && wrong.stderr.contains("expired or revoked"), "{}", wrong.all());
    assert!(wrong.stderr.contains("hint:"), "{}", wrong.all());
    let mut none = over(&gateway, "");
    let run = none.run(&["dead-letters", "list"]);
    assert!(run.code == 64 && run.stderr.contains("SEALPOST_API_KEY"), "{}", run.all());
    none.file("key", &format!("{API_KEY}\n"));
    let mode = |mode| std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(none.path("key"), mode(0o640)).unwrap();
    let open = none.run(&["dead-letters", "list", "--key-file", "key"]);
    assert!(open.code == 64 && open.stderr.contains("chmod 600"), "{}", open.all());
    std::fs::set_permissions(none.path("key"), mode(0o600)).unwrap();
    assert_eq!(none.run(&["dead-letters", "list", "--key-file", "key"]).code, 0);
    none.set("SEALPOST_CONTEXT", "ops");
    let both = none.run(&["dead-letters", "list", "--key-file", "key"]);
    assert!(both.code == 64 && both.stderr.contains("only one"), "{}", both.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_source_or_handler_in_a_filter_is_named() {
    let gateway = gateway().await;
    let both = Both::of(&gateway).await;
    let because = ["--reason", "a test"];
    for (command, expected) in [
        (&["dead-letters", "list", "--source", "nobody"][..], "source `nobody` (known: "),
        (&["dead-letters", "list", "--handler", "nobody"], "handler `nobody` (known: "),
        (&["dead-letters", "list", "--handler", "to:nowhere"], "handler `to:nowhere` (known: "),
        (&["dead-letters", "discard", "--source", "nobody"], "source `nobody` (known: "),
        (&["jobs", "plan", "discard", "--source", "nobody"], "source `nobody` (known: "),
        (&["groups", "list", "--source", "nobody"], "source `nobody` (known: "),
        (&["events", "list", "--source", "nobody"], "source `nobody` (known: "),
        (&["rejected", "list", "--source", "nobody"], "source `nobody` (known: "),
    ] {
        let changes = ["discard", "plan"].contains(&command[1]);
        let command = if changes { [command, &because].concat() } else { command.to_vec() };
        for program in [&both.local, &both.remote] {
            let run = program.run(&command);
            assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{command:?}: {}", run.stderr);
            assert!(run.stderr.contains(expected), "{command:?}: {}", run.stderr);
            assert!(run.stderr.contains("not found"), "{command:?}: {}", run.stderr);
        }
    }
    // A source that is no longer configured has dead letters, and a destination exists.
    let config = include_str!("../harness/config.toml").replace("\"billing\"", "\"invoices\"");
    let renamed = Program::beside_with(&gateway, &(config + DESTINATION)).await;
    assert_eq!(renamed.run(&["dead-letters", "list", "--source", "billing"]).code, 0);
    for command in [
        &["dead-letters", "list", "--source", "billing", "--older-than", "90days"][..],
        &["events", "list", "--source", "billing", "--type", "nothing"],
        &["dead-letters", "list", "--handler", "to:app"],
        &["dead-letters", "list", "--source", "bot", "--handler", "quarantine"],
    ] {
        let run = renamed.run(command);
        let expected = (2, "nothing matched\n");
        assert_eq!((run.code, run.stderr.as_str()), expected, "{command:?}: {}", run.stdout);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_payload_is_reported() {
    let gateway = gateway().await;
    let both = Both::of(&gateway).await;
    let scopes = [Scope::EventsRead, Scope::SecretsWrite];
    let reader = over(&gateway, &gateway.key("reader", &scopes, None).await);
    let first = |command: &str| {
        let listed = both.remote.run(&[command, "list", "--format", "json"]).stdout;
        let row: Value = serde_json::from_str(listed.lines().next().expect("a row")).unwrap();
        row["id"].as_str().map_or_else(|| row["id"].to_string(), str::to_owned)
    };
    let (event, transfer, rejected) = (first("events"), first("transfers"), first("rejected"));
    for command in [
        &["dead-letters", "show", "2"][..],
        &["deliveries", "show", "2", "--format", "json"],
        &["events", "show", &event],
        &["transfers", "show", &transfer],
        &["rejected", "show", &rejected],
    ] {
        let run = reader.run(command);
        let expected = (0, "payload hidden: this key has no payload:read scope\n");
        assert_eq!((run.code, run.stderr.as_str()), expected, "{command:?}: {}", run.stdout);
        for program in [&both.local, &both.remote] {
            let run = program.run(command);
            assert!(!run.stderr.contains("hidden"), "{command:?}: {}", run.stderr);
        }
    }
}

#[test]
fn invalid_urls_and_database_only_commands_are_rejected() {
    let mut program = Program::new("");
    program.set("SEALPOST_API_KEY", API_KEY);
    let alone = program.run(&["overview", "--key-file", "key"]);
    assert!(alone.code == 64 && alone.stderr.contains("needs --url or"), "{}", alone.all());
    let unreachable = program.run(&["overview", "--url", "http://127.0.0.1:1"]);
    assert_eq!((unreachable.code, unreachable.stdout.as_str()), (69, ""), "{}", unreachable.stderr);
    let open = program.run(&["overview", "--url", "http://ops.example.com"]);
    assert!(open.code == 64 && open.stderr.contains("https"), "{}", open.all());
    for command in [
        &["serve"][..],
        &["migrate"],
        &["check"],
        &["demo"],
        &["openapi"],
        &["man"],
        &["vault", "key"],
        &["alerts", "test"],
        &["sources", "test", "billing"],
        &["sources", "fingerprint"],
        &["docora", "list"],
        &["fixtures", "run", "fixtures"],
        &["apify", "mint", "--source", "a", "--guild", "1"],
    ] {
        for gateway in [["--url", "https://ops.example.com"], ["--context", "ops"]] {
            let run = program.run(&[command, &gateway].concat());
            assert_eq!((run.code, run.stdout.as_str()), (64, ""), "{command:?}: {}", run.stderr);
            let expected = "works on this machine only, not over the API";
            assert!(run.stderr.contains(expected), "{command:?}: {}", run.stderr);
        }
        let help = program.run(&[command, &["--help"]].concat()).stdout;
        assert!(help.contains("Works on this machine only"), "{command:?}: {help}");
    }
    let help = program.run(&["sources", "list", "--help"]).stdout;
    assert!(!help.contains("this machine only"), "{help}");
    // In the environment, a gateway is refused only where something would be changed or sent.
    program.set("SEALPOST_URL", "https://ops.example.com");
    for command in [
        &["migrate"][..],
        &["docora", "list"],
        &["apify", "mint", "--source", "a", "--guild", "1"],
        &["alerts", "test"],
        &["sources", "test", "billing"],
    ] {
        let run = program.run(command);
        assert_eq!(run.code, 64, "{command:?}: {}", run.all());
        assert!(run.stderr.contains("unset SEALPOST_URL"), "{command:?}: {}", run.stderr);
    }
    assert_eq!(program.run(&["openapi"]).code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn contexts_are_saved_listed_used_and_deleted() {
    let gateway = gateway().await;
    let key = gateway.key("laptop", &[Scope::EventsRead], None).await;
    let mut program = Program::new("");
    let home = program.path("home");
    program.set("XDG_CONFIG_HOME", home.to_str().unwrap());
    let url = gateway.operator_url("");
    let login = |name: &str, url: &str, key: &str| {
        let mut child = program
            .command(&["login", name, "--url", url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        writeln!(child.stdin.take().unwrap(), "{key}").ok();
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let code = output.status.code().unwrap();
        Run { code, stdout: text(output.stdout), stderr: text(output.stderr) }
    };
    assert_eq!(program.run(&["contexts"]).code, 2);
    let wrong = login("ops", &url, "slp_0123456789abcdef_wrong");
    assert_eq!(wrong.code, 1, "{}", wrong.all());
    assert_eq!(login("ops", &url, "").code, 64);
    assert_eq!(login("ops", "http://ops.example.com", &key).code, 64);
    assert!(!home.exists(), "nothing was saved");

    let run = login("ops", &url, &key);
    assert_eq!(run.code, 0, "{}", run.all());
    assert_eq!(run.stdout, format!("ops: key:laptop at {url}, scopes: events:read\n"));
    assert!(run.stderr.contains("--context ops") && !run.all().contains(&key), "{}", run.all());
    let file = home.join("sealpost/contexts.toml");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    let listed = program.run(&["contexts"]);
    assert!(listed.stdout.contains("ops") && listed.stdout.contains(&url), "{}", listed.all());
    assert!(!listed.stdout.contains(&key));
    assert_eq!(program.run(&["dead-letters", "list", "--context", "ops"]).code, 0);
    let named = program.command(&["dead-letters", "list"]).env("SEALPOST_CONTEXT", "ops").output();
    assert!(named.unwrap().status.success());
    let unknown = program.run(&["dead-letters", "list", "--context", "other"]);
    assert!(unknown.code == 64 && unknown.stderr.contains("`other`"), "{}", unknown.all());

    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = program.run(&["dead-letters", "list", "--context", "ops"]);
    assert!(open.code == 64 && open.stderr.contains("chmod 600"), "{}", open.all());
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(program.run(&["logout", "ops"]).code, 0);
    let unknown = program.run(&["logout", "ops"]);
    assert!(unknown.code == 2 && unknown.stderr.contains("unknown context"), "{}", unknown.all());
    let doubled = login("ops", &format!("{url}/api/v1"), &key);
    assert!(doubled.code == 1 && doubled.stderr.contains("no Sealpost API"), "{}", doubled.all());
    assert!(!std::fs::read_to_string(&file).unwrap().contains(&key));
}
