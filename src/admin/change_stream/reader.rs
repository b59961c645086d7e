//! Reads what is new, once for all subscriptions.

use std::time::Duration;

use tokio::sync::{broadcast, watch};
use tokio::time::Instant;
use tracing::warn;

use super::{AGAIN, ChangeStream, PAGE, ReaderEvent};
use crate::store::{Horizon, Position, StoreError};

/// How often the tables are looked at without a hint.
const POLL: Duration = Duration::from_secs(1);
/// The shortest time between two looks: hints come by the thousand.
const PACE: Duration = Duration::from_millis(20);
/// A transaction that holds the stream back for so long is spoken of.
const LAG: Duration = Duration::from_secs(5);

impl ChangeStream {
    /// Reads until nobody listens.
    pub(super) async fn read(
        &self,
        news: &broadcast::Sender<ReaderEvent>,
        began: &watch::Sender<bool>,
    ) {
        let stop = self.0.stop.clone();
        // A sender that is dropped tells every subscription that this reader has ended.
        stop.run_until_cancelled(self.reading(news, began)).await.unwrap_or(());
    }

    async fn reading(&self, news: &broadcast::Sender<ReaderEvent>, began: &watch::Sender<bool>) {
        let mut outage = Outage::default();
        let mut position = loop {
            match self.end().await {
                Ok(position) => break position,
                Err(error) => outage.note(&error),
            }
            if self.leave_if_alone(news) {
                return;
            }
            tokio::time::sleep(AGAIN).await;
        };
        began.send_replace(true);
        let mut held = Deferred::new(LAG.min(self.0.settings.heartbeat));
        let mut looked = Instant::now();
        while !self.leave_if_alone(news) {
            match self.tell(news, &mut position).await {
                Ok(true) => continue,
                Ok(false) => outage = Outage::default(),
                Err(error) => outage.note(&error),
            }
            if looked.elapsed() >= POLL {
                looked = Instant::now();
                if let Ok(horizon) = self.0.store.horizon().await
                    && let Some(lag) = held.look(horizon, looked)
                {
                    // An error says only that nobody listens.
                    drop(news.send(ReaderEvent::Lag(lag)));
                }
            }
            drop(tokio::time::timeout(POLL, self.0.hint.notified()).await);
            tokio::time::sleep(PACE).await;
        }
        metrics::gauge!("sealpost_stream_lag_seconds").set(0.0);
    }

    /// Tells what comes after a position, which moves; gives whether there may be more.
    async fn tell(
        &self,
        news: &broadcast::Sender<ReaderEvent>,
        position: &mut Position,
    ) -> Result<bool, StoreError> {
        let read = self.0.store.changes(*position, PAGE).await?;
        if let Some(last) = read.last {
            *position = last;
        }
        if !read.changes.is_empty() {
            drop(news.send(ReaderEvent::Changes(read.changes.into())));
        }
        Ok(read.more)
    }
}

/// A database that does not answer is spoken of once.
#[derive(Default)]
struct Outage {
    spoken: bool,
}

impl Outage {
    fn note(&mut self, error: &StoreError) {
        if !self.spoken {
            warn!(error = error as &dyn std::error::Error, "cannot read the stream");
        }
        self.spoken = true;
    }
}

/// For how long one transaction has been holding back others.
struct Deferred {
    /// The lag from which on it is spoken of, and how often it is.
    after: Duration,
    by: Option<(String, Instant)>,
    spoken: Option<Instant>,
}

impl Deferred {
    fn new(after: Duration) -> Self {
        Self { after, by: None, spoken: None }
    }

    /// Gives the lag when it is time to speak of it.
    fn look(&mut self, horizon: Horizon, now: Instant) -> Option<Duration> {
        let gauge = metrics::gauge!("sealpost_stream_lag_seconds");
        let since = match &self.by {
            Some((by, since)) if horizon.blocked && *by == horizon.transaction => *since,
            _ => {
                self.by = horizon.blocked.then_some((horizon.transaction, now));
                self.spoken = None;
                gauge.set(0.0);
                return None;
            }
        };
        let lag = now.duration_since(since);
        gauge.set(lag.as_secs_f64());
        let due = self.spoken.is_none_or(|spoken| now.duration_since(spoken) >= self.after);
        if lag < self.after || !due {
            return None;
        }
        if self.spoken.is_none() {
            warn!(
                lag_seconds = lag.as_secs(),
                owner = horizon.owner,
                "a long-open transaction blocks the stream"
            );
        }
        self.spoken = Some(now);
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
    fn only_a_transaction_that_lasts_and_holds_something_back_is_spoken_of() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut held = Deferred::new(Duration::from_secs(5));
        assert_eq!(held.look(horizon(7, true), at(0)), None);
        assert_eq!(held.look(horizon(8, true), at(6)), None, "another one");
        assert_eq!(held.look(horizon(8, true), at(10)), None, "not for long");
        assert_eq!(held.look(horizon(8, true), at(12)), Some(Duration::from_secs(6)));
        assert_eq!(held.look(horizon(8, true), at(13)), None, "it was spoken of");
        assert_eq!(held.look(horizon(8, true), at(17)), Some(Duration::from_secs(11)));
        assert_eq!(held.look(horizon(8, false), at(18)), None, "nothing waits");
        assert_eq!(held.look(horizon(8, true), at(19)), None, "counted anew");
    }
}
