//! Flushes counters to the database, while the gateway runs and when it stops.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::clock::SharedClock;
use crate::store::Store;

/// A killed gateway loses the counts since the last flush.
const INTERVAL: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(2);

/// Adds the counters of this process to those in the database.
#[derive(Clone)]
pub struct StatsFlusher {
    pub(super) store: Store,
    pub(super) clock: SharedClock,
}

impl StatsFlusher {
    pub async fn step(&self) {
        let flushing = self.store.flush_counters(self.clock.now());
        match tokio::time::timeout(TIMEOUT, flushing).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                warn!(error, "cannot flush counters, retrying later");
            }
            Err(_) => warn!("flushing counters timed out, some counts may be lost"),
        }
        let flushing = self.store.flush_responses(self.clock.now());
        match tokio::time::timeout(TIMEOUT, flushing).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                warn!(error, "cannot store destination responses, retrying later");
            }
            Err(_) => warn!("storing destination responses timed out, some may be lost"),
        }
    }

    pub(super) async fn run(&self, stop: &CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(INTERVAL)).await.is_some() {
            self.step().await;
        }
    }
}
