//! The pages in `docs/migrating`: their configuration passes `check`, their commands exist, their
//! statements run on the data of such an application, and their route receives deliveries. The
//! pages of Stripe and Apify are tested with those providers.

mod allyship;
mod application;
mod helix;
mod libraries;

use std::collections::BTreeSet;

use clap::Parser as _;
use clap::error::ErrorKind;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::cli::Program;
use crate::harness::{Answer, Gateway};

const HELIX: &str = include_str!("../../../docs/migrating/helix.md");
const ALLYSHIP: &str = include_str!("../../../docs/migrating/allyship.md");
const PAGES: [&str; 5] = [
    HELIX,
    ALLYSHIP,
    include_str!("../../../docs/migrating/integration-api.md"),
    include_str!("../../../docs/migrating/tracking-bot.md"),
    include_str!("../../../docs/migrating/webkit.md"),
];

const APP_ID: &str = "app_aaaaaaaaaaaaaaaaaaaaaaaa";
const LOOPBACK: &str = "\n[outbound]\nallow = [\"127.0.0.0/8\"]\n";
/// A valid secret.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Public keys, for senders that have no shared secret.
pub(crate) const PUBLIC_KEYS: [(&str, &str); 2] = [
    ("DISCORD_PUBLIC_KEY", "8b70908f48c533fd49e7f0c40c1a526c89ff44f46e95ff768dcd81ab92d80ab4"),
    (
        "SENDGRID_PUBLIC_KEY",
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe6\
         2gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g==",
    ),
];

/// The code blocks of a page in a language.
pub(crate) fn blocks(page: &'static str, language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    page.split(fence.as_str()).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// The configuration of a page, with its placeholders filled in.
fn configuration(page: &'static str) -> String {
    let text = blocks(page, "toml").concat();
    text.replace("app_…", APP_ID).replace("region     = \"…\"", "region = \"eu-central-1\"")
}

fn sha(bytes: impl AsRef<[u8]>) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// A payload of Docora, built in this minute.
fn payload(repository_id: &str, file: &Value, minute: u32) -> Value {
    json!({
        "repository": {
            "repository_id": repository_id, "github_url": "https://github.com/owner/cards",
            "owner": "owner", "name": "cards",
        },
        "file": file, "commit_sha": "0123456789abcdef0123456789abcdef01234567",
        "timestamp": format!("2026-11-20T10:{minute:02}:00.000Z"),
    })
}

/// A text file in the format of Docora.
fn text_file(path: &str, content: &str) -> Value {
    json!({ "path": path, "sha": sha(content), "size": content.len(), "content": content })
}

/// Sends a Docora payload to `path`.
async fn send(gateway: &Gateway, source: &str, path: &str, body: &Value) -> Answer {
    let body = body.to_string();
    let headers = gateway.sign(source, body.as_bytes(), &[]);
    let answer = gateway.post(path, &headers, body.as_bytes()).await;
    assert_eq!((answer.status, answer.body_status()), (202, "accepted"), "{}", answer.text);
    answer
}

#[test]
fn configuration_on_every_page_passes_check() {
    for page in PAGES {
        let text = configuration(page);
        let mut program = Program::new(&text);
        let names: Vec<&str> =
            text.split("env = \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let distinct: BTreeSet<&str> = names.iter().copied().collect();
        let shares = distinct.len() < names.len();
        for (name, letter) in distinct.iter().zip('A'..) {
            // Distinct values, as `check` advises.
            let secret = SECRET.replacen("_M", &format!("_{letter}"), 1);
            let public = PUBLIC_KEYS.iter().find(|(variable, _)| variable == name);
            program.set(name, public.map_or(&*secret, |(_, key)| *key));
        }
        let run = program.run(&["check"]);
        assert_eq!(run.code, 0, "{text}\n{}", run.all());
        let file: sealpost::config::File = toml::from_str(&text).unwrap();
        let sources = file.source.iter().map(|source| &source.name);
        let names = sources.chain(file.destination.iter().map(|destination| &destination.name));
        for name in names {
            let mut rows = run.stdout.lines().map(|line| line.split_whitespace().next());
            assert!(rows.any(|first| first == Some(name.as_str())), "{name}: {}", run.stdout);
        }
        // The pages configure no alert channel; no other warning is expected.
        let warnings = run.stdout.lines().filter(|line| line.contains("warning"));
        // If a page gives two sources one secret on purpose, that warning is expected too.
        let warnings = warnings.filter(|line| !(shares && line.contains("is also the secret of")));
        // Their URLs are those of an example.
        let is_example = |line: &&str| {
            line.contains("https://hooks.example.com/") && line.contains("value of an example")
        };
        let warnings: Vec<&str> = warnings.filter(|line| !is_example(line)).collect();
        let expected = "warning: no alert channel is configured ([alerts] discord): alerts are \
                        only listed";
        assert_eq!(warnings, [expected], "{}", run.stdout);
    }
}

#[test]
fn every_command_on_every_page_exists() {
    for page in PAGES {
        assert_commands_exist(page);
    }
}

/// Asserts that every command on a page exists, with its arguments.
pub(crate) fn assert_commands_exist(page: &'static str) {
    let lines = blocks(page, "sh").into_iter().flat_map(str::lines);
    let typed = lines.filter(|line| line.starts_with("sealpost ")).map(|line| (line, true));
    let named =
        page.split('`').filter(|text| text.starts_with("sealpost ") && !text.contains('\n'));
    let commands: Vec<(&str, bool)> = typed.chain(named.map(|text| (text, false))).collect();
    assert!(!commands.is_empty());
    for (command, whole) in commands {
        let words = command.split('#').next().unwrap().split_whitespace();
        let Err(error) = sealpost::cli::Cli::try_parse_from(words) else { continue };
        // A sentence may name a command without its required arguments.
        let named = !whole && error.kind() == ErrorKind::MissingRequiredArgument;
        assert!(named, "{command}: {error}");
    }
}
