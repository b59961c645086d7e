//! Flushes counters to the database, while the gateway runs and when it stops.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::clock::SharedClock;
use crate::store::Store;

/// Interval between flushes. A killed gateway loses what it counted since the last one.
const EVERY: Duration = Duration::from_secs(5);
/// Timeout of a flush.
const WITHIN: Duration = Duration::from_secs(2);

/// Adds the counters of this process to those in the database.
#[derive(Clone)]
pub struct StatsFlusher {
    pub(super) store: Store,
    pub(super) clock: SharedClock,
}

impl StatsFlusher {
    /// Flushes once.
    pub async fn step(&self) {
        let flushing = self.store.flush_tallies(self.clock.now());
        match tokio::time::timeout(WITHIN, flushing).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                warn!(error, "cannot flush counters, retrying later");
            }
            Err(_) => warn!("flushing counters timed out, some counts may be lost"),
        }
        let flushing = self.store.flush_responses(self.clock.now());
        match tokio::time::timeout(WITHIN, flushing).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                warn!(error, "cannot store destination responses, retrying later");
            }
            Err(_) => warn!("storing destination responses timed out, some may be lost"),
        }
    }

    /// Runs until `stop`.
    pub(super) async fn run(&self, stop: &CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
            self.step().await;
        }
    }
}
