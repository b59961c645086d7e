//! Applies an action to dead letters in one transaction: new deliveries, resolutions, the change
//! stream and the audit entry.

use std::net::IpAddr;

use time::OffsetDateTime;
use tracing::info;

use super::{DeadLetterAction, DeadLetters, Refused};
use crate::admin::wake_gateways;
use crate::store::{AuditEntry, AuditMore, OperatorAction, StoreError, Tx};

#[derive(Debug, Clone, Default)]
pub struct BatchResult {
    /// The deliveries that were replayed or discarded; or the ids of the rejected requests that
    /// were accepted or discarded.
    pub resolved: Vec<i64>,
    /// The new deliveries; or the ids of the rejected requests that became new events.
    pub created: Vec<i64>,
    /// Those that were skipped, and why.
    pub refused: Vec<(i64, Refused)>,
}

/// An action to apply and its caller.
pub(in crate::admin) struct BatchRequest<'a> {
    pub(in crate::admin) action: DeadLetterAction,
    pub(in crate::admin) force: bool,
    /// Whether they were selected by id: resolved ones are then reported as skipped.
    pub(in crate::admin) by_id: bool,
    pub(in crate::admin) tenant: Option<&'a str>,
    pub(in crate::admin) address: Option<IpAddr>,
    pub(in crate::admin) actor: &'a str,
    pub(in crate::admin) reason: &'a str,
    pub(in crate::admin) target: &'a str,
    pub(in crate::admin) job: Option<i64>,
    pub(in crate::admin) at: OffsetDateTime,
}

impl DeadLetters {
    /// Applies the action in a transaction that the caller commits.
    pub(in crate::admin) async fn apply(
        &self,
        tx: &mut Tx<'_>,
        ids: &[i64],
        request: &BatchRequest<'_>,
    ) -> Result<BatchResult, StoreError> {
        let mut batch = BatchResult::default();
        let mut pairs = Vec::new();
        for delivery in tx.lock_deliveries(ids, request.tenant).await? {
            match request.action.decide(&delivery, &self.routing, request.force) {
                Ok(handlers) => {
                    batch.resolved.push(delivery.id);
                    pairs.extend(handlers.into_iter().map(|handler| (delivery.id, handler)));
                }
                // No longer matches: another user resolved it first.
                Err(Refused::Resolved(_)) if !request.by_id => {}
                Err(refused) => batch.refused.push((delivery.id, refused)),
            }
        }
        if batch.resolved.is_empty() {
            return Ok(batch);
        }
        let BatchRequest { at, actor, job, reason, .. } = *request;
        let action = request.action.as_str();
        batch.created = tx.insert_replays(&pairs, None, at).await?;
        tx.resolve(&batch.resolved, request.action.resolution(), at).await?;
        let discarded =
            if request.action == DeadLetterAction::Discard { &batch.resolved[..] } else { &[] };
        tx.record_action(
            OperatorAction { at, actor, action, reason, job },
            discarded,
            &batch.created,
        )
        .await?;
        let entry = AuditEntry {
            at,
            actor,
            action,
            target: request.target,
            reason: request.reason,
            count: batch.resolved.len() as u64,
        };
        let more =
            AuditMore { tenant: request.tenant, address: request.address, ..AuditMore::default() };
        tx.audit_with(&entry, more).await?;
        Ok(batch)
    }

    /// Logs what was committed, and wakes idle gateways.
    pub(in crate::admin) async fn announce(
        &self,
        batch: &BatchResult,
        action: DeadLetterAction,
        actor: &str,
    ) {
        if batch.resolved.is_empty() {
            return;
        }
        info!(
            action = action.as_str(),
            actor,
            count = batch.resolved.len(),
            "dead letters resolved by an operator"
        );
        wake_gateways(&self.store).await;
    }
}
