//! Sends alerts raised by handlers and dispatch to a Discord channel.
//!
//! Raising is a row in the transaction of what it is about ([`crate::store::Alert`]). Telling
//! happens here, on a task of its own: every so often everything that is pending goes out as one
//! message. Several gateways share the rows: each is told by the one that holds its lease. While
//! Discord is away the rows wait, and are folded; what is too old to be news is given up.
//!
//! Told at least once: when a gateway dies between Discord's answer and the commit, its lease
//! runs out and another tells it again.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

mod discord;
mod message;

pub use discord::{Discord, NotifyError, Webhook, WebhookError};

pub use crate::store::Severity;
use crate::store::{AlertBatch, Store, StoreError};

/// How long a gateway may take to tell a batch: longer than the request's deadline.
const LEASE: Duration = Duration::from_mins(1);
/// The longest wait for the database.
const WITHIN: Duration = Duration::from_secs(10);
/// The wait after a first failure; it doubles with every further one.
const BACKOFF: Duration = Duration::from_secs(5);
/// The bound of every wait after a failure.
const MAX_BACKOFF: Duration = Duration::from_mins(15);
/// How soon it looks again after a failure, so that an outage is told within a minute.
const AGAIN: Duration = Duration::from_secs(10);
/// Sent directly when the database cannot be used.
const AWAY: &str = "critical: the gateway cannot read or write its database; events are rejected \
                    with 503, and no other alert can be sent";
/// Sent when the database is usable again.
const BACK: &str = "resolved: the gateway can read and write its database again";
/// The bound of what Discord may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

/// After so many failures in a row the channel is told that the database is away: the alerts
/// themselves are in there.
const AWAY_AFTER: u32 = 2;

/// Sends alerts.
#[derive(Debug, Clone)]
pub struct Notifier {
    /// The database.
    pub store: Store,
    /// The channel; without one, alerts are kept and can be listed.
    pub discord: Option<Discord>,
    /// How often it looks, and so how much goes into one message.
    pub every: Duration,
    /// The lowest severity that is sent; others are only kept.
    pub least: Severity,
}

/// The result of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing to send now.
    Nothing,
    /// The number of alerts sent.
    Sent(usize),
    /// The channel did not take them: not before this time has passed.
    Backlog(Duration),
}

impl Notifier {
    /// Sends pending alerts, once.
    ///
    /// # Errors
    /// [`StoreError`]; what was claimed is free when its lease has expired.
    pub async fn step(&self) -> Result<Step, StoreError> {
        let given_up = in_time(self.store.tidy_alerts()).await?;
        if given_up > 0 && self.discord.is_some() {
            warn!(count = given_up, "alerts not sent in time, given up");
            count("given_up", given_up);
        }
        let Some(discord) = &self.discord else { return Ok(Step::Nothing) };
        let claim = self.store.claim_alerts(self.least, LEASE);
        let Some(batch) = in_time(claim).await? else { return Ok(Step::Nothing) };
        match discord.tell(&batch.alerts).await {
            Ok(()) => {
                in_time(self.store.alerts_sent(&batch)).await?;
                info!(count = batch.alerts.len(), "alerts sent");
                count("sent", batch.alerts.len() as u64);
                Ok(Step::Sent(batch.alerts.len()))
            }
            Err(error) => {
                let wait = wait(&batch, &error);
                warn!(
                    error = &error as &dyn std::error::Error,
                    count = batch.alerts.len(),
                    retry_in_ms = wait.as_millis(),
                    "cannot send alerts"
                );
                count("failed", 1);
                in_time(self.store.alerts_failed(&batch, wait)).await?;
                Ok(Step::Backlog(wait))
            }
        }
    }

    /// Steps until `stop`. What is pending then waits for the next gateway.
    pub async fn run(&self, stop: &CancellationToken) {
        let mut outage = Outage::default();
        let mut pause = self.every;
        while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
            self.step_or_tell(&mut outage).await;
            pause = if outage.failures > 0 { self.every.min(AGAIN) } else { self.every };
        }
    }

    /// Steps once. A database that cannot be used keeps no alert that says so: the channel is told
    /// directly, once when that has lasted for a while and once when it is over.
    pub async fn step_or_tell(&self, outage: &mut Outage) {
        let text = match self.step().await {
            Ok(_) => outage.over(),
            Err(error) => {
                warn!(error = &error as &dyn std::error::Error, "cannot read pending alerts");
                outage.goes_on()
            }
        };
        let (Some(text), Some(discord)) = (text, &self.discord) else { return };
        match discord.say(text).await {
            Ok(()) => outage.told = !outage.told,
            Err(error) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot notify the alert channel: {text}"
                );
            }
        }
    }
}

/// How long the database could not be used, counted in steps.
#[derive(Debug, Default)]
pub struct Outage {
    failures: u32,
    told: bool,
}

impl Outage {
    /// What to tell after another failure.
    fn goes_on(&mut self) -> Option<&'static str> {
        self.failures = self.failures.saturating_add(1);
        (self.failures >= AWAY_AFTER && !self.told).then_some(AWAY)
    }

    /// What to tell after a success.
    fn over(&mut self) -> Option<&'static str> {
        self.failures = 0;
        self.told.then_some(BACK)
    }
}

/// How long nothing is told after a failure.
fn wait(batch: &AlertBatch, error: &NotifyError) -> Duration {
    let backoff = BACKOFF.saturating_mul(1 << batch.attempts.min(16)).min(MAX_BACKOFF);
    match error.retry_after() {
        Some(asked) => asked.clamp(Duration::from_secs(1), MAX_RETRY_AFTER),
        None => backoff,
    }
}

async fn in_time<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    tokio::time::timeout(WITHIN, work).await.unwrap_or_else(|_| Err(StoreError::timed_out()))
}

fn count(outcome: &'static str, by: u64) {
    metrics::counter!("sealpost_alerts_total", "outcome" => outcome).increment(by);
}
