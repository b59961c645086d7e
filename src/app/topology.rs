//! The configuration, as the admin API shows it.

use super::wiring;
use super::{BuildError, services, span};
use crate::admin::{ConfiguredDestination, Setting, SourceFacts, Topology};
use crate::config::{Config, DeadHead, DestinationEntry, SourceConfig, SourceEntry};
use crate::providers::{Built, Entry};
use crate::store::HandlerName;
use crate::verify::SignedTime;

pub fn topology(config: &Config) -> Result<Topology, BuildError> {
    let services = services(config)?;
    super::destinations::destinations(config, &services)?;
    let facts = |source| {
        let (entry, built) = wiring::build_source(config, source, &services)?;
        Ok(source_facts(config, source, entry, &built))
    };
    let sources = config.sources.iter().map(facts).collect::<Result<_, BuildError>>()?;
    Ok(Topology { sources, ..named(config) })
}

/// The configuration of a command that reads no secret: only what the file contains.
pub(super) fn named(config: &Config) -> Topology {
    let transfers = &config.file.transfers;
    Topology {
        sources: config.file.source.iter().map(named_source).collect(),
        base_url: base_url(config),
        is_public: config.file.ingest.public_url.is_some(),
        destinations: configured_destinations(config),
        alerts_are_sent: config.file.alerts.discord.is_some(),
        transfer_idle: span(transfers.idle),
        transfer_total: span(transfers.total),
        settings: config
            .settings()
            .into_iter()
            .map(|(key, value)| Setting { key, value })
            .collect(),
    }
}

fn named_source(entry: &SourceEntry) -> SourceFacts {
    SourceFacts {
        name: entry.name.clone(),
        provider: entry.provider.clone(),
        tenant: entry.tenant.clone(),
        enabled: entry.enabled,
        secrets: unknown_secrets(entry),
        ..SourceFacts::default()
    }
}

fn unknown_secrets(entry: &SourceEntry) -> Vec<String> {
    vec![SourceFacts::UNKNOWN_SECRET.to_owned(); entry.secrets.len()]
}

/// A source whose secrets are not read.
pub(super) fn without_secrets(entry: &SourceEntry) -> SourceConfig {
    SourceConfig { entry: entry.clone(), secrets: Vec::new(), retired: Vec::new(), token: None }
}

/// The destinations, each with its tenant if all its events belong to one.
pub(super) fn configured_destinations(config: &Config) -> Vec<ConfiguredDestination> {
    let tenant = |entry: &DestinationEntry| {
        let sources = config.file.source.iter();
        let mut tenants = sources.filter(|s| entry.takes_from(&s.name)).map(|s| &s.tenant);
        let first = tenants.next()?;
        tenants.all(|tenant| tenant == first).then(|| first.clone())
    };
    let configured = |entry: &DestinationEntry| ConfiguredDestination {
        name: entry.name.clone(),
        tenant: tenant(entry),
        url: shown(&entry.url),
    };
    config.file.destination.iter().map(configured).collect()
}

/// A URL without parts that may be secret: user, password and query.
fn shown(text: &str) -> String {
    let Ok(mut url) = url::Url::parse(text) else { return String::new() };
    // Fails only for URLs that cannot have a user.
    let _cannot = url.set_username("").and_then(|()| url.set_password(None));
    if url.query().is_some() {
        url.set_query(Some("\u{2026}"));
    }
    url.to_string().replace("%E2%80%A6", "\u{2026}")
}

fn base_url(config: &Config) -> String {
    let ingest = &config.file.ingest;
    let public = ingest.public_url.as_ref().map(|url| url.trim_end_matches('/').to_owned());
    public.unwrap_or_else(|| format!("http://{}", ingest.listen))
}

pub(super) fn source_facts(
    config: &Config,
    source: &SourceConfig,
    entry: &Entry,
    built: &Built,
) -> SourceFacts {
    let source_entry = &source.entry;
    let name = &source_entry.name;
    let signed_time = built.provider.signed_time();
    let window = (signed_time == SignedTime::Timestamp)
        .then(|| wiring::window(source, entry, &*built.provider));
    let mut handlers: Vec<String> =
        wiring::names(&built.handlers).into_iter().map(str::to_owned).collect();
    let destinations = config.file.destination.iter().filter(|entry| entry.takes_from(name));
    handlers.extend(destinations.map(|entry| HandlerName::Destination(&entry.name).to_string()));
    let actions = built.provider.actions();
    let ending = if actions.is_empty() { "" } else { "/{action}" };
    let own = format!("/hooks/{name}");
    let bases =
        std::iter::once(own.as_str()).chain(source_entry.aliases.iter().map(String::as_str));
    let max_body = wiring::max_body(config, source, entry);
    let pace = wiring::pace(source, entry);
    let retention = config.file.retention.with(source_entry.retention);
    SourceFacts {
        name: name.clone(),
        provider: entry.name.to_owned(),
        tenant: source_entry.tenant.clone(),
        enabled: source_entry.enabled,
        paths: bases
            .map(|base| format!("{}{ending}", base.strip_suffix("/{action}").unwrap_or(base)))
            .collect(),
        actions: actions.iter().map(|&action| action.to_owned()).collect(),
        headers: built.provider.proof_headers().into_iter().map(str::to_owned).collect(),
        max_body: max_body as u64,
        signed_time,
        window,
        per_second: pace.per_second.get(),
        burst: pace.burst.get(),
        keep_rejected: source_entry.keep_rejected.map(span),
        dead_retention: span(retention.dead),
        quarantine_retention: span(retention.quarantined),
        lane_blocks: source_entry.dead_head == DeadHead::Block,
        secrets: if source.secrets.is_empty() {
            unknown_secrets(source_entry)
        } else {
            source.secrets.iter().map(|secret| secret.fingerprint().to_string()).collect()
        },
        stores_secrets: built.provider.stores_secrets(),
        handlers,
    }
}
