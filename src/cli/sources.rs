//! `sealpost sources`: show, test, pause and resume sources.

use std::io::Read as _;

use serde_json::{Value, json};
use time::Duration;
use zeroize::Zeroizing;

use super::actions::{OnSource, Perform};
use super::globals::GlobalArgs;
use super::output::{self, Format};
use super::{Exit, backend};
use crate::admin::{AdminError, Source, SourceFacts, SourceHandshake, SourceSecret};
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, SourceConfig};
use crate::fixtures::{self, Sender};
use crate::near_names;
use crate::providers;
use crate::verify::Secret;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List configured sources; `--format json` prints one JSON object per line.
    List(List),
    /// Show a source: its paths, the use of its secrets, and why requests are rejected.
    Show(Show),
    /// Send a test event to a source.
    ///
    /// The event is signed with the source's secret and marked as a test. It is recorded, but not
    /// delivered to any handler. Exits with 0 if it was accepted.
    Test(Test),
    /// Print the fingerprint of a secret read from standard input, to compare with a source's.
    Fingerprint,
    #[command(flatten)]
    Act(Perform<OnSource>),
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// Source name.
    name: String,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Test {
    /// Source name.
    name: String,
    /// URL of the ingest listener; defaults to `ingest.public_url` or its listen address.
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(globals: &GlobalArgs, command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::Test(test) => return test.run(globals),
        Command::Fingerprint => return fingerprint(),
        Command::Act(action) => return action.run(globals),
        Command::List(_) | Command::Show(_) => {}
    }
    backend::with(globals, globals.sources_if_loaded(), None, async |backend| {
        let text = match command {
            Command::List(list) => {
                let sources = backend.sources().await?;
                match list.format {
                    Format::Text => table(&sources),
                    Format::Json => sources.iter().map(output::json).collect(),
                }
            }
            Command::Show(show) => {
                let source = backend.source(&show.name).await?;
                match show.format {
                    Format::Text => page(&source),
                    Format::Json => output::json(&source),
                }
            }
            Command::Act(_) | Command::Test(_) | Command::Fingerprint => String::new(),
        };
        output::print(&text)?;
        Ok(Exit::Ok)
    })
}

impl Test {
    fn run(&self, globals: &GlobalArgs) -> anyhow::Result<Exit> {
        let config = globals.load()?;
        let topology = app::topology(&config)?;
        let facts = topology.sources.iter().find(|source| source.name == self.name);
        let found = config.sources.iter().find(|source| source.entry.name == self.name);
        let (Some(facts), Some(source)) = (facts, found) else {
            let known = config.sources.iter().map(|source| source.entry.name.as_str());
            let near = near_names::hint(&self.name, known);
            return Err(AdminError::NotFound(format!("source `{}`{near}", self.name)).into());
        };
        let action = facts.actions.first().map(String::as_str);
        let to = self.to.as_deref().unwrap_or(&topology.base_url);
        let sender = Sender::new(to)?;
        let scheme = app::source_scheme(&config, source);
        let sent = async {
            let now = SystemClock.now();
            Ok(fixtures::send_test(source, &scheme, action, &sender, now).await?)
        };
        let answer = super::block_on(sent)?;
        let event = answer.body.get("id").and_then(Value::as_str).unwrap_or_default();
        let entry = providers::find(&source.entry.provider);
        // The sender requires a response that does not say what happened.
        let is_silent = entry.is_some_and(|entry| entry.has_own_answer(&scheme));
        let word = match answer.word() {
            _ if is_silent && (200..300).contains(&answer.status) => "accepted",
            word => word,
        };
        let text = format!("{} {word} {}", answer.status, output::line(event));
        let text = format!("{}\n", text.trim_end());
        let document = json!({ "status": answer.status, "answer": answer.body });
        output::print_as(self.format, &text, &document)?;
        Ok(if word == "accepted" { Exit::Ok } else { Exit::Failed })
    }
}

/// The configured source of this name, which must have this provider.
pub(super) fn of_provider<'a>(
    config: &'a Config,
    provider: &str,
    name: &str,
) -> Result<&'a SourceConfig, AdminError> {
    let mut sources = config.sources.iter().filter(|source| source.entry.provider == provider);
    sources.clone().find(|source| source.entry.name == name).ok_or_else(|| {
        let near = near_names::hint(name, sources.by_ref().map(|one| one.entry.name.as_str()));
        AdminError::Invalid(format!("no source `{name}` has provider = \"{provider}\"{near}"))
    })
}

fn fingerprint() -> anyhow::Result<Exit> {
    let mut secret = Zeroizing::new(String::new());
    std::io::stdin().read_to_string(&mut secret)?;
    let secret = Secret::new(secret.trim_end_matches(['\r', '\n']))
        .map_err(|error| anyhow::anyhow!("the secret {error}"))?;
    output::print(&format!("{}\n", secret.fingerprint()))?;
    Ok(Exit::Ok)
}

fn table(sources: &[Source]) -> String {
    let head = ["NAME", "PROVIDER", "TENANT", "STATE", "PATH", "LAST EVENT"];
    let rows: Vec<Vec<String>> = sources
        .iter()
        .map(|source| {
            vec![
                source.name.clone(),
                source.provider.clone(),
                source.tenant.clone(),
                state(source).to_owned(),
                source.paths.first().cloned().unwrap_or_default(),
                source.last_event_at.map(output::time).unwrap_or_default(),
            ]
        })
        .collect();
    output::table(&head, &rows)
}

fn page(source: &Source) -> String {
    let mut fields = vec![
        ("provider", source.provider.clone()),
        ("tenant", source.tenant.clone()),
        ("state", state(source).to_owned()),
    ];
    fields.extend(source.paused.iter().map(|pause| {
        let since = output::time(pause.paused_at);
        ("paused", format!("since {since} by {}: {}", pause.paused_by, pause.reason))
    }));
    fields.extend(source.paths.iter().map(|path| ("path", path.clone())));
    if source.urls_are_public {
        fields.extend(source.urls.iter().map(|url| ("url", url.clone())));
    }
    fields.extend([
        ("actions", source.actions.join(", ")),
        ("headers", source.headers.join(", ")),
        ("largest body", output::size(source.max_body_bytes)),
        ("window", source.freshness()),
        ("limit", format!("{} per second, burst {}", source.per_second, source.burst)),
        ("kept", source.keep_rejected_seconds.map(kept).unwrap_or_default()),
        ("handlers", source.handlers.join(", ")),
        ("handshake", source.handshake.as_ref().map(handshake).unwrap_or_default()),
        ("last event", source.last_event_at.map_or_else(|| "none".to_owned(), output::time)),
    ]);
    let rejected = source.day.reasons.iter();
    fields.extend(rejected.map(|one| ("rejected", format!("{} as {}", one.count, one.reason))));
    let mut text = format!("Source {}\n", source.name);
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        let field = format!("  {name:<12} {}\n", output::line(value));
        text.push_str(&field);
    }
    text.push_str("\nSecrets\n");
    if source.secrets.is_empty() {
        text.push_str("  none: the sender publishes its keys\n");
        return text;
    }
    let unread = source.secrets.iter().any(is_unread);
    let rows: Vec<Vec<String>> = source
        .secrets
        .iter()
        .map(|secret| {
            vec![
                secret.place.map(|place| place.to_string()).unwrap_or_default(),
                secret.fingerprint.clone(),
                secret.requests.to_string(),
                secret.first_at.map(output::time).unwrap_or_default(),
                secret.last_at.map(output::time).unwrap_or_default(),
                in_words(secret, unread),
            ]
        })
        .collect();
    let head = ["NO", "FINGERPRINT", "REQUESTS", "FIRST", "LAST", ""];
    text.push_str(&output::table(&head, &rows));
    text
}

/// The state of the source.
fn state(source: &Source) -> &'static str {
    if source.paused.is_some() { "paused" } else { source.setup.as_str() }
}

fn handshake(handshake: &SourceHandshake) -> String {
    match (handshake.open_until, &handshake.opened_by) {
        (Some(until), Some(by)) => {
            format!("accepted until {}, opened by {by}", output::time(until))
        }
        _ => "not accepted (`sealpost sources accept-handshake`)".to_owned(),
    }
}

fn kept(seconds: f64) -> String {
    format!("rejected requests, for {}", output::age(Duration::seconds_f64(seconds)))
}

/// Whether it is a configured secret that was not read.
fn is_unread(secret: &SourceSecret) -> bool {
    secret.fingerprint == SourceFacts::UNKNOWN_SECRET
}

fn in_words(secret: &SourceSecret, unread: bool) -> String {
    match (secret.place, secret.last_at) {
        _ if is_unread(secret) => "not set here".to_owned(),
        (None, _) if let Some(at) = secret.stored_at => {
            format!("of the handshake at {}", output::time(at))
        }
        (None, _) if unread => String::new(),
        (None, _) => "no longer configured".to_owned(),
        (_, None) => "not used yet".to_owned(),
        (_, Some(last)) if secret.removable => {
            format!("unused for {}: safe to remove", output::age(SystemClock.now() - last))
        }
        _ => String::new(),
    }
}
