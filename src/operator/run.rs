//! Acting on many: one transaction per batch.

use std::error::Error;

use tracing::{info, warn};

use super::{Action, DeadLetters, Mandate, Refused};
use crate::store::{AuditEntry, DeadLetterFilter, Deed, Page, StoreError};

/// The most deliveries of one transaction.
pub const BATCH: u16 = 500;

/// An action on a selection, under way.
pub struct Run<'a> {
    pub(super) desk: &'a DeadLetters,
    pub(super) action: Action,
    pub(super) filter: DeadLetterFilter,
    pub(super) target: String,
    pub(super) mandate: Mandate,
    pub(super) force: bool,
    pub(super) after: i64,
    /// A replay that dies again is a dead letter again: this run must not pick it up.
    pub(super) up_to: i64,
}

/// What one batch has done. Committed.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// The deliveries that were replayed or discarded.
    pub resolved: Vec<i64>,
    /// The new deliveries.
    pub created: Vec<i64>,
    /// Those about which nothing was done, and why.
    pub refused: Vec<(i64, Refused)>,
}

impl Run<'_> {
    /// Does the next batch; `None` when nothing is left.
    ///
    /// # Errors
    /// [`StoreError`]: this batch has not happened, unless it was the commit that failed.
    pub async fn next(&mut self) -> Result<Option<Batch>, StoreError> {
        let store = &self.desk.store;
        let page = Page { after: self.after, up_to: self.up_to, limit: i64::from(BATCH) };
        let ids: Vec<i64> =
            store.dead_letters(&self.filter, page).await?.iter().map(|letter| letter.id).collect();
        let Some(last) = ids.last().copied() else { return Ok(None) };
        let now = self.desk.clock.now();

        let mut tx = store.begin().await?;
        let mut batch = Batch::default();
        let mut pairs = Vec::new();
        for delivery in tx.lock_deliveries(&ids).await? {
            match self.action.decide(&delivery, &self.desk.routing, self.force) {
                Ok(handlers) => {
                    batch.resolved.push(delivery.id);
                    pairs.extend(handlers.into_iter().map(|handler| (delivery.id, handler)));
                }
                // Nobody asked for this one by name, and it no longer matches: another operator
                // was quicker.
                Err(Refused::Resolved(_)) if self.filter.ids.is_none() => {}
                Err(refused) => batch.refused.push((delivery.id, refused)),
            }
        }
        if !batch.resolved.is_empty() {
            batch.created = tx.insert_replays(&pairs, now).await?;
            tx.resolve(&batch.resolved, self.action.resolution(), now).await?;
            let (actor, action) = (&*self.mandate.actor, self.action.as_str());
            let discarded =
                if self.action == Action::Discard { &batch.resolved[..] } else { &[][..] };
            tx.note(Deed { at: now, actor, action }, discarded, &batch.created).await?;
            tx.audit(&AuditEntry {
                at: now,
                actor,
                action,
                target: &self.target,
                reason: &self.mandate.reason,
                count: batch.resolved.len() as u64,
            })
            .await?;
        }
        let batch = tx.commit(batch).await?.into_inner();
        self.after = last;
        if !batch.resolved.is_empty() {
            info!(
                action = self.action.as_str(),
                actor = self.mandate.actor,
                count = batch.resolved.len(),
                "an operator dealt with dead letters"
            );
            // A gateway that does not hear of it looks at its next poll.
            if let Err(error) = store.announce().await {
                warn!(error = &error as &dyn Error, "cannot announce the replays");
            }
        }
        Ok(Some(batch))
    }
}
