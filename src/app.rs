//! Wiring: from a configuration to a gateway that runs.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::web;
use async_trait::async_trait;
use time::OffsetDateTime;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use crate::clock::{SharedClock, SystemClock};
use crate::config::{Config, DeadHead, SourceConfig};
use crate::dispatch::{
    DispatchSettings, Dispatcher, Draw, Handler, Housekeeping, Registry, RetryPolicy, Sweep,
    TransferAges, Wakeup,
};
use crate::gate::{Gate, KeyRing, Secret, TransferLimits, WeakSecret, Window};
use crate::http::{self, Decoy, Ingest, Operator, RequestIds, Routes};
use crate::intake::{Batch, ByteBudget, Intake, LateDesk, Peers, Rate, Source};
use crate::lifecycle::Shutdown;
use crate::providers::{self, Entry, OptionsError, SourceSpec};
use crate::store::{ChunkQuota, PoolSettings, Store, StoreError, Target};
use crate::telemetry::Metrics;

/// A body larger than this may take longer to arrive.
const LARGE_BODY: usize = 2 * 1024 * 1024;
/// How often limits and metrics are tidied up.
const TIDY_EVERY: Duration = Duration::from_secs(30);

/// What a test puts in the place of chance, time and handlers.
pub struct Parts {
    /// The clock.
    pub clock: SharedClock,
    /// Chance numbers.
    pub draw: Draw,
    /// Gives the handlers of a source; it is passed the provider's own.
    pub handlers: Arc<dyn Fn(&str, Vec<Arc<dyn Handler>>) -> Vec<Arc<dyn Handler>> + Send + Sync>,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            draw: Arc::new(rand::random::<f64>),
            handlers: Arc::new(|_, own| own),
        }
    }
}

/// Why a gateway cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A source names a provider that is not in the catalogue.
    #[error("source `{source_name}`: there is no provider `{provider}`; there are {known}")]
    UnknownProvider {
        /// The source.
        source_name: String,
        /// What it names.
        provider: String,
        /// What there is.
        known: String,
    },
    /// The options of a source are not what its provider takes.
    #[error("source `{source_name}`: options: {error}")]
    Options {
        /// The source.
        source_name: String,
        /// What is wrong.
        error: OptionsError,
    },
    /// The secrets of a source cannot be used.
    #[error("source `{source_name}`: secrets {error}")]
    Secrets {
        /// The source.
        source_name: String,
        /// What is wrong.
        error: WeakSecret,
    },
    /// An address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// The handlers' runtime cannot be started.
    #[error("cannot start the handlers' runtime")]
    Runtime(#[source] std::io::Error),
}

/// A gateway, built and listening, not yet answering.
pub struct App {
    ingest: actix_web::dev::Server,
    operator: actix_web::dev::Server,
    addresses: (SocketAddr, SocketAddr),
    dispatcher: Option<Dispatcher>,
    housekeeping: Housekeeping,
    wakeup: Wakeup,
    store: Store,
    peers: Arc<Peers>,
    metrics: Metrics,
    stopping: Arc<AtomicBool>,
    tasks: TaskTracker,
    handlers: HandlerRuntime,
}

impl App {
    /// Builds everything and binds both listeners. The database is not asked for anything yet.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn build(config: &Config, target: Target, parts: &Parts) -> Result<Self, BuildError> {
        let file = &config.file;
        let store = open_store(config, target);
        let metrics = Metrics::of_process();
        let wakeup = Wakeup::default();
        let tasks = TaskTracker::new();
        let committed: Arc<dyn Fn() + Send + Sync> = {
            let wakeup = wakeup.clone();
            Arc::new(move || wakeup.ring())
        };
        let batch = Batch::start(&store, &tasks, &committed);

        let mut wiring = Wiring::default();
        for source in config.sources.iter().filter(|source| source.entry.enabled) {
            wiring.add(config, source, &store, parts)?;
        }
        let desk = Arc::new(Desks { store: store.clone(), late: wiring.late });
        let intake = Intake::new(store.clone(), batch, desk, committed);

        let peers = Arc::new(Peers::default());
        let stopping = Arc::new(AtomicBool::new(false));
        let ingest_state = Ingest {
            decoy: decoy(&wiring.sources),
            routes: wiring.routes,
            intake,
            clock: Arc::clone(&parts.clock),
            budget: ByteBudget::new(bytes(file.ingest.in_flight)),
            peers: Arc::clone(&peers),
            trusted_proxies: file.ingest.trusted_proxies.clone(),
            tasks: tasks.clone(),
            requests: RequestIds::new(rand::random()),
        };
        let operator_state = Operator {
            store: store.clone(),
            stopping: Arc::clone(&stopping),
            metrics: metrics.clone(),
        };
        let workers = file.ingest.workers.unwrap_or_else(|| {
            std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
        });
        let (ingest_listener, ingest_address) = bind(file.ingest.listen)?;
        let (operator_listener, operator_address) = bind(file.operator.listen)?;
        let ingest = http::ingest(ingest_listener, web::Data::new(ingest_state), workers)
            .map_err(|error| BuildError::Listen { address: file.ingest.listen, error })?;
        let operator = http::operator(operator_listener, web::Data::new(operator_state))
            .map_err(|error| BuildError::Listen { address: file.operator.listen, error })?;

        let handlers = HandlerRuntime::start()?;
        let dispatcher = file.dispatch.enabled.then(|| {
            Dispatcher::new(
                store.clone(),
                wiring.registry,
                dispatch_settings(config),
                Arc::clone(&parts.clock),
                wakeup.clone(),
                Arc::clone(&parts.draw),
                handlers.handle().clone(),
            )
        });
        let housekeeping = Housekeeping {
            store: store.clone(),
            clock: Arc::clone(&parts.clock),
            ages: TransferAges {
                idle: span(file.transfers.idle),
                total: span(file.transfers.total),
            },
            sweeps: wiring.sweeps,
        };
        Ok(Self {
            ingest,
            operator,
            addresses: (ingest_address, operator_address),
            dispatcher,
            housekeeping,
            wakeup,
            store,
            peers,
            metrics,
            stopping,
            tasks,
            handlers,
        })
    }

    /// Where the two listeners are: ingest, operator.
    pub fn addresses(&self) -> (SocketAddr, SocketAddr) {
        self.addresses
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What works on deliveries, for who wants to step it; `None` where dispatch is off.
    pub fn dispatcher(&self) -> Option<&Dispatcher> {
        self.dispatcher.as_ref()
    }

    /// What keeps the tables in order, for who wants to step it.
    pub fn housekeeping(&self) -> &Housekeeping {
        &self.housekeeping
    }

    /// Runs until `shutdown`, and stops in order: not ready, no new requests, no new attempts,
    /// then the pools. Gives whether everything ended as it should.
    pub async fn run(self, shutdown: Shutdown) -> bool {
        let soft = shutdown.soft().clone();
        if let Some(dispatcher) = self.dispatcher.clone() {
            let stop = soft.clone();
            self.tasks.spawn(async move { dispatcher.run(&stop).await });
        }
        let (wakeup, store, stop) = (self.wakeup.clone(), self.store.clone(), soft.clone());
        self.tasks.spawn(async move { wakeup.listen(&store, &stop).await });
        let (wakeup, store, stop) = (self.wakeup.clone(), self.store.clone(), soft.clone());
        self.tasks.spawn(async move { wakeup.announce(&store, &stop).await });
        let (housekeeping, stop) = (self.housekeeping.clone(), soft.clone());
        self.tasks.spawn(async move { housekeeping.run(&stop).await });
        let (peers, metrics, stop) = (self.peers.clone(), self.metrics.clone(), soft.clone());
        self.tasks.spawn(async move {
            while stop.run_until_cancelled(tokio::time::sleep(TIDY_EVERY)).await.is_some() {
                peers.forget();
                metrics.tidy();
            }
        });
        self.serve(shutdown).await
    }

    /// Answers requests until `shutdown`, without working on deliveries by itself.
    pub async fn serve(self, shutdown: Shutdown) -> bool {
        let soft = shutdown.soft().clone();
        let (ingest, operator) = (self.ingest.handle(), self.operator.handle());
        let servers = TaskTracker::new();
        let mut ended_early = false;
        let (early, mut ended) = tokio::sync::mpsc::channel(2);
        for (name, server) in [("ingest", self.ingest), ("operator", self.operator)] {
            let early = early.clone();
            servers.spawn(async move {
                let result = server.await;
                drop(early.send((name, result)).await);
            });
        }
        tokio::select! {
            () = soft.cancelled() => {}
            Some((name, result)) = ended.recv() => {
                error!(listener = name, result = ?result, "a listener ended by itself");
                ended_early = true;
                soft.cancel();
            }
        }
        self.stopping.store(true, Ordering::Relaxed);
        servers.close();
        self.tasks.close();
        let draining = async {
            // The operator listener answers until the end, so that readiness can be seen.
            ingest.stop(true).await;
            self.tasks.wait().await;
            operator.stop(true).await;
            servers.wait().await;
        };
        let drained = shutdown.hard().run_until_cancelled(draining).await.is_some();
        if drained {
            info!("everything that was held is finished");
        } else {
            warn!("dropped what was left; leases run out and others take over");
            ingest.stop(false).await;
            operator.stop(false).await;
        }
        self.handlers.stop();
        drop(tokio::time::timeout(Duration::from_secs(2), self.store.close()).await);
        shutdown.hard().cancel();
        drained && !ended_early
    }
}

/// What the sources add up to.
#[derive(Default)]
struct Wiring {
    sources: Vec<Arc<Source>>,
    routes: Routes,
    registry: Registry,
    sweeps: Vec<Sweep>,
    late: HashMap<String, providers::LateCheck>,
}

impl Wiring {
    fn add(
        &mut self,
        config: &Config,
        source: &SourceConfig,
        store: &Store,
        parts: &Parts,
    ) -> Result<(), BuildError> {
        let name = &source.entry.name;
        let entry = providers::find(&source.entry.provider).ok_or_else(|| {
            BuildError::UnknownProvider {
                source_name: name.clone(),
                provider: source.entry.provider.clone(),
                known: providers::names(),
            }
        })?;
        let transfers = &config.file.transfers;
        let limits = TransferLimits {
            chunks: transfers.max_chunks,
            bytes: transfers.max_bytes.as_u64(),
        };
        let spec = spec_of(source, limits);
        let built = (entry.build)(&spec)
            .map_err(|error| BuildError::Options { source_name: name.clone(), error })?;
        for warning in &built.warnings {
            warn!(source.name = name, "{warning}");
        }
        self.registry.add(name, (parts.handlers)(name, built.handlers));
        self.late.extend(built.late.map(|check| (name.clone(), check)));
        self.sweeps.extend(built.sweep.map(|sweep| -> Sweep {
            let _ = store;
            Arc::new(move |store, now| sweep(store, now))
        }));
        let registry = self.registry.clone();
        let taken_by = name.clone();
        let source = Arc::new(Source {
            name: Arc::from(name.as_str()),
            tenant: source.entry.tenant.clone(),
            gate: Gate {
                provider: built.provider,
                keys: KeyRing::new(source.secrets.clone())
                    .map_err(|error| BuildError::Secrets { source_name: name.clone(), error })?,
                window: window(source, entry),
            },
            takers: Arc::new(move |kind| registry.takers(&taken_by, kind)),
            max_body: source.entry.max_body.map_or(entry.max_body, bytes),
            body_deadline: body_deadline(source.entry.max_body.map_or(entry.max_body, bytes)),
            lane_blocks: source.entry.dead_head == DeadHead::Block,
            transfer_limits: limits,
            chunk_quota: ChunkQuota {
                transfers: i64::from(transfers.max_open),
                bytes: i64::try_from(transfers.max_waiting.as_u64()).unwrap_or(i64::MAX),
            },
            rate: Rate::new(source.entry.limit.per_second, source.entry.limit.burst),
        });
        self.routes.add(&source, &config_aliases(config, name));
        self.sources.push(source);
        Ok(())
    }
}

/// Asks the provider of a source whether it awaits a late request.
struct Desks {
    store: Store,
    late: HashMap<String, providers::LateCheck>,
}

#[async_trait]
impl LateDesk for Desks {
    async fn awaits(
        &self,
        source: &str,
        claims: &[u8],
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        match self.late.get(source) {
            Some(check) => check(self.store.clone(), source.to_owned(), claims.to_vec(), now).await,
            None => Ok(false),
        }
    }
}

/// The runtime that handlers have for themselves.
struct HandlerRuntime(Option<tokio::runtime::Runtime>);

impl HandlerRuntime {
    fn start() -> Result<Self, BuildError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("handler")
            .enable_all()
            .build()
            .map_err(BuildError::Runtime)?;
        Ok(Self(Some(runtime)))
    }
}
