//! `sealpost check`: say what the configuration comes to, without starting anything.

use serde_json::{Value, json};

use super::output::{self, Format};
use super::{Exit, block_on, start};
use crate::app;
use crate::config::Config;
use crate::postgres;
use crate::store::Target;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Ask the database whether it can be used, too. Nothing is changed.
    #[arg(long)]
    database: bool,
    /// Look up every host that requests are sent to, and connect to it. Nothing is sent.
    #[arg(long)]
    destinations: bool,
}

/// The warnings of each source, and those about starting.
type Warnings<'w> = (&'w [Vec<String>], &'w [String]);

/// Something that was asked whether it is there.
struct Probe {
    name: String,
    /// Why it is not.
    trouble: Option<String>,
}

pub(super) fn run(config: &Config, args: &Args) -> anyhow::Result<Exit> {
    let starting = start::run(config)?;
    let sources = app::check_sources(config)?;
    let mut probes = Vec::new();
    if args.database {
        let trouble = probe_database(config).err().map(|error| format!("{error:#}"));
        probes.push(Probe { name: "database".to_owned(), trouble });
    }
    if args.destinations {
        probes.extend(probe_destinations(config)?);
    }
    output::print(&match args.format {
        Format::Text => text(config, (&sources, &starting), &probes),
        Format::Json => output::json(&document(config, (&sources, &starting), &probes)),
    })?;
    let fine = probes.iter().all(|probe| probe.trouble.is_none());
    Ok(if fine { Exit::Ok } else { Exit::Failed })
}

/// Whether the server answers, is new enough and durable, and whether the schema is up to date.
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
        anyhow::ensure!(!state?.only_reads, "it only reads: nothing can be recorded");
        Ok(())
    })
}

/// Whether each destination's host takes a connection.
fn probe_destinations(config: &Config) -> anyhow::Result<Vec<Probe>> {
    let outbound = app::services(config)?.outbound;
    block_on(async {
        let mut probes = Vec::new();
        for destination in &config.destinations {
            let entry = &destination.entry;
            let trouble = match entry.url.parse() {
                Ok(url) => outbound.reach(&url).await.err().map(|error| {
                    let cause = std::error::Error::source(&error);
                    format!("{error}{}", cause.map(|why| format!(": {why}")).unwrap_or_default())
                }),
                Err(_) => Some("its URL cannot be read".to_owned()),
            };
            probes.push(Probe { name: format!("destination {}", entry.name), trouble });
        }
        Ok(probes)
    })
}

fn text(config: &Config, warnings: Warnings<'_>, probes: &[Probe]) -> String {
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
        let head = ["DESTINATION", "URL", "FROM", "SECRET"];
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
            vec![probe.name.clone(), probe.trouble.clone().unwrap_or_else(|| "ok".to_owned())]
        };
        text.push('\n');
        text.push_str(&output::table(
            &["ASKED", "ANSWER"],
            &probes.iter().map(row).collect::<Vec<_>>(),
        ));
    }
    let mut warned = named(config, warnings).peekable();
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

/// Every warning with the source that it is about; those about the whole have none.
fn named<'a>(
    config: &'a Config,
    (warnings, starting): Warnings<'a>,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let of_sources = config.sources.iter().zip(warnings).flat_map(|(source, warnings)| {
        warnings.iter().map(|warning| (source.entry.name.as_str(), warning.as_str()))
    });
    let nobody = config.discord.is_none().then_some((
        "",
        "nobody is told of alerts: no [alerts] discord is configured, so they are only listed",
    ));
    let of_secrets = config.warnings.iter().map(|warning| ("", warning.as_str()));
    let of_start = starting.iter().map(|warning| ("", warning.as_str()));
    of_sources.chain(of_secrets).chain(of_start).chain(nobody)
}

fn document(config: &Config, warnings: Warnings<'_>, probes: &[Probe]) -> Value {
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
    let warnings = named(config, warnings).map(|(source, warning)| {
        json!({ "source": Some(source).filter(|name| !name.is_empty()), "warning": warning })
    });
    let probes = probes.iter().map(|probe| {
        json!({ "name": probe.name, "ok": probe.trouble.is_none(), "error": probe.trouble })
    });
    json!({
        "sources": sources.collect::<Vec<Value>>(),
        "destinations": destinations.collect::<Vec<Value>>(),
        "warnings": warnings.collect::<Vec<Value>>(),
        "probes": probes.collect::<Vec<Value>>(),
    })
}
