//! The dispatch loop: poll, claim, run, settle.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::in_flight::InFlight;
use super::isolated::Isolated;
use super::poll::Polled;
use super::queues::Queues;
use super::runner::Runner;
use super::slots::{Connections, Slots};
use super::together::Together;
use super::{CLAIM_TIMEOUT, DispatchProblem, HandlerTable, Jitter, RetryPolicy, Wakeup, in_time};
use crate::byte_permits::BytePermits;
use crate::clock::SharedClock;
use crate::store::{HandlerName, LaneCursor, Lease, Paused, Store, StoreError};

/// The minimum interval between recoveries of expired leases.
const RECOVER_EVERY: Duration = Duration::from_secs(5);

/// For how long a backlog waits at most until half of the slots are free: slow handlers may have
/// the other half.
const REFILL_DELAY: Duration = Duration::from_millis(5);

/// The delay between claims while deliveries are due.
const BUSY_DELAY: Duration = Duration::from_millis(2);

/// Limits and intervals of dispatch.
#[derive(Debug, Clone, Copy)]
pub struct DispatchSettings {
    /// The maximum number of concurrent handlers.
    pub concurrency: usize,
    /// The memory for bodies of more than 64 KiB, of all handlers and destinations, in bytes.
    pub body_memory: usize,
    /// The timeout of a handler.
    pub handler_deadline: Duration,
    /// The duration of a lease; longer than the timeout of a handler.
    pub lease: Duration,
    /// How often to poll without a notification.
    pub poll: Duration,
    pub retry: RetryPolicy,
}

impl Default for DispatchSettings {
    fn default() -> Self {
        Self {
            concurrency: 128,
            body_memory: 128 * 1024 * 1024,
            handler_deadline: Duration::from_secs(30),
            lease: Duration::from_mins(1),
            poll: Duration::from_secs(1),
            retry: RetryPolicy::default(),
        }
    }
}

#[derive(Clone)]
pub struct Dispatcher {
    pub(super) store: Store,
    pub(super) sources: Arc<Vec<String>>,
    /// The destinations, with the maximum number of deliveries in flight over all gateways.
    pub(super) destinations: Arc<BTreeMap<String, i32>>,
    pub(super) settings: DispatchSettings,
    pub(super) clock: SharedClock,
    pub(super) wakeup: Wakeup,
    pub(super) runner: Arc<Runner>,
    pub(super) queues: Arc<Queues>,
    pub(super) slots: Slots,
    pub(super) in_flight: InFlight,
    /// The pauses, as they were last read.
    pub(super) paused: Arc<Mutex<Paused>>,
    pub(super) isolated: Arc<Isolated>,
    pub(super) lanes: Arc<Mutex<LaneCursor>>,
    pub(super) tasks: TaskTracker,
}

impl Dispatcher {
    /// `handlers` is a runtime of its own for the handlers: one that blocks its thread does not
    /// delay ingest.
    pub fn new(
        store: Store,
        table: HandlerTable,
        settings: DispatchSettings,
        clock: SharedClock,
        wakeup: Wakeup,
        jitter: Jitter,
        handlers: Handle,
    ) -> Self {
        let queues = Queues::new(&table);
        let with_slots =
            table.queues().into_iter().filter(|queue| queue.destination().is_none()).collect();
        let slots = Slots::new(settings.concurrency, with_slots);
        let (sources, destinations) = (Arc::new(table.sources()), table.destinations());
        let runner = Runner {
            connections: Connections::new(store.settle_connections()),
            body_memory: BytePermits::new(settings.body_memory),
            loads: Together::default(),
            settlements: Together::default(),
            store: store.clone(),
            table,
            retry: settings.retry,
            handler_deadline: settings.handler_deadline,
            lease: settings.lease,
            clock: Arc::clone(&clock),
            jitter,
            handlers,
        };
        Self {
            store,
            sources,
            destinations: Arc::new(destinations.into_iter().collect()),
            settings,
            clock,
            wakeup,
            runner: Arc::new(runner),
            queues: Arc::new(queues),
            slots,
            in_flight: InFlight::default(),
            paused: Arc::default(),
            isolated: Arc::default(),
            lanes: Arc::default(),
            tasks: TaskTracker::new(),
        }
    }

    /// Claims a batch, runs it and waits until it is settled, then runs one isolated delivery
    /// alone. Returns the number of deliveries processed.
    pub async fn step(&self) -> Result<usize, StoreError> {
        let mut polled = self.poll_queues(false).await?;
        if polled.started == 0 {
            self.discover().await?;
            self.unpark_heads().await?;
            polled = self.poll_queues(true).await?;
            while polled.started == 0 && polled.more {
                polled = self.poll_queues(true).await?;
            }
        }
        self.wait_for_all().await;
        let dead = self.recover_expired_leases().await?;
        let isolated = self.claim_isolated().await?;
        let alone = usize::from(isolated.is_some());
        if let Some((lease, done)) = isolated {
            self.runner.run(lease).await;
            drop(done);
        }
        Ok(polled.started + dead + alone)
    }

    /// Repeats [`Dispatcher::step`] until no delivery is due.
    pub async fn run_until_idle(&self) -> Result<usize, StoreError> {
        let mut total = 0;
        loop {
            match self.step().await? {
                0 => return Ok(total),
                worked => total += worked,
            }
        }
    }

    /// Queues that cannot be claimed from, and handlers whose results cannot be recorded.
    pub fn problems(&self) -> Vec<DispatchProblem> {
        let mut problems = self.queues.problems(self.clock.now());
        problems.extend(self.runner.problems());
        problems
    }

    /// Runs until `stop`, then drains the deliveries in flight.
    pub async fn run(&self, stop: &CancellationToken) {
        let working = async {
            self.work(stop).await;
            self.wait_for_all().await;
        };
        tokio::select! {
            () = working => {}
            () = self.in_flight.renew(&self.store, self.settings.lease) => {}
        }
    }

    async fn work(&self, stop: &CancellationToken) {
        let (mut recover_at, mut measure_at) = (Instant::now(), Instant::now());
        while !stop.is_cancelled() {
            let now = Instant::now();
            if now >= recover_at {
                self.recover().await;
                // Limits recovery to about 5% of the time.
                let often = RECOVER_EVERY.min(self.settings.lease / 4).max(self.settings.poll);
                recover_at = now + often + now.elapsed() * 20;
            }
            if now >= measure_at {
                self.measure().await;
                measure_at = now + self.settings.poll;
            }
            self.start_isolated().await;
            match self.poll_queues(false).await {
                Ok(Polled { started: 0, more: false, .. }) => {
                    stop.run_until_cancelled(self.wakeup.wait(self.settings.poll)).await;
                }
                Ok(Polled { more: true, .. }) => {}
                // Fewer and larger claims: a small one costs more than the deliveries in it.
                Ok(Polled { backlog: true, .. }) => {
                    drop(tokio::time::timeout(REFILL_DELAY, self.slots.half_free()).await);
                }
                Ok(_) => tokio::time::sleep(BUSY_DELAY).await,
                Err(error) => {
                    warn!(error = &error as &dyn std::error::Error, "cannot find due deliveries");
                    let pause = tokio::time::sleep(self.settings.poll);
                    stop.run_until_cancelled(pause).await;
                }
            }
        }
    }

    /// Maintains the queues. Each step is independent: a failed one is retried the next time.
    async fn recover(&self) {
        for (what, done) in [
            ("recover expired leases", self.recover_expired_leases().await.map(|_| ())),
            ("find queues of removed handlers", self.discover().await),
            ("unpark heads of lanes", self.unpark_heads().await),
        ] {
            if let Err(error) = done {
                warn!(error = &error as &dyn std::error::Error, "cannot {what}");
            }
        }
    }

    /// Updates the gauges of blocked destinations and of failing queues and handlers.
    async fn measure(&self) {
        let problems = self.queues.problems(self.clock.now());
        for queue in self.runner.table.queues() {
            let failing = problems.iter().any(|problem| {
                problem.source.as_ref() == Some(&queue.source) && problem.handler == queue.handler
            });
            metrics::gauge!("sealpost_claims_failing",
                "source" => queue.source, "handler" => queue.handler)
            .set(if failing { 1.0 } else { 0.0 });
        }
        self.runner.measure();
        if self.destinations.is_empty() {
            return;
        }
        let blocked = self.store.blocked_destinations(self.clock.now());
        let Ok(blocked) = in_time(CLAIM_TIMEOUT, blocked).await else { return };
        for name in self.destinations.keys() {
            let is_blocked = blocked.iter().any(|block| block.name == *name);
            let handler = HandlerName::Destination(name).to_string();
            metrics::gauge!("sealpost_destination_blocked", "handler" => handler)
                .set(if is_blocked { 1.0 } else { 0.0 });
        }
    }

    async fn discover(&self) -> Result<(), StoreError> {
        self.queues.add(in_time(CLAIM_TIMEOUT, self.store.queues(&self.sources)).await?);
        Ok(())
    }

    async fn unpark_heads(&self) -> Result<(), StoreError> {
        let lanes = || self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut cursor = lanes().clone();
        let unparked = self.store.unpark_heads(&mut cursor, self.clock.now());
        let unparked = in_time(CLAIM_TIMEOUT, unparked).await?;
        *lanes() = cursor;
        if unparked > 0 {
            info!(count = unparked, "parked heads of lanes queued again");
        }
        Ok(())
    }

    pub(super) fn start<P: Send + 'static>(&self, lease: Lease, slot: P) {
        let runner = Arc::clone(&self.runner);
        let wakeup = self.wakeup.clone();
        let guard = self.in_flight.insert(&lease);
        self.tasks.spawn(async move {
            runner.run(lease).await;
            drop((guard, slot));
            // Its lane and its slot are free again.
            wakeup.notify_local();
        });
    }

    async fn wait_for_all(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.tasks.reopen();
    }
}
