//! A gateway at work: it answers requests, does the rest on tasks of their own, and stops in order.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use super::App;
use crate::lifecycle::Shutdown;

/// How often limits and metrics are tidied up.
const TIDY_EVERY: Duration = Duration::from_secs(30);

impl App {
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
        let (jobs, stop) = (self.jobs.clone(), soft.clone());
        self.tasks.spawn(async move { jobs.run(&stop).await });
        let (groups, stop) = (self.groups.clone(), soft.clone());
        self.tasks.spawn(async move { groups.run(&stop).await });
        let (counting, stop) = (self.counting.clone(), soft.clone());
        self.tasks.spawn(async move { counting.run(&stop).await });
        let (alerter, stop) = (self.alerter.clone(), soft.clone());
        self.tasks.spawn(async move { alerter.run(&stop).await });
        let (peers, metrics, stop) = (self.peers.clone(), self.metrics.clone(), soft.clone());
        let (door, limits) = (Arc::clone(&self.door), Arc::clone(&self.limits));
        self.tasks.spawn(async move {
            door.tidy().await;
            while stop.run_until_cancelled(tokio::time::sleep(TIDY_EVERY)).await.is_some() {
                peers.forget();
                limits.tidy();
                door.tidy().await;
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
        self.unwatch.cancel();
        servers.close();
        self.tasks.close();
        let draining = async {
            // The operator listener answers until the end, so that readiness can be seen.
            ingest.stop(true).await;
            self.tasks.wait().await;
            self.counting.step().await;
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
        drop(self.handlers);
        drop(tokio::time::timeout(Duration::from_secs(2), self.store.close()).await);
        shutdown.hard().cancel();
        drained && !ended_early
    }
}
