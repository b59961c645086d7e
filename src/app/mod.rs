//! Builds a gateway from a configuration, runs it, and shuts it down in order.

mod admin;
mod alarms;
mod check;
mod connections;
mod database_watch;
mod decoys;
mod descriptors;
mod destinations;
mod error;
mod issuer;
mod master_key;
mod memory;
mod provider_models;
mod repositories;
mod reprocess;
mod runtime;
mod source_warnings;
mod stats_flusher;
mod topology;
mod wiring;
mod work;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use ipnet::IpNet;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::admin::{Admin, ChangeStream, ChangeStreamSettings, Listener};
use crate::alerts::{Discord, Notifier};
use crate::clock::{SharedClock, SystemClock};
use crate::config::Config;
use crate::dispatch::{Dispatcher, Handler, Jitter, Maintenance, Retention, TransferAges, Wakeup};
use crate::ingest::{ByteBudget, GroupCommit, IngestService, Peers};
use crate::lifecycle::Supervisor;
use crate::objects::Objects;
use crate::providers::Services;
use crate::sender_client::SenderClient;
use crate::store::{DiskLimits, PoolSettings, Store, Target};
use crate::stored_secrets::StoredSecrets;
use crate::telemetry::Metrics;
use crate::web::{
    self, AcceptedMetrics, AdminState, Apis, AuthState, HeadLimits, IngestState, Limits, Proxies,
    RequestIds,
};

pub use admin::{admin, document};
pub use check::{Checked, check};
pub use connections::log_filter;
use decoys::{decoy, oversize};
pub use error::BuildError;
pub use provider_models::providers;
pub use repositories::{Repositories, repositories};
use runtime::HandlerRuntime;
pub use stats_flusher::StatsFlusher;
pub use topology::topology;
use wiring::{Wiring, bytes};
pub use wiring::{services, source_scheme, verifiers};

/// Chooses the handlers of a source, given those of the provider.
pub type ChooseHandlers =
    dyn Fn(&str, Vec<Arc<dyn Handler>>) -> Vec<Arc<dyn Handler>> + Send + Sync;

/// Replacements for randomness, time, handlers and the keys of senders, for tests.
pub struct TestOverrides {
    pub clock: SharedClock,
    /// Replaces the clock of the database; `None` uses the database's own.
    pub database_clock: Option<SharedClock>,
    pub jitter: Jitter,
    pub handlers: Arc<ChooseHandlers>,
    /// Keys that senders publish, by URL, which are not fetched.
    pub published_keys: Vec<(Url, String)>,
}

impl Default for TestOverrides {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            database_clock: None,
            jitter: Arc::new(rand::random::<f64>),
            handlers: Arc::new(|_, own| own),
            published_keys: Vec::new(),
        }
    }
}

/// A gateway that is built and listening, but not serving yet.
pub struct App {
    ingest: web::Server,
    operator: web::Server,
    addresses: (SocketAddr, SocketAddr),
    dispatcher: Option<Dispatcher>,
    maintenance: Maintenance,
    counting: StatsFlusher,
    notifier: Notifier,
    admin: Admin,
    wakeup: Wakeup,
    store: Store,
    objects: Objects,
    sender_client: SenderClient,
    stored_secrets: StoredSecrets,
    peers: Arc<Peers>,
    limits: Arc<Limits>,
    auth: Arc<AuthState>,
    /// Ends event streams.
    close_streams: CancellationToken,
    metrics: Metrics,
    stopping: Arc<AtomicBool>,
    tasks: TaskTracker,
    supervisor: Supervisor,
    handlers: HandlerRuntime,
}

impl App {
    /// Builds everything and binds both listeners, without connecting to the database.
    pub fn build(
        config: &Config,
        target: Target,
        parts: &TestOverrides,
    ) -> Result<Self, BuildError> {
        let file = &config.file;
        memory::log_budget(config);
        let store = open_store(config, target);
        let metrics = Metrics::of_process();
        let wakeup = Wakeup::default();
        let tasks = TaskTracker::new();
        let committed: Arc<dyn Fn() + Send + Sync> = {
            let wakeup = wakeup.clone();
            Arc::new(move || wakeup.notify_all())
        };
        let supervisor = Supervisor::new(tasks.clone());
        let batch = GroupCommit::start(&store, &supervisor, &committed);

        let mut services = services(config)?;
        services.answers = store.responses().clone();
        for (url, text) in &parts.published_keys {
            services.sender_client.put(url.clone(), text);
        }
        let destinations = destinations::destinations(config, &services)?;
        let requests = || RequestIds::new(rand::random());
        let mut apis = Apis::new(Arc::clone(&parts.clock), requests());
        let wiring = Wiring::of(config, &store, parts, &services, &destinations, &mut apis)?;
        let admin = admin::Built {
            wiring: &wiring,
            destinations: &destinations,
            clock: &parts.clock,
            committed: &committed,
            supervisor: &supervisor,
            issuer: issuer::issuer(config, &services, &parts.clock)?,
        };
        let admin = admin.admin(config, &store)?;
        let service = IngestService::new(store.clone(), batch, committed);
        store.counters().set_sources(wiring.keys());

        let proxies = |listener, trusted: &[IpNet]| {
            Proxies::new(listener, trusted.to_vec(), admin.monitoring.proxies().clone())
        };
        let peers = Arc::new(Peers::default());
        let stopping = Arc::new(AtomicBool::new(false));
        let ingest_state = IngestState {
            oversize: oversize(&wiring.sources),
            decoy: decoy(&wiring.sources).map_err(BuildError::Decoy)?,
            routes: wiring.routes,
            service,
            clock: Arc::clone(&parts.clock),
            head: HeadLimits {
                bytes: bytes(file.ingest.max_head),
                lines: file.ingest.max_header_lines,
            },
            budget: ByteBudget::new(bytes(config.in_flight)),
            peers: Arc::clone(&peers),
            proxies: proxies(Listener::Ingest, &file.ingest.trusted_proxies),
            tasks: tasks.clone(),
            runtime: Handle::current(),
            requests: requests(),
            counters: store.counters().clone(),
            accepted: AcceptedMetrics::of(wiring.sources.iter().map(|source| &**source)),
            rejected_request_writer: wiring::rejected_request_writer(config, &store, &tasks),
        };
        let auth = Arc::new(AuthState::new(
            Arc::clone(&admin.access),
            file.operator.failures_per_minute,
            proxies(Listener::Operator, &file.operator.trusted_proxies),
        ));
        let close_streams = CancellationToken::new();
        let change_stream = ChangeStream::new(
            store.clone(),
            ChangeStreamSettings {
                clients: file.operator.stream_clients,
                heartbeat: file.operator.heartbeat,
            },
            wakeup.watchers(),
            (tasks.clone(), Handle::current()),
            close_streams.clone(),
        );
        let limits = admin::limits(config);
        let base = config.operator_base(file.operator.listen);
        let operator_state = AdminState {
            admin: admin.clone(),
            stopping: Arc::clone(&stopping),
            supervisor: supervisor.clone(),
            metrics: metrics.clone(),
            apis: Arc::new(apis),
            limits: Arc::clone(&limits),
            document: document().into(),
            public_url: config.operator_url.as_ref().map(|_| base.clone()),
            base,
        };
        let workers = file.ingest.workers.unwrap_or_else(|| {
            std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
        });
        let shares = descriptors::share(file, workers, descriptors::raise());
        let (for_ingest, for_operator) = connections::settings(file, shares);
        let (ingest_listener, ingest_address) = connections::bind(file.ingest.listen)?;
        let (operator_listener, operator_address) = connections::bind(file.operator.listen)?;
        let ingest = web::serve_ingest(ingest_listener, for_ingest, ingest_state, workers)
            .map_err(|error| BuildError::Listen { address: file.ingest.listen, error })?;
        let auth_of_listener = Arc::clone(&auth);
        let operator = web::serve_admin(
            operator_listener,
            for_operator,
            operator_state,
            change_stream,
            auth_of_listener,
        )
        .map_err(|error| BuildError::Listen { address: file.operator.listen, error })?;

        let handlers = HandlerRuntime::start()?;
        let dispatcher = file.dispatch.enabled.then(|| {
            Dispatcher::new(
                store.clone(),
                wiring.table,
                wiring::dispatch_settings(config, shares.handlers),
                Arc::clone(&parts.clock),
                wakeup.clone(),
                Arc::clone(&parts.jitter),
                handlers.handle(),
            )
        });
        if let Some(dispatcher) = &dispatcher {
            alarms::connect(&admin.monitoring, dispatcher);
        }
        let maintenance = Maintenance {
            store: store.clone(),
            clock: Arc::clone(&parts.clock),
            database_clock: parts.database_clock.clone(),
            ages: TransferAges {
                idle: span(file.transfers.idle),
                total: span(file.transfers.total),
            },
            retention: Retention::new(wiring::retention_rules(config)),
            expected_tokens: wiring.expected_tokens,
            maintenance_tasks: wiring.maintenance_tasks,
        };
        let notifier = Notifier {
            store: store.clone(),
            discord: discord(config, &services)?,
            every: file.alerts.every,
            least: file.alerts.min_severity,
        };
        Ok(Self {
            ingest,
            operator,
            addresses: (ingest_address, operator_address),
            dispatcher,
            maintenance,
            counting: StatsFlusher { store: store.clone(), clock: Arc::clone(&parts.clock) },
            notifier,
            admin,
            wakeup,
            store,
            objects: services.objects,
            sender_client: services.sender_client,
            stored_secrets: wiring.stored_secrets,
            peers,
            limits,
            auth,
            close_streams,
            metrics,
            stopping,
            tasks,
            supervisor,
            handlers,
        })
    }

    /// The addresses of the ingest and the admin listener.
    pub fn addresses(&self) -> (SocketAddr, SocketAddr) {
        self.addresses
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    /// The dispatcher, for stepping it in tests; `None` if dispatch is disabled.
    pub fn dispatcher(&self) -> Option<&Dispatcher> {
        self.dispatcher.as_ref()
    }

    /// The maintenance task, for stepping it in tests.
    pub fn maintenance(&self) -> &Maintenance {
        &self.maintenance
    }

    /// Flushes counters, for stepping it in tests.
    pub fn counting(&self) -> &StatsFlusher {
        &self.counting
    }

    /// Sends alerts, for stepping it in tests.
    pub fn notifier(&self) -> &Notifier {
        &self.notifier
    }
}

pub fn open_store(config: &Config, target: Target) -> Store {
    let database = &config.file.database;
    let pools = PoolSettings {
        ingest: database.ingest_connections,
        dispatch: database.dispatch_connections,
        admin: database.operator_connections,
        acquire: database.acquire_timeout,
        statement: database.statement_timeout,
        disk: DiskLimits {
            warn_percent: database.disk_warn_percent,
            stop_percent: database.disk_stop_percent,
            stop_bytes: database.disk_stop_size.as_u64(),
        },
    };
    Store::open(target, pools, config.file.keys.retention)
}

/// The alert channel, if one is configured.
pub fn channel(config: &Config) -> Result<Option<Discord>, BuildError> {
    discord(config, &services(config)?)
}

fn discord(config: &Config, services: &Services) -> Result<Option<Discord>, BuildError> {
    let Some(webhook) = config.discord.clone() else { return Ok(None) };
    Ok(Some(Discord::new(services.outbound.clone(), webhook)?))
}

fn span(duration: Duration) -> time::Duration {
    duration.try_into().unwrap_or(time::Duration::MAX)
}
