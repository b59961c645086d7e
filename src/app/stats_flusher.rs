//! Adding what was counted to the tallies, while the gateway runs and when it stops.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::clock::SharedClock;
use crate::store::Store;

/// How often. What a killed gateway has counted since is lost.
const EVERY: Duration = Duration::from_secs(5);
/// The longest time that it may take.
const WITHIN: Duration = Duration::from_secs(2);

/// Adds what this process counts to what all of them have counted.
#[derive(Clone)]
pub struct StatsFlusher {
    pub(super) store: Store,
    pub(super) clock: SharedClock,
}

impl StatsFlusher {
    /// Adds what was counted since the last time.
    pub async fn step(&self) {
        let flushing = self.store.flush_tallies(self.clock.now());
        match tokio::time::timeout(WITHIN, flushing).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                warn!(error, "cannot add to the tallies: they are kept for the next time");
            }
            Err(_) => warn!("adding to the tallies took too long: some may be lost"),
        }
        let flushing = self.store.flush_responses(self.clock.now());
        match tokio::time::timeout(WITHIN, flushing).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                warn!(error, "cannot write what destinations answered: it is kept");
            }
            Err(_) => warn!("writing what destinations answered took too long: some may be lost"),
        }
    }

    /// Does it until `stop`.
    pub(super) async fn run(&self, stop: &CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
            self.step().await;
        }
    }
}
