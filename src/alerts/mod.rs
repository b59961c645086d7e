//! Sends alerts raised by handlers and dispatch to a Discord channel.
//!
//! An alert is raised as a row, in the transaction of its cause ([`crate::store::Alert`]). A
//! separate task sends all pending alerts in regular intervals, as one message. Several gateways
//! share the rows: the one that holds an alert's lease sends it. While Discord is unavailable the
//! rows wait, and repeats are counted; an alert that is too old is dropped.
//!
//! Alerts are sent at least once: if a gateway dies between Discord's response and the commit,
//! another one sends the alert again after the lease expires.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

mod discord;
mod message;

pub use discord::{Discord, NotifyError, Webhook, WebhookError};

pub use crate::store::Severity;
use crate::store::{AlertBatch, Store, StoreError};

/// The lease of a batch: longer than the timeout of a request.
const LEASE: Duration = Duration::from_mins(1);
const DATABASE_TIMEOUT: Duration = Duration::from_secs(10);
/// The delay after a first failure; it doubles with every further one.
const BACKOFF: Duration = Duration::from_secs(5);
const MAX_BACKOFF: Duration = Duration::from_mins(15);
/// The interval between attempts after a database failure, so that an outage is reported within a
/// minute.
const RETRY_DELAY: Duration = Duration::from_secs(10);
/// Sent directly when the database cannot be used.
const OUTAGE: &str = "critical: the gateway cannot read or write its database; events are rejected \
                    with 503, and no other alert can be sent";
/// Sent when the database is usable again.
const RECOVERED: &str = "resolved: the gateway can read and write its database again";
/// The maximum delay that Discord may request.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

/// The number of consecutive failures after which the channel is notified directly: alerts are
/// stored in the database.
const OUTAGE_AFTER: u32 = 2;

#[derive(Debug, Clone)]
pub struct Notifier {
    pub store: Store,
    /// Without a channel, alerts are stored and can be listed.
    pub discord: Option<Discord>,
    /// The interval between messages.
    pub every: Duration,
    /// The lowest severity that is sent; others are only stored.
    pub least: Severity,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Nothing,
    /// The number of alerts sent.
    Sent(usize),
    /// The channel rejected them: retry after this time.
    Backlog(Duration),
}

impl Notifier {
    /// Sends pending alerts once. After an error, claimed alerts become available when the lease
    /// expires.
    pub async fn step(&self) -> Result<Step, StoreError> {
        let given_up = in_time(self.store.clean_up_alerts()).await?;
        if given_up > 0 && self.discord.is_some() {
            warn!(count = given_up, "alerts not sent in time, given up");
            count("given_up", given_up);
        }
        let Some(discord) = &self.discord else { return Ok(Step::Nothing) };
        let claim = self.store.claim_alerts(self.least, LEASE);
        let Some(batch) = in_time(claim).await? else { return Ok(Step::Nothing) };
        match discord.send_alerts(&batch.alerts).await {
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

    /// Sends alerts until `stop`. Pending ones are left to the next gateway.
    pub async fn run(&self, stop: &CancellationToken) {
        let mut outage = Outage::default();
        let mut pause = self.every;
        while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
            self.step_or_notify(&mut outage).await;
            pause = if outage.failures > 0 { self.every.min(RETRY_DELAY) } else { self.every };
        }
    }

    /// Sends pending alerts once. If the database is unavailable, it cannot store an alert about
    /// that: the channel is notified directly, once after a while and once when it is over.
    pub async fn step_or_notify(&self, outage: &mut Outage) {
        let text = match self.step().await {
            Ok(_) => outage.succeeded(),
            Err(error) => {
                warn!(error = &error as &dyn std::error::Error, "cannot read pending alerts");
                outage.failed()
            }
        };
        let (Some(text), Some(discord)) = (text, &self.discord) else { return };
        match discord.send_text(text).await {
            Ok(()) => outage.is_notified = !outage.is_notified,
            Err(error) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot notify the alert channel: {text}"
                );
            }
        }
    }
}

/// An outage of the database, counted in failed steps.
#[derive(Debug, Default)]
pub struct Outage {
    failures: u32,
    is_notified: bool,
}

impl Outage {
    /// The message after another failure, if one is due.
    fn failed(&mut self) -> Option<&'static str> {
        self.failures = self.failures.saturating_add(1);
        (self.failures >= OUTAGE_AFTER && !self.is_notified).then_some(OUTAGE)
    }

    /// The message after a success, if one is due.
    fn succeeded(&mut self) -> Option<&'static str> {
        self.failures = 0;
        self.is_notified.then_some(RECOVERED)
    }
}

/// The delay after a failure.
fn wait(batch: &AlertBatch, error: &NotifyError) -> Duration {
    let backoff = BACKOFF.saturating_mul(1 << batch.attempts.min(16)).min(MAX_BACKOFF);
    match error.retry_after() {
        Some(asked) => asked.clamp(Duration::from_secs(1), MAX_RETRY_AFTER),
        None => backoff,
    }
}

async fn in_time<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    tokio::time::timeout(DATABASE_TIMEOUT, work)
        .await
        .unwrap_or_else(|_| Err(StoreError::timed_out()))
}

fn count(outcome: &'static str, by: u64) {
    metrics::counter!("sealpost_alerts_total", "outcome" => outcome).increment(by);
}
