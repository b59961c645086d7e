//! Housekeeping: expires incomplete transfers and deletes expired rows. It works on the tables
//! only, so it can run at any time and in several gateways at once.

use std::sync::Arc;

use async_trait::async_trait;
use time::{Duration, OffsetDateTime};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::{BoxError, Retention, in_time};
use crate::clock::SharedClock;
use crate::store::{ExpectedTokens, RefusedStatement, Store, StoreError};

const INTERVAL: std::time::Duration = std::time::Duration::from_secs(30);
/// The timeout of the maintenance of one provider.
const PROVIDER_TIMEOUT: std::time::Duration = std::time::Duration::from_mins(2);

/// The tolerated difference between this machine's clock and the database's. Beyond it, requests
/// are likely to be rejected as too old or from the future through no fault of the sender.
const CLOCK_TOLERANCE: Duration = Duration::minutes(1);

/// The maximum ages of an incomplete transfer.
#[derive(Debug, Clone, Copy)]
pub struct TransferAges {
    /// Since the last chunk.
    pub idle: Duration,
    /// Since the first chunk.
    pub total: Duration,
}

#[derive(Clone)]
pub struct Maintenance {
    pub store: Store,
    pub clock: SharedClock,
    /// Replaces the database's clock in tests.
    pub database_clock: Option<SharedClock>,
    pub ages: TransferAges,
    pub retention: Retention,
    pub expected_tokens: Vec<Arc<dyn ExpectedTokens>>,
    pub maintenance_tasks: Vec<Arc<dyn ProviderMaintenance>>,
}

/// Periodic work of a provider, such as deleting unused objects.
#[async_trait]
pub trait ProviderMaintenance: Send + Sync + 'static {
    /// Does a bounded amount of work and returns how much it did. May run in several gateways at
    /// once. No transaction may be open during work outside the database.
    ///
    /// # Errors
    /// Any failure; the work is retried the next time.
    async fn step(&self, store: &Store, now: OffsetDateTime) -> Result<u64, BoxError>;
}

impl Maintenance {
    /// Does everything that is due. It does nothing while this machine's clock and the database's
    /// differ: what looks expired by one of them may not be.
    pub async fn step(&self) -> Result<(), StoreError> {
        let clocks = self.clocks().await?;
        if !clocks.agree() {
            debug!("clocks differ, retention paused");
            return Ok(());
        }
        let now = clocks.earlier();
        while let Some(event) =
            self.store.expire_transfer(now, self.ages.idle, self.ages.total).await?
        {
            warn!(event.id = %event, "incomplete transfer expired");
            metrics::counter!("sealpost_transfers_expired_total").increment(1);
        }
        let events = self.retention.step(&self.store, now).await?;
        let keys = self.store.delete_expired_keys(now).await?;
        let transfers = self.store.delete_closed_transfers(now).await?;
        self.store.delete_old_counters(now).await?;
        let rejected = self.store.delete_expired_rejected(now).await?;
        self.store.delete_expired_idempotency_keys(now).await?;
        let mut given_up = 0;
        for tokens in &self.expected_tokens {
            let mut tx = self.store.begin().await?;
            let expired = tokens.expire(&mut tx, now).await?;
            given_up += tx.commit(expired).await?.into_inner();
        }
        if events + keys + transfers + rejected + given_up > 0 {
            info!(events, keys, transfers, rejected, given_up, "expired rows deleted");
        }
        Ok(())
    }

    /// Runs the maintenance of every provider, each with a timeout of its own.
    pub async fn run_provider_maintenance(&self) {
        let now = match self.clocks().await {
            Ok(clocks) => clocks.earlier(),
            Err(error) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "housekeeping skipped: no database connection in time"
                );
                return;
            }
        };
        for task in &self.maintenance_tasks {
            match tokio::time::timeout(PROVIDER_TIMEOUT, task.step(&self.store, now)).await {
                Ok(Ok(0)) => {}
                Ok(Ok(done)) => info!(done, "provider housekeeping done"),
                Ok(Err(error)) => {
                    warn!(cause = cause_of(&*error), "provider housekeeping failed");
                }
                Err(_) => warn!("provider housekeeping timed out"),
            }
        }
    }

    /// Runs periodically until `stop`.
    pub async fn run(&self, stop: &CancellationToken) {
        let mut trusted = true;
        let mut clock_jump = ClockJump::new(self.clock.now());
        loop {
            trusted = self.compare_clocks(trusted).await;
            if clock_jump.pauses_expiry(self.clock.now(), self.ages.idle) {
                warn!("this machine's clock has jumped, retention paused for a while");
            } else if let Err(error) = in_time(INTERVAL, self.step()).await {
                warn!(error = &error as &dyn std::error::Error, "housekeeping failed");
            }
            self.run_provider_maintenance().await;
            if stop.run_until_cancelled(tokio::time::sleep(INTERVAL)).await.is_none() {
                return;
            }
        }
    }

    async fn clocks(&self) -> Result<Clocks, StoreError> {
        let theirs = match &self.database_clock {
            Some(clock) => clock.now(),
            None => self.store.ping().await?,
        };
        Ok(Clocks { ours: self.clock.now(), theirs })
    }

    /// Logs once when the clocks start to differ, and once when they agree again. Returns whether
    /// they agree.
    async fn compare_clocks(&self, agreed: bool) -> bool {
        let Ok(clocks) = self.clocks().await else { return agreed };
        let offset = clocks.offset();
        metrics::gauge!("sealpost_clock_offset_seconds").set(offset.as_seconds_f64());
        let agree = clocks.agree();
        match (agreed, agree) {
            (true, false) => error!(
                offset_s = offset.whole_seconds(),
                "this machine's clock differs from the database's: requests may be rejected, and \
                 retention is paused until the clocks agree"
            ),
            (false, true) => info!("this machine's clock agrees with the database's again"),
            _ => {}
        }
        agree
    }
}

/// The root cause of an error, without its text, which can contain a file name chosen by a client.
fn cause_of(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = Some(error);
    let mut cause = "another error".to_owned();
    while let Some(this) = error {
        if let Some(io) = this.downcast_ref::<std::io::Error>() {
            cause = io.kind().to_string();
        } else if let Some(store) = this.downcast_ref::<StoreError>() {
            cause = store.to_string();
        } else if let Some(refused) = this.downcast_ref::<RefusedStatement>() {
            cause = refused.to_string();
        }
        error = this.source();
    }
    cause
}

/// The times of both clocks at one moment.
#[derive(Debug, Clone, Copy)]
struct Clocks {
    ours: OffsetDateTime,
    theirs: OffsetDateTime,
}

impl Clocks {
    fn offset(self) -> Duration {
        self.ours - self.theirs
    }

    fn agree(self) -> bool {
        self.offset().abs() <= CLOCK_TOLERANCE
    }

    fn earlier(self) -> OffsetDateTime {
        self.ours.min(self.theirs)
    }
}

/// Detects jumps of the wall clock against the monotonic one: the machine was suspended, or the
/// clock was set.
struct ClockJump {
    wall: OffsetDateTime,
    at: Instant,
    paused_until: Option<Instant>,
}

impl ClockJump {
    fn new(wall: OffsetDateTime) -> Self {
        Self { wall, at: Instant::now(), paused_until: None }
    }

    /// Whether expiry is paused: after a jump, active senders get `grace` to continue.
    fn pauses_expiry(&mut self, wall: OffsetDateTime, grace: Duration) -> bool {
        let now = Instant::now();
        let passed = Duration::try_from(now.duration_since(self.at)).unwrap_or(Duration::MAX);
        let jump = (wall - self.wall).saturating_sub(passed);
        (self.wall, self.at) = (wall, now);
        if jump > CLOCK_TOLERANCE {
            let grace = std::time::Duration::try_from(grace).unwrap_or_default();
            self.paused_until = now.checked_add(grace);
        }
        self.paused_until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const START: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

    #[tokio::test(start_paused = true)]
    async fn expiry_pauses_after_a_clock_jump() {
        let mut clock_jump = ClockJump::new(START);
        let grace = Duration::minutes(15);
        let mut step = async |seconds: u64, wall: OffsetDateTime| {
            tokio::time::advance(std::time::Duration::from_secs(seconds)).await;
            clock_jump.pauses_expiry(wall, grace)
        };
        assert!(!step(30, START + Duration::seconds(30)).await);
        assert!(!step(30, START + Duration::seconds(90)).await, "half a minute is not a jump");
        let far = START + Duration::hours(2);
        assert!(step(30, far).await);
        assert!(step(14 * 60, far + Duration::minutes(14)).await);
        assert!(!step(60, far + Duration::minutes(15)).await);
        assert!(!step(30, START).await, "a jump back makes nothing look older");
    }

    #[test]
    fn earlier_clock_counts_while_the_clocks_agree() {
        let clocks = |seconds| Clocks { ours: START + Duration::seconds(seconds), theirs: START };
        assert!(clocks(60).agree() && clocks(-60).agree());
        assert!(!clocks(61).agree() && !clocks(-61).agree());
        assert_eq!(clocks(60).earlier(), START);
        assert_eq!(clocks(-60).earlier(), START - Duration::minutes(1));
    }
}
