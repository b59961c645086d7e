//! The configuration, as the admin API shows it.

use super::destinations::{Destined, handlers_to};
use super::wiring;
use super::{BuildError, configured_destinations, services, span};
use crate::admin::{Setting, SourceFacts, Topology};
use crate::config::{Config, DeadHead, SourceConfig};
use crate::providers::Services;

/// The effective configuration, without secrets.
///
/// # Errors
/// [`BuildError`], as [`super::App::build`] would give it.
pub fn topology(config: &Config) -> Result<Topology, BuildError> {
    let services = services(config)?;
    let destinations = super::destinations::destinations(config, &services)?;
    let facts = |source| source_facts(config, source, &services, &destinations);
    let transfers = &config.file.transfers;
    Ok(Topology {
        sources: config.sources.iter().map(facts).collect::<Result<_, _>>()?,
        base_url: base_url(config),
        is_public: config.file.ingest.public_url.is_some(),
        destinations: configured_destinations(config),
        alerts_are_told: config.discord.is_some(),
        transfer_idle: span(transfers.idle),
        transfer_total: span(transfers.total),
        settings: config
            .settings()
            .into_iter()
            .map(|(key, value)| Setting { key, value })
            .collect(),
    })
}

fn base_url(config: &Config) -> String {
    let ingest = &config.file.ingest;
    let public = ingest.public_url.as_ref().map(|url| url.trim_end_matches('/').to_owned());
    public.unwrap_or_else(|| format!("http://{}", ingest.listen))
}

fn source_facts(
    config: &Config,
    source: &SourceConfig,
    services: &Services,
    destinations: &[Destined<'_>],
) -> Result<SourceFacts, BuildError> {
    let source_entry = &source.entry;
    let name = &source_entry.name;
    let (entry, built) = wiring::build_source(config, source, services)?;
    let window = wiring::window(source, entry);
    let mut handlers = built.handlers;
    handlers.extend(handlers_to(destinations, name, &built.provider));
    let actions = built.provider.actions();
    let ending = if actions.is_empty() { "" } else { "/{action}" };
    let own = format!("/hooks/{name}");
    let bases =
        std::iter::once(own.as_str()).chain(source_entry.aliases.iter().map(String::as_str));
    let max_body = wiring::max_body(config, source, entry);
    let pace = wiring::pace(source, entry);
    Ok(SourceFacts {
        name: name.clone(),
        provider: entry.name.to_owned(),
        tenant: source_entry.tenant.clone(),
        enabled: source_entry.enabled,
        paths: bases
            .map(|base| format!("{}{ending}", base.strip_suffix("/{action}").unwrap_or(base)))
            .collect(),
        actions: actions.iter().map(|&action| action.to_owned()).collect(),
        headers: built.provider.headers().iter().map(|&header| header.to_owned()).collect(),
        max_body: max_body as u64,
        max_age: window.max_age,
        max_future: window.max_future,
        per_second: pace.per_second.get(),
        burst: pace.burst.get(),
        keep_rejected: source_entry.keep_rejected.map(span),
        lane_blocks: source_entry.dead_head == DeadHead::Block,
        secrets: source.secrets.iter().map(|secret| secret.fingerprint().to_string()).collect(),
        handlers: wiring::names(&handlers).into_iter().map(str::to_owned).collect(),
    })
}
