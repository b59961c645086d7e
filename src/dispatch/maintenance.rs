//! Housekeeping: gives up transfers that never became whole, deletes what has expired. It takes
//! no input: it looks at the tables, and can be run at any time and by several gateways at once.

use std::sync::Arc;

use async_trait::async_trait;
use time::{Duration, OffsetDateTime};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::{BoxError, in_time};
use crate::clock::SharedClock;
use crate::store::{ExpectedTokens, RefusedStatement, Store, StoreError};

/// How often it looks.
const EVERY: std::time::Duration = std::time::Duration::from_secs(30);
/// How long a provider may take to keep its own things in order.
const UPKEEP_WITHIN: std::time::Duration = std::time::Duration::from_mins(2);

/// By how much this machine's clock may differ from the database's. Beyond it senders are likely to
/// be refused as stale or from the future, and the reason is not theirs.
const CLOCK_TOLERANCE: Duration = Duration::minutes(1);

/// How long a transfer may wait.
#[derive(Debug, Clone, Copy)]
pub struct TransferAges {
    /// Since its last chunk.
    pub idle: Duration,
    /// Since its first.
    pub total: Duration,
}

/// Keeps the tables in order.
#[derive(Clone)]
pub struct Maintenance {
    /// The database.
    pub store: Store,
    /// The clock.
    pub clock: SharedClock,
    /// What stands in for the database's clock; `None` for the database's own.
    pub database_clock: Option<SharedClock>,
    /// How long a transfer may wait.
    pub ages: TransferAges,
    /// What the providers keep of what they await.
    pub registries: Vec<Arc<dyn ExpectedTokens>>,
    /// What the providers do besides.
    pub maintenance_tasks: Vec<Arc<dyn ProviderMaintenance>>,
}

/// What a provider does although no event asks for it, such as removing what nobody needs.
#[async_trait]
pub trait ProviderMaintenance: Send + Sync + 'static {
    /// Does a bounded part of what is to be done now; says how much it did. May run in several
    /// gateways at once. No transaction may be open while it works outside the database.
    ///
    /// # Errors
    /// Whatever kept it from its work; the rest is done the next time.
    async fn step(&self, store: &Store, now: OffsetDateTime) -> Result<u64, BoxError>;
}

impl Maintenance {
    /// Does everything that is to be done now. While this machine's clock and the database's
    /// differ, nothing is: what one of them takes for expired may not be.
    ///
    /// # Errors
    /// [`StoreError`]; what is left is done the next time.
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
        let keys = self.store.forget_keys(now).await?;
        let transfers = self.store.forget_transfers(now).await?;
        self.store.forget_tallies(now).await?;
        let held = self.store.delete_expired_rejected(now).await?;
        self.store.forget_requests(now).await?;
        let mut given_up = 0;
        for registry in &self.registries {
            let mut tx = self.store.begin().await?;
            let expired = registry.expire(&mut tx, now).await?;
            given_up += tx.commit(expired).await?.into_inner();
        }
        if keys + transfers + held + given_up > 0 {
            info!(keys, transfers, held, given_up, "expired rows deleted");
        }
        Ok(())
    }

    /// Lets providers keep their own things in order, each within a time of its own.
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
        for upkeep in &self.maintenance_tasks {
            match tokio::time::timeout(UPKEEP_WITHIN, upkeep.step(&self.store, now)).await {
                Ok(Ok(0)) => {}
                Ok(Ok(done)) => info!(done, "provider housekeeping done"),
                Ok(Err(error)) => {
                    warn!(cause = cause_of(&*error), "provider housekeeping failed");
                }
                Err(_) => warn!("provider housekeeping timed out"),
            }
        }
    }

    /// Does it now and then until `stop`.
    pub async fn run(&self, stop: &CancellationToken) {
        let mut trusted = true;
        let mut steady = Steady::new(self.clock.now());
        loop {
            trusted = self.compare_clocks(trusted).await;
            if steady.is_held(self.clock.now(), self.ages.idle) {
                warn!("this machine's clock has jumped, retention paused for a while");
            } else if let Err(error) = in_time(EVERY, self.step()).await {
                warn!(error = &error as &dyn std::error::Error, "housekeeping failed");
            }
            self.run_provider_maintenance().await;
            if stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none() {
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

    /// Says once when this machine's clock and the database's part, and once when they agree
    /// again; gives whether they agree.
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

/// What lies at the bottom of an error, without its text: that can name a client-supplied file
/// name.
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

/// What two clocks say at the same time.
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

/// Notices when the wall clock goes another way than time does: the machine was asleep, or
/// somebody has set the clock, and the database's with it.
struct Steady {
    wall: OffsetDateTime,
    at: Instant,
    held_until: Option<Instant>,
}

impl Steady {
    fn new(wall: OffsetDateTime) -> Self {
        Self { wall, at: Instant::now(), held_until: None }
    }

    /// Whether nothing may expire yet: after a jump whoever is alive has `grace` to show it.
    fn is_held(&mut self, wall: OffsetDateTime, grace: Duration) -> bool {
        let now = Instant::now();
        let passed = Duration::try_from(now.duration_since(self.at)).unwrap_or(Duration::MAX);
        let jump = (wall - self.wall).saturating_sub(passed);
        (self.wall, self.at) = (wall, now);
        if jump > CLOCK_TOLERANCE {
            let grace = std::time::Duration::try_from(grace).unwrap_or_default();
            self.held_until = now.checked_add(grace);
        }
        self.held_until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const START: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

    #[tokio::test(start_paused = true)]
    async fn after_a_jump_of_the_clock_nothing_expires_for_a_while() {
        let mut steady = Steady::new(START);
        let grace = Duration::minutes(15);
        let mut step = async |seconds: u64, wall: OffsetDateTime| {
            tokio::time::advance(std::time::Duration::from_secs(seconds)).await;
            steady.is_held(wall, grace)
        };
        assert!(!step(30, START + Duration::seconds(30)).await);
        assert!(!step(30, START + Duration::seconds(90)).await, "half a minute is no jump");
        let far = START + Duration::hours(2);
        assert!(step(30, far).await);
        assert!(step(14 * 60, far + Duration::minutes(14)).await);
        assert!(!step(60, far + Duration::minutes(15)).await);
        assert!(!step(30, START).await, "back again: nothing seems older than it is");
    }

    #[test]
    fn of_two_clocks_the_earlier_counts_and_only_while_they_agree() {
        let clocks = |seconds| Clocks { ours: START + Duration::seconds(seconds), theirs: START };
        assert!(clocks(60).agree() && clocks(-60).agree());
        assert!(!clocks(61).agree() && !clocks(-61).agree());
        assert_eq!(clocks(60).earlier(), START);
        assert_eq!(clocks(-60).earlier(), START - Duration::minutes(1));
    }
}
