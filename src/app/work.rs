//! Runs the gateway: serves requests, runs background tasks, and shuts down in order.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use super::database_watch::DatabaseWatch;
use super::{App, alarms};
use crate::ingest::Peers;
use crate::lifecycle::Shutdown;
use crate::telemetry::Metrics;
use crate::web::{AuthState, Limits};

const TIDY_EVERY: Duration = Duration::from_secs(30);

impl App {
    /// Runs until `shutdown`, and stops in order: not ready, no new requests, no new attempts,
    /// then the pools. Returns whether everything ended cleanly.
    pub async fn run(self, shutdown: Shutdown) -> bool {
        self.start_background(shutdown.soft());
        Box::pin(self.serve(shutdown)).await
    }

    /// Starts the supervised background tasks.
    fn start_background(&self, stop: &CancellationToken) {
        let supervisor = &self.supervisor;
        macro_rules! run {
            ($name:literal, $it:expr, |$this:ident, $stop:ident| $work:expr) => {
                let (it, until) = ($it, stop.clone());
                supervisor.run($name, stop, move || {
                    let ($this, $stop) = (it.clone(), until.clone());
                    async move { $work.await }
                });
            };
        }
        if let Some(dispatcher) = self.dispatcher.clone() {
            run!("dispatch", dispatcher, |it, stop| it.run(&stop));
        }
        let wakeup = (self.wakeup.clone(), self.store.clone());
        run!("wake-ups from others", wakeup.clone(), |it, stop| it.0.listen(&it.1, &stop));
        run!("wake-ups for others", wakeup, |it, stop| it.0.announce(&it.1, &stop));
        run!("housekeeping", self.maintenance.clone(), |it, stop| it.run(&stop));
        run!("alarms", self.admin.monitoring.clone(), |it, stop| alarms::watch(&it, &stop));
        run!("jobs", self.admin.jobs.clone(), |it, stop| it.run(&stop));
        run!("groups", self.admin.groups.clone(), |it, stop| it.run(&stop));
        run!("counters", self.counting.clone(), |it, stop| it.run(&stop));
        run!("alerts", self.notifier.clone(), |it, stop| it.run(&stop));
        run!("published keys", self.sender_client.clone(), |it, stop| async {
            stop.run_until_cancelled(it.keep_fresh()).await;
        });
        run!("stored secrets", self.stored_secrets.clone(), |it, stop| it.run(&stop));
        run!("the database's state", DatabaseWatch(self.store.clone()), |it, stop| it.run(&stop));
        let tidying = Tidying {
            peers: Arc::clone(&self.peers),
            limits: Arc::clone(&self.limits),
            auth: Arc::clone(&self.auth),
            metrics: self.metrics.clone(),
        };
        run!("tidying", tidying, |it, stop| it.run(&stop));
    }

    /// Serves requests until `shutdown`, without background tasks.
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
            () = self.supervisor.gave_up() => soft.cancel(),
            Some((name, result)) = ended.recv() => {
                error!(listener = name, result = ?result, "listener ended unexpectedly");
                ended_early = true;
                soft.cancel();
            }
        }
        self.stopping.store(true, Ordering::Relaxed);
        self.close_streams.cancel();
        servers.close();
        self.tasks.close();
        let draining = async {
            // The admin listener serves until the end, so that readiness can be observed.
            ingest.stop(true).await;
            self.tasks.wait().await;
            self.sender_client.finish().await;
            self.counting.step().await;
            operator.stop(true).await;
            servers.wait().await;
        };
        let drained = shutdown.hard().run_until_cancelled(draining).await.is_some();
        if drained {
            info!("all in-flight work finished");
        } else {
            warn!("in-flight work dropped; its leases expire and it is recovered later");
            ingest.stop(false).await;
            operator.stop(false).await;
        }
        drop(self.handlers);
        drop(tokio::time::timeout(Duration::from_secs(2), self.store.close()).await);
        shutdown.hard().cancel();
        drained && !ended_early && !self.supervisor.has_given_up()
    }
}

/// Cleans up state in memory.
#[derive(Clone)]
struct Tidying {
    peers: Arc<Peers>,
    limits: Arc<Limits>,
    auth: Arc<AuthState>,
    metrics: Metrics,
}

impl Tidying {
    async fn run(&self, stop: &CancellationToken) {
        self.auth.remove_inactive().await;
        while stop.run_until_cancelled(tokio::time::sleep(TIDY_EVERY)).await.is_some() {
            self.peers.remove_inactive();
            self.limits.remove_inactive();
            self.auth.remove_inactive().await;
            self.metrics.run_upkeep();
        }
    }
}
