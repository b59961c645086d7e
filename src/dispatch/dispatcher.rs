//! The loop: look, claim, run, settle.

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
use super::queues::{Queues, is_to_destination};
use super::run::Runner;
use super::slots::{Connections, Places};
use super::turn::Turn;
use super::{CLAIM_WITHIN, HandlerTable, Jitter, RetryPolicy, Trouble, Wakeup, in_time};
use crate::clock::SharedClock;
use crate::store::{LanePlace, Lease, Paused, Store, StoreError};

/// How often expired leases are looked for, at most.
const RECOVER_EVERY: Duration = Duration::from_secs(5);

/// How much dispatch does at a time, and how long it waits.
#[derive(Debug, Clone, Copy)]
pub struct DispatchSettings {
    /// The most handlers that run at a time.
    pub concurrency: usize,
    /// How long a handler may take.
    pub handler_deadline: Duration,
    /// How long a lease lasts; longer than the handler's deadline.
    pub lease: Duration,
    /// How often the table is looked at without a hint.
    pub poll: Duration,
    /// When to try again.
    pub retry: RetryPolicy,
}

impl Default for DispatchSettings {
    fn default() -> Self {
        Self {
            concurrency: 32,
            handler_deadline: Duration::from_secs(30),
            lease: Duration::from_mins(1),
            poll: Duration::from_secs(1),
            retry: RetryPolicy::default(),
        }
    }
}

/// Works on deliveries.
#[derive(Clone)]
pub struct Dispatcher {
    pub(super) store: Store,
    pub(super) sources: Arc<Vec<String>>,
    /// The destinations, each with how many of its deliveries may be at work at a time.
    pub(super) destinations: Arc<BTreeMap<String, i32>>,
    pub(super) settings: DispatchSettings,
    pub(super) clock: SharedClock,
    pub(super) wakeup: Wakeup,
    pub(super) runner: Arc<Runner>,
    pub(super) queues: Arc<Queues>,
    pub(super) places: Places,
    pub(super) held: InFlight,
    /// What was paused when it was last possible to ask.
    pub(super) paused: Arc<Mutex<Paused>>,
    pub(super) isolated: Arc<Isolated>,
    pub(super) lanes: Arc<Mutex<LanePlace>>,
    pub(super) tasks: TaskTracker,
}

impl Dispatcher {
    /// A dispatcher whose handlers run on `handlers`, a runtime of their own: one that blocks its
    /// thread does not hold up ingest.
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
        let own = table.queues().into_iter().filter(|queue| !is_to_destination(queue)).collect();
        let places = Places::new(settings.concurrency, own);
        let (sources, destinations) = (Arc::new(table.sources()), table.destinations());
        let runner = Runner {
            connections: Connections::new(store.settling()),
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
            places,
            held: InFlight::default(),
            paused: Arc::default(),
            isolated: Arc::default(),
            lanes: Arc::default(),
            tasks: TaskTracker::new(),
        }
    }

    /// Claims a batch, runs it, and waits until it is settled; then one of those whose lease ran
    /// out, alone. Gives how many deliveries were worked on.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the queues cannot be looked at.
    pub async fn step(&self) -> Result<usize, StoreError> {
        let mut turn = self.turn(false).await?;
        if turn.started == 0 {
            self.discover().await?;
            self.unpark_heads().await?;
            turn = self.turn(true).await?;
            while turn.started == 0 && turn.more {
                turn = self.turn(true).await?;
            }
        }
        self.wait_for_all().await;
        let buried = self.recover_expired_leases().await?;
        let isolated = self.claim_isolated().await?;
        let alone = usize::from(isolated.is_some());
        if let Some((lease, done)) = isolated {
            self.runner.run(lease).await;
            drop(done);
        }
        Ok(turn.started + buried + alone)
    }

    /// Steps until there is nothing due.
    ///
    /// # Errors
    /// As [`Dispatcher::step`].
    pub async fn run_until_idle(&self) -> Result<usize, StoreError> {
        let mut total = 0;
        loop {
            match self.step().await? {
                0 => return Ok(total),
                worked => total += worked,
            }
        }
    }

    /// What is in trouble now: queues that cannot be claimed from, handlers whose results cannot
    /// be written.
    pub fn troubles(&self) -> Vec<Trouble> {
        let mut troubles = self.queues.troubles(self.clock.now());
        troubles.extend(self.runner.troubles());
        troubles
    }

    /// Works until `stop`, then finishes what it holds.
    pub async fn run(&self, stop: &CancellationToken) {
        let working = async {
            self.work(stop).await;
            self.wait_for_all().await;
        };
        tokio::select! {
            () = working => {}
            () = self.held.renew(&self.store, self.settings.lease) => {}
        }
    }

    async fn work(&self, stop: &CancellationToken) {
        let (mut recover_at, mut measure_at) = (Instant::now(), Instant::now());
        while !stop.is_cancelled() {
            let now = Instant::now();
            if now >= recover_at {
                self.recover().await;
                // It reads what was leased of late: no more than a small part of the time.
                let often = RECOVER_EVERY.min(self.settings.lease / 4).max(self.settings.poll);
                recover_at = now + often + now.elapsed() * 20;
            }
            if now >= measure_at {
                self.measure().await;
                measure_at = now + self.settings.poll;
            }
            self.start_isolated().await;
            match self.turn(false).await {
                Ok(Turn { started: 0, more: false }) => {
                    stop.run_until_cancelled(self.wakeup.wait(self.settings.poll)).await;
                }
                Ok(_) => {}
                Err(error) => {
                    warn!(error = &error as &dyn std::error::Error, "cannot find due deliveries");
                    let pause = tokio::time::sleep(self.settings.poll);
                    stop.run_until_cancelled(pause).await;
                }
            }
        }
    }

    /// Does what keeps the queues in order. Whatever fails is done the next time, and keeps
    /// nothing else from being done.
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

    /// Shows which destinations are blocked, and what is in trouble.
    async fn measure(&self) {
        let troubles = self.queues.troubles(self.clock.now());
        for queue in self.runner.table.queues() {
            let failing = troubles.iter().any(|trouble| {
                trouble.source.as_ref() == Some(&queue.source) && trouble.handler == queue.handler
            });
            metrics::gauge!("sealpost_claims_failing",
                "source" => queue.source, "handler" => queue.handler)
            .set(if failing { 1.0 } else { 0.0 });
        }
        self.runner.measure();
        if self.destinations.is_empty() {
            return;
        }
        let held = self.store.blocked_destinations(self.clock.now());
        let Ok(held) = in_time(CLAIM_WITHIN, held).await else { return };
        for handler in self.destinations.keys() {
            let is_held = held.iter().any(|gate| gate.handler == *handler);
            metrics::gauge!("sealpost_destination_blocked", "handler" => handler.clone())
                .set(if is_held { 1.0 } else { 0.0 });
        }
    }

    async fn discover(&self) -> Result<(), StoreError> {
        self.queues.learn(in_time(CLAIM_WITHIN, self.store.queues(&self.sources)).await?);
        Ok(())
    }

    async fn unpark_heads(&self) -> Result<(), StoreError> {
        let lanes = || self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut place = lanes().clone();
        let let_in = self.store.unpark_heads(&mut place, self.clock.now());
        let let_in = in_time(CLAIM_WITHIN, let_in).await?;
        *lanes() = place;
        if let_in > 0 {
            info!(count = let_in, "parked heads of lanes queued again");
        }
        Ok(())
    }

    pub(super) fn start<P: Send + 'static>(&self, lease: Lease, place: P) {
        let runner = Arc::clone(&self.runner);
        let wakeup = self.wakeup.clone();
        let holding = self.held.hold(&lease);
        self.tasks.spawn(async move {
            runner.run(lease).await;
            drop((holding, place));
            // Its lane is free, and so is its place.
            wakeup.ring_here();
        });
    }

    async fn wait_for_all(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.tasks.reopen();
    }
}
