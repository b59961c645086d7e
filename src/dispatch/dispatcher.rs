//! The loop: claim, run, settle.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, warn};

use super::run::Runner;
use super::{CLAIM_WITHIN, Draw, HandlerTable, RetryPolicy, Wakeup, in_time};
use crate::clock::SharedClock;
use crate::store::{Lease, Reach, Store, StoreError};

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
    store: Store,
    sources: Arc<Vec<String>>,
    /// The destinations, each with how many of its deliveries may be at work at a time.
    destinations: Arc<Vec<(String, i32)>>,
    settings: DispatchSettings,
    clock: SharedClock,
    wakeup: Wakeup,
    runner: Arc<Runner>,
    permits: Arc<Semaphore>,
    /// Which source is asked first the next time.
    turn: Arc<AtomicUsize>,
    began: Instant,
    /// When it may look at all that waits for destinations, in milliseconds since it began.
    look_far_from: Arc<AtomicU64>,
    tasks: TaskTracker,
}

impl Dispatcher {
    /// A dispatcher whose handlers run on `handlers`, a runtime of their own: one that blocks its
    /// thread does not hold up the intake.
    pub fn new(
        store: Store,
        table: HandlerTable,
        settings: DispatchSettings,
        clock: SharedClock,
        wakeup: Wakeup,
        draw: Draw,
        handlers: Handle,
    ) -> Self {
        let sources = Arc::new(table.sources());
        let destinations = Arc::new(table.destinations());
        let runner = Arc::new(Runner {
            store: store.clone(),
            table,
            retry: settings.retry,
            handler_deadline: settings.handler_deadline,
            clock: Arc::clone(&clock),
            draw,
            handlers,
        });
        let permits = Arc::new(Semaphore::new(settings.concurrency));
        let turn = Arc::default();
        let tasks = TaskTracker::new();
        Self {
            store,
            sources,
            destinations,
            settings,
            clock,
            wakeup,
            runner,
            permits,
            turn,
            began: Instant::now(),
            look_far_from: Arc::default(),
            tasks,
        }
    }

    /// Claims a batch, runs it, and waits until it is settled. Gives how many deliveries were
    /// worked on.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the claim failed; a failure to settle is logged, and the
    /// lease runs out.
    pub async fn step(&self) -> Result<usize, StoreError> {
        let started = self.claim_and_start().await?;
        self.wait_for_all().await;
        Ok(started + self.run_suspect().await?)
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

    /// Works until `stop`, then finishes what it holds.
    pub async fn run(&self, stop: &CancellationToken) {
        let mut looked = Instant::now();
        while !stop.is_cancelled() {
            let turn = async {
                if looked.elapsed() >= self.settings.poll {
                    looked = Instant::now();
                    self.recover().await?;
                    self.measure_destinations().await?;
                }
                self.claim_and_start().await
            };
            match turn.await {
                Ok(0) => {
                    stop.run_until_cancelled(self.wakeup.wait(self.settings.poll)).await;
                }
                Ok(_) => {}
                Err(error) => {
                    warn!(error = &error as &dyn std::error::Error, "cannot claim deliveries");
                    let pause = tokio::time::sleep(self.settings.poll);
                    stop.run_until_cancelled(pause).await;
                }
            }
        }
        self.wait_for_all().await;
    }

    /// Runs deliveries whose lease ran out, one by one in an otherwise empty room.
    async fn recover(&self) -> Result<(), StoreError> {
        let put_back = self.store.put_back_lost(
            &self.sources,
            self.clock.now(),
            self.settings.retry.max_attempts,
        );
        let put_back = in_time(CLAIM_WITHIN, put_back).await?;
        if put_back > 0 {
            warn!(count = put_back, "leases of destinations ran out with no result; sending again");
        }
        if !in_time(CLAIM_WITHIN, self.store.any_lost(&self.sources)).await? {
            return Ok(());
        }
        self.wait_for_all().await;
        while self.run_suspect().await? > 0 {}
        Ok(())
    }

    /// Shows which destinations are held back.
    async fn measure_destinations(&self) -> Result<(), StoreError> {
        if self.destinations.is_empty() {
            return Ok(());
        }
        let held = self.store.held_destinations(self.clock.now());
        let held = in_time(CLAIM_WITHIN, held).await?;
        for (handler, _) in self.destinations.iter() {
            let is_held = if held.contains(handler) { 1.0 } else { 0.0 };
            metrics::gauge!("sealpost_destination_held", "handler" => handler.clone()).set(is_held);
        }
        Ok(())
    }

    async fn claim_and_start(&self) -> Result<usize, StoreError> {
        Ok(self.start_to_destinations().await? + self.start_for_handlers().await?)
    }

    async fn start_for_handlers(&self) -> Result<usize, StoreError> {
        let free = self.permits.available_permits();
        if free == 0 || self.sources.is_empty() {
            return Ok(0);
        }
        // No more is claimed than there is room for: a lease that waits for room runs out. Where
        // there is less room than sources, they take turns.
        let mut sources = self.sources.to_vec();
        let mut turn = self.turn.load(Ordering::Relaxed) % sources.len();
        sources.rotate_left(turn);
        for asked in sources.chunks(free) {
            turn += asked.len();
            let share = i64::try_from(free / asked.len()).unwrap_or(1);
            let now = self.clock.now();
            let claim = self.store.claim_ready(asked, now, share, self.settings.lease);
            let leases = in_time(CLAIM_WITHIN, claim).await?;
            if leases.is_empty() {
                continue;
            }
            self.turn.store(turn, Ordering::Relaxed);
            let count = leases.len();
            for lease in leases {
                let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else { break };
                self.start(lease, Some(permit));
            }
            return Ok(count);
        }
        Ok(0)
    }

    /// Destinations have room of their own: one that is slow takes none from the handlers, and
    /// none from another.
    async fn start_to_destinations(&self) -> Result<usize, StoreError> {
        if self.destinations.is_empty() {
            return Ok(0);
        }
        let (near, partly) = self.claim_to_destinations(Reach::Near).await?;
        let leases = if near.is_empty() && partly && self.may_look_far() {
            let (far, _) = self.claim_to_destinations(Reach::Far).await?;
            // As long as there is something far off, it is worth looking there again.
            if far.is_empty() {
                let again = self.began.elapsed() + self.settings.poll;
                self.look_far_from.store(millis(again), Ordering::Relaxed);
            }
            far
        } else {
            near
        };
        let count = leases.len();
        for lease in leases {
            self.start(lease, None);
        }
        Ok(count)
    }

    async fn claim_to_destinations(&self, reach: Reach) -> Result<(Vec<Lease>, bool), StoreError> {
        let (now, lease) = (self.clock.now(), self.settings.lease);
        let claim = self.store.claim_to(&self.destinations, &self.sources, now, lease, reach);
        let claimed = in_time(CLAIM_WITHIN, claim).await?;
        Ok((claimed.leases, claimed.partly))
    }

    /// To look at all that waits for destinations takes a while where that is much: where it was
    /// in vain, not again before the next poll.
    fn may_look_far(&self) -> bool {
        millis(self.began.elapsed()) >= self.look_far_from.load(Ordering::Relaxed)
    }

    fn start(&self, lease: Lease, permit: Option<OwnedSemaphorePermit>) {
        let runner = Arc::clone(&self.runner);
        let wakeup = self.wakeup.clone();
        self.tasks.spawn(async move {
            runner.run(lease).await;
            drop(permit);
            // Its lane is free, and so is its permit.
            wakeup.ring_here();
        });
    }

    /// Runs one delivery whose lease ran out, with nothing else in flight. Those that were buried
    /// instead count too: they have freed their lanes.
    async fn run_suspect(&self) -> Result<usize, StoreError> {
        let claim = self.store.claim_lost(
            &self.sources,
            self.clock.now(),
            self.settings.retry.max_attempts,
            self.settings.lease,
        );
        let (suspect, buried) = in_time(CLAIM_WITHIN, claim).await?;
        if buried > 0 {
            error!(count = buried, "deliveries became dead letters: every attempt was lost");
            metrics::counter!("sealpost_deliveries_total", "outcome" => "lost").increment(buried);
        }
        let buried = usize::try_from(buried).unwrap_or(usize::MAX);
        let Some(lease) = suspect else { return Ok(buried) };
        warn!(
            delivery.id = lease.delivery,
            event.id = %lease.event,
            attempt = lease.attempt,
            "a lease ran out with no result; trying again, alone"
        );
        self.runner.run(lease).await;
        Ok(buried.saturating_add(1))
    }

    async fn wait_for_all(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.tasks.reopen();
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
