//! What is known about the providers: on the command line, in the API, in the console, and in the
//! documentation.

use std::path::Path;

use regex::Regex;
use sealpost::admin::{Provider, Scope};
use sealpost::app;
use sealpost::providers::data::{ProofLevel, ProviderFile, example_secret};
use serde_json::{Value, json};

use crate::cli::Program;
use crate::harness::{Answer, Gateway, MASTER_KEY};

const STRIPE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/stripe");

/// A program without a configuration.
fn bare() -> Program {
    let program = Program::new("");
    std::fs::remove_file(program.path("config.toml")).unwrap();
    program
}

/// The numbers in the last line of a list: all providers, and the proven ones.
fn counted(listed: &str) -> (usize, usize) {
    let last = listed.lines().next_back().expect("a line");
    let pattern = Regex::new("^([0-9]+) providers?, ([0-9]+) proven$").unwrap();
    let found = pattern.captures(last).unwrap_or_else(|| panic!("{last}"));
    (found[1].parse().unwrap(), found[2].parse().unwrap())
}

#[test]
fn list_is_filtered_and_counted_without_a_configuration() {
    let program = bare();
    let all = program.run(&["providers", "list"]);
    assert_eq!((all.code, all.stderr.as_str()), (0, ""));
    let (total, proven) = counted(&all.stdout);
    assert_eq!(all.stdout.lines().count(), total + 2, "a head, and the count");
    assert!(total > 200 && proven > 50, "{total}, {proven}");

    let rows = program.run(&["providers", "list", "--format", "json"]).stdout;
    let rows: Vec<Value> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), total);
    assert!(rows.is_sorted_by_key(|row| row["name"].as_str().unwrap().to_owned()));
    assert_eq!(rows.iter().filter(|row| row["proven"] == true).count(), proven);
    let custom = rows.iter().any(|row| row["name"] == "custom");
    assert!(!custom, "it is no kind of sender");

    let found = program.run(&["providers", "list", "--search", "HUB"]);
    assert!(found.stdout.contains("\ngithub "), "{}", found.all());
    let built_in = program.run(&["providers", "list", "--level", "built_in"]);
    assert_eq!(counted(&built_in.stdout), (4, 1), "{}", built_in.all());
    let wrong = program.run(&["providers", "list", "--level", "certain"]);
    assert_eq!(wrong.code, 64, "{}", wrong.all());
    let nothing = program.run(&["providers", "list", "--search", "no such sender"]);
    assert_eq!((nothing.code, nothing.stdout.as_str()), (2, ""));
}

#[test]
fn provider_is_shown_with_everything_that_is_known() {
    let program = bare();
    let shown = program.run(&["providers", "show", "slack"]).stdout;
    for text in [
        "Provider slack: Slack\n",
        "hmac-sha256",
        "`v0:{timestamp}:{body}`",
        "header `x-slack-signature`, after `v0=`, in hex",
        "header `x-slack-request-timestamp`, in Unix seconds",
        "by the id: JSON `/event_id`",
        "`POST` with JSON `/type` = `url_verification`",
        "npm:@slack/bolt",
    ] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    let model: Provider =
        serde_json::from_value(program.json(&["providers", "show", "slack", "--format", "json"]))
            .unwrap();
    assert_eq!(&model, app::providers().show("slack").unwrap());
    let unknown = program.run(&["providers", "show", "slac"]);
    assert_eq!((unknown.code, unknown.stdout.as_str()), (2, ""), "{}", unknown.stderr);
    assert!(unknown.stderr.contains("similar: slack"), "{}", unknown.stderr);
}

/// A secret in the form that the sender of this provider gives.
fn secret(provider: &str) -> String {
    let text = format!("a-secret-of-{provider}-0123456789");
    match ProviderFile::find(provider) {
        Some(file) => example_secret(&file.scheme, &text),
        None => text,
    }
}

#[test]
fn source_of_every_provider_is_accepted() {
    let mut config =
        "[ingest]\nlisten = \"127.0.0.1:0\"\n[operator]\nlisten = \"127.0.0.1:0\"\n".to_owned();
    let providers = app::providers();
    config.push_str(providers.template());
    for provider in providers.all() {
        config.push_str(&provider.example);
    }
    let parsed: toml::Table = toml::from_str(&config).unwrap();
    let sources = parsed["source"].as_array().unwrap();
    assert_eq!(sources.len(), providers.all().len() + 1, "each has a source");
    let mut program = Program::new(&config);
    program.set("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none");
    program.set("SEALPOST_MASTER_KEY", MASTER_KEY);
    for source in sources {
        let provider = source["provider"].as_str().unwrap();
        let secrets = source.get("secrets").and_then(toml::Value::as_array);
        for reference in secrets.into_iter().flatten() {
            program.set(reference["env"].as_str().unwrap(), &secret(provider));
        }
    }
    let checked = program.run(&["check", "--format", "json"]);
    assert_eq!(checked.code, 0, "{}", checked.stderr);
    let checked: Value = serde_json::from_str(&checked.stdout).unwrap();
    assert_eq!(checked["sources"].as_array().unwrap().len(), sources.len());

    let example = |name: &str| providers.show(name).unwrap().example.as_str();
    for (name, expected) in [
        (None, providers.template()),
        (Some("custom"), providers.template()),
        (Some("stripe"), example("stripe")),
        (Some("aws-sns"), example("aws-sns")),
    ] {
        let run = bare().run(&[&["providers", "new"][..], name.as_slice()].concat());
        assert_eq!((run.code, run.stdout.as_str()), (0, expected), "{}", run.stderr);
    }
    assert_eq!(bare().run(&["providers", "new", "no-such-sender"]).code, 2);
}

#[test]
fn readme_has_the_number_of_proven_providers() {
    let (total, proven) = counted(&bare().run(&["providers", "list"]).stdout);
    let files = ProviderFile::all();
    let files = files.filter(|(_, file)| file.proof.level == ProofLevel::Proven).count();
    assert_eq!(proven, files + 1, "and one with handlers");
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let pattern = Regex::new("([0-9]+) proven of ([0-9]+)").unwrap();
    let found: Vec<(usize, usize)> = pattern
        .captures_iter(&readme)
        .map(|found| (found[1].parse().unwrap(), found[2].parse().unwrap()))
        .collect();
    assert!(!found.is_empty(), "README.md does not have `{proven} proven of {total}`");
    assert!(found.iter().all(|numbers| *numbers == (proven, total)), "{found:?}: {proven} {total}");
}

#[tokio::test]
async fn any_key_may_read_providers() {
    let gateway = Gateway::start().await;
    let key = gateway.key("switch", &[Scope::SourcesWrite], Some("another")).await;
    let get = async |path: &str| {
        let request = gateway.client().get(gateway.operator_url(path)).bearer_auth(&key);
        Answer::of(request.send().await.unwrap()).await
    };
    let all = get("/api/v1/providers").await.json["items"].as_array().unwrap().len();
    assert_eq!(all, app::providers().all().len());
    let some = get("/api/v1/providers?level=proven&search=hmac-sha1").await;
    let items = some.json["items"].as_array().unwrap();
    assert!(!items.is_empty() && items.len() < all, "{}", some.text);
    for item in items {
        assert_eq!(item["level"], "proven");
    }
    let one = get("/api/v1/providers/telegram").await;
    assert_eq!(one.json["strength"], "vouched", "{}", one.text);
    assert_eq!(one.json["replayable"], true, "{}", one.text);
    assert!(one.json["example"].as_str().unwrap().contains("[[source]]"), "{}", one.text);
    assert_eq!(get("/api/v1/providers?level=certain").await.status, 400);
    let unknown = get("/api/v1/providers/telegra").await;
    assert_eq!(unknown.status, 404);
    assert!(unknown.json["detail"].as_str().unwrap().contains("telegram"), "{}", unknown.text);
}

#[tokio::test]
async fn console_has_a_page_for_every_provider() {
    let gateway = Gateway::start().await;
    let page = async |path: &str| gateway.operator(path).await;
    let all = page("/providers").await.text;
    let listed = app::providers().all();
    for Provider { name, .. } in listed {
        assert!(all.contains(&format!("href=\"/providers/{name}\"")), "{name}");
    }
    // Not all of them: the console counts against the rate limit of the key.
    for provider in listed.iter().step_by(10) {
        let one = page(&format!("/providers/{}", provider.name)).await;
        assert_eq!(one.status, 200, "{}", provider.name);
        assert!(one.text.contains("[[source]]"), "{}", one.text);
    }
    assert!(all.contains(&format!("{} providers, ", listed.len())), "{all}");
    let some = page("/providers?q=hub&level=proven").await.text;
    assert!(some.contains("href=\"/providers/github\""), "{some}");
    assert!(!some.contains("href=\"/providers/slack\""), "{some}");
    let slack = page("/providers/slack").await.text;
    assert!(slack.contains("<code class=\"said\">v0:{timestamp}:{body}</code>"), "{slack}");
    let custom = page("/providers/custom").await.text;
    assert!(custom.contains("[source.scheme]"), "{custom}");
    assert_eq!(page("/providers/no-such-sender").await.status, 404);
    assert_eq!(page("/providers?level=certain").await.status, 400);
    for path in ["/sources", "/sources/billing"] {
        let page = page(path).await.text;
        assert!(page.contains("href=\"/providers/stripe\""), "{path}: {page}");
    }
}

#[tokio::test]
async fn vouched_event_of_a_provider_is_shown_as_such() {
    let secret = "telegram-secret-0123456789";
    let chat = "\n[[source]]\nname = \"chat\"\nprovider = \"telegram\"\n\
                secrets = [{ env = \"CHAT_SECRET\" }]\n";
    let gateway =
        Gateway::builder().more_config(chat).variable("CHAT_SECRET", secret).start().await;
    let headers = [("x-telegram-bot-api-secret-token".to_owned(), secret.to_owned())];
    let answer = gateway.send_raw("chat", None, &headers, br#"{"update_id":7}"#).await;
    assert_eq!(answer.body_status(), "accepted", "{}", answer.text);
    let event = answer.id();
    let listed = gateway.operator("/api/v1/events").await.json;
    assert_eq!(listed["items"][0]["strength"], "vouched", "{listed}");
    for path in ["/events".to_owned(), format!("/events/{event}")] {
        let page = gateway.operator(&path).await.text;
        assert!(page.contains("vouched"), "{path}: {page}");
    }
    let config = format!("{}{chat}", include_str!("harness/config.toml"));
    let mut program = Program::beside_with(&gateway, &config).await;
    program.set("CHAT_SECRET", secret);
    let shown = program.run(&["sources", "show", "chat"]).stdout;
    assert!(shown.contains("none: the sender signs no time"), "{shown}");
    let shown = program.run(&["sources", "show", "billing"]).stdout;
    assert!(shown.contains("up to 300 s old, up to 300 s in the future"), "{shown}");
    let chat = gateway.operator("/api/v1/sources/chat").await.json;
    assert_eq!((&chat["signed_time"], &chat["max_age_seconds"]), (&json!("none"), &Value::Null));
    let page = gateway.operator("/sources/chat").await.text;
    assert!(page.contains("none: the sender signs no time"), "{page}");
    for command in [&["events", "list"][..], &["events", "show", event]] {
        let run = program.run(command);
        assert!(run.stdout.contains("vouched"), "{command:?}: {}", run.all());
    }
    gateway.run_until_idle().await;
}

#[tokio::test]
async fn unknown_name_has_similar_ones_in_its_error() {
    let gateway = Gateway::start().await;
    let program = Program::beside_with(&gateway, include_str!("harness/config.toml")).await;
    for (path, similar) in
        [("/api/v1/sources/biling", "billing"), ("/api/v1/providers/gihtub", "github")]
    {
        let problem = gateway.operator(path).await;
        let detail = problem.json["detail"].as_str().unwrap();
        assert_eq!(problem.status, 404);
        assert!(detail.contains(&format!("(similar: {similar}")), "{path}: {detail}");
    }
    for command in [
        &["sources", "show", "biling"][..],
        &["sources", "pause", "biling", "--reason", "a test"],
        &["sources", "test", "biling"],
        &["events", "list", "--source", "biling"],
        &["fixtures", "send", STRIPE, "--source", "biling", "--to", "http://127.0.0.1:1"],
    ] {
        let run = program.run(command);
        assert!(run.stderr.contains("(similar: billing"), "{command:?}: {}", run.all());
    }
    for name in ["gihtub", "GitHub"] {
        let unknown = bare().run(&["providers", "new", name]);
        assert!(unknown.stderr.contains("(similar: github"), "{name}: {}", unknown.stderr);
    }
}
