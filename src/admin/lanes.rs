//! Unblocking a lane: the deliveries behind a dead letter proceed, and it stays open.

use super::change::{Audited, AuditedChange};
use super::{AdminError, Caller, DeadLetters, Reason, Scope};
use crate::store::OperatorAction;

impl DeadLetters {
    /// Unblocks the lane of a dead letter. It stays open; a replay joins the end of the lane.
    ///
    /// # Errors
    /// [`AdminError::Conflict`] if it blocks no lane.
    pub async fn unblock(
        &self,
        caller: &Caller,
        delivery: i64,
        reason: &Reason,
    ) -> Result<(), AdminError> {
        caller.needs(Scope::EventsReplay)?;
        let mut change = AuditedChange::begin(&self.store, &self.clock, caller).await?;
        let (tx, at) = (&mut change.tx, change.at);
        if tx.lock_deliveries(&[delivery], caller.tenant()).await?.is_empty() {
            return Err(AdminError::NotFound(format!("delivery {delivery}")));
        }
        if !tx.unblock_lane(delivery, at).await? {
            return Err(AdminError::Conflict(format!("delivery {delivery} does not block a lane")));
        }
        let actor = caller.actor();
        let action = OperatorAction { at, actor, action: "unblock", reason, job: None };
        tx.record_action(action, &[delivery], &[]).await?;
        let target = format!("delivery {delivery}");
        change.commit(Audited { action: "unblock", target: &target, reason, count: 1 }).await?;
        Ok(())
    }
}
