//! Reads new changes, once for all subscriptions.

use std::time::Duration;

use tokio::sync::{broadcast, watch};
use tokio::time::Instant;
use tracing::warn;

use super::{ChangeStream, PAGE, RETRY_DELAY, ReaderEvent};
use crate::store::{Horizon, Position, StoreError};

/// The polling interval without a notification.
const POLL: Duration = Duration::from_secs(1);
/// The minimum time between two reads: notifications come by the thousand.
const PACE: Duration = Duration::from_millis(20);
/// A transaction that blocks the stream for this long is reported.
const LAG: Duration = Duration::from_secs(5);

impl ChangeStream {
    /// Reads until there is no subscription left.
    pub(super) async fn read(
        &self,
        sender: &broadcast::Sender<ReaderEvent>,
        began: &watch::Sender<bool>,
    ) {
        let stop = self.0.stop.clone();
        // Dropping the sender tells every subscription that this reader has ended.
        stop.run_until_cancelled(self.reading(sender, began)).await.unwrap_or(());
    }

    async fn reading(&self, sender: &broadcast::Sender<ReaderEvent>, began: &watch::Sender<bool>) {
        let mut outage = Outage::default();
        let mut position = loop {
            match self.end().await {
                Ok(position) => break position,
                Err(error) => outage.record(&error),
            }
            if self.end_if_unused(sender) {
                return;
            }
            tokio::time::sleep(RETRY_DELAY).await;
        };
        began.send_replace(true);
        let mut blocked = Blocked::new(LAG.min(self.0.settings.heartbeat));
        let mut looked = Instant::now();
        while !self.end_if_unused(sender) {
            match self.forward(sender, &mut position).await {
                Ok(true) => continue,
                Ok(false) => outage = Outage::default(),
                Err(error) => outage.record(&error),
            }
            if looked.elapsed() >= POLL {
                looked = Instant::now();
                if let Ok(horizon) = self.0.store.horizon().await
                    && let Some(lag) = blocked.report(horizon, looked)
                {
                    // An error only means that there is no subscription.
                    drop(sender.send(ReaderEvent::Lag(lag)));
                }
            }
            drop(tokio::time::timeout(POLL, self.0.notified.notified()).await);
            tokio::time::sleep(PACE).await;
        }
        metrics::gauge!("sealpost_stream_lag_seconds").set(0.0);
    }

    /// Forwards the changes after a position and advances it. Returns whether there may be more.
    async fn forward(
        &self,
        sender: &broadcast::Sender<ReaderEvent>,
        position: &mut Position,
    ) -> Result<bool, StoreError> {
        let read = self.0.store.changes(*position, PAGE).await?;
        if let Some(last) = read.last {
            *position = last;
        }
        if !read.changes.is_empty() {
            drop(sender.send(ReaderEvent::Changes(read.changes.into())));
        }
        Ok(read.more)
    }
}

/// An outage of the database, which is logged once.
#[derive(Default)]
struct Outage {
    logged: bool,
}

impl Outage {
    fn record(&mut self, error: &StoreError) {
        if !self.logged {
            warn!(error = error as &dyn std::error::Error, "cannot read the stream");
        }
        self.logged = true;
    }
}

/// How long one transaction has been blocking the stream.
struct Blocked {
    /// The lag from which it is reported, and the time between reports.
    after: Duration,
    by: Option<(String, Instant)>,
    reported: Option<Instant>,
}

impl Blocked {
    fn new(after: Duration) -> Self {
        Self { after, by: None, reported: None }
    }

    /// Returns the lag when it is to be reported.
    fn report(&mut self, horizon: Horizon, now: Instant) -> Option<Duration> {
        let gauge = metrics::gauge!("sealpost_stream_lag_seconds");
        let since = match &self.by {
            Some((by, since)) if horizon.blocked && *by == horizon.transaction => *since,
            _ => {
                self.by = horizon.blocked.then_some((horizon.transaction, now));
                self.reported = None;
                gauge.set(0.0);
                return None;
            }
        };
        let lag = now.duration_since(since);
        gauge.set(lag.as_secs_f64());
        let due = self.reported.is_none_or(|last| now.duration_since(last) >= self.after);
        if lag < self.after || !due {
            return None;
        }
        if self.reported.is_none() {
            warn!(
                lag_seconds = lag.as_secs(),
                owner = horizon.owner,
                "a long-open transaction blocks the stream"
            );
        }
        self.reported = Some(now);
        Some(lag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn horizon(transaction: u32, blocked: bool) -> Horizon {
        Horizon { transaction: transaction.to_string(), blocked, owner: None }
    }

    #[test]
    fn only_long_blocking_transactions_are_reported() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut blocked = Blocked::new(Duration::from_secs(5));
        assert_eq!(blocked.report(horizon(7, true), at(0)), None);
        assert_eq!(blocked.report(horizon(8, true), at(6)), None, "another one");
        assert_eq!(blocked.report(horizon(8, true), at(10)), None, "not long enough");
        assert_eq!(blocked.report(horizon(8, true), at(12)), Some(Duration::from_secs(6)));
        assert_eq!(blocked.report(horizon(8, true), at(13)), None, "it was just reported");
        assert_eq!(blocked.report(horizon(8, true), at(17)), Some(Duration::from_secs(11)));
        assert_eq!(blocked.report(horizon(8, false), at(18)), None, "nothing is blocked");
        assert_eq!(blocked.report(horizon(8, true), at(19)), None, "counts from the beginning");
    }
}
