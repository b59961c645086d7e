//! Doing something about some dead letters, in one transaction: their new deliveries or their
//! resolution, what the stream tells of it, and the line in the audit log.

use std::net::IpAddr;

use time::OffsetDateTime;
use tracing::info;

use super::{Action, DeadLetters, Refused};
use crate::admin::wake_gateways;
use crate::store::{AuditEntry, AuditMore, OperatorAction, StoreError, Tx};

/// What was done.
#[derive(Debug, Clone, Default)]
pub struct ActionResult {
    /// The deliveries that were replayed or discarded; of rejected requests, the numbers of those
    /// that were accepted or removed.
    pub resolved: Vec<i64>,
    /// The new deliveries; of rejected requests, the numbers of those that became new events.
    pub created: Vec<i64>,
    /// Those about which nothing was done, and why.
    pub refused: Vec<(i64, Refused)>,
}

/// What is to be done, and who says so.
pub(in crate::admin) struct ActionRequest<'a> {
    pub(in crate::admin) action: Action,
    pub(in crate::admin) force: bool,
    /// They were asked for one by one: whoever did wants to know why nothing is done.
    pub(in crate::admin) named: bool,
    pub(in crate::admin) tenant: Option<&'a str>,
    pub(in crate::admin) address: Option<IpAddr>,
    pub(in crate::admin) actor: &'a str,
    pub(in crate::admin) reason: &'a str,
    pub(in crate::admin) target: &'a str,
    pub(in crate::admin) job: Option<i64>,
    pub(in crate::admin) at: OffsetDateTime,
}

impl DeadLetters {
    /// Does it, in a transaction that the caller commits.
    pub(in crate::admin) async fn apply(
        &self,
        tx: &mut Tx<'_>,
        ids: &[i64],
        orders: &ActionRequest<'_>,
    ) -> Result<ActionResult, StoreError> {
        let mut batch = ActionResult::default();
        let mut pairs = Vec::new();
        for delivery in tx.lock_deliveries(ids, orders.tenant).await? {
            match orders.action.decide(&delivery, &self.routing, orders.force) {
                Ok(handlers) => {
                    batch.resolved.push(delivery.id);
                    pairs.extend(handlers.into_iter().map(|handler| (delivery.id, handler)));
                }
                // It no longer matches: another operator was quicker.
                Err(Refused::Resolved(_)) if !orders.named => {}
                Err(refused) => batch.refused.push((delivery.id, refused)),
            }
        }
        if batch.resolved.is_empty() {
            return Ok(batch);
        }
        let ActionRequest { at, actor, job, reason, .. } = *orders;
        let action = orders.action.as_str();
        batch.created = tx.insert_replays(&pairs, None, at).await?;
        tx.resolve(&batch.resolved, orders.action.resolution(), at).await?;
        let discarded = if orders.action == Action::Discard { &batch.resolved[..] } else { &[] };
        tx.note(OperatorAction { at, actor, action, reason, job }, discarded, &batch.created)
            .await?;
        let entry = AuditEntry {
            at,
            actor,
            action,
            target: orders.target,
            reason: orders.reason,
            count: batch.resolved.len() as u64,
        };
        let more =
            AuditMore { tenant: orders.tenant, address: orders.address, ..AuditMore::default() };
        tx.audit_with(&entry, more).await?;
        Ok(batch)
    }

    /// Tells what was committed: the log, and gateways that wait for work.
    pub(in crate::admin) async fn tell(&self, batch: &ActionResult, action: Action, actor: &str) {
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
