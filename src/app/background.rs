//! What a gateway does besides answering requests, each on a task of its own.

use std::sync::Arc;
use std::time::Duration;

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
}
