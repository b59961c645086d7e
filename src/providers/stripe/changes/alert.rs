//! The alert for a disputed payment: evidence is accepted for a few days only.

use super::super::lifecycle::Dispute;
use super::super::money::Money;
use super::super::refusal::owner;
use super::super::tables::Stamp;
use crate::store::{Alert, AlertResolution, EventId, Severity, StoreError, Tx};

const DISPUTED: &str = "payment_disputed";

/// Raises an alert for a new or changed dispute, and resolves it when the dispute is closed. A
/// dispute first seen as closed raises none.
pub(super) async fn update_alert(
    tx: &mut Tx<'_>,
    stamp: &Stamp,
    known: Option<&Dispute>,
    joined: &Dispute,
) -> Result<(), StoreError> {
    if known.is_some_and(|known| known.status == joined.status) {
        return Ok(());
    }
    let money = Money { amount: joined.amount, currency: &joined.currency };
    let (source, key, status) = (&stamp.source, &joined.id, &joined.status);
    let (alert_type, event) = (DISPUTED, Some(EventId(stamp.event_id)));
    if Dispute::is_closed(status) {
        let text = format!("dispute {key} of {money} closed: {status}");
        tx.close_alert(&AlertResolution { alert_type, key, source, event, text: &text }).await?;
        return Ok(());
    }
    let reason = joined.reason.as_ref().map(|reason| format!(", {reason}")).unwrap_or_default();
    let until = joined.evidence_due_by.map(|due_by| format!(", evidence due by {}", due_by.date()));
    let text = format!(
        "{money} of {} disputed{reason}: dispute {key}, {status}{}",
        owner(joined.account.as_deref()),
        until.unwrap_or_default(),
    );
    let severity = if joined.is_inquiry() { Severity::Warning } else { Severity::Critical };
    let passing = false;
    tx.alert(&Alert { alert_type, key, severity, source, event, text: &text, passing }).await
}
