//! `sealpost check`: validate the configuration and print a summary.

use std::path::Path;

use serde_json::{Value, json};

use super::output::{self, Format};
use super::{Exit, block_on, exit, start};
use crate::app;
use crate::config::{Config, ConfigError, Environment};
use crate::postgres;
use crate::store::Target;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Also check that the database is usable. Nothing is changed.
    #[arg(long)]
    database: bool,
    /// Also resolve and connect to the host of every destination. Nothing is sent.
    #[arg(long)]
    destinations: bool,
}

/// What was found without connecting to anything.
struct Found {
    checked: app::Checked,
    /// Warnings of the start.
    starting: Vec<String>,
}

/// The result of a connectivity check.
struct Probe {
    name: String,
    /// Why the check failed.
    error: Option<String>,
}

pub(super) fn run(path: &Path, environment: &Environment, args: &Args) -> anyhow::Result<Exit> {
    let (config, wrong) = Config::inspect(path, environment)?;
    let mut errors: Vec<anyhow::Error> =
        wrong.into_iter().map(|one| ConfigError::Invalid(vec![one]).into()).collect();
    let found = config.as_ref().map(|config| {
        let mut checked = app::check(config);
        errors.extend(std::mem::take(&mut checked.errors).into_iter().map(Into::into));
        let starting = start::run(config, &mut errors);
        Found { checked, starting }
    });
    let (config, found) = match (config, found) {
        (Some(config), Some(found)) if errors.is_empty() => (config, found),
        _ => return report(path, &errors, args.format),
    };
    let mut probes = Vec::new();
    if args.database {
        let error = probe_database(&config).err().map(|error| format!("{error:#}"));
        probes.push(Probe { name: "database".to_owned(), error });
    }
    if args.destinations {
        probes.extend(probe_destinations(&config)?);
    }
    output::print(&match args.format {
        Format::Text => text(&config, &found, &probes),
        Format::Json => output::json(&document(&config, &found, &probes)),
    })?;
    let fine = probes.iter().all(|probe| probe.error.is_none());
    Ok(if fine { Exit::Ok } else { Exit::Failed })
}

/// Prints every error, with the name of the file.
fn report(path: &Path, errors: &[anyhow::Error], format: Format) -> anyhow::Result<Exit> {
    let path = path.display();
    for error in errors {
        super::print_message(&format!("error: {path}: {}", output::lines(&format!("{error:#}"))));
    }
    if format == Format::Json {
        let errors: Vec<String> = errors.iter().map(|error| format!("{error:#}")).collect();
        output::print(&output::json(&json!({ "errors": errors })))?;
    }
    let exits: Vec<Exit> = errors.iter().map(exit::exit_of).collect();
    let is_unavailable = exits.iter().all(|exit| *exit == Exit::Unavailable);
    Ok(if is_unavailable { Exit::Unavailable } else { Exit::Usage })
}

/// Checks that the server responds, is recent and durable, and that the schema is up to date.
fn probe_database(config: &Config) -> anyhow::Result<()> {
    let target = match (&config.database_url, postgres::running(&config.managed)?) {
        (Some(url), _) => Target::from_url(url)?,
        (None, Some(endpoint)) => Target::in_cluster(&endpoint),
        (None, None) => anyhow::bail!("the managed PostgreSQL is not running: `serve` starts it"),
    };
    block_on(async {
        target.check_server().await?;
        target.check_migrated().await?;
        let store = app::open_store(config, target);
        let state = store.database_state().await;
        store.close().await;
        anyhow::ensure!(!state?.only_reads, "the database is read-only: events cannot be stored");
        Ok(())
    })
}

/// Checks that the host of each destination accepts connections.
fn probe_destinations(config: &Config) -> anyhow::Result<Vec<Probe>> {
    let outbound = app::services(config)?.outbound;
    block_on(async {
        let mut probes = Vec::new();
        for destination in &config.destinations {
            let entry = &destination.entry;
            let error = match entry.url.parse() {
                Ok(url) => outbound.reach(&url).await.err().map(|error| {
                    let cause = std::error::Error::source(&error);
                    format!("{error}{}", cause.map(|why| format!(": {why}")).unwrap_or_default())
                }),
                Err(_) => Some("invalid URL".to_owned()),
            };
            probes.push(Probe { name: format!("destination {}", entry.name), error });
        }
        Ok(probes)
    })
}

fn text(config: &Config, found: &Found, probes: &[Probe]) -> String {
    let head = ["SOURCE", "PROVIDER", "TENANT", "STATE", "SECRETS"];
    let rows: Vec<Vec<String>> = config
        .sources
        .iter()
        .map(|source| {
            let entry = &source.entry;
            let secrets = source.secrets.iter().map(|secret| secret.fingerprint().to_string());
            vec![
                entry.name.clone(),
                entry.provider.clone(),
                entry.tenant.clone(),
                if entry.enabled { "enabled" } else { "disabled" }.to_owned(),
                secrets.collect::<Vec<_>>().join(" "),
            ]
        })
        .collect();
    let mut text = output::table(&head, &rows);
    if !config.destinations.is_empty() {
        let head = ["DESTINATION", "URL", "SOURCES", "SECRET"];
        let rows: Vec<Vec<String>> = config
            .destinations
            .iter()
            .map(|destination| {
                let entry = &destination.entry;
                vec![
                    entry.name.clone(),
                    entry.url.clone(),
                    entry.sources.join(" "),
                    destination.secret.fingerprint().to_string(),
                ]
            })
            .collect();
        text.push('\n');
        text.push_str(&output::table(&head, &rows));
    }
    if !probes.is_empty() {
        let row = |probe: &Probe| {
            vec![probe.name.clone(), probe.error.clone().unwrap_or_else(|| "ok".to_owned())]
        };
        text.push('\n');
        text.push_str(&output::table(
            &["CHECK", "RESULT"],
            &probes.iter().map(row).collect::<Vec<_>>(),
        ));
    }
    let mut warned = named(config, found).peekable();
    if warned.peek().is_some() {
        text.push('\n');
    }
    for (source, warning) in warned {
        text.push_str(&format_warning(source, warning));
    }
    text
}

fn format_warning(source: &str, warning: &str) -> String {
    let subject = if source.is_empty() { String::new() } else { format!("source {source}: ") };
    format!("warning: {subject}{}\n", output::line(warning))
}

/// Every warning with the name of its source, which is empty for global warnings.
fn named<'a>(config: &'a Config, found: &'a Found) -> impl Iterator<Item = (&'a str, &'a str)> {
    let of_sources =
        config.sources.iter().zip(&found.checked.of_sources).flat_map(|(source, warnings)| {
            warnings.iter().map(|warning| (source.entry.name.as_str(), warning.as_str()))
        });
    let no_channel = config.discord.is_none().then_some((
        "",
        "no alert channel is configured ([alerts] discord): alerts are only listed",
    ));
    let of_secrets = config.warnings.iter().map(|warning| ("", warning.as_str()));
    let of_others = found.checked.warnings.iter().map(|warning| ("", warning.as_str()));
    let of_start = found.starting.iter().map(|warning| ("", warning.as_str()));
    of_sources.chain(of_others).chain(of_secrets).chain(of_start).chain(no_channel)
}

fn document(config: &Config, found: &Found, probes: &[Probe]) -> Value {
    let sources = config.sources.iter().map(|source| {
        let secrets = source.secrets.iter().map(|secret| secret.fingerprint().to_string());
        json!({
            "name": source.entry.name,
            "provider": source.entry.provider,
            "tenant": source.entry.tenant,
            "enabled": source.entry.enabled,
            "secrets": secrets.collect::<Vec<_>>(),
        })
    });
    let destinations = config.destinations.iter().map(|destination| {
        json!({
            "name": destination.entry.name,
            "url": destination.entry.url,
            "sources": destination.entry.sources,
            "secret": destination.secret.fingerprint().to_string(),
        })
    });
    let warnings = named(config, found).map(|(source, warning)| {
        json!({ "source": Some(source).filter(|name| !name.is_empty()), "warning": warning })
    });
    let probes = probes.iter().map(
        |probe| json!({ "name": probe.name, "ok": probe.error.is_none(), "error": probe.error }),
    );
    json!({
        "sources": sources.collect::<Vec<Value>>(),
        "destinations": destinations.collect::<Vec<Value>>(),
        "warnings": warnings.collect::<Vec<Value>>(),
        "probes": probes.collect::<Vec<Value>>(),
    })
}
