//! Builds routes, handler tables and verifiers from the configured sources.

use std::sync::Arc;
use std::time::Duration;

use bytesize::ByteSize;
use tokio_util::task::TaskTracker;
use tracing::warn;
use url::Url;

use super::decoys::{decoy_source, seed};
use super::destinations::{Destined, handlers_to};
use super::{BuildError, TestOverrides, master_key, source_warnings, span};
use crate::admin::{RejectedRequestWriter, Routing, Verifiers};
use crate::config::{Config, DeadHead, SourceConfig, Transfers};
use crate::dispatch::{DispatchSettings, Handler, HandlerTable, ProviderMaintenance, RetryPolicy};
use crate::ingest::{ByteBudget, Rate, Source};
use crate::objects::Objects;
use crate::outbound::{Outbound, Policy};
use crate::providers::{
    self, Built, Entry, Pace, Services, ServicesError, SourceScheme, SourceSpec,
};
use crate::sender_client::SenderClient;
use crate::store::{
    ChunkQuota, EventRetention, ExpectedTokens, OpenTransferLimit, RejectedRequestLimits,
    ResponseLog, RetentionRules, Store,
};
use crate::stored_secrets::StoredSecrets;
use crate::verify::{HandlersFor, KeyCache, KeyRing, Provider, TransferLimits, Verifier, Window};
use crate::web::{Apis, Routes};

/// A body larger than this gets a longer deadline.
const LARGE_BODY: usize = 2 * 1024 * 1024;
/// How far in the future a signature may be, by default.
const DEFAULT_FUTURE: Duration = Duration::from_mins(5);

/// The tables built from all sources.
pub(super) struct Wiring {
    pub(super) sources: Vec<Arc<Source>>,
    pub(super) routes: Routes,
    pub(super) table: HandlerTable,
    pub(super) routing: Routing,
    pub(super) verifiers: Verifiers,
    pub(super) stored_secrets: StoredSecrets,
    pub(super) expected_tokens: Vec<Arc<dyn ExpectedTokens>>,
    pub(super) maintenance_tasks: Vec<Arc<dyn ProviderMaintenance>>,
    /// Selects the decoy of an unknown source name.
    seed: Option<u64>,
}

impl Wiring {
    /// Builds the tables of every enabled source.
    pub(super) fn of(
        config: &Config,
        store: &Store,
        parts: &TestOverrides,
        services: &Services,
        destinations: &[Destined<'_>],
        apis: &mut Apis,
    ) -> Result<Self, BuildError> {
        let mut wiring = Self {
            sources: Vec::new(),
            routes: Routes::default(),
            table: HandlerTable::default(),
            routing: Routing::default(),
            verifiers: Verifiers::default(),
            stored_secrets: StoredSecrets::new(store.clone(), config.vault.clone()),
            expected_tokens: Vec::new(),
            maintenance_tasks: Vec::new(),
            seed: None,
        };
        for source in config.sources.iter().filter(|source| source.entry.enabled) {
            wiring.add(config, source, parts, services, destinations, apis)?;
        }
        Ok(wiring)
    }

    fn add(
        &mut self,
        config: &Config,
        source: &SourceConfig,
        parts: &TestOverrides,
        services: &Services,
        destinations: &[Destined<'_>],
        apis: &mut Apis,
    ) -> Result<(), BuildError> {
        let name = &source.entry.name;
        let (entry, built) = build_source(config, source, services)?;
        for warning in source_warnings::of_source(config, source, entry, &built) {
            warn!(source.name = name, "{warning}");
        }
        let mut handlers = (parts.handlers)(name, built.handlers);
        handlers.extend(handlers_to(destinations, name, &built.provider));
        let handlers_for = handlers_for(&handlers);
        let lane_blocks = source.entry.dead_head == DeadHead::Block;
        let tenant = &source.entry.tenant;
        self.routing.add(name, tenant, names(&handlers), lane_blocks, handlers_for.clone());
        self.table.add(name, handlers);
        self.expected_tokens.extend(built.registry.clone());
        let seed = source.secrets.first().map_or_else(rand::random, seed);
        let seed = *self.seed.get_or_insert(seed);
        if let (Some(api), Some(secret)) = (built.api, source.secrets.first()) {
            apis.add(entry.name, (&source.entry.tenant, name), secret.clone(), api);
        }
        self.maintenance_tasks.extend(built.maintenance);
        let max_body = max_body(config, source, entry);
        let pace = pace(source, entry);
        let rate = || Rate::new(pace.per_second, pace.burst, pace.patience);
        let verifier = verifier(config, source, entry, built.provider, services)?;
        if let Some(url) = verifier.provider.key_url() {
            services.sender_client.want(url);
        }
        let tenant = &source.entry.tenant;
        let stored_secrets = verifier.keys.stored().is_some().then(|| {
            self.stored_secrets.add(tenant, name, &verifier.keys);
            self.stored_secrets.clone()
        });
        self.verifiers.add(name, &source.entry.tenant, verifier.clone(), source.retired.clone());
        let aliases = &source.entry.aliases;
        let source = Arc::new(Source {
            name: Arc::from(name.as_str()),
            tenant: source.entry.tenant.clone(),
            verifier,
            sender_client: Some(services.sender_client.clone()),
            stored_secrets,
            handlers_for,
            expected_tokens: built.registry,
            max_body,
            body_deadline: source.entry.body_deadline.unwrap_or_else(|| body_deadline(max_body)),
            lane_blocks,
            chunk_quota: chunk_quota(&config.file.transfers),
            rate: rate(),
            keep_rejected: source.entry.keep_rejected,
        });
        self.routes.add(&source, aliases);
        let decoy = decoy_source(&source, rate()).map_err(BuildError::Decoy)?;
        self.routes.add_decoy(&Arc::new(decoy), seed);
        self.sources.push(source);
        Ok(())
    }
}

impl Wiring {
    /// The secrets of every source, for counting their use.
    pub(super) fn keys(&self) -> impl Iterator<Item = (String, KeyRing)> {
        self.sources.iter().map(|source| (source.name.to_string(), source.verifier.keys.clone()))
    }
}

/// The verifiers of all sources, including disabled ones, without a running gateway.
pub fn verifiers(config: &Config) -> Result<Verifiers, BuildError> {
    let services = services(config)?;
    let mut verifiers = Verifiers::default();
    for source in &config.sources {
        let (entry, built) = build_source(config, source, &services)?;
        let verifier = verifier(config, source, entry, built.provider, &services)?;
        verifiers.add(&source.entry.name, &source.entry.tenant, verifier, source.retired.clone());
    }
    Ok(verifiers)
}

/// Stores rejected requests, if any source keeps them.
pub(super) fn rejected_request_writer(
    config: &Config,
    store: &Store,
    tasks: &TaskTracker,
) -> Option<RejectedRequestWriter> {
    let mut sources = config.sources.iter();
    sources.any(|source| source.entry.keep_rejected.is_some()).then(|| {
        let rejected_requests = config.file.rejected_requests;
        let bytes = i64::try_from(rejected_requests.max_bytes.as_u64()).unwrap_or(i64::MAX);
        let bounds = RejectedRequestLimits { rows: i64::from(rejected_requests.max_rows), bytes };
        RejectedRequestWriter::start(store.clone(), config.vault.clone(), bounds, tasks)
    })
}

/// How long the events of each source are kept.
pub(super) fn retention_rules(config: &Config) -> RetentionRules {
    let rule = |retention: crate::config::Retention| EventRetention {
        done: span(retention.done),
        dead: span(retention.dead),
        quarantined: span(retention.quarantined),
    };
    let default = config.file.retention;
    let sources = config.file.source.iter();
    let sources = sources.map(|s| (s.name.clone(), rule(default.with(s.retention))));
    RetentionRules { default: rule(default), sources: sources.collect() }
}

pub(super) fn dispatch_settings(config: &Config, handlers: usize) -> DispatchSettings {
    let dispatch = &config.file.dispatch;
    DispatchSettings {
        concurrency: handlers,
        body_memory: bytes(dispatch.body_memory),
        handler_deadline: dispatch.handler_deadline,
        lease: dispatch.lease,
        poll: dispatch.poll,
        retry: RetryPolicy {
            max_attempts: dispatch.max_attempts,
            max_age: dispatch.max_age,
            base: dispatch.backoff,
            cap: dispatch.max_backoff,
        },
    }
}

pub fn services(config: &Config) -> Result<Services, BuildError> {
    let policy = Policy { allow: config.file.outbound.allow.clone() };
    let outbound = Outbound::new(&policy).map_err(ServicesError::from)?;
    let objects = Objects::at(&config.objects).map_err(ServicesError::from)?;
    let sender_client = SenderClient::new(outbound.clone());
    Ok(Services { outbound, sender_client, objects, answers: ResponseLog::default() })
}

pub(super) fn build_source(
    config: &Config,
    source: &SourceConfig,
    services: &Services,
) -> Result<(&'static Entry, Built), BuildError> {
    let name = &source.entry.name;
    let provider = &source.entry.provider;
    let entry = providers::find(provider).ok_or_else(|| BuildError::UnknownProvider {
        source_name: name.clone(),
        provider: provider.clone(),
        known: providers::similar(provider),
    })?;
    let transfers = &config.file.transfers;
    let spec = SourceSpec {
        name: name.clone(),
        tenant: source.entry.tenant.clone(),
        scheme: source_scheme(config, source),
        options: source.entry.options.clone(),
        token: source.token.clone(),
        transfer_limits: TransferLimits {
            chunks: transfers.max_chunks,
            bytes: transfers.max_bytes.as_u64(),
        },
        services: services.clone(),
    };
    let mut built = (entry.build)(&spec)
        .map_err(|error| BuildError::Options { source_name: name.clone(), error })?;
    check_memory(config, source, entry, &built)?;
    built.warnings.extend(master_key::warning(config, source, &*built.provider));
    built.warnings.extend(warnings(config, source, entry));
    Ok((entry, built))
}

/// What a provider that is data has to know about a source.
pub fn source_scheme(config: &Config, source: &SourceConfig) -> SourceScheme {
    let public_url = config.file.ingest.public_url.as_deref();
    let base = public_url.map(|base| base.trim_end_matches('/'));
    let path = match source.entry.aliases.first() {
        Some(alias) => alias.clone(),
        None => format!("/hooks/{}", source.entry.name),
    };
    SourceScheme {
        provider: source.entry.provider.clone(),
        definition: source.entry.scheme.clone(),
        public_url: base.and_then(|base| Url::parse(&format!("{base}{path}")).ok()),
    }
}

/// Checks that deduplication keys outlive the time in which a request is accepted.
fn check_memory(
    config: &Config,
    source: &SourceConfig,
    entry: &Entry,
    built: &Built,
) -> Result<(), BuildError> {
    let window = window(source, entry, &*built.provider);
    let fresh = Duration::from_secs(
        window.max_age.unsigned_abs().saturating_add(window.max_future.unsigned_abs()),
    );
    let needed = built.memory.max(fresh);
    let retention = config.file.keys.retention;
    if retention >= needed {
        return Ok(());
    }
    Err(BuildError::Retention { source_name: source.entry.name.clone(), retention, needed })
}

pub(super) fn verifier(
    config: &Config,
    source: &SourceConfig,
    entry: &Entry,
    provider: Arc<dyn Provider>,
    services: &Services,
) -> Result<Verifier, BuildError> {
    master_key::check(config, source, &*provider)?;
    let keys = provider
        .key_ring(source.secrets.clone())
        .map_err(|error| BuildError::Secrets { source_name: source.entry.name.clone(), error })?;
    let published = || -> Arc<dyn KeyCache> { Arc::new(services.sender_client.clone()) };
    let published = provider.fetches_keys().then(published);
    let window = window(source, entry, &*provider);
    Ok(Verifier { provider, keys, published, window })
}

/// Limits of open transfers of a source and of one repository in it: a quarter of the source's, but
/// always enough for a few transfers and for one of maximum size.
fn chunk_quota(transfers: &Transfers) -> ChunkQuota {
    const FEW: i64 = 8;
    let count = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let source = OpenTransferLimit {
        transfers: i64::from(transfers.max_open),
        bytes: count(transfers.max_waiting.as_u64()),
    };
    // Size as base64.
    let one = count(transfers.max_bytes.as_u64().div_ceil(3).saturating_mul(4));
    let owner = OpenTransferLimit {
        transfers: (source.transfers / 4).max(FEW).min(source.transfers),
        bytes: (source.bytes / 4).max(one).min(source.bytes),
    };
    ChunkQuota { source, owner }
}

/// The largest accepted body: as configured, limited by the memory budget.
pub(super) fn max_body(config: &Config, source: &SourceConfig, entry: &Entry) -> usize {
    let wanted = source.entry.max_body.map_or(entry.max_body, bytes);
    wanted.min(ByteBudget::largest(bytes(config.in_flight)))
}

pub(super) fn pace(source: &SourceConfig, entry: &Entry) -> Pace {
    let Some(limit) = source.entry.limit else { return entry.pace };
    Pace { per_second: limit.per_second, burst: limit.burst, ..entry.pace }
}

fn warnings(config: &Config, source: &SourceConfig, entry: &Entry) -> Vec<String> {
    let mut warnings = Vec::new();
    let wanted = source.entry.max_body.map_or(entry.max_body, bytes);
    let taken = max_body(config, source, entry);
    if taken < wanted {
        let display = |bytes: usize| ByteSize(bytes as u64).display().iec().to_string();
        warnings.push(format!(
            "bodies above {} are rejected, although max_body is {}: ingest.in_flight is {}, and \
             half of it is reserved for large bodies",
            display(taken),
            display(wanted),
            config.in_flight.display().iec(),
        ));
    }
    let pace = pace(source, entry);
    let most = config.file.transfers.max_bytes.as_u64();
    if let Some(chunk) = entry.chunk.map(|chunk| most.div_ceil(chunk))
        && chunk > u64::from(pace.burst.get())
    {
        warnings.push(format!(
            "limit.burst is {}, but a payload of transfers.max_bytes has {chunk} chunks: the rest \
             are throttled to {} per second",
            pace.burst, pace.per_second,
        ));
    }
    warnings
}

fn handlers_for(handlers: &[Arc<dyn Handler>]) -> HandlersFor {
    let handlers = handlers.to_vec();
    Arc::new(move |event_type| {
        let accepting = handlers.iter().filter(|handler| handler.accepts(event_type));
        accepting.map(|handler| handler.name()).collect()
    })
}

pub(super) fn names(handlers: &[Arc<dyn Handler>]) -> Vec<&'static str> {
    handlers.iter().map(|handler| handler.name()).collect()
}

pub(super) fn window(source: &SourceConfig, entry: &Entry, provider: &dyn Provider) -> Window {
    let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    Window {
        max_age: seconds(source.entry.max_age.or(provider.max_age()).unwrap_or(entry.max_age)),
        max_future: seconds(source.entry.max_future.unwrap_or(DEFAULT_FUTURE)),
    }
}

fn body_deadline(max_body: usize) -> Duration {
    Duration::from_secs(if max_body > LARGE_BODY { 30 } else { 10 })
}

pub(super) fn bytes(size: ByteSize) -> usize {
    usize::try_from(size.as_u64()).unwrap_or(usize::MAX)
}
