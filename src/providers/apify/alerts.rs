//! Alerts about runs. The failures of one guild and actor are one alert, resolved by the next
//! success.

use super::payload::Event;
use super::tables::Run;
use crate::store::{Alert, AlertResolution, EventId, Severity, StoreError, Tx};

const FAILED: &str = "run_failed";
const EXPIRED: &str = "runs_expired";

/// Raises an alert for a failed, aborted or timed-out run.
pub(super) async fn failed(
    tx: &mut Tx<'_>,
    source: &str,
    run: &Run,
    (id, event): (EventId, &Event),
) -> Result<(), StoreError> {
    let how = event.kind.rsplit('.').next().unwrap_or_default();
    let run_id = run.actor_run_id.as_deref().unwrap_or("not known");
    let text = format!(
        "run ({}) of {} for guild {} ended as {how}; Apify run id {run_id}",
        run.purpose,
        actor(run),
        run.guild_id,
    );
    tx.alert(&Alert {
        alert_type: FAILED,
        key: &key(run),
        severity: Severity::Warning,
        source,
        event: Some(id),
        text: &text,
        passing: false,
    })
    .await
}

/// Resolves the alert for failed runs.
pub(super) async fn succeeded(
    tx: &mut Tx<'_>,
    source: &str,
    run: &Run,
    event: EventId,
) -> Result<(), StoreError> {
    let text = format!("runs of {} for guild {} succeed again", actor(run), run.guild_id);
    let (key, event) = (&*key(run), Some(event));
    tx.close_alert(&AlertResolution { alert_type: FAILED, key, source, event, text: &text })
        .await?;
    Ok(())
}

/// Raises an alert for expired runs.
pub(super) async fn expired(tx: &mut Tx<'_>, source: &str, runs: u64) -> Result<(), StoreError> {
    let text = format!("{runs} runs were not heard from in time and expired");
    tx.alert(&Alert {
        alert_type: EXPIRED,
        key: "",
        severity: Severity::Warning,
        source,
        event: None,
        text: &text,
        passing: true,
    })
    .await
}

fn actor(run: &Run) -> &str {
    let platform = run.platform.map(super::Platform::as_str);
    run.actor_id.as_deref().or(platform).unwrap_or("an unnamed actor")
}

fn key(run: &Run) -> String {
    format!("{} {}", run.guild_id, actor(run))
}
