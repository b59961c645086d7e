//! Freeing a lane: what waits behind a blocking dead head goes on, and the head stays open.

use super::{Caller, DeadLetters, OperatorError, Reason, Scope, wake_gateways};
use crate::store::{AuditEntry, Deed};

impl DeadLetters {
    /// Lets a blocking dead head hold its lane no longer. It stays a dead letter; its replay goes
    /// to the end of the lane.
    ///
    /// # Errors
    /// [`OperatorError::NotFound`]; [`OperatorError::Conflict`] when it holds no lane;
    /// [`OperatorError::Invalid`] without a reason; [`OperatorError::Denied`] without
    /// [`Scope::EventsReplay`]; [`OperatorError::Store`].
    pub async fn free(
        &self,
        caller: &Caller,
        delivery: i64,
        reason: &str,
    ) -> Result<(), OperatorError> {
        caller.needs(Scope::EventsReplay)?;
        let reason = Reason::new(reason)?.get();
        let mut tx = self.store.begin().await?;
        if tx.lock_deliveries(&[delivery], caller.tenant()).await?.is_empty() {
            return Err(OperatorError::NotFound(format!("delivery {delivery}")));
        }
        if !tx.free_lane(delivery, self.clock.now()).await? {
            return Err(OperatorError::Conflict(format!(
                "delivery {delivery} holds no lane: nothing waits for it"
            )));
        }
        let (at, actor) = (self.clock.now(), caller.actor());
        let deed = Deed { at, actor, action: "free", reason, job: None };
        tx.note(deed, &[delivery], &[]).await?;
        let entry = AuditEntry {
            at,
            actor,
            action: "free lane",
            target: &format!("delivery {delivery}"),
            reason,
            count: 1,
        };
        tx.audit_with(&entry, caller.audit_more()).await?;
        tx.commit(()).await?;
        wake_gateways(&self.store).await;
        Ok(())
    }
}
