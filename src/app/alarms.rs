//! Raises alerts for alarms in the background.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::admin::Monitoring;
use crate::dispatch::Dispatcher;

/// Interval between checks. Together with the delays of some alarms, an alarm opens within a
/// minute.
const EVERY: Duration = Duration::from_secs(10);
/// Number of failed checks in a row that is an alarm of its own.
const BLIND_AFTER: u32 = 3;
/// Timeout of a check, so that a locked table does not delay the next one.
const WITHIN: Duration = Duration::from_secs(15);

/// Connects the alarms to the problems that this dispatcher reports.
pub(super) fn ask(monitoring: &Monitoring, dispatcher: &Dispatcher) {
    let dispatcher = dispatcher.clone();
    monitoring.troubles().ask(move || dispatcher.troubles());
}

/// Raises alerts until `stop`. A task of its own, so that no other slow or stuck task delays an
/// alarm.
pub(super) async fn watch(monitoring: &Monitoring, stop: &CancellationToken) {
    let mut failures = 0_u32;
    while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        match tokio::time::timeout(WITHIN, monitoring.raise_alarms()).await {
            Ok(Ok(_)) => {
                failures = 0;
                continue;
            }
            Ok(Err(error)) => {
                warn!(error = &error as &dyn std::error::Error, "cannot check for alarms");
            }
            Err(_) => warn!("alarm check timed out"),
        }
        failures = failures.saturating_add(1);
        if failures >= BLIND_AFTER
            && let Ok(Err(error)) = tokio::time::timeout(WITHIN, monitoring.raise_blindness()).await
        {
            warn!(error = &error as &dyn std::error::Error, "cannot raise an alert");
        }
    }
}
