//! Telling people what is wrong, although nobody looks.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::admin::{DispatchTrouble, Monitoring};
use crate::dispatch::{Dispatcher, Trouble};

/// How often it looks. With the patience that some trouble is given, an alarm begins within a
/// minute.
const EVERY: Duration = Duration::from_secs(10);
/// After so many looks in a row that failed, that is an alarm of its own.
const BLIND_AFTER: u32 = 3;
/// The longest look. The next one is not made to wait behind a table that is locked.
const WITHIN: Duration = Duration::from_secs(15);

/// Lets alarms know what this dispatcher cannot do.
pub(super) fn ask(monitoring: &Monitoring, dispatcher: &Dispatcher) {
    let dispatcher = dispatcher.clone();
    let known =
        |Trouble { source, handler, since }: Trouble| DispatchTrouble { source, handler, since };
    monitoring.troubles().ask(move || dispatcher.troubles().into_iter().map(known).collect());
}

/// Raises alerts for what is wrong until `stop`. A task of its own: nothing else that is slow or
/// stuck keeps an alarm back.
pub(super) async fn watch(monitoring: &Monitoring, stop: &CancellationToken) {
    let mut failures = 0_u32;
    while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        match tokio::time::timeout(WITHIN, monitoring.raise_alarms()).await {
            Ok(Ok(_)) => {
                failures = 0;
                continue;
            }
            Ok(Err(error)) => {
                warn!(error = &error as &dyn std::error::Error, "cannot look for alarms");
            }
            Err(_) => warn!("looking for alarms took too long"),
        }
        failures = failures.saturating_add(1);
        if failures >= BLIND_AFTER
            && let Ok(Err(error)) = tokio::time::timeout(WITHIN, monitoring.raise_blindness()).await
        {
            warn!(error = &error as &dyn std::error::Error, "cannot raise an alert");
        }
    }
}
