//! The program itself: its output and exit codes.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use clap::CommandFactory;
use sealpost::clock::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::harness::{Gateway, SECRETS, database};

pub(crate) mod remote;

/// A run of the program.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The program, with a configuration and nothing else in its environment.
pub(crate) struct Program {
    folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl Program {
    pub(crate) fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.toml"), config).unwrap();
        let variables =
            SECRETS.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Self { folder, variables }
    }

    /// On the gateway's database.
    async fn beside(gateway: &Gateway) -> Self {
        Self::beside_with(gateway, include_str!("harness/config.toml")).await
    }

    /// On the gateway's database, with another configuration.
    pub(crate) async fn beside_with(gateway: &Gateway, config: &str) -> Self {
        let mut program = Self::new(config);
        program.set("DATABASE_URL", &database::url(gateway.target()).await);
        program.set("USER", "grace");
        program
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.into(), value.into()));
    }

    /// A file where the program is started.
    pub(crate) fn file(&self, name: &str, content: &str) {
        std::fs::write(self.folder.path().join(name), content).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealpost"));
        command
            .args(arguments)
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .env("PATH", std::env::var_os("PATH").unwrap())
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        let output: Output = self.command(arguments).output().expect("the program runs");
        Run {
            code: output.status.code().expect("an exit code"),
            stdout: String::from_utf8(output.stdout).expect("text"),
            stderr: String::from_utf8(output.stderr).expect("text"),
        }
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let run = self.run(arguments);
        serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {}", run.all()))
    }
}

impl Run {
    pub(crate) fn all(&self) -> String {
        format!("exit {}\n-- stdout\n{}-- stderr\n{}", self.code, self.stdout, self.stderr)
    }

    /// With event ids, times and ages replaced, which differ from run to run.
    fn redacted(&self) -> String {
        let lines: Vec<String> = self.all().lines().map(redact).collect();
        lines.join("\n")
    }
}

fn redact(line: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in line.split(' ') {
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        let is_uuid = word.len() == 36 && word.matches('-').count() == 4;
        let is_date = word.len() == 10 && digits == 8 && word.matches('-').count() == 2;
        let is_time = word.len() == 9 && word.ends_with('Z') && word.matches(':').count() == 2;
        let is_age = word.trim_end_matches(':').ends_with(['h', 'm', 's'])
            && word.starts_with(|first: char| first.is_ascii_digit())
            && !word.contains('.');
        let is_fingerprint = word.len() == 12 && word.bytes().all(|b| b.is_ascii_hexdigit());
        words.push(match () {
            () if is_uuid => "[event]".into(),
            () if is_date => "[date]".into(),
            () if is_time => "[time]".into(),
            () if is_age => "[age]".into(),
            () if is_fingerprint => "[fingerprint]".into(),
            () => word.into(),
        });
    }
    words.retain(|word| !word.is_empty());
    // An age is a number and its unit.
    let mut shown: Vec<String> = Vec::new();
    for word in words {
        let is_unit = matches!(&*word, "s" | "min" | "h" | "d");
        let number = shown.last().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
        if is_unit && number {
            shown.pop();
            shown.push("[age]".into());
        } else {
            shown.push(word);
        }
    }
    shown.join(" ")
}

/// Every command, as its arguments.
fn every_command(command: &clap::Command, words: &[String], found: &mut Vec<Vec<String>>) {
    found.push(words.to_vec());
    let shown = |below: &&clap::Command| below.get_name() != "help" && !below.is_hide_set();
    for below in command.get_subcommands().filter(shown) {
        every_command(below, &[words, &[below.get_name().to_owned()]].concat(), found);
    }
}

#[test]
fn every_command_has_help() {
    let program = Program::new("");
    let mut commands = Vec::new();
    every_command(&sealpost::cli::Cli::command(), &[], &mut commands);
    assert!(commands.len() > 8, "{commands:?}");
    let mut names = BTreeSet::new();
    for words in commands {
        let mut arguments: Vec<&str> = words.iter().map(String::as_str).collect();
        let name = format!("help {}", arguments.join(" ")).trim_end().replace(' ', "_");
        arguments.push("--help");
        let run = program.run(&arguments);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{arguments:?}");
        names.insert(name.clone());
        insta::assert_snapshot!(name, run.stdout);
    }
    let snapshots = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots");
    for entry in std::fs::read_dir(snapshots).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let name = file.strip_prefix("it__cli__").and_then(|name| name.strip_suffix(".snap"));
        if let Some(name) = name.filter(|name| name.starts_with("help")) {
            assert!(names.contains(name), "{file} belongs to no command");
        }
    }
}

#[test]
fn usage_and_configuration_errors_exit_with_64() {
    let program = Program::new("[ingest]\nlisten_on = \"x\"\n");
    for arguments in [
        &["no-such-command"][..],
        &["dead-letters", "replay", "1"],
        &["dead-letters", "replay", "1", "--reason", ""],
        &["dead-letters", "replay", "--reason", "r", "--force"],
        &["dead-letters", "replay", "1", "--source", "a", "--reason", "r"],
        &["dead-letters", "discard", "--reason", "r"],
        &["dead-letters", "discard", "--reason", "r", "--yes"],
        &["dead-letters", "replay", "--all", "--source", "a", "--reason", "r"],
        &["jobs", "plan", "discard", "--reason", "r"],
        &["dead-letters", "list", "--death-reason", "boredom"],
        &["dead-letters", "list", "--older-than", "foo"],
        &["events", "show", "139"],
        &["check"],
        &["check", "--config", "absent.toml"],
    ] {
        let run = program.run(arguments);
        assert_eq!((run.code, run.stdout.as_str()), (64, ""), "{arguments:?}: {}", run.stderr);
    }
    insta::assert_snapshot!(program.run(&["check"]).all());
    insta::assert_snapshot!(program.run(&["check", "--config", "absent.toml"]).all());
}

#[test]
fn source_errors_need_no_database() {
    let config =
        "[[source]]\nname = \"A\"\nprovider = \"stripe\"\nsecrets = [{ env = \"NONE\" }]\n";
    insta::assert_snapshot!(Program::new(config).run(&["check"]).all());
    let config =
        "[[source]]\nname = \"a\"\nprovider = \"fax\"\nsecrets = [{ env = \"BOT_SECRET\" }]\n";
    insta::assert_snapshot!(Program::new(config).run(&["sources", "list"]).all());
}

#[test]
fn fingerprint_of_a_missing_secret_is_an_error() {
    let run = Program::new("").run(&["sources", "fingerprint"]);
    assert_eq!((run.code, run.stderr.as_str()), (1, "error: the secret is empty\n"));
}

#[tokio::test]
async fn sources_are_shown_and_handlers_paused_without_secrets() {
    let gateway = Gateway::start().await;
    let mut program = Program::beside(&gateway).await;
    program.variables.retain(|(name, _)| !SECRETS.iter().any(|(secret, _)| name == secret));
    for command in [
        &["overview"][..],
        &["sources", "list"],
        &["handlers", "pause", "stripe", "--reason", "a test"],
    ] {
        let run = program.run(command);
        assert_eq!(run.code, 0, "{command:?}: {}", run.all());
    }
    let shown = program.run(&["sources", "show", "billing"]);
    assert!(shown.stdout.contains("/hooks/billing"), "{}", shown.all());
    assert!(shown.stdout.contains("unknown"), "{}", shown.all());
    let replay = program.run(&["dead-letters", "replay", "1", "--reason", "a test"]);
    assert!(replay.code == 64 && replay.stderr.contains("hint: use --context"), "{}", replay.all());
}

#[test]
fn unreachable_database_exits_with_69() {
    let mut program = Program::new("");
    program.set("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none");
    for command in [&["migrate"][..], &["dead-letters", "list"]] {
        let run = program.run(command);
        assert_eq!((run.code, run.stdout.as_str()), (69, ""), "{}", run.stderr);
        assert!(run.stderr.starts_with("error: cannot connect to the database"), "{}", run.stderr);
    }
}

#[tokio::test]
async fn missing_schema_is_reported() {
    let gateway = Gateway::start().await;
    let program = Program::beside(&gateway).await;
    gateway.execute("DELETE FROM _sqlx_migrations").await;
    let run = program.run(&["dead-letters", "list"]);
    assert_eq!(run.code, 69);
    assert!(run.stderr.contains("run `sealpost migrate`"), "{}", run.stderr);
}

/// Three dead letters: a request that is not JSON, and two events of an unknown account.
async fn three_dead_letters() -> Gateway {
    let gateway = Gateway::start().await;
    let answer = gateway.send("billing", None, b"\x1b[31mred\x1b[0m is not JSON").await;
    assert_eq!(answer.body_status(), "quarantined");
    for id in ["evt_1", "evt_2"] {
        let event = json!({
            "account": "acct_a", "created": 1_763_600_000, "data": { "object": { "id": "acct_a" } },
            "id": id, "livemode": true, "object": "event", "type": "account.updated",
        });
        gateway.send("billing", None, event.to_string().as_bytes()).await;
    }
    gateway.run_until_idle().await;
    assert_eq!(
        gateway.dead_letter_service().count(&crate::dead_letters::ada(), &all()).await.unwrap(),
        3
    );
    gateway
}

/// Sets the gateway's clock to that of the program, which has the real one.
fn catch_up(gateway: &Gateway) {
    let ahead = SystemClock.now() - gateway.clock().now();
    gateway.clock().advance(ahead.try_into().unwrap_or_default());
}

fn all() -> sealpost::admin::Selection {
    sealpost::admin::Selection::Matching(sealpost::admin::Filter::default())
}

#[tokio::test]
async fn dead_letters_are_listed_and_shown() {
    let gateway = three_dead_letters().await;
    let program = Program::beside(&gateway).await;
    insta::assert_snapshot!(program.run(&["dead-letters", "list"]).redacted());
    insta::assert_snapshot!(program.run(&["dead-letters", "list", "--limit", "1"]).redacted());
    insta::assert_snapshot!(program.run(&["dead-letters", "show", "1"]).redacted());
    let shown = program.run(&["dead-letters", "show", "1"]);
    assert!(!shown.stdout.contains('\x1b'), "{:?}", shown.stdout);
    insta::assert_snapshot!(program.run(&["dead-letters", "show", "2"]).redacted());

    let list = program.run(&["dead-letters", "list", "--format", "json"]);
    let rows: Vec<Value> =
        list.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[1]["handler"], "stripe");
    let show = program.json(&["dead-letters", "show", "2", "--format", "json"]);
    assert_eq!(show["delivery"]["id"], 2);
    assert_eq!(show["event"]["proof"]["strength"], "signed");
    assert!(
        show["event"]["payload"]["body"]["content"].as_str().unwrap().contains("evt_1"),
        "{show}"
    );
    assert_eq!(show["attempts"][0]["result"], "dead");

    for nothing in [
        &["dead-letters", "list", "--source", "cards"][..],
        &["dead-letters", "show", "999"],
        &["dead-letters", "replay", "999", "--reason", "r"],
        &["dead-letters", "discard", "--older-than", "90days", "--reason", "r", "--yes"],
    ] {
        let run = program.run(nothing);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{nothing:?}: {}", run.stderr);
    }
}

#[tokio::test]
async fn bulk_actions_are_previewed_first() {
    let gateway = three_dead_letters().await;
    let program = Program::beside(&gateway).await;
    let many = ["dead-letters", "replay", "--source", "billing", "--reason", "mode is set"];
    let dry = program.run(&many);
    insta::assert_snapshot!(dry.redacted());
    let dry = program.json(&[&many[..], &["--format", "json"]].concat());
    assert_eq!((&dry["dry_run"], &dry["matched"]), (&json!(true), &json!(3)));
    // Whether a change is only previewed depends on the command, not on the number of matches.
    let few = ["dead-letters", "discard", "--handler", "quarantine", "--reason", "noise"];
    let dry = program.json(&[&few[..], &["--format", "json"]].concat());
    assert_eq!((&dry["dry_run"], &dry["matched"]), (&json!(true), &json!(1)));
    for table in ["audit_log", "jobs"] {
        let rows = gateway.count(&format!("SELECT count(*) FROM {table}")).await;
        assert_eq!(rows, 0, "{table}: a dry run is no act");
    }

    let one = ["dead-letters", "discard", "1", "--reason", "no event", "--actor", "ada"];
    insta::assert_snapshot!(program.run(&one).redacted());
    insta::assert_snapshot!(program.run(&one).redacted());
    let unknown = ["dead-letters", "discard", "1", "999", "--reason", "no event", "--yes"];
    let unknown = program.run(&unknown);
    assert!(unknown.stderr.contains("1 of 2 deliveries not found: 999"), "{}", unknown.all());
    assert_eq!(unknown.code, 1);

    let done = program.json(&[&many[..], &["--yes", "--format", "json"]].concat());
    assert_eq!((&done["state"], &done["resolved"]), (&json!("done"), &json!(2)));
    assert_eq!((&done["created"], &done["skipped"]), (&json!(2), &json!(0)));
    let replays = "SELECT id, replay_of FROM deliveries WHERE replay_of IS NOT NULL ORDER BY id";
    assert_eq!(
        gateway.query(replays).await,
        [json!({ "id": 4, "replay_of": 2 }), json!({ "id": 5, "replay_of": 3 })]
    );
    let audit = "SELECT actor, action, target, reason, count FROM audit_log
                  WHERE action NOT IN ('plan', 'start') ORDER BY id";
    let jobs = "SELECT action, target, count FROM audit_log
                 WHERE action IN ('plan', 'start') AND target LIKE '%billing' ORDER BY id";
    let target = gateway.query(jobs).await[0]["target"].clone();
    assert!(target.as_str().unwrap().ends_with(": replay dead letters of source billing"));
    assert_eq!(
        gateway.query(jobs).await,
        [
            json!({ "action": "plan", "target": target, "count": 2 }),
            json!({ "action": "start", "target": target, "count": 2 }),
        ]
    );
    assert_eq!(
        gateway.query(audit).await,
        [
            json!({ "actor": "ada", "action": "discard", "target": "delivery 1",
                    "reason": "no event", "count": 1 }),
            json!({ "actor": "grace", "action": "replay",
                    "target": "dead letters of source billing", "reason": "mode is set",
                    "count": 2 }),
        ]
    );
    catch_up(&gateway);
    gateway.run_until_idle().await;
    let forced = ["dead-letters", "replay", "2", "--force", "--reason", "again"];
    insta::assert_snapshot!(program.run(&forced).redacted());
    catch_up(&gateway);
    gateway.run_until_idle().await;
}

#[tokio::test]
async fn groups_jobs_edits_and_pauses_work() {
    let gateway = three_dead_letters().await;
    let program = Program::beside(&gateway).await;
    let groups = program.run(&["groups", "list", "--class", "handler", "--format", "json"]);
    let group: Value = serde_json::from_str(groups.stdout.trim()).unwrap();
    assert_eq!((&group["open"], &group["handler"]), (&json!(2), &json!("stripe")));
    let group = group["id"].to_string();
    let shown = program.json(&["groups", "show", &group, "--format", "json"]);
    assert_eq!(shown["id"].to_string(), group);
    let of_group = ["dead-letters", "discard", "--group", &group, "--reason", "known"];
    let planned = ["jobs", "plan", "discard", "--group", &group, "--reason", "known"];
    let plan = program.json(&[&planned[..], &["--format", "json"]].concat())["job"]["id"].clone();
    let cancelled = program.run(&["jobs", "cancel", &plan.to_string(), "--reason", "no need"]);
    assert_eq!(cancelled.code, 0, "{}", cancelled.all());
    let done =
        program.json(&[&of_group[..], &["--cap", "1", "--yes", "--format", "json"]].concat());
    assert_eq!((&done["resolved"], &done["goal"]), (&json!(1), &json!(1)));
    let discarded = "SELECT id FROM deliveries WHERE resolution = 'discarded'";
    assert_eq!(gateway.query(discarded).await, [json!({ "id": 2 })]);
    let jobs = program.run(&["jobs", "list", "--format", "json"]);
    let states: Vec<Value> = jobs
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["state"].clone())
        .collect();
    assert_eq!(states, ["done", "cancelled"]);
    let shown = program.run(&["jobs", "show", &plan.to_string()]);
    assert!(shown.stdout.contains("cancelled by grace"), "{}", shown.all());

    program.file("fixed.json", r#"{"id":"evt_9","object":"event"}"#);
    let edit = ["dead-letters", "edit", "1", "--body", "fixed.json"];
    let dry = program.run(&edit);
    assert!(dry.code == 0 && dry.stdout.contains("+++ edited"), "{}", dry.all());
    assert!(!dry.stdout.contains('\x1b'), "{:?}", dry.stdout);
    assert_eq!(program.run(&[&edit[..], &["--yes"]].concat()).code, 64, "a reason is required");
    let edited = program.run(&[&edit[..], &["--yes", "--reason", "a typo"]].concat());
    assert_eq!(edited.code, 0, "{}", edited.all());
    let show = program.run(&["dead-letters", "show", "4"]);
    assert!(show.stdout.contains("this body was not sent by the provider"), "{}", show.all());
    let free = program.run(&["dead-letters", "unblock", "3", "--reason", "it can wait"]);
    assert!(free.code == 1 && free.stderr.contains("does not block a lane"), "{}", free.all());

    for (verb, what) in [("pause", "sources"), ("resume", "sources"), ("pause", "handlers")] {
        let name = if what == "sources" { "billing" } else { "stripe" };
        let run = program.run(&[what, verb, name, "--reason", "a test"]);
        assert_eq!((run.code, run.stdout), (0, format!("{verb}d {name}\n")), "{}", run.stderr);
    }
    let listed = program.json(&["pauses", "list", "--format", "json"]);
    assert_eq!((&listed["type"], &listed["paused_by"]), (&json!("handler"), &json!("grace")));
    program.run(&["handlers", "resume", "stripe", "--reason", "a test"]);
    catch_up(&gateway);
    gateway.run_to_the_end().await;
}

#[tokio::test]
async fn jobs_are_planned_started_and_cancelled() {
    let gateway = three_dead_letters().await;
    let program = Program::beside(&gateway).await;
    let json = ["--format", "json"];
    let plan = ["jobs", "plan", "discard", "--source", "billing", "--reason", "known"];
    let planned = program.json(&[&plan[..], &json].concat());
    assert_eq!((&planned["job"]["state"], &planned["job"]["goal"]), (&json!("planned"), &json!(3)));
    let id = planned["job"]["id"].to_string();
    let started = program.json(&[&["jobs", "start", &id][..], &json].concat());
    assert_eq!((&started["changed"], &started["count"]), (&json!(true), &json!(3)));
    let show = ["jobs", "show", &id, "--format", "json"];
    let job = || program.json(&show)["job"].clone();
    assert_eq!((&job()["state"], &job()["started_by"]), (&json!("running"), &json!("grace")));
    let again = program.run(&["jobs", "start", &id]);
    assert!(again.code == 1 && again.stderr.contains("it is running"), "{}", again.all());
    let cancel = ["jobs", "cancel", &id, "--reason", "no need"];
    assert_eq!(program.json(&[&cancel[..], &json].concat())["action"], "cancel");
    assert_eq!(job()["state"], "cancelled");
    let nothing = ["jobs", "plan", "discard", "--source", "nobody", "--reason", "known"];
    let nothing = program.run(&nothing);
    assert!(nothing.code == 2 && nothing.stderr.contains("hint:"), "{}", nothing.all());
    gateway.run_until_idle().await;
}

#[tokio::test]
async fn json_output_of_settings_deliveries_and_actions() {
    let gateway = three_dead_letters().await;
    let program = Program::beside(&gateway).await;
    let settings = program.run(&["settings", "--format", "json"]);
    assert!(settings.stdout.contains(r#"{"key":"source.billing.provider","value":"stripe"}"#));
    let json = ["--format", "json"];
    let shown = program.json(&[&["deliveries", "show", "1"][..], &json].concat());
    assert_eq!(shown, program.json(&[&["dead-letters", "show", "1"][..], &json].concat()));
    let paused = ["sources", "pause", "billing", "--reason", "a test"];
    let paused = program.json(&[&paused[..], &json].concat());
    let item = (&paused["noun"], &paused["id"], &paused["action"]);
    assert_eq!(item, (&json!("sources"), &json!("billing"), &json!("pause")));
    assert_eq!((&paused["changed"], &paused["message"]), (&json!(true), &json!("paused billing")));
    let gone = program.run(&["destinations", "pause", "nowhere", "--reason", "a test"]);
    assert!(gone.code == 2 && gone.stderr.contains("destination `nowhere`"), "{}", gone.all());
    assert!(gone.stderr.contains("hint:"), "{}", gone.all());
    gateway.run_until_idle().await;
}

#[tokio::test]
async fn json_rows_match_the_api() {
    let gateway = three_dead_letters().await;
    let program = Program::beside(&gateway).await;
    program.run(&["sources", "pause", "bot", "--reason", "a test"]);
    program.run(&["jobs", "plan", "discard", "--all", "--reason", "a test"]);
    program.run(&["users", "add", "bo", "--scopes", "events:read"]);
    let words = |row: &Value| row.as_object().unwrap().keys().cloned().collect::<Vec<String>>();
    for (command, path) in [
        ("dead-letters", "dead-letters"),
        ("groups", "groups"),
        ("jobs", "jobs"),
        ("sources", "sources"),
        ("events", "events"),
        ("pauses", "pauses"),
        ("providers", "providers"),
        ("api-keys", "api-keys"),
        ("users", "users"),
        ("audit", "audit"),
    ] {
        let listed = program.run(&[command, "list", "--format", "json"]).stdout;
        let row: Value = serde_json::from_str(listed.lines().next().unwrap()).unwrap();
        let page = gateway.operator(&format!("/api/v1/{path}")).await;
        assert_eq!(words(&row), words(&page.json["items"][0]), "{command}");
    }
    gateway.run_until_idle().await;
}

#[tokio::test]
async fn actor_defaults_to_the_account_name() {
    let gateway = three_dead_letters().await;
    let mut program = Program::beside(&gateway).await;
    program.variables.retain(|(name, _)| name != "USER");
    let run = program.run(&["dead-letters", "discard", "1", "--reason", "no event"]);
    assert_eq!(run.code, 0, "{}", run.all());
    let account = nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().unwrap().name;
    let audit = gateway.query("SELECT actor FROM audit_log WHERE action = 'discard'").await;
    assert_eq!(audit, [json!({ "actor": account })]);
}

#[tokio::test]
async fn minted_token_is_accepted() {
    let gateway = Gateway::start().await;
    let program = Program::beside(&gateway).await;
    let minted = program.json(&["apify", "mint", "--source", "apify-runs", "--guild", "123"]);
    assert_eq!(minted["registered"], true);
    let template: Value =
        serde_json::from_str(minted["headersTemplate"].as_str().unwrap()).unwrap();
    let token = template["X-Webhook-Signed-Payload"].as_str().unwrap();
    assert_eq!(minted["token"], token);

    catch_up(&gateway);
    let body = json!({
        "eventType": "ACTOR.RUN.SUCCEEDED", "eventData": { "actorId": "a1", "actorRunId": "r1" },
        "resource": { "id": "r1", "actId": "a1", "status": "SUCCEEDED" },
    });
    let headers = [("x-webhook-signed-payload".to_owned(), token.to_owned())];
    let answer = gateway.send_raw("apify-runs", None, &headers, body.to_string().as_bytes()).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    gateway.run_until_idle().await;
    let runs = gateway.rows("apify_runs").await;
    assert_eq!(runs[0]["run_key"], minted["run_key"]);
    assert_eq!(runs[0]["status"], "succeeded", "{runs:?}");

    let verify = ["apify", "mint", "--source", "apify-verify", "--guild", "123"];
    let again = [&verify[..], &["--actor-run", "r9", "--platform", "tiktok", "--handle", "@Ada"]];
    let again = again.concat();
    assert_eq!(program.run(&verify).code, 64, "a handle is required");
    let minted = program.json(&again);
    assert!(minted["code"].as_str().unwrap().starts_with("SP-"), "{minted}");
    assert_eq!(program.run(&again).code, 1, "the actor run id belongs to another run");
    let unknown = program.run(&["apify", "mint", "--source", "billing", "--guild", "1"]);
    assert_eq!(unknown.code, 64, "{}", unknown.stderr);
}

#[tokio::test]
async fn closed_pipe_is_not_an_error() {
    let gateway = three_dead_letters().await;
    let program = Program::beside(&gateway).await;
    let mut child = program
        .command(&["dead-letters", "list"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
}
