//! Raises alerts for alarms in the background.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::admin::Monitoring;
use crate::dispatch::Dispatcher;

/// Together with the delays of some alarms, an alarm opens within a minute.
const INTERVAL: Duration = Duration::from_secs(10);
/// This number of failed checks in a row is an alarm of its own.
const BLIND_AFTER: u32 = 3;
/// The timeout of a check, so that a locked table does not delay the next one.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Connects the alarms to the problems that this dispatcher reports.
pub(super) fn connect(monitoring: &Monitoring, dispatcher: &Dispatcher) {
    let dispatcher = dispatcher.clone();
    monitoring.dispatch_problems().set_source(move || dispatcher.problems());
}

/// Raises alerts until `stop`. A task of its own, so that no other slow or stuck task delays an
/// alarm.
pub(super) async fn watch(monitoring: &Monitoring, stop: &CancellationToken) {
    let mut failures = 0_u32;
    while stop.run_until_cancelled(tokio::time::sleep(INTERVAL)).await.is_some() {
        match tokio::time::timeout(TIMEOUT, monitoring.raise_alarms()).await {
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
            && let Ok(Err(error)) =
                tokio::time::timeout(TIMEOUT, monitoring.raise_unreadable_alarm()).await
        {
            warn!(error = &error as &dyn std::error::Error, "cannot raise an alert");
        }
    }
}
