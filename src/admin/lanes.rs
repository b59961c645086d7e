//! Freeing a lane: what waits behind a blocking dead head goes on, and the head stays open.

use super::{AdminError, Caller, DeadLetters, Reason, Scope, wake_gateways};
use crate::store::{AuditEntry, OperatorAction};

impl DeadLetters {
    /// Lets a blocking dead head hold its lane no longer. It stays a dead letter; its replay goes
    /// to the end of the lane.
    ///
    /// # Errors
    /// [`AdminError::NotFound`]; [`AdminError::Conflict`] when it holds no lane;
    /// [`AdminError::Invalid`] without a reason; [`AdminError::Denied`] without
    /// [`Scope::EventsReplay`]; [`AdminError::Store`].
    pub async fn free(
        &self,
        caller: &Caller,
        delivery: i64,
        reason: &str,
    ) -> Result<(), AdminError> {
        caller.needs(Scope::EventsReplay)?;
        let reason = Reason::new(reason)?.get();
        let mut tx = self.store.begin().await?;
        if tx.lock_deliveries(&[delivery], caller.tenant()).await?.is_empty() {
            return Err(AdminError::NotFound(format!("delivery {delivery}")));
        }
        if !tx.unblock_lane(delivery, self.clock.now()).await? {
            return Err(AdminError::Conflict(format!("delivery {delivery} does not block a lane")));
        }
        let (at, actor) = (self.clock.now(), caller.actor());
        let performed = OperatorAction { at, actor, action: "unblock", reason, job: None };
        tx.note(performed, &[delivery], &[]).await?;
        let entry = AuditEntry {
            at,
            actor,
            action: "unblock lane",
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
