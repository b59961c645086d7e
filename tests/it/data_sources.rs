//! Sources of providers that are data: their test events, and fixtures captured from their events.

use sealpost::clock::{Clock as _, SystemClock};
use sealpost::fixtures::{self, Played};
use sealpost::providers::{self, Draft};
use serde_json::{Value, json};

use crate::cli::Program;
use crate::harness::{Answer, Builder, Gateway, database};

const CONFIG: &str = include_str!("harness/config.toml");
/// Hexadecimal and base64, so that it is a secret for every sender.
const SECRET: &str = "5f1c0b7e9a3d48266c41f0e2b95d7783c0ffee1234567890abcdef0102030405";
/// A public key of RFC 8032.
const PUBLIC_KEY: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
const FORM: &str = "application/x-www-form-urlencoded";

const SOURCES: &str = r#"
[[source]]
name = "code"
provider = "github"
secrets = [{ env = "DATA_SECRET" }]

[[source]]
name = "chat"
provider = "slack"
secrets = [{ env = "DATA_SECRET" }]

[[source]]
name = "sms"
provider = "twilio"
secrets = [{ env = "DATA_SECRET" }]
options = { url = "https://hooks.example.com/sms" }

[[source]]
name = "reports"
provider = "twilio-json"
secrets = [{ env = "DATA_SECRET" }]
options = { url = "https://hooks.example.com/reports" }

[[source]]
name = "deploys"
provider = "netlify"
secrets = [{ env = "DATA_SECRET" }]

[[source]]
name = "bus"
provider = "aws-eventbridge"
secrets = [{ env = "DATA_SECRET" }]

[[source]]
name = "images"
provider = "docker-hub"
secrets = [{ env = "DATA_SECRET" }]

[[source]]
name = "mail"
provider = "mailgun"
secrets = [{ env = "DATA_SECRET" }]

[[source]]
name = "bulk"
provider = "mandrill"
secrets = [{ env = "DATA_SECRET" }]
options = { url = "https://hooks.example.com/bulk" }

[[source]]
name = "notes"
provider = "postmark"
secrets = [{ env = "DATA_SECRET" }]

[[source]]
name = "issues"
provider = "linear"
secrets = [{ env = "DATA_SECRET" }]

[[source]]
name = "money"
provider = "adyen-standard"
secrets = [{ env = "DATA_SECRET" }]

[[source]]
name = "cards-in-forms"
provider = "braintree"
secrets = [{ env = "DATA_SECRET" }]
options = { public_key = "a-public-key" }

[[source]]
name = "documents"
provider = "dropbox-sign"
secrets = [{ env = "DATA_SECRET" }]

[[source]]
name = "bots"
provider = "discord"
secrets = [{ env = "DISCORD_KEY" }]

[[source]]
name = "topics"
provider = "aws-sns"
options = { topic_arn = "arn:aws:sns:eu-west-1:123456789012:acme" }
"#;
/// Those whose secret is shared, so that others than the sender can sign.
const SIGNABLE: [&str; 14] = [
    "code",
    "chat",
    "sms",
    "reports",
    "deploys",
    "bus",
    "images",
    "mail",
    "bulk",
    "notes",
    "issues",
    "money",
    "cards-in-forms",
    "documents",
];

fn builder() -> Builder {
    Gateway::builder()
        .more_config(SOURCES)
        .variable("DATA_SECRET", SECRET)
        .variable("DISCORD_KEY", PUBLIC_KEY)
}

async fn program(gateway: &Gateway) -> Program {
    let mut program = Program::beside_with(gateway, &format!("{CONFIG}{SOURCES}")).await;
    program.set("DATA_SECRET", SECRET);
    program.set("DISCORD_KEY", PUBLIC_KEY);
    program
}

/// Sends a request as the sender of a source signs it.
async fn send(gateway: &Gateway, name: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut sources = gateway.config().sources.iter();
    let source = sources.find(|source| source.entry.name == name).expect("a source");
    let scheme = sealpost::app::source_scheme(gateway.config(), source);
    let headers: Vec<(String, String)> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let draft = Draft {
        options: &source.entry.options,
        secret: source.secrets.first().expect("a secret"),
        token: None,
        at: gateway.clock_seconds(),
        headers: &headers,
        body: body.as_bytes(),
    };
    let entry = providers::find(&source.entry.provider).expect("a provider");
    let signed = entry.sign_request(&draft, &scheme).expect("a signature");
    let path = signed.path(&format!("/hooks/{name}"));
    gateway.post(&path, &signed.headers, &signed.body).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn test_event_of_every_family_is_accepted() {
    let gateway = builder().start_at(SystemClock.now()).start().await;
    let (program, to) = (program(&gateway).await, gateway.url(""));
    for name in SIGNABLE {
        let run = program.run(&["sources", "test", name, "--to", &to]);
        assert_eq!(run.code, 0, "{name}: {}", run.all());
        let words: Vec<&str> = run.stdout.split_whitespace().collect();
        let is_own = matches!(words[..], ["200", "accepted"]);
        let is_ours = matches!(words[..], ["202", "accepted", _]);
        assert!(is_own || is_ours, "{name}: {}", run.all());
    }
    let kinds = gateway.query("SELECT event_type, count(*) AS n FROM events GROUP BY 1").await;
    assert_eq!(kinds, [json!({ "event_type": "sealpost.test", "n": SIGNABLE.len() })]);
    assert_eq!(gateway.count("SELECT count(*) FROM deliveries").await, 0);

    for name in ["bots", "topics"] {
        let run = program.run(&["sources", "test", name, "--to", &to]);
        assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{name}: {}", run.all());
        let why = format!("only the sender of source `{name}` can sign");
        assert!(run.stderr.contains(&why), "{}", run.all());
    }
}

#[tokio::test]
async fn event_of_a_sender_is_no_test_event() {
    let gateway = builder().start().await;
    // Signed by the holder of the secret, but with more in it than a test event has.
    for (name, body) in [
        ("code", r#"{"sealpost_test":"1","ref":"refs/heads/main"}"#),
        ("mail", r#"{"sealpost_test":"1","event-data":{"event":"opened"}}"#),
        ("sms", "sealpost_test=1&Body=hello"),
    ] {
        let answer = send(&gateway, name, &[], body).await;
        assert!(matches!(answer.status, 200 | 202), "{name}: {}", answer.text);
    }
    let tests = "SELECT count(*) FROM events WHERE event_type = 'sealpost.test'";
    assert_eq!(gateway.count(tests).await, 0);
    assert_eq!(gateway.count("SELECT count(*) FROM events").await, 3);
}

/// A captured fixture.
async fn captured(gateway: &Gateway, source: &str, folder: &str) -> Value {
    let id = gateway.query(&format!("SELECT id FROM events WHERE source = '{source}'")).await;
    let id = id[0]["id"].as_str().expect("an id").to_owned();
    let run = program(gateway).await.run(&["fixtures", "capture", &id, "--to", folder]);
    assert_eq!(run.code, 0, "{}", run.all());
    let text = std::fs::read_to_string(run.stdout.trim()).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn captured_event_is_signed_again_in_the_same_way() {
    let gateway = builder().start().await;
    let push = r#"{"ref":"refs/heads/main","pusher":{"name":"Ada","email":"ada@example.org"}}"#;
    let sms = "AccountSid=AC17&Body=a+secret+word&From=%2B4915112345678&To=%2B4915187654321";
    let mail = r#"{"event-data":{"event":"opened","recipient":"ada@example.org"}}"#;
    let issue = r#"{"action":"create","type":"Issue","data":{"id":"17"}}"#;
    for (name, headers, body) in [
        ("code", &[("x-github-event", "push")][..], push),
        ("sms", &[("content-type", FORM)], sms),
        ("mail", &[], mail),
        ("issues", &[("linear-event", "Issue")], issue),
        ("images", &[], r#"{"push_data":{"tag":"latest"}}"#),
        ("deploys", &[("x-netlify-event", "deploy_created")], r#"{"state":"ready"}"#),
        ("notes", &[], r#"{"RecordType":"Delivery"}"#),
    ] {
        let answer = send(&gateway, name, headers, body).await;
        assert!(matches!(answer.status, 200 | 202), "{name}: {}", answer.text);
    }
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().to_str().unwrap();

    let fixture = captured(&gateway, "code", to).await;
    assert_eq!(fixture["headers"], json!({ "x-github-event": "push" }));
    assert_eq!(fixture["body"]["ref"], "refs/heads/main");
    assert_eq!(fixture["expect"], json!([{ "status": 202, "body": { "status": "accepted" } }]));
    assert!(fixture.get("then").is_none(), "no handler gets it: {fixture}");
    let fixture = captured(&gateway, "sms", to).await;
    assert_eq!(fixture["headers"], json!({ "content-type": FORM }));
    assert!(fixture["body_text"].as_str().unwrap().starts_with("AccountSid=AC17&Body="));
    let fixture = captured(&gateway, "mail", to).await;
    assert_eq!(fixture["expect"], json!([{ "status": 200 }]), "the sender's own response");
    assert_eq!(fixture["body"]["event-data"]["event"], "opened");
    assert!(fixture["body"]["signature"].get("signature").is_none(), "{fixture}");
    for name in ["issues", "images", "deploys", "notes"] {
        captured(&gateway, name, to).await;
    }

    let captured = fixtures::load(&[folder.path().to_owned()]).unwrap();
    assert_eq!(captured.len(), 7);
    let played = fixtures::run(database::fresh().await, &captured, |_| {}).await.unwrap();
    assert!(played.iter().all(Played::is_as_expected), "\n{}", fixtures::diff(&played));
    assert!(played.iter().all(|one| one.outcome() == "accepted"), "{}", fixtures::table(&played));
    let mut everything = String::new();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        for file in std::fs::read_dir(entry.unwrap().path()).unwrap() {
            everything.push_str(&std::fs::read_to_string(file.unwrap().path()).unwrap());
        }
    }
    for gone in [SECRET, "ada@example.org", "secret+word", "15112345678", "hub-signature"] {
        assert!(!everything.contains(gone), "{gone}: {everything}");
    }
}
