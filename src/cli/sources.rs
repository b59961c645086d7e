//! `sealpost sources`: show, test, pause and resume sources.

use std::io::Read as _;

use serde_json::{Value, json};
use time::Duration;
use zeroize::Zeroizing;

use super::output::{self, Format};
use super::{Exit, monitoring, overview, pauses};
use crate::admin::{SecretView, SourceView};
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::fixtures::{self, Sender};
use crate::store::PauseTarget;
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
    /// Pause a source until it is resumed; incoming events are recorded and wait.
    Pause(pauses::Act),
    /// Resume a paused source.
    Resume(pauses::Act),
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

pub(super) fn run(config: &Config, command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::Test(test) => return test.run(config),
        Command::Fingerprint => return fingerprint(),
        Command::Pause(act) => return act.run(config, PauseTarget::Source, true),
        Command::Resume(act) => return act.run(config, PauseTarget::Source, false),
        Command::List(_) | Command::Show(_) => {}
    }
    monitoring::with(config, async |monitoring, caller| {
        let text = match command {
            Command::List(list) => {
                let sources = monitoring.sources(caller).await?;
                match list.format {
                    Format::Text => table(&sources),
                    Format::Json => {
                        sources.iter().map(|source| output::json(&document(source))).collect()
                    }
                }
            }
            Command::Show(show) => {
                let source = monitoring.source(caller, &show.name).await?;
                match show.format {
                    Format::Text => page(&source),
                    Format::Json => output::json(&document(&source)),
                }
            }
            Command::Pause(_) | Command::Resume(_) | Command::Test(_) | Command::Fingerprint => {
                String::new()
            }
        };
        output::print(&text)?;
        Ok(Exit::Ok)
    })
}

impl Test {
    fn run(&self, config: &Config) -> anyhow::Result<Exit> {
        let topology = app::topology(config)?;
        let facts = topology.sources.iter().find(|source| source.name == self.name);
        let found = config.sources.iter().find(|source| source.entry.name == self.name);
        let (Some(facts), Some(source)) = (facts, found) else {
            anyhow::bail!("source `{}` not found", self.name)
        };
        let action = facts.actions.first().map(String::as_str);
        let to = self.to.as_deref().unwrap_or(&topology.base_url);
        let sender = Sender::new(to)?;
        let sent =
            async { Ok(fixtures::send_test(source, action, &sender, SystemClock.now()).await?) };
        let answer = super::block_on(sent)?;
        let event = answer.body.get("id").and_then(Value::as_str).unwrap_or_default();
        let text = format!("{} {} {}\n", answer.status, answer.word(), output::line(event));
        let document = json!({ "status": answer.status, "answer": answer.body });
        output::print_as(self.format, &text, &document)?;
        Ok(if answer.word() == "accepted" { Exit::Ok } else { Exit::Failed })
    }
}

fn fingerprint() -> anyhow::Result<Exit> {
    let mut secret = Zeroizing::new(String::new());
    std::io::stdin().read_to_string(&mut secret)?;
    let secret = Secret::new(secret.trim_end_matches(['\r', '\n']))?;
    output::print(&format!("{}\n", secret.fingerprint()))?;
    Ok(Exit::Ok)
}

fn table(sources: &[SourceView]) -> String {
    let head = ["NAME", "PROVIDER", "TENANT", "STATE", "PATH", "LAST EVENT"];
    let rows: Vec<Vec<String>> = sources
        .iter()
        .map(|source| {
            vec![
                source.facts.name.clone(),
                source.facts.provider.clone(),
                source.facts.tenant.clone(),
                state(source).to_owned(),
                source.facts.paths.first().cloned().unwrap_or_default(),
                source.last_event.map(output::time).unwrap_or_default(),
            ]
        })
        .collect();
    output::table(&head, &rows)
}

fn page(source: &SourceView) -> String {
    let facts = &source.facts;
    let mut fields = vec![
        ("provider", facts.provider.clone()),
        ("tenant", facts.tenant.clone()),
        ("state", state(source).to_owned()),
    ];
    fields.extend(source.pause.iter().map(|pause| {
        let since = output::time(pause.paused_at);
        ("paused", format!("since {since} by {}: {}", pause.paused_by, pause.why))
    }));
    fields.extend(facts.paths.iter().map(|path| ("path", path.clone())));
    if source.is_public {
        fields.extend(source.urls.iter().map(|url| ("url", url.clone())));
    }
    fields.extend([
        ("actions", facts.actions.join(", ")),
        ("headers", facts.headers.join(", ")),
        ("largest body", output::size(facts.max_body)),
        (
            "window",
            format!("up to {}s old, up to {}s in the future", facts.max_age, facts.max_future),
        ),
        ("limit", format!("{} per second, burst {}", facts.per_second, facts.burst)),
        ("kept", facts.keep_rejected.map(kept).unwrap_or_default()),
        ("handlers", facts.handlers.join(", ")),
        ("last event", source.last_event.map_or_else(|| "none".to_owned(), output::time)),
    ]);
    let rejected = source.day.reasons.iter();
    fields.extend(rejected.map(|(reason, count)| ("rejected", format!("{count} as {reason}"))));
    let mut text = format!("Source {}\n", facts.name);
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        let field = format!("  {name:<12} {}\n", output::line(value));
        text.push_str(&field);
    }
    text.push_str("\nSecrets\n");
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
                in_words(secret),
            ]
        })
        .collect();
    let head = ["NO", "FINGERPRINT", "REQUESTS", "FIRST", "LAST", ""];
    text.push_str(&output::table(&head, &rows));
    text
}

/// The state of the source.
fn state(source: &SourceView) -> &'static str {
    if source.pause.is_some() { "paused" } else { source.setup.as_str() }
}

fn kept(span: Duration) -> String {
    format!("rejected requests, for {}", output::age(span))
}

fn in_words(secret: &SecretView) -> String {
    match (secret.place, secret.last_at) {
        (None, _) => "no longer configured".to_owned(),
        (_, None) => "not used yet".to_owned(),
        (_, Some(last)) if secret.removable => {
            format!("unused for {}: safe to remove", output::age(SystemClock.now() - last))
        }
        _ => String::new(),
    }
}

fn document(source: &SourceView) -> Value {
    let facts = &source.facts;
    let secrets = source.secrets.iter().map(|secret| {
        json!({
            "fingerprint": secret.fingerprint,
            "place": secret.place,
            "requests": secret.requests,
            "first_at": secret.first_at.map(output::rfc3339),
            "last_at": secret.last_at.map(output::rfc3339),
            "removable": secret.removable,
        })
    });
    json!({
        "name": facts.name,
        "provider": facts.provider,
        "tenant": facts.tenant,
        "enabled": facts.enabled,
        "setup": source.setup.as_str(),
        "paused": source.pause.as_ref().map(pauses::document),
        "keep_rejected_seconds": facts.keep_rejected.map(Duration::as_seconds_f64),
        "urls": source.urls,
        "urls_are_public": source.is_public,
        "paths": facts.paths,
        "actions": facts.actions,
        "headers": facts.headers,
        "max_body_bytes": facts.max_body,
        "max_age_seconds": facts.max_age,
        "max_future_seconds": facts.max_future,
        "per_second": facts.per_second,
        "burst": facts.burst,
        "lane_blocks": facts.lane_blocks,
        "handlers": facts.handlers,
        "secrets": secrets.collect::<Vec<Value>>(),
        "last_event_at": source.last_event.map(output::rfc3339),
        "hour": overview::totals(&source.hour),
        "day": overview::totals(&source.day),
    })
}
